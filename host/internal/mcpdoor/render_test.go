package mcpdoor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// talker is a client that writes requests by hand.
type talker struct {
	says, client string
	modern       bool
	send         func(method, params string) sent // params is an object
}

// notFound is the error for a resource that is not there.
func (c talker) notFound() int {
	if c.modern {
		return -32602
	}
	return -32002
}

// talkers are a client of each revision on each transport. capabilities are what they say of themselves.
func talkers(t testing.TB, b *bed, capabilities string) []talker {
	t.Helper()
	endpoint := b.HTTP()
	return []talker{
		{says: "stdio with a session", client: "stdio", send: stdioTalk(t, b, capabilities, false)},
		{says: "stdio, stateless", client: "stdio", modern: true, send: stdioTalk(t, b, capabilities, true)},
		{says: "http with a session", client: "ci", send: sessionTalk(t, endpoint, "ci", capabilities)},
		{says: "http, stateless", client: "ci", modern: true, send: modernTalk(t, endpoint, "ci", capabilities)},
	}
}

// body is a request; meta is what it says of itself, if anything.
func body(method, params, meta string) string {
	rest := strings.TrimPrefix(params, "{")
	if meta != "" && rest != "}" {
		meta += ","
	}
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + meta + rest + `}`
}

func stdioTalk(t testing.TB, b *bed, capabilities string, modern bool) func(method, params string) sent {
	w, meta := b.wire(t), modernMeta(capabilities, "")
	if !modern {
		meta = ""
		w.open(capabilities)
	}
	return func(method, params string) sent {
		w.send(body(method, params, meta))
		return w.next()
	}
}

func sessionTalk(t testing.TB, h *HTTP, client, capabilities string) func(method, params string) sent {
	opened := ask(t, h, client, http.MethodPost, "", strings.Replace(initializeBody, `"capabilities":{}`,
		`"capabilities":`+capabilities, 1))
	return func(method, params string) sent {
		t.Helper()
		answer := ask(t, h, client, http.MethodPost, opened.Header().Get(sessionHeader), body(method, params, ""))
		return readSent(t, answer.Body.String())
	}
}

func modernTalk(t testing.TB, h *HTTP, client, capabilities string) func(method, params string) sent {
	return func(method, params string) sent {
		t.Helper()
		r := requestOf(t, client, http.MethodPost, "", body(method, params, modernMeta(capabilities, "")))
		r.Header.Set(mcp.HeaderProtocolVersion, "2026-07-28")
		for k, v := range mcp.StandardHeaders("2026-07-28", mcp.MCPMethod(method), json.RawMessage(params)) {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return readSent(t, w.Body.String())
	}
}

// called is the result of a call, as far as tests look at it.
type called struct {
	ResultType        string                     `json:"resultType"`
	Content           []map[string]any           `json:"content"`
	StructuredContent json.RawMessage            `json:"structuredContent"`
	IsError           bool                       `json:"isError"`
	RequestState      string                     `json:"requestState"`
	InputRequests     map[string]json.RawMessage `json:"inputRequests"`

	report tool.Report // of the first content, if it is one
}

func calledOf(t testing.TB, m sent) called {
	t.Helper()
	var c called
	if err := json.Unmarshal(m.Result, &c); err != nil {
		t.Fatalf("the answer = %v %+v, want the result of a call (%v)", m, m.Error, err)
	}
	if len(c.Content) > 0 {
		text, _ := c.Content[0]["text"].(string)
		if err := json.Unmarshal([]byte(text), &c.report); err != nil {
			t.Errorf("the first content is %q, want a report (%v)", text, err)
		}
	}
	return c
}

func same(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Errorf("%s or %s is no JSON", a, b)
	}
	return reflect.DeepEqual(x, y)
}

