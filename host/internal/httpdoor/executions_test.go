package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fakeExecutions are one execution that has ended, whatever id is asked for.
type fakeExecutions struct{ x executions.Execution }

var _ Executions = (*fakeExecutions)(nil)

func (f *fakeExecutions) Get(string) (executions.Execution, error) { return f.x, nil }

func (f *fakeExecutions) List(executions.Filter) ([]executions.Execution, string, error) {
	return []executions.Execution{f.x}, "", nil
}

func (f *fakeExecutions) Report(string) (tool.Report, error) {
	return tool.NewReport(tool.Result{ExecutionID: f.x.ID}, nil), nil
}

func (f *fakeExecutions) Read(string, executions.Part, int64, int) (executions.Chunk, error) {
	return executions.Chunk{Data: []byte(`{}`), Total: 2, Complete: true}, nil
}

func (f *fakeExecutions) Follow(context.Context, string, executions.Position) iter.Seq2[executions.Update, error] {
	return func(yield func(executions.Update, error) bool) {
		yield(executions.Update{Execution: &f.x, End: true}, nil)
	}
}

func (f *fakeExecutions) Cancel(string, error) error { return nil }
func (f *fakeExecutions) Delete(string) error        { return nil }

// withExecutions gives a door executions, and lets it begin others like them.
func withExecutions(c *Config, f *fakeExecutions) {
	c.Executions = func(context.Context) Executions { return f }
	c.Detach = func(context.Context, tool.Request) (executions.Execution, error) { return f.x, nil }
}

// library is a book in memory, as the door of a host has it.
type library struct {
	*executions.Book
	t testing.TB
}

func newLibrary(t testing.TB) library {
	t.Helper()
	book, err := executions.Open(executions.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() }) // there is nothing to write
	return library{book, t}
}

// shown gives a door what its clients may see of the book.
func (l library) shown(c *Config) {
	c.Executions = func(ctx context.Context) Executions {
		id, known := auth.From(ctx)
		return l.For(executions.Viewer{Client: origin.From(ctx).Client, All: !known || id.Role == auth.Admin})
	}
}

