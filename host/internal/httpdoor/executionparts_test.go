package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// part gets a part, or a range of it, that must be there.
func part(t *testing.T, d *Door, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := serve(d, request("GET", path, ""))
	if w.Code != 200 || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("GET %s = %d %v %.200s, want as many bytes as it says", path, w.Code, w.Header(), w.Body)
	}
	return w
}

func TestAPartIsReadWholeOrInRanges(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	text := strings.Repeat("a€\x1b😀\n", 70_000)
	l.end(id, tool.Result{Stdout: text})
	total := fmt.Sprint(len(text))
	w := part(t, d, "/executions/"+id+"/stdout")
	if h := w.Header(); w.Body.String() != text || h.Get("Content-Type") != "text/plain; charset=utf-8" ||
		h.Get("X-Total-Bytes") != total || h.Get("X-Complete") != "true" || h.Get("Link") != "" {
		t.Errorf("the whole = %v and %d bytes, want all %s", h, w.Body.Len(), total)
	}
	var got strings.Builder
	next := "/executions/" + id + "/stdout?limit=99991&offset=0"
	for next != "" {
		w := part(t, d, next)
		if w.Header().Get("X-Offset") != fmt.Sprint(got.Len()) || w.Body.Len() > 99991 {
			t.Fatalf("GET %s = %v and %d bytes, want it to go on at %d", next, w.Header(), w.Body.Len(), got.Len())
		}
		got.Write(w.Body.Bytes())
		if w.Header().Get("X-Next-Offset") != fmt.Sprint(got.Len()) {
			t.Fatalf("X-Next-Offset = %s, want %d", w.Header().Get("X-Next-Offset"), got.Len())
		}
		next, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">; rel=\"next\"")
	}
	if got.String() != text {
		t.Errorf("the ranges have %d bytes, want those of the whole, %s", got.Len(), total)
	}
	rest := part(t, d, "/executions/"+id+"/stdout?offset="+fmt.Sprint(len(text)-3))
	if rest.Body.String() != "😀\n" || rest.Header().Get("X-Offset") != fmt.Sprint(len(text)-5) {
		t.Errorf("from within a character = %q at %s, want the whole character", rest.Body, rest.Header().Get("X-Offset"))
	}
	if w := part(t, d, "/executions/"+id+"/stderr"); w.Body.Len() > 0 || w.Header().Get("X-Total-Bytes") != "0" {
		t.Errorf("stderr = %q, want nothing", w.Body)
	}
}

func TestWhatRunsIsReadAsFarAsItIsThere(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	l.print(id, "one\xe2\x82")
	w := part(t, d, "/executions/"+id+"/stdout")
	if w.Body.String() != "one" || w.Header().Get("X-Complete") != "false" || w.Header().Get("X-Next-Offset") != "3" {
		t.Errorf("one that runs = %q %v, want whole characters, and that it grows", w.Body, w.Header())
	}
	l.print(id, "\xac two")
	if w := part(t, d, "/executions/"+id+"/stdout?offset=3"); w.Body.String() != "€ two" {
		t.Errorf("the rest = %q, want what came since", w.Body)
	}
}

func TestTheDataAreJSON(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	for _, hint := range []string{"when it has ended", "stdout"} {
		w := serve(d, request("GET", "/executions/"+id+"/data", ""))
		if checkProblem(t, w, 404, tool.KindValidation); !strings.Contains(w.Body.String(), hint) {
			t.Errorf("data that are not there = %s, want %q", w.Body, hint)
		}
		l.end(id, tool.Result{})
	}
	id = l.begin("a", nil)
	l.end(id, tool.Result{Data: json.RawMessage(`{"hosts":[1,2]}`)})
	w := part(t, d, "/executions/"+id+"/data")
	if parse(t, w, "application/json")["hosts"] == nil {
		t.Errorf("data = %s, want them", w.Body)
	}
	w = part(t, d, "/executions/"+id+"/data?limit=5")
	if w.Body.String() != `{"hos` || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("a range of the data = %s %s, want text", w.Header().Get("Content-Type"), w.Body)
	}
}

func TestARangeThatIsNotThereIsRefused(t *testing.T) {
	l := newLibrary(t)
	d := newDoor(t, l.shown)
	id := l.begin("a", nil)
	l.end(id, tool.Result{Stdout: "text"})
	for _, query := range []string{
		"offset=5", "offset=-1", "offset=x", "limit=0", "limit=1048577", "limit=1&limit=2", "from=1",
		"offset=99999999999999999999",
	} {
		checkProblem(t, serve(d, request("GET", "/executions/"+id+"/stdout?"+query, "")), 400, tool.KindValidation)
	}
	if w := part(t, d, "/executions/"+id+"/stdout?offset=4"); w.Body.Len() > 0 {
		t.Errorf("from the end on = %q, want nothing", w.Body)
	}
}

// vanishing is a part that is forgotten while it is read.
type vanishing struct {
	fakeExecutions
	reads int
}

func (v *vanishing) Read(string, executions.Part, int64, int) (executions.Chunk, error) {
	if v.reads++; v.reads > 1 {
		return executions.Chunk{}, errors.New("gone")
	}
	return executions.Chunk{Data: []byte("half"), Total: 8, Complete: true}, nil
}

func TestAPartThatVanishesIsShorterThanItWasSaidToBe(t *testing.T) {
	d := newDoor(t, func(c *Config) { c.Executions = func(context.Context) Executions { return &vanishing{} } })
	w := serve(d, request("GET", "/executions/"+exampleID+"/stdout", ""))
	if w.Body.String() != "half" || w.Header().Get("Content-Length") != "8" {
		t.Errorf("GET = %q of %s bytes, want a client to see that half is missing", w.Body, w.Header().Get("Content-Length"))
	}
}