func TestArgumentsAreAnObject(t *testing.T) {
	b := newBed(t, entry("ATool"))
	for _, c := range talkers(t, b, "{}") {
		for params, want := range map[string]string{
			`{"name":"ATool"}`:                        `{}`,
			`{"name":"ATool","arguments":null}`:       `{}`,
			`{"name":"ATool","arguments": {"a" :1} }`: `{"a" :1}`,
		} {
			b.caller.asked = nil // nobody adds to it now
			if res := calledOf(t, c.send("tools/call", params)); res.IsError {
				t.Errorf("%s: %s = %+v, want a result", c.says, params, res)
			}
			if got := b.caller.requests(); len(got) != 1 || string(got[0].Arguments) != want ||
				got[0].Client != c.client {
				t.Errorf("%s: %s: the caller saw %+v, want the arguments %s of %s", c.says, params, got, want, c.client)
			}
		}
		b.caller.asked = nil
		for _, bad := range []string{`[]`, `[{}]`, `"x"`, `5`, `true`} {
			m := c.send("tools/call", `{"name":"ATool","arguments":`+bad+`}`)
			if m.String() != "1: error -32602" || !strings.Contains(m.Error.Message, "object") {
				t.Errorf("%s: the arguments %s = %v %+v, want -32602", c.says, bad, m, m.Error)
			}
		}
		if got := b.caller.requests(); len(got) > 0 {
			t.Errorf("%s: the caller saw %+v, want nothing", c.says, got)
		}
	}
}

func TestEveryBlockOfContentIsShown(t *testing.T) {
	b := newBed(t, entry("ATool"))
	b.caller.call = func(context.Context, tool.Request) (tool.Result, error) {
		return tool.Result{Stdout: "done", Content: []tool.Content{
			{Type: tool.TextContent, Text: "red \x1b[31m"},
			{Type: tool.ImageContent, Data: []byte{1, 2}, MIMEType: "image/png"},
			{Type: tool.AudioContent, Data: []byte{3, 4}, MIMEType: "audio/wav"},
			{Type: tool.LinkContent, URI: "https://wiki.lab.internal/", Name: "wi\u202eki", Title: "The\x07 wiki",
				About:    "a\x00b",
				MIMEType: "text/html"},
			{Type: tool.ResourceText, URI: "report:1", Text: "all\u200b is well", MIMEType: "text/plain"},
			{Type: tool.ResourceText, URI: "report:2", Data: []byte{5}, MIMEType: "application/pdf"},
		}}, nil
	}
	want := []string{
		`{"type":"text","text":"red \\x1B[31m"}`,
		`{"type":"image","data":"AQI=","mimeType":"image/png"}`,
		`{"type":"audio","data":"AwQ=","mimeType":"audio/wav"}`,
		`{"type":"resource_link","uri":"https://wiki.lab.internal/","name":"wi\\u{202E}ki",` +
			`"title":"The\\x07 wiki","description":"a\\x00b","mimeType":"text/html"}`,
		`{"type":"resource","resource":{"uri":"report:1","text":"all\\u{200B} is well","mimeType":"text/plain"}}`,
		`{"type":"resource","resource":{"uri":"report:2","blob":"BQ==","mimeType":"application/pdf"}}`,
	}
	for _, c := range talkers(t, b, "{}") {
		res := calledOf(t, c.send("tools/call", `{"name":"ATool"}`))
		if len(res.Content) != 1+len(want) || res.report.Stdout != "done" || res.IsError {
			t.Fatalf("%s: %d blocks, %+v; want the report and %d", c.says, len(res.Content), res.report, len(want))
		}
		if text := res.Content[0]["text"].(string); !same(t, []byte(text), res.StructuredContent) {
			t.Errorf("%s: structuredContent = %s, want what the first block says: %s", c.says, res.StructuredContent,
				text)
		}
		for i, w := range want {
			if got, _ := json.Marshal(res.Content[i+1]); !same(t, got, []byte(w)) {
				t.Errorf("%s: block %d = %s, want %s", c.says, i+1, got, w)
			}
		}
	}
}

// textsOf is how many characters of text a result has: the report, and what stands beside it.
func textsOf(res *mcp.CallToolResult) (n int) {
	count := func(texts ...string) {
		for _, text := range texts {
			n += utf8.RuneCountInString(text)
		}
	}
	for _, c := range res.Content {
		switch c := c.(type) {
		case mcp.TextContent:
			count(c.Text)
		case mcp.ResourceLink:
			if !strings.HasPrefix(c.URI, "execution:") { // which is the host's
				count(c.URI, c.Name, c.Title, c.Description, c.MIMEType)
			}
		case mcp.EmbeddedResource:
			if r, ok := c.Resource.(mcp.TextResourceContents); ok {
				count(r.URI, r.MIMEType, r.Text)
			}
		}
	}
	return n
}