// begin has a client run ATool, and returns the id. cancel may be nil.
func (l library) begin(client string, cancel context.CancelCauseFunc) string {
	l.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	err := l.Begin(executions.Execution{
		ID: id, CorrelationID: "c-" + client, Tool: "ATool", Client: client, Target: "10.0.0.1", Detached: true,
		Arguments: json.RawMessage(`{"target":"10.0.0.1"}`),
	}, cancel)
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

// print has an execution print something.
func (l library) print(id, text string) {
	l.Event(id, tool.Event{Output: &tool.Output{Stream: tool.Stdout, Data: []byte(text)}})
}

func (l library) end(id string, r tool.Result) { l.End(id, executions.Outcome{Result: r}) }

// as makes a request of the client of a role.
func as(role, method, path, body string) *http.Request {
	return request(method, path, body, "Authorization", "Bearer "+role)
}

func TestAnExecutionIsBegun(t *testing.T) {
	var got tool.Request
	d := newDoor(t, withEverything, withTokens, func(c *Config) {
		c.Detach = func(_ context.Context, r tool.Request) (executions.Execution, error) {
			got = r
			return executions.Execution{ID: exampleID, CorrelationID: "c-1", Tool: r.Tool, State: executions.Queued}, nil
		}
	})
	w := serve(d, as("secret", "POST", "/executions",
		` {"arguments" : {"target": "10.0.0.1", "more": [null, 1e2]} , "tool": "ATool"}`))
	v := parse(t, w, "application/json")
	if w.Code != 202 || w.Header().Get("Location") != "/executions/"+exampleID || v["execution_id"] != exampleID ||
		w.Header().Get("X-Correlation-ID") != "c-1" || v["state"] != "queued" || v["result"] != nil {
		t.Errorf("POST /executions = %d %v %s, want 202, where it is, and how", w.Code, w.Header(), w.Body)
	}
	if got.Tool != "ATool" || got.Client != "ci" || string(got.Arguments) != `{"target": "10.0.0.1", "more": [null, 1e2]}` {
		t.Errorf("Detach got %+v %s, want the tool, the client and the arguments as they were sent", got, got.Arguments)
	}
	serve(d, as("secret", "POST", "/executions", `{"tool": "ATool"}`))
	if string(got.Arguments) != `{}` {
		t.Errorf("without arguments Detach got %s, want none", got.Arguments)
	}
}

func TestWhatIsNoExecutionToBeginIsRefused(t *testing.T) {
	d := newDoor(t, withEverything, func(c *Config) {
		c.Detach = func(_ context.Context, r tool.Request) (executions.Execution, error) {
			t.Errorf("Detach got %+v, want nothing", r)
			return executions.Execution{}, nil
		}
	})
	for _, row := range []struct{ body, pointer, detail string }{
		{`{}`, "/tool", "name of a tool"},
		{`{"tool": ""}`, "/tool", "name of a tool"},
		{`{"tool": "a tool"}`, "/tool", "name of a tool"},
		{`{"tool": "` + strings.Repeat("a", 65) + `"}`, "/tool", "name of a tool"},
		{`{"tool": 1}`, "/tool", "number"},
		{`{"tool": {"a": 1}, "arguments": {"a": 1}}`, "/tool", "object"},
		{`{"tool": "ATool", "Arguments": {}}`, "/Arguments", "did you mean arguments?"},
		{`{"tool": "ATool", "arguments": []}`, "/arguments", "an array; wanted is an object"},
		{`{"tool": "ATool", "arguments": "x"}`, "/arguments", "wanted is an object"},
		{`{"tool": "ATool", "arguments": {"a": 1, "a": 2}}`, "/arguments/a", "twice"},
		{`{"tool": "ATool", "arguments": {"target": "x"}, "timeout": 3}`, "/timeout", "(at byte"},
		{`{"extra": {"x": 1}, "tool": "ATool", "arguments": {"x": 1}}`, "/extra", "no such member"},
		{`[]`, "", "wanted is an object"},
		{`{"tool": "ATool"`, "", "body"},
		{`{"tool": "ATool", "arguments": ` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 41),
			"/arguments" + strings.Repeat("/a", 32), "body"},
	} {
		p := checkProblem(t, serve(d, request("POST", "/executions", row.body)), 400, tool.KindValidation)
		meta, _ := p["metadata"].(map[string]any)
		if detail, _ := p["detail"].(string); meta["pointer"] != row.pointer || !strings.Contains(detail, row.detail) {
			t.Errorf("POST %.80s = %v at %v, want %q at %q", row.body, detail, meta["pointer"], row.detail, row.pointer)
		}
	}
	r := request("POST", "/executions", `{"tool": "ATool"}`)
	r.Header.Set("Content-Type", "text/plain")
	checkProblem(t, serve(d, r), 415, tool.KindValidation)
	large := `{"tool": "ATool", "arguments": {"a": "` + strings.Repeat("x", maxRESTBody) + `"}}`
	checkProblem(t, serve(d, request("POST", "/executions", large)), 413, tool.KindValidation)
}

func TestAnExecutionIsRefusedLikeACall(t *testing.T) {
	for kind, status := range map[tool.Kind]int{
		tool.KindValidation: 400, tool.KindOutOfScope: 403, tool.KindForbidden: 403, tool.KindDisabled: 403,
		tool.KindToolNotFound: 404, tool.KindRateLimited: 429, tool.KindOverloaded: 503, tool.KindBreakerOpen: 503,
		tool.KindUnavailable: 503, tool.KindTimeout: 502, tool.KindCancelled: 499, tool.KindUnknown: 500,
	} {
		d := newDoor(t, withEverything, func(c *Config) {
			c.Detach = func(_ context.Context, r tool.Request) (executions.Execution, error) {
				e := tool.Errorf(kind, "no")
				e.RetryAfter = 1200 * time.Millisecond
				return executions.Execution{ID: "e-1", CorrelationID: "c-1"}, e.About(r.Tool, "10.0.0.1")
			}
		})
		w := serve(d, request("POST", "/executions", `{"tool": "ATool"}`))
		p := checkProblem(t, w, status, kind)
		if p["execution_id"] != "e-1" || p["tool"] != "ATool" || w.Header().Get("X-Correlation-ID") != "c-1" ||
			w.Header().Get("Retry-After") != "2" || w.Header().Get("Location") != "" {
			t.Errorf("%s: POST = %v %s, want the ids and when to come back", kind, w.Header(), w.Body)
		}
	}
}

