package hosttools

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestToolsAreMadeOfAWholeConfiguration(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("New of nothing = nil, want an error")
	}
}

func TestEveryToolSaysWhatItIs(t *testing.T) {
	for _, tl := range newBed(t).tools {
		var in, out struct {
			Type       string
			Closed     *bool `json:"additionalProperties"`
			Properties map[string]any
		}
		if err := errors.Join(json.Unmarshal(tl.InputSchema, &in), json.Unmarshal(tl.OutputSchema, &out)); err != nil {
			t.Fatal(err)
		}
		if in.Type != "object" || in.Closed == nil || *in.Closed || out.Type != "object" || out.Closed == nil || *out.Closed {
			t.Errorf("%s: the schemas are not closed objects", tl.Name)
		}
		if tl.Title == "" || len(tl.Description) < 100 || len(tl.Description) > 700 {
			t.Errorf("%s: title %q, description of %d bytes", tl.Name, tl.Title, len(tl.Description))
		}
		if tl.Annotations.ReadOnly != (tl.Role == RoleViewer) || tl.Annotations.ReadOnly == tl.Annotations.Destructive {
			t.Errorf("%s: role %s with annotations %+v", tl.Name, tl.Role, tl.Annotations)
		}
	}
}

func TestWrongArgumentsAreRefusedWithTheirPlace(t *testing.T) {
	b := newBed(t)
	b.done(1, "x")
	for _, row := range []struct{ tool, args, pointer string }{
		{"execution_start", `{}`, "/tool"},
		{"execution_start", `{"tool":""}`, "/tool"},
		{"execution_start", `{"tool":"T","arguments":[]}`, "/arguments"},
		{"execution_start", `{"tool":"T","timeout_sec":5}`, "/timeout_sec"},
		{"execution_start", `{"tool":"T","tool":"U"}`, ""},
		{"execution_start", `{"tool":"T","arguments":{"a":"` + strings.Repeat("x", maxArguments) + `"}}`, ""},
		{"execution_start", `[]`, ""},
		{"execution_start", `{`, ""},
		{"execution_wait", args(1, `"timeout_sec":0`), "/timeout_sec"},
		{"execution_wait", args(1, `"timeout_sec":301`), "/timeout_sec"},
		{"execution_wait", `{"execution_id":"1"}`, "/execution_id"},
		{"execution_result", `{"execution_id":7}`, "/execution_id"},
		{"execution_read", args(1, `"part":"metadata"`), "/part"},
		{"execution_read", args(1, `"offset":2`), "/offset"},
		{"execution_read", args(1, `"offset":0.5`), "/offset"},
		{"execution_read", args(1, `"max_chars":0`), "/max_chars"},
		{"execution_read", args(1, `"max_chars":20001`), "/max_chars"},
		{"execution_read", args(1, `"grep":""`), "/grep"},
		{"execution_read", args(1, `"grep":"("`), "/grep"},
		{"execution_read", args(1, `"grep":"(?=x)"`), "/grep"},
		{"execution_read", args(1, `"grep":"`+strings.Repeat("x", 513)+`"`), "/grep"},
		{"execution_read", args(1, `"grep":".{900}.{900}"`), "/grep"},
		{"execution_read", args(1, `"grep":"x","context":11`), "/context"},
		{"execution_read", args(1, `"grep":"x","max_matches":201`), "/max_matches"},
		{"execution_cancel", `{}`, "/execution_id"},
		{"executions_list", `{"limit":101}`, "/limit"},
		{"executions_list", `{"state":"done"}`, "/state"},
	} {
		e := b.refused(row.tool, row.args, tool.KindValidation)
		bad, _ := e.Metadata["violations"].([]any)
		if len(bad) != 1 || bad[0].(map[string]any)["pointer"] != row.pointer || len(e.Message) > 1000 {
			t.Errorf("%s %.200s: violations %v (%s), want one at %q", row.tool, row.args, bad, e.Message, row.pointer)
		}
	}
}

func TestManyViolationsAreBounded(t *testing.T) {
	var many strings.Builder
	for i := range 200 {
		many.WriteString(`,"` + strings.Repeat("x", i+1) + `":1`)
	}
	e := newBed(t).refused("executions_list", "{"+many.String()[1:]+"}", tool.KindValidation)
	if bad := e.Metadata["violations"].([]any); len(bad) != maxViolations || e.Metadata["violations_total"] != 200 ||
		!strings.Contains(e.Message, "and 180 more") {
		t.Errorf("%d violations of %v: %s", len(bad), e.Metadata["violations_total"], e.Message)
	}
}

