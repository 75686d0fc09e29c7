package executions

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// place is where a book keeps what has ended: settle brings it there.
type place struct {
	name   string
	open   func(*testing.T) *Book
	settle func(*testing.T, *Book)
}

var places = []place{
	{"memory", func(t *testing.T) *Book { return open(t, Config{}) }, func(*testing.T, *Book) {}},
	{"database", func(t *testing.T) *Book { return healthy(t, Config{Dir: t.TempDir()}) },
		func(t *testing.T, b *Book) {
			flush(t, b)
			if n := b.Stats().Waiting; n != 0 {
				t.Fatalf("%d ended executions are in memory after a flush, want them written", n)
			}
		}},
}

// everywhere runs a test in every place.
func everywhere(t *testing.T, test func(*testing.T, *Book, func())) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			b := p.open(t)
			test(t, b, func() { t.Helper(); p.settle(t, b) })
		})
	}
}

func TestAnExecutionIsWhatBecameOfIt(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		arguments := []byte(`{"target":"lab.internal"}`)
		id := begin(t, b, func(e *Execution) { e.Arguments = arguments })
		copy(arguments, "overwritten by another request")
		if x := get(t, b, id); x.State != Queued || x.Created.IsZero() || !x.Started.IsZero() || x.State.Ended() {
			t.Errorf("after Begin: %+v, want a queued one", x)
		}
		b.Start(id)
		print(b, id, tool.Stdout, "Starting Nmap\n")
		print(b, id, tool.Stderr, "warning\n")
		b.Event(id, tool.Event{Progress: &tool.Progress{Task: "SYN Stealth Scan", Percent: 12.5, Done: 1, Total: 8}})
		x := get(t, b, id)
		if x.State != Running || x.Started.IsZero() || x.StdoutBytes != 14 || x.StderrBytes != 8 ||
			x.Progress == nil || x.Progress.Percent != 12.5 {
			t.Errorf("while it runs: %+v, want what it told", x)
		}
		end := time.Date(2026, 11, 28, 10, 0, 0, 123456789, time.UTC)
		b.End(id, Outcome{Finished: end, Result: tool.Result{
			Stdout: "Starting Nmap\n", Stderr: "warning\n", ReturnCode: 1, Elapsed: 1500 * time.Millisecond,
			Data: []byte(`{"hosts":[]}`), TruncatedStderr: true,
		}})
		before := get(t, b, id)
		settle()
		x = get(t, b, id)
		if !reflect.DeepEqual(x, before) {
			t.Errorf("Get = %+v, want it as it was in memory: %+v", x, before)
		}
		if x.State != Completed || !x.Finished.Equal(end) || x.ReturnCode != 1 || x.DataBytes != 12 ||
			x.Elapsed != 1500*time.Millisecond || x.Timeout != 90*time.Second || !x.TruncatedStderr || x.TruncatedStdout {
			t.Errorf("after its end: %+v, want what it came to", x)
		}
		if x.Tool != "NmapTool" || x.Plugin != "nmap" || x.Version != "1.2.3" || x.Client != "alice" || x.Door != "mcp" ||
			x.CorrelationID != "corr-1" || string(x.Arguments) != `{"target":"lab.internal"}` ||
			len(x.Targets) != 1 || x.Targets[0].Literal() != "10.0.0.7" {
			t.Errorf("after its end: %+v, want what it began with", x)
		}
	})
}

func TestTheStateSaysHowItEnded(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		for _, row := range []struct {
			err  *tool.Error
			want State
		}{
			{nil, Completed},
			{tool.Errorf(tool.KindTimeout, "too long"), Failed},
			{tool.Errorf(tool.KindOverloaded, "the queue is full"), Failed},
			{tool.Errorf(tool.KindCancelled, "gone"), Cancelled},
		} {
			id := begin(t, b, nil)
			b.End(id, Outcome{Err: row.err})
			settle()
			x := get(t, b, id)
			if x.State != row.want || x.ErrorType != tool.KindOf(asError(row.err)) {
				t.Errorf("End(%v): %s, %q; want %s", row.err, x.State, x.ErrorType, row.want)
			}
			if row.err != nil && x.Error != row.err.Message {
				t.Errorf("End(%v): error %q, want its message", row.err, x.Error)
			}
		}
	})
}