func TestTheReportAndWhatStandsBesideItHaveOneRoom(t *testing.T) {
	long := strings.Repeat("l", 60_000)
	var all []tool.Content
	for i := range tool.MaxContents {
		all = append(all, []tool.Content{{Type: tool.TextContent, Text: long},
			{Type: tool.LinkContent, URI: "x:1", Name: "n", Title: long[:1000], About: long},
			{Type: tool.ResourceText, URI: "x:2", Text: long}}[i%3])
	}
	for most, want := range map[int]int{0: excerpt.DefaultMaxChars, 4000: 4000, 5000: 5000, 100_000: 100_000} {
		b := bedWith(t, func(cfg *Config) { cfg.MaxText = func() int { return most } })
		for _, out := range []string{"", "short", strings.Repeat("x", 1<<20)} {
			res := b.result(tool.Result{Stdout: out, Content: all, ExecutionID: "0199c2f0-6f3e-7c1a-9d52-000000000001"}, nil)
			text := res.Content[0].(mcp.TextContent).Text
			if n := textsOf(res); n > want || n < want*3/4 || !strings.Contains(text, `"part":"content"`) {
				t.Errorf("most %d: %d characters beside %d of stdout, want at most %d, and that the report tells", most, n,
					len(out), want)
			}
		}
	}
}

func TestWhatIsLeftOutIsLinked(t *testing.T) {
	b := newBed(t, entry("ATool"))
	b.caller.call = func(context.Context, tool.Request) (tool.Result, error) {
		return tool.Result{Stdout: strings.Repeat("line\n", 20_000),
				ExecutionID: "0199c2f0-6f3e-7c1a-9d52-000000000001"},
			tool.Errorf(tool.KindTimeout, "it ran too long")
	}
	for _, c := range talkers(t, b, "{}") {
		res := calledOf(t, c.send("tools/call", `{"name":"ATool"}`))
		const uri = "execution://0199c2f0-6f3e-7c1a-9d52-000000000001/stdout"
		if last := res.Content[len(res.Content)-1]; len(res.Content) != 2 || last["type"] != "resource_link" ||
			last["uri"] != uri {
			t.Errorf("%s: the blocks behind the report = %v, want a link to %s", c.says, res.Content[1:], uri)
		}
		if text := res.Content[0]["text"].(string); !res.IsError || len(text) > excerpt.DefaultMaxChars ||
			*res.report.ErrorType != tool.KindTimeout || !strings.Contains(text, `"left_out"`) {
			t.Errorf("%s: isError: %t, %d characters, %v", c.says, res.IsError, len(text), res.report.ErrorType)
		}
	}
	b.caller.call = func(context.Context, tool.Request) (tool.Result, error) { // which nobody can read again
		return tool.Result{Stdout: strings.Repeat("line\n", 20_000)}, nil
	}
	if res := calledOf(t, talkers(t, b, "{}")[0].send("tools/call", `{"name":"ATool"}`)); len(res.Content) != 1 {
		t.Errorf("the blocks behind a report without an id = %v, want none", res.Content[1:])
	}
}

// whatever makes reports as a plugin without manners might.
type whatever struct{ *rand.Rand }

func (w whatever) text() string {
	pieces := []string{"", "plain", "\x1b[2J", "\xff\xfe", "\u202e", "line\n", "\r\n", `"quoted\"`, "{}", "日本語",
		"\x00", "</script>"}
	var s strings.Builder
	for range w.IntN(8) {
		s.WriteString(strings.Repeat(pieces[w.IntN(len(pieces))], 1+w.IntN(2)*w.IntN(1000)))
	}
	return s.String()
}

func (w whatever) content() tool.Content {
	types := []tool.ContentType{tool.TextContent, tool.ImageContent, tool.AudioContent, tool.LinkContent,
		tool.ResourceText, "", "x"}
	return tool.Content{Type: types[w.IntN(len(types))], Text: w.text(), Data: []byte(w.text()),
		MIMEType: w.text(), URI: w.text(),
		Name: w.text(), Title: w.text(), About: w.text()}
}