// A page is a prefix of what is left, whoever asks.
func TestPagesOfExecutionsFollowOneAnother(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown, withRoles)
	var mine, all []string
	for i := range 7 {
		client := []string{"the-viewer", "the-caller"}[i%2]
		id := l.begin(client, nil)
		if all = append(all, id); client == "the-viewer" {
			mine = append(mine, id)
		}
	}
	for role, want := range map[string][]string{"viewer": mine, "admin": all} {
		var got []string
		cursor, pages := "", 0
		for ; pages < 9; pages++ {
			page := parse(t, serve(d, as(role, "GET", "/executions?limit=2&cursor="+cursor, "")), "application/json")
			list, _ := page["executions"].([]any)
			for _, x := range list {
				got = append(got, x.(map[string]any)["execution_id"].(string))
			}
			if cursor, _ = page["next_cursor"].(string); cursor == "" {
				break
			}
		}
		slices.Reverse(got)
		if !slices.Equal(got, want) || pages != (len(want)-1)/2 {
			t.Errorf("the pages of %s have %q, want %q, two on each", role, got, want)
		}
	}
	empty := serve(d, as("viewer", "GET", "/executions?state=failed", ""))
	if got := strings.TrimSpace(empty.Body.String()); got != `{"executions":[]}` {
		t.Errorf("of none = %s, want an empty list", got)
	}
}

func TestExecutionsAreFiltered(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	l.Start(id)
	other := uuid.Must(uuid.NewV7()).String()
	if err := l.Begin(executions.Execution{ID: other, Tool: "BTool", Target: "10.0.0.2"}, nil); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		"": 2, "?tool=": 2, "?tool=ATool": 1, "?target=10.0.0.2": 1, "?state=running": 1, "?state=queued&tool=ATool": 0,
		"?limit=100": 2, "?limit=1": 1, "?cursor=" + other: 1, "?tool=none": 0,
	} {
		page := parse(t, serve(d, request("GET", "/executions"+query, "")), "application/json")
		if list, _ := page["executions"].([]any); len(list) != want {
			t.Errorf("GET /executions%s = %v, want %d", query, page, want)
		}
	}
	for query, names := range map[string]string{
		"?colour=red": `\"colour\"`, "?tool=a&tool=b": "tool stands there 2 times", "?Tool=a": `\"Tool\"`,
		"?limit=0": "limit", "?limit=101": "1 to 100", "?limit=-1": "limit", "?limit=1e1": "limit", "?limit=%2B1": "limit",
		"?state=asleep": "interrupted", "?cursor=x": "cursor", "?a=1&b=2": `\"a\" is not known here; \"b\"`,
		"?a;b": "percent-encoded", "?%zz": "percent-encoded", "?" + strings.Repeat("x", 999): "is not known",
	} {
		w := serve(d, request("GET", "/executions"+query, ""))
		checkProblem(t, w, 400, tool.KindValidation)
		if !strings.Contains(w.Body.String(), names) || w.Body.Len() > 999 {
			t.Errorf("GET /executions%.60s = %s, want it to name %s", query, w.Body, names)
		}
	}
}

func TestAnExecutionIsShownWithItsResult(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	show := func() map[string]any {
		t.Helper()
		return parse(t, serve(d, request("GET", "/executions/"+id, "")), "application/json")
	}
	if v := show(); v["state"] != "queued" || v["result"] != nil || v["client"] != "a" {
		t.Errorf("one that waits = %v, want no result", v)
	}
	l.Start(id)
	l.print(id, "\x1b[31mhalf \xe2\x82")
	result, _ := show()["result"].(map[string]any)
	if v := show(); v["state"] != "running" || result["stdout"] != "\x1b[31mhalf " || result["returncode"] != -1.0 {
		t.Errorf("one that runs = %v, want what it printed so far, as it is", v)
	}
	l.print(id, "\xac")
	l.end(id, tool.Result{Stdout: "\x1b[31mhalf €", ReturnCode: 3, Data: json.RawMessage(`{"up":true}`)})
	result, _ = show()["result"].(map[string]any)
	if v := show(); v["state"] != "completed" || v["returncode"] != 3.0 || result["stdout"] != "\x1b[31mhalf €" ||
		fmt.Sprint(result["data"]) != "map[up:true]" || result["execution_id"] != id {
		t.Errorf("one that has ended = %v, want its result", v)
	}
}