func TestANullCountsAsAbsentAndAWholeNumberAsAnInteger(t *testing.T) {
	b := newBed(t)
	b.done(1, "abc\n")
	for _, args := range []string{
		args(1, `"part":null,"grep":null,"offset":1.0,"max_chars":2e0`), args(1, `"offset":1,"max_chars":2`),
	} {
		if got := b.call("execution_read", args)["text"]; got != "bc" {
			t.Errorf("execution_read %s = %q, want bc", args, got)
		}
	}
	for _, args := range []string{"", "null", "{}"} {
		b.call("executions_list", args)
	}
}

func TestWhoMayOnlyLookStartsAndEndsNothing(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", func(error) { t.Error("the execution was cancelled") })
	b.who.MayCall = false
	b.refused("execution_start", `{"tool":"NmapTool"}`, tool.KindForbidden)
	b.refused("execution_cancel", args(1, ""), tool.KindForbidden)
	b.call("execution_result", args(1, ""))
	if len(b.asked) > 0 {
		t.Errorf("started: %v", b.asked)
	}
}

func TestNobodySeesTheExecutionsOfOthers(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", func(error) { t.Error("the execution was cancelled") })
	b.print(1, "secret")
	b.who.Viewer.Client = "bob"
	for _, name := range []string{"execution_wait", "execution_result", "execution_read", "execution_cancel"} {
		got := b.refused(name, args(1, ""), tool.KindValidation)
		never := b.refused(name, args(2, ""), tool.KindValidation)
		if got.Metadata["reason"] != executions.ReasonNoSuch || got.Metadata["reason"] != never.Metadata["reason"] {
			t.Errorf("%s of another's execution: %v, of none: %v", name, got, never)
		}
	}
	if found := b.call("executions_list", "{}")["executions"].([]any); len(found) != 0 {
		t.Errorf("executions_list = %v, want none", found)
	}
	b.who.Viewer.All = true
	found := b.call("executions_list", "{}")["executions"].([]any)
	if len(found) != 1 || found[0].(map[string]any)["client"] != "alice" {
		t.Errorf("executions_list of who sees all = %v, want that of alice", found)
	}
}

func TestStartHandsTheCallOverAndSaysHowToGoOn(t *testing.T) {
	b := newBed(t)
	got := b.call("execution_start", `{"tool":"NmapTool","arguments":{"target":"10.0.0.7"}}`)
	if got["execution_id"] != id(1) || got["state"] != "running" || got["target"] != "10.0.0.7" ||
		!strings.Contains(got["next"].(string), `execution_wait {"execution_id":"`+id(1)+`"}`) {
		t.Errorf("execution_start = %v", got)
	}
	r := b.asked[0]
	if r.Tool != "NmapTool" || r.Client != "alice" || string(r.Arguments) != `{"target":"10.0.0.7"}` {
		t.Errorf("asked for %+v", r)
	}
	b.start = func(context.Context, tool.Request) (executions.Execution, error) {
		return executions.Execution{}, tool.Errorf(tool.KindOutOfScope, "not there").Suggest("elsewhere").About("NmapTool", "x")
	}
	_, err := b.run(t.Context(), "execution_start", `{"tool":"NmapTool"}`)
	if e := tool.AsError(err); e.Kind != tool.KindOutOfScope || e.Suggestion != "elsewhere" || e.Tool != "NmapTool" {
		t.Errorf("execution_start of what is refused = %+v, want the refusal", e)
	}
	if r := b.asked[1]; string(r.Arguments) != "{}" {
		t.Errorf("asked for %s, want an object", r.Arguments)
	}
}

func TestWaitGivesTheReportAsSoonAsItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.begin(1, "NmapTool", nil)
		done := make(chan map[string]any, 1)
		began := time.Now()
		go func() { done <- b.call("execution_wait", args(1, "")) }()
		synctest.Wait()
		b.book.Event(id(1), tool.Event{Progress: &tool.Progress{Task: "scan", Percent: 40}})
		synctest.Wait()
		b.print(1, strings.Repeat("host\x1b is up\r\n", 9000))
		b.end(1, tool.Result{ReturnCode: 3, ExecutionID: id(1), Data: json.RawMessage(`{"hosts":[]}`)}, nil)
		got := <-done
		report, _ := got["report"].(map[string]any)
		if got["state"] != "completed" || report["returncode"] != 3.0 || report["left_out"] == nil ||
			!strings.HasPrefix(report["stdout"].(string), `host\x1B is up`+"\n") || got["latest_output"] != nil {
			t.Errorf("execution_wait = %.300v", got)
		}
		if len(b.seen) != 1 || b.seen[0].Progress.Percent != 40 || time.Since(began) > time.Second {
			t.Errorf("told %v in %v, want the progress at once", b.seen, time.Since(began))
		}
		if again := b.call("execution_wait", args(1, "")); again["state"] != "completed" {
			t.Errorf("execution_wait of what has ended = %.300v", again)
		}
	})
}

func TestWaitThatIsTooShortSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.begin(1, "NmapTool", nil)
		for _, row := range []struct {
			args string
			want time.Duration
		}{{args(1, ""), 50 * time.Second}, {args(1, `"timeout_sec":1.5`), 1500 * time.Millisecond}} {
			b.print(1, strings.Repeat("x", 3000)+"\nthe \x1b end\n")
			b.book.Event(id(1), tool.Event{Progress: &tool.Progress{Percent: -1, Done: 3, Message: "a\u202eb"}})
			began := time.Now()
			got := b.call("execution_wait", row.args)
			latest := got["latest_output"].(string)
			if took := time.Since(began); took != row.want || got["state"] != "running" || got["report"] != nil {
				t.Errorf("execution_wait = %v after %v, want it running after %v", got, took, row.want)
			}
			if !strings.HasSuffix(latest, "\n"+`the \x1B end`+"\n") || len(latest) > latestText ||
				!strings.Contains(got["next"].(string), "execution_wait") || got["notice"] == nil ||
				got["progress"].(map[string]any)["message"] != `a\u{202E}b` {
				t.Errorf("execution_wait = %v", got)
			}
		}
	})
}

func TestWhoStopsWaitingDisturbsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.begin(1, "NmapTool", func(error) { t.Error("the execution was cancelled") })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.run(ctx, "execution_wait", args(1, ""))
			done <- err
		}()
		synctest.Wait()
		cancel()
		err := <-done
		if e := tool.AsError(err); err == nil || e.Kind != tool.KindCancelled || e.Suggestion == "" {
			t.Errorf("execution_wait = %+v, want cancelled", e)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if v, err := b.run(ctx, "execution_wait", args(1, "")); tool.KindOf(err) != tool.KindTimeout {
			t.Errorf("execution_wait of who has less time = %v, %v, want a timeout", v, err)
		}
	})
}

func TestTheResultOfWhatHasNotEndedIsWhatThereIs(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", nil)
	b.print(1, "so far")
	got := b.call("execution_result", args(1, ""))
	report := got["report"].(map[string]any)
	if got["state"] != "running" || report["stdout"] != "so far" || report["returncode"] != -1.0 || got["next"] == nil {
		t.Errorf("execution_result = %v", got)
	}
	late := tool.Errorf(tool.KindTimeout, "too late").Suggest("less")
	b.end(1, tool.Result{TimedOut: true, ReturnCode: 124}, late)
	got = b.call("execution_result", args(1, ""))
	report = got["report"].(map[string]any)
	if got["state"] != "failed" || report["stdout"] != "so far" || report["error_type"] != "timeout" || got["next"] != nil {
		t.Errorf("execution_result of a timeout = %v", got)
	}
}

func TestAReportFitsWhateverItHas(t *testing.T) {
	b := newBed(t)
	b.done(1, strings.Repeat("\x1b\u202e\n", 100000))
	for _, limit := range []int{0, 4000, 8000, 50000} {
		b.max = limit
		v, err := b.run(t.Context(), "execution_result", args(1, ""))
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]int{0: 20000, 4000: 6000}[limit]
		if n := size(v); n > max(want, limit) {
			t.Errorf("%d characters, want %d at most", n, max(want, limit))
		}
	}
}

// What a tool shows besides its report is not lost when it was started and waited for.
func TestTheBlocksOfAToolComeBesideItsReport(t *testing.T) {
	b := newBed(t)
	blocks := []tool.Content{
		{Type: tool.TextContent, Text: "THE \x1b ANSWER"}, {Type: tool.ImageContent, MIMEType: "image/png", Data: []byte{1}},
	}
	b.begin(1, "PictureTool", nil)
	b.end(1, tool.Result{Content: blocks}, nil)
	b.begin(2, "PictureTool", nil)
	b.end(2, tool.Result{Content: []tool.Content{{Type: tool.TextContent, Text: strings.Repeat("y", 60_000)}}}, nil)
	for _, name := range []string{"execution_wait", "execution_result"} {
		res, err := b.result(t.Context(), name, args(1, ""))
		if err != nil || len(res.Content) != 2 || res.Content[0].Text != `THE \x1B ANSWER` || len(res.Content[1].Data) != 1 {
			t.Errorf("%s = %+v, %v; want both blocks", name, res.Content, err)
		}
		b.shown(name, res.Value)
		res, err = b.result(t.Context(), name, args(2, ""))
		if err != nil || len(res.Content) != 1 || size(res.Value)+len(res.Content[0].Text) > 20_000 ||
			!strings.Contains(string(res.Value.(snapshot).Report), `"part":"content"`) {
			t.Errorf("%s of a long block: %.300v, %v; want it cut, and told", name, res, err)
		}
	}
}