func (w whatever) result() (tool.Result, error) {
	data := []string{"", "null", `{"a":"\u202e"}`, `[1,2`, `{"a":1,"a":2}`, `"` + strings.Repeat("x",
		w.IntN(50_000)) + `"`}
	res := tool.Result{
		ReturnCode: w.Int(), Data: json.RawMessage(data[w.IntN(len(data))]), Stdout: w.text(), Stderr: w.text(),
		ExecutionID: w.text(), CorrelationID: w.text(), Elapsed: time.Duration(w.Int64()),
		Metadata: map[string]any{w.text(): w.text(), "n": math.NaN(), "f": w.Float64, "deep": []any{w.text(), nil}},
	}
	for range w.IntN(5) {
		res.Content = append(res.Content, w.content())
	}
	switch w.IntN(3) {
	case 0:
		return res, nil
	case 1:
		return res, tool.Errorf(tool.Kind(w.text()), "%s", w.text()).Suggest("%s", w.text()).With(w.text(),
			w.text())
	}
	return res, fmt.Errorf("%s", w.text())
}

func TestAnyReportCanBeWritten(t *testing.T) {
	const most = 6000
	d := bedWith(t, func(cfg *Config) { cfg.MaxText = func() int { return most } }).Door
	for seed := range uint64(500) {
		in, failed := whatever{rand.New(rand.NewPCG(seed, 1))}.result()
		res := d.result(in, failed)
		raw, err := json.Marshal(res)
		if err != nil || !utf8.Valid(raw) {
			t.Fatalf("seed %d: Marshal = %v, want JSON", seed, err)
		}
		c := calledOf(t, sent{Result: raw})
		text := []byte(c.Content[0]["text"].(string))
		if n := utf8.RuneCount(text); !same(t, text, c.StructuredContent) || n > most ||
			c.IsError != (failed != nil) {
			t.Errorf("seed %d: %d characters, isError: %t; want at most %d, the same in structuredContent", seed, n,
				c.IsError, most)
		}
		missing := len(c.Content) < 1+len(in.Content)
		if missing && !strings.Contains(string(text), `"part":"content"`) {
			t.Errorf("seed %d: %d blocks of %d, and nobody says so", seed, len(c.Content)-1, len(in.Content))
		}
		for i, block := range in.Content {
			if missing {
				break
			}
			if data, _ := c.Content[i+1]["data"].(string); data != "" &&
				data != base64.StdEncoding.EncodeToString(block.Data) {
				t.Errorf("seed %d: block %d has other data", seed, i)
			}
		}
		if n := textsOf(res); n > most {
			t.Errorf("seed %d: %d characters in all", seed, n)
		}
		if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x202e || r == 0x7f }) {
			t.Errorf("seed %d: the report has what cannot be seen in it: %q", seed, text)
		}
	}
}

func TestADescriptionSaysWhatHoldsOnThisHost(t *testing.T) {
	long := func(e *catalog.Entry) {
		e.Spec.Targets = []tool.TargetArgument{{Argument: "target"}}
		e.Settings = catalog.Settings{Enabled: true, Concurrency: 3, DefaultTimeout: time.Minute,
			MaxTimeout:   10 * time.Minute,
			RateRequests: 10, RatePer: time.Minute}
	}
	b := bedWith(t, func(cfg *Config) {
		cfg.Scope = func() string { return "Targets: 10.0.0.0/8." }
	}, entry("ATool", long), entry("BTool"))
	for _, tl := range b.server.ListTools() {
		for _, said := range []string{"at most 3 at a time, 60 s unless", "up to 600, 10 calls in 60 s.",
			"Targets: 10.0.0.0/8."} {
			if has := strings.Contains(tl.Tool.Description, said); has != (tl.Tool.Name == "ATool") {
				t.Errorf("the description of %s has %q: %t\n%s", tl.Tool.Name, said, has, tl.Tool.Description)
			}
		}
		if strings.Contains(tl.Tool.Description, "execution_start") {
			t.Errorf("%s points to a tool that there is not: %s", tl.Tool.Name, tl.Tool.Description)
		}
	}
	own := bedWith(t, withOwn(ownTool("execution_start", nil)), entry("ATool", long), entry("BTool"))
	for name, tl := range own.server.ListTools() {
		if has := strings.Contains(tl.Tool.Description, "use execution_start"); has != (name == "ATool") {
			t.Errorf("the description of %s points to execution_start: %t\n%s", name, has, tl.Tool.Description)
		}
	}
	if names := listed(t, own.stdio(t, nil)); !slices.Equal(names, []string{"ATool", "BTool",
		"execution_start"}) {
		t.Errorf("tools/list = %v", names)
	}
}