// changing is an execution that ends while it is looked at.
type changing struct {
	fakeExecutions
	looks int
}

func (c *changing) Get(string) (executions.Execution, error) {
	x := executions.Execution{ID: exampleID, State: executions.Running}
	if c.looks++; c.looks > 1 {
		x.State = executions.Completed
	}
	return x, nil
}

func (c *changing) Report(string) (tool.Report, error) {
	return tool.NewReport(tool.Result{Stdout: fmt.Sprint("after look ", c.looks)}, nil), nil
}

func TestAnExecutionAndItsResultAreOfOneState(t *testing.T) {
	d := newDoor(t, func(c *Config) { c.Executions = func(context.Context) Executions { return &changing{} } })
	v := parse(t, serve(d, request("GET", "/executions/"+exampleID, "")), "application/json")
	if result, _ := v["result"].(map[string]any); v["state"] != "completed" || result["stdout"] != "after look 3" {
		t.Errorf("one that ends meanwhile = %v, want the result of its end", v)
	}
}

func TestALargeResultIsWhole(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	out, errs := strings.Repeat("<€\x01\n", 40_000), strings.Repeat("e", 2*piece)
	l.end(id, tool.Result{Stdout: out, Stderr: errs, Metadata: map[string]any{"fact": 1}})
	v := parse(t, serve(d, request("GET", "/executions/"+id, "")), "application/json")
	result, _ := v["result"].(map[string]any)
	if result["stdout"] != out || result["stderr"] != errs || fmt.Sprint(result["metadata"]) != "map[fact:1]" ||
		v["execution_id"] != id || v["stdout_bytes"] != float64(len(out)) {
		t.Errorf("a large one has members %v and a result of %d, want all of it", len(v), len(result))
	}
}

// Nobody learns what others run: the answer is that of an id that never was.
func TestWhatBelongsToOthersIsNotThere(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown, withRoles)
	theirs, never := l.begin("the-admin", nil), uuid.Must(uuid.NewV7()).String()
	l.end(theirs, tool.Result{Data: json.RawMessage(`{}`)})
	for _, row := range []struct{ method, path string }{
		{"GET", ""}, {"DELETE", ""}, {"GET", "/events"}, {"GET", "/stdout"}, {"GET", "/stderr"}, {"GET", "/data"},
	} {
		answer := func(id string) string {
			p := checkProblem(t, serve(d, as("caller", row.method, "/executions/"+id+row.path, "")), 404, tool.KindValidation)
			delete(p, "timestamp")
			delete(p, "correlation_id")
			return strings.ReplaceAll(fmt.Sprint(p), id, "ID")
		}
		if got, want := answer(theirs), answer(never); got != want {
			t.Errorf("%s %s of another = %s, want %s", row.method, row.path, got, want)
		}
		for _, bad := range []string{"x", strings.Repeat("0", 36), "%41", strings.Repeat("a", 999)} {
			w := serve(d, as("caller", row.method, "/executions/"+bad+row.path, ""))
			checkProblem(t, w, 400, tool.KindValidation)
			if w.Body.Len() > 999 {
				t.Errorf("the answer to a bad id has %d bytes, want it short", w.Body.Len())
			}
		}
	}
	if w := serve(d, as("admin", "GET", "/executions/"+theirs, "")); w.Code != 200 {
		t.Errorf("GET of an administrator = %d %s, want 200", w.Code, w.Body)
	}
}