func TestCancelEndsWhatRuns(t *testing.T) {
	b := newBed(t)
	var cause error
	b.begin(1, "NmapTool", func(why error) {
		cause = why
		b.end(1, tool.Result{}, tool.AsError(why))
	})
	got := b.call("execution_cancel", args(1, ""))
	if got["state"] != "cancelled" || !strings.Contains(got["next"].(string), "execution_result") ||
		tool.KindOf(cause) != tool.KindCancelled || !strings.Contains(cause.Error(), "alice") {
		t.Errorf("execution_cancel = %v, cause %v", got, cause)
	}
	got = b.call("execution_cancel", args(1, ""))
	if got["state"] != "cancelled" || !strings.Contains(got["next"].(string), "had ended already") {
		t.Errorf("execution_cancel of what has ended = %v", got)
	}
}

func TestCancelDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.begin(1, "NmapTool", func(error) {})
		got := b.call("execution_cancel", args(1, ""))
		if got["state"] != "running" || !strings.Contains(got["next"].(string), "execution_wait") {
			t.Errorf("execution_cancel = %v, want it running still", got)
		}
	})
}

func TestTheListIsInPagesTheNewestFirst(t *testing.T) {
	b := newBed(t)
	for n := 1; n <= 7; n++ {
		b.begin(n, map[bool]string{true: "NmapTool", false: "PingTool"}[n%2 == 1], nil)
	}
	b.end(3, tool.Result{ReturnCode: 1}, tool.Errorf(tool.KindExecution, "bad\x1b"))
	ids := func(got map[string]any) (list []string) {
		for _, x := range got["executions"].([]any) {
			list = append(list, x.(map[string]any)["execution_id"].(string)[35:])
		}
		return list
	}
	for _, row := range []struct{ args, want string }{
		{`{}`, "7654321"},
		{`{"tool":"PingTool"}`, "642"},
		{`{"state":"failed"}`, "3"},
		{`{"target":"10.0.0.8"}`, ""},
		{`{"target":"10.0.0.7","limit":2}`, "76"},
	} {
		if got := strings.Join(ids(b.call("executions_list", row.args)), ""); got != row.want {
			t.Errorf("executions_list %s = %s, want %s", row.args, got, row.want)
		}
	}
	var all []string
	for page := `{"limit":3}`; page != ""; {
		got := b.call("executions_list", page)
		all, page = append(all, ids(got)...), ""
		if next, more := got["next_cursor"].(string); more {
			page = `{"limit":3,"cursor":"` + next + `"}`
		}
	}
	if got := strings.Join(all, ""); got != "7654321" {
		t.Errorf("the pages have %s, want each once", got)
	}
	failed := b.call("executions_list", `{"state":"failed"}`)
	if x := failed["executions"].([]any)[0].(map[string]any); x["error"] != `bad\x1B` || failed["notice"] == nil || x["client"] != nil {
		t.Errorf("executions_list of what failed = %v", failed)
	}
	b.refused("executions_list", `{"cursor":"x"}`, tool.KindValidation)
}

func TestALongListGoesOnWithTheNextPage(t *testing.T) {
	b := newBed(t)
	b.max = 4000
	for n := 1; n <= 60; n++ {
		b.beginAs(executions.Execution{ID: id(n), Tool: "NmapTool", Client: "alice", Target: strings.Repeat("x", 500)}, nil)
	}
	n := 0
	for page := `{"limit":100}`; page != ""; {
		v, err := b.run(t.Context(), "executions_list", page)
		if err != nil || size(v) > b.max {
			t.Fatalf("executions_list %s: %d characters, %v", page, size(v), err)
		}
		got := b.shown("executions_list", v)
		n, page = n+len(got["executions"].([]any)), ""
		if next, more := got["next_cursor"].(string); more {
			page = `{"limit":100,"cursor":"` + next + `"}`
		}
	}
	if n != 60 {
		t.Errorf("%d executions on all pages, want 60", n)
	}
}