func TestAReportIsThatOfTheCall(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		failure := tool.Errorf(tool.KindTimeout, "ran past its deadline").Suggest("ask for less").With("grace", "2s")
		failure.RetryAfter = 1500 * time.Millisecond
		result := tool.Result{
			Stdout: "größe\n", Stderr: "oops", ReturnCode: 124, TimedOut: true, TruncatedStdout: true,
			Data: []byte(`{"hosts": [1, 2]}`), Metadata: map[string]any{"argv": []any{"nmap", "-sT"}},
			Content: []tool.Content{
				{Type: tool.TextContent, Text: "a \x1b[31m b"},
				{Type: tool.ImageContent, MIMEType: "image/png", Data: []byte{1, 2, 3}},
				{Type: tool.LinkContent, URI: "https://wiki.lab.internal/", Name: "wiki", About: "about"},
			},
			Elapsed: 2 * time.Second,
		}
		id := begin(t, b, nil)
		print(b, id, tool.Stdout, result.Stdout)
		print(b, id, tool.Stderr, result.Stderr)
		b.End(id, Outcome{Result: result, Err: failure})
		result.ExecutionID, result.CorrelationID = id, "corr-1"
		want := tool.NewReport(result, failure.About("NmapTool", "lab.internal"))
		result.Metadata["argv"] = "changed by another"
		settle()
		got, err := b.Report(id)
		if err != nil {
			t.Fatalf("Report = %v", err)
		}
		wantJSON, _ := json.Marshal(want)
		gotJSON, _ := json.Marshal(got)
		if string(gotJSON) != string(wantJSON) {
			t.Errorf("Report = %s\nwant     %s", gotJSON, wantJSON)
		}
		if len(got.Content) != 3 || got.Content[0].Text != "a \x1b[31m b" {
			t.Errorf("Content = %+v, want it as it was", got.Content)
		}
	})
}

func TestTheReportOfWhatRunsIsWhatThereIs(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := begin(t, b, nil)
		b.Start(id)
		print(b, id, tool.Stdout, "half a ch\xc3")
		settle()
		rep, err := b.Report(id)
		if err != nil || rep.Stdout != "half a ch" || rep.ReturnCode != -1 || rep.Metadata["state"] != "running" ||
			rep.Error != nil || rep.ExecutionID != id {
			t.Errorf("Report = %+v, %v; want what there is, and that it runs", rep, err)
		}
	})
}

func TestWhatIsNotThereIsSaidToBeNotThere(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, _ func()) {
		for id, want := range map[string]string{
			newID(): ReasonNoSuch, "": ReasonBadID, "x": ReasonBadID, strings.Repeat("-", 36): ReasonBadID,
			strings.Repeat("a", 36): ReasonBadID, "../../../../../../../../etc/passwd00": ReasonBadID,
		} {
			_, err1 := b.Get(id)
			_, err2 := b.Report(id)
			_, err3 := b.Read(id, Stdout, 0, 0)
			_, err4 := b.Wait(t.Context(), id)
			var err5 error
			for _, err5 = range b.Follow(t.Context(), id, Position{}) {
			}
			for i, err := range []error{err1, err2, err3, err4, err5, b.Cancel(id, nil), b.Delete(id)} {
				if tool.KindOf(err) != tool.KindValidation || reason(err) != want {
					t.Errorf("method %d of %q = %v, want %s", i, id, err, want)
				}
			}
			b.Start(id)
			b.Event(id, tool.Event{Output: &tool.Output{Data: []byte("x")}})
			b.End(id, Outcome{})
		}
		if n := inMemoryCount(b); n != 0 {
			t.Errorf("%d executions are in memory, want none", n)
		}
	})
}

func TestAnIDHasOneSpelling(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := newID()
		upper := strings.ToUpper(id)
		if err := b.Begin(Execution{ID: upper}, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Begin(Execution{ID: id}, nil); tool.KindOf(err) != tool.KindValidation {
			t.Errorf("the second Begin = %v, want a refusal", err)
		}
		b.End(upper, Outcome{})
		settle()
		for _, spelling := range []string{id, upper} {
			if x := get(t, b, spelling); x.ID != id || x.State != Completed {
				t.Errorf("Get(%s) = %+v, want %s, completed", spelling, x, id)
			}
		}
	})
}

func TestNothingChangesAfterTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := run(t, b, "first", nil)
		before := get(t, b, id)
		b.Start(id)
		print(b, id, tool.Stdout, "second")
		b.End(id, Outcome{Err: tool.Errorf(tool.KindUnknown, "late")})
		settle()
		print(b, id, tool.Stdout, "third")
		b.End(id, Outcome{Err: tool.Errorf(tool.KindUnknown, "later")})
		if x := get(t, b, id); !reflect.DeepEqual(x, before) || readAll(t, b, id, Stdout, 100) != "first" {
			t.Errorf("after the end: %+v, want %+v", x, before)
		}
	})
}