func TestDeleteCancelsWhatRunsAndForgetsWhatHasEnded(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown, withRoles)
	ctx, cancel := context.WithCancelCause(t.Context())
	id := l.begin("the-caller", cancel)
	path := "/executions/" + id
	checkProblem(t, serve(d, as("viewer", "DELETE", path, "")), 403, tool.KindForbidden)
	for range 2 {
		w := serve(d, as("caller", "DELETE", path, ""))
		if v := parse(t, w, "application/json"); w.Code != 202 || v["state"] != "queued" {
			t.Errorf("DELETE of one that waits = %d %s, want 202 and how it is", w.Code, w.Body)
		}
	}
	if why := context.Cause(ctx); why == nil || !strings.Contains(why.Error(), "the-caller") {
		t.Errorf("it is cancelled because %v, want who did it", why)
	}
	l.End(id, executions.Outcome{Err: tool.Errorf(tool.KindCancelled, "the caller went away")})
	w := serve(d, as("caller", "DELETE", path, ""))
	if v := parse(t, w, "application/json"); w.Code != 200 || v["status"] != "forgotten" {
		t.Errorf("DELETE of one that has ended = %d %s, want it forgotten", w.Code, w.Body)
	}
	checkProblem(t, serve(d, as("caller", "GET", path, "")), 404, tool.KindValidation)
}

// failing is an execution that runs, and whose end goes wrong.
type failing struct {
	fakeExecutions
	err error
}

func (f *failing) Cancel(string, error) error { return f.err }
func (f *failing) Delete(string) error        { return f.err }

func TestAnEndThatGoesWrongIsTold(t *testing.T) {
	because := func(kind tool.Kind, reason string) error {
		return fmt.Errorf("book: %w", tool.Errorf(kind, "no").With("reason", reason))
	}
	for _, row := range []struct {
		state  executions.State
		err    error
		status int
	}{
		{executions.Running, because(tool.KindUnavailable, executions.ReasonOtherHost), 409},
		{executions.Running, because(tool.KindValidation, executions.ReasonEnded), 202}, // it ended just now, and is kept
		{executions.Running, because(tool.KindUnavailable, executions.ReasonStoreFails), 503},
		{executions.Running, errors.New("boom"), 500},
		{executions.Failed, because(tool.KindValidation, executions.ReasonNotEnded), 409},
		{executions.Failed, because(tool.KindValidation, executions.ReasonNoSuch), 404},
	} {
		d := newDoor(t, func(c *Config) {
			x := executions.Execution{ID: exampleID, State: row.state}
			c.Executions = func(context.Context) Executions { return &failing{fakeExecutions{x}, row.err} }
		})
		if w := serve(d, request("DELETE", "/executions/"+exampleID, "")); w.Code != row.status {
			t.Errorf("DELETE of one that is %s, where %v = %d %s, want %d", row.state, row.err, w.Code, w.Body, row.status)
		}
	}
}

func TestTheAddressOfAdministratorsShowsExecutions(t *testing.T) {
	whole := newDoor(t, withEverything)
	admin := whole.AdminOnly(Side{Hosts: HostsOf("127.0.0.1")})
	const path = "/executions/" + exampleID
	for _, row := range []struct {
		door         *Door
		method, path string
		status       int
	}{
		{admin, "GET", "/executions", 200}, {admin, "GET", path, 200}, {admin, "GET", path + "/stdout", 200},
		{admin, "POST", "/executions", 405}, {admin, "DELETE", path, 405}, {admin, "GET", path + "/events", 404},
		{whole.WithoutAdmin(), "DELETE", path, 200}, {whole.WithoutAdmin(), "GET", path + "/events", 200},
		{newDoor(t), "GET", "/executions", 404}, {newDoor(t), "GET", path, 404},
	} {
		if w := serve(row.door, request(row.method, row.path, "")); w.Code != row.status {
			t.Errorf("%s %s = %d %s, want %d", row.method, row.path, w.Code, w.Body, row.status)
		}
	}
}

// Whatever comes, no member of the body is lost behind the arguments, and these are an object.
func FuzzTakeArguments(f *testing.F) {
	for _, seed := range []string{
		`{"tool":"ATool","arguments":{"a":1}}`, `{"x":{},"arguments":{}}`, `{"arguments":{"arguments":{}}}`, `[]`, `{`,
		`{"tool":"{}","arguments":{}}`, `{"arguments":null}`, `{"Arguments":{}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		raw := []byte(body)
		arguments, rest := takeArguments(raw)
		if string(raw) != body || len(rest) != len(raw) || json.Valid(rest) != json.Valid(raw) {
			t.Errorf("takeArguments(%q) leaves %q, want all else where it was", body, rest)
		}
		if !json.Valid(arguments) || arguments[0] != '{' || len(arguments) > max(len(raw), 2) {
			t.Errorf("takeArguments(%q) = %q, want an object", body, arguments)
		}
	})
}