func TestACancelReachesTheCall(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		ctx, cancel := canceller(t)
		id := newID()
		if err := b.Begin(Execution{ID: id, Detached: true}, cancel); err != nil {
			t.Fatal(err)
		}
		why := errors.New("alice wants it no more")
		if err := b.Cancel(id, why); err != nil || context.Cause(ctx) != why {
			t.Errorf("Cancel = %v, the cause is %v; want %v", err, context.Cause(ctx), why)
		}
		b.End(id, Outcome{Err: tool.Errorf(tool.KindCancelled, "cancelled: %w", why)})
		settle()
		if err := b.Cancel(id, why); reason(err) != ReasonEnded {
			t.Errorf("Cancel after the end = %v, want %s", err, ReasonEnded)
		}
		if err := b.Cancel(begin(t, b, nil), why); tool.KindOf(err) != tool.KindValidation {
			t.Errorf("Cancel of one without a cancel function = %v, want a refusal", err)
		}
	})
}

func TestOnlyWhatHasEndedIsDeleted(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id, other := begin(t, b, detached), run(t, b, "other", nil)
		settle()
		if err := b.Delete(id); reason(err) != ReasonNotEnded {
			t.Errorf("Delete of a queued one = %v, want %s", err, ReasonNotEnded)
		}
		b.End(id, Outcome{Result: tool.Result{Stdout: "x"}})
		inMemory := run(t, b, "x", nil)
		for _, gone := range []string{id, inMemory} {
			if err := b.Delete(gone); err != nil {
				t.Errorf("Delete = %v", err)
			}
			if err := b.Delete(gone); reason(err) != ReasonNoSuch {
				t.Errorf("Delete again = %v, want %s", err, ReasonNoSuch)
			}
		}
		for range 2 {
			list, _, err := b.List(Filter{})
			if got := ids(list); err != nil || !slices.Equal(got, []string{other}) {
				t.Errorf("List = %v, %v; want the other one", got, err)
			}
			settle()
		}
		if err := b.Delete(other); err != nil {
			t.Errorf("Delete of a settled one = %v", err)
		}
		if list, _, _ := b.List(Filter{}); len(list) != 0 {
			t.Errorf("List = %v, want nothing", ids(list))
		}
	})
}

func TestAWaiterGetsTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := begin(t, b, detached)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if x, err := b.Wait(gone, id); !errors.Is(err, context.Canceled) || x.State != Queued {
			t.Errorf("Wait = %s, %v; want it as it is, and why the waiting ended", x.State, err)
		}
		got := make(chan Execution)
		go func() {
			x, _ := b.Wait(t.Context(), id)
			got <- x
		}()
		b.Start(id)
		print(b, id, tool.Stdout, "x")
		b.End(id, Outcome{Result: tool.Result{ReturnCode: 3}})
		settle()
		if x := <-got; x.State != Completed || x.ReturnCode != 3 {
			t.Errorf("Wait = %+v, want the end", x)
		}
		if x, err := b.Wait(gone, id); err != nil || x.State != Completed {
			t.Errorf("Wait after the end = %s, %v; want it at once", x.State, err)
		}
	})
}

func TestAViewerSeesItsOwnOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		mine, other, nobodys := run(t, b, "mine", nil), run(t, b, "other", of("bob")), run(t, b, "x", of(""))
		settle()
		alice := b.For(Viewer{Client: "alice"})
		for _, id := range []string{other, nobodys} {
			_, err1 := alice.Get(id)
			_, err2 := alice.Report(id)
			_, err3 := alice.Read(id, Stdout, 0, 0)
			_, err4 := alice.Wait(t.Context(), id)
			var err5 error
			for _, err5 = range alice.Follow(t.Context(), id, Position{}) {
			}
			for i, err := range []error{err1, err2, err3, err4, err5, alice.Cancel(id, nil), alice.Delete(id)} {
				_, never := b.Get(newID())
				if reason(err) != ReasonNoSuch || len(err.Error()) != len(never.Error()) {
					t.Errorf("method %d of another's = %v, want %v", i, err, never)
				}
			}
		}
		for _, row := range []struct {
			viewer Viewer
			f      Filter
			want   []string
		}{
			{Viewer{Client: "alice"}, Filter{}, []string{mine}},
			{Viewer{Client: "alice"}, Filter{Client: "bob"}, nil},
			{Viewer{}, Filter{}, nil},
			{Viewer{All: true}, Filter{}, []string{nobodys, other, mine}},
			{Viewer{Client: "alice", All: true}, Filter{Client: "bob"}, []string{other}},
		} {
			list, _, err := b.For(row.viewer).List(row.f)
			if got := ids(list); err != nil || !slices.Equal(got, row.want) {
				t.Errorf("%+v sees %v, %v; want %v", row.viewer, got, err, row.want)
			}
		}
		if _, err := b.For(Viewer{}).Get(nobodys); reason(err) != ReasonNoSuch {
			t.Errorf("the zero viewer's Get = %v, want %s", err, ReasonNoSuch)
		}
		if got := b.For(Viewer{All: true}).RecentTargets(9); got != nil {
			t.Errorf("RecentTargets of nobody = %v, want none", got)
		}
		if err := alice.Delete(mine); err != nil {
			t.Errorf("Delete of her own = %v", err)
		}
	})
}

func TestOutputIsBounded(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		if err := b.SetLimits(Limits{MaxStdout: 10, MaxStderr: 4}); err != nil {
			t.Fatal(err)
		}
		id := begin(t, b, nil)
		for range 3 {
			print(b, id, tool.Stdout, "a€€") // 7 bytes: the cut is within a character
		}
		print(b, id, tool.Stderr, "abcd")
		b.End(id, Outcome{Result: tool.Result{Stdout: strings.Repeat("a€€", 3)}})
		settle()
		x := get(t, b, id)
		if got := readAll(t, b, id, Stdout, 100); got != "a€€a" || !x.TruncatedStdout {
			t.Errorf("stdout = %q, truncated %v; want what fits of whole characters", got, x.TruncatedStdout)
		}
		if got := readAll(t, b, id, Stderr, 100); got != "abcd" || x.TruncatedStderr {
			t.Errorf("stderr = %q, truncated %v; want all of it", got, x.TruncatedStderr)
		}
		if rep, err := b.Report(id); err != nil || !rep.TruncatedStdout || rep.TruncatedStderr {
			t.Errorf("Report = %+v, %v; want it to say what was cut", rep, err)
		}
	})
}

func TestOutputThatNoEventBroughtIsTakenFromTheResult(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		for events, want := range map[string]string{"": "whole text", "whole": "whole text", "other": "other"} {
			id := begin(t, b, nil)
			print(b, id, tool.Stdout, events)
			b.End(id, Outcome{Result: tool.Result{Stdout: "whole text"}})
			settle()
			if got := readAll(t, b, id, Stdout, 100); got != want || get(t, b, id).StdoutBytes != int64(len(want)) {
				t.Errorf("after events of %q: %q, want %q", events, got, want)
			}
		}
	})
}

func TestOddValuesDoNotKeepOthersFromBeingKept(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		odd := begin(t, b, func(e *Execution) { e.Arguments = []byte(`{"a":`) })
		b.End(odd, Outcome{Result: tool.Result{
			Stdout: "x", Data: []byte(`{no json`), Metadata: map[string]any{"f": func() {}, "c": make(chan int)},
		}})
		fine := run(t, b, "fine", nil)
		settle()
		if got := readAll(t, b, odd, Stdout, 10); got != "x" {
			t.Errorf("stdout = %q, want x", got)
		}
		if x := get(t, b, odd); x.Arguments != nil {
			t.Errorf("Arguments = %s, want none, as they are no JSON", x.Arguments)
		}
		if _, err := b.Report(odd); err != nil {
			t.Errorf("Report = %v", err)
		}
		if got := readAll(t, b, fine, Stdout, 10); got != "fine" {
			t.Errorf("stdout of the other = %q, want fine", got)
		}
	})
}

func TestTheJSONOfAnExecutionIsItsView(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		at := time.Date(2026, 11, 28, 11, 0, 0, 0, time.FixedZone("CET", 3600))
		id := begin(t, b, func(e *Execution) { e.Created, e.Timeout = at, 1500*time.Millisecond })
		b.Event(id, tool.Event{Progress: &tool.Progress{Task: "scan\x1b", Percent: -1, Done: 3, Message: "\u202ex"}})
		raw, err := json.Marshal(get(t, b, id))
		want := `{"execution_id":"` + id + `","correlation_id":"corr-1","tool":"NmapTool","plugin":"nmap",` +
			`"plugin_version":"1.2.3","client":"alice","door":"mcp","arguments":{"target":"lab.internal"},` +
			`"target":"lab.internal","targets":[{"argument":"target","label":"lab.internal","prefix":"10.0.0.7/32"}],` +
			`"detached":false,"state":"queued","created":"2026-11-28T10:00:00Z","timeout_sec":1.5,` +
			`"progress":{"task":"scan\\x1B","done":3,"message":"\\u{202E}x"},"stdout_bytes":0,"stderr_bytes":0,` +
			`"truncated_stdout":false,"truncated_stderr":false,"data_bytes":0}`
		if err != nil || string(raw) != want {
			t.Errorf("JSON = %s, %v\nwant   %s", raw, err, want)
		}
		b.End(id, Outcome{Result: tool.Result{ReturnCode: 0}})
		settle()
		if raw, err = json.Marshal(get(t, b, id)); err != nil || !strings.Contains(string(raw), `"returncode":0`) {
			t.Errorf("JSON after the end = %s, %v; want the returncode in it", raw, err)
		}
	})
}
