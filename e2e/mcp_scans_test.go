package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// slowly are arguments of NmapTool for a scan of some seconds, one for each port.
func slowly(ports int) string {
	return fmt.Sprintf(`{"target":"127.0.0.1","extra_args":"-sT -p 1-%d --scan-delay 1s"}`, ports)
}

// programs are the pids below a process that run a program of the system's of a name.
func programs(t *testing.T, pid int, name string) (pids []int) {
	t.Helper()
	for _, p := range descendants(t, pid) {
		words := argv(p)
		if len(words) > 0 && filepath.Base(words[0]) == name && !strings.HasPrefix(words[0], bin) {
			pids = append(pids, p)
		}
	}
	return pids
}

func TestALongScanIsStartedWatchedAndRead(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "plugins", mcp.ClientOptions{})
			x := a.start("NmapTool", slowly(4))
			a.firstOutput(x)
			if len(programs(t, a.pid, "nmap")) == 0 {
				t.Error("there is output, and no nmap")
			}
			a.wantPartial(x)
			res, err := a.try(t.Context(), "execution_wait", x.about(`"timeout_sec":30`), "wait")
			if err != nil {
				t.Fatal(err)
			}
			var end running
			a.read("execution_wait", res, &end)
			if end.State != "completed" || end.Report == nil ||
				!strings.Contains(string(end.Report.Data), `"port":4`) ||
				!strings.Contains(end.Report.Stdout, "Nmap done: 1 IP address") ||
				!strings.Contains(string(res.raw), `"report":{"notice":"stdout`) {
				t.Errorf("the scan came to %s", res.raw)
			}
			told := a.told.of(t, "wait", 1)
			if !slices.ContainsFunc(told, func(p mcp.ProgressNotificationParams) bool {
				return strings.Contains(p.Message, "Connect Scan")
			}) {
				t.Errorf("told was %+v, want how far nmap is", told)
			}
			if again := a.list(`{"tool":"NmapTool","state":"completed"}`); len(again) != 1 || again[0].ID != x.ID {
				t.Errorf("executions_list = %+v, want the scan", again)
			}
		})
	}
}

// firstOutput waits, a second at a time, until an execution that runs has printed something.
func (a *assistant) firstOutput(x running) {
	a.t.Helper()
	for range int(patience.Seconds()) {
		var got running
		a.call("execution_wait", x.about(`"timeout_sec":1`), &got)
		switch {
		case got.State != "running" && got.State != "queued":
			a.t.Fatalf("the execution ended before it was looked at: %+v", got)
		case got.StdoutBytes > 0:
			if got.Latest == "" || got.Notice == "" || got.Next == "" {
				a.t.Errorf("execution_wait = %+v, want the latest output, and what it is", got)
			}
			return
		}
	}
	a.t.Fatal("the execution prints nothing")
}

// passage is what execution_read gives.
type passage struct {
	Notice   string
	Offset   int
	Next     *int `json:"next_offset"`
	Total    int
	Complete bool
	Text     string
	Matches  []struct{ Line, Offset int }
}

// wantPartial reads a scan that runs, in every way that there is.
func (a *assistant) wantPartial(x running) {
	a.t.Helper()
	const begins = "Starting Nmap"
	var p passage
	a.call("execution_read", x.about(`"offset":0`), &p)
	if p.Complete || p.Next == nil || !strings.HasPrefix(p.Text, begins) || p.Notice == "" {
		a.t.Errorf("execution_read = %+v, want the beginning, and that it is not all", p)
	}
	var so running
	a.call("execution_result", x.about(""), &so)
	if so.State != "running" || so.Report == nil || !strings.HasPrefix(so.Report.Stdout, begins) {
		a.t.Errorf("execution_result = %+v, want what there is", so)
	}
	page, err := a.ReadResource(a.t.Context(), &mcp.ReadResourceParams{URI: "execution://" + x.ID + "/stdout"})
	if err != nil {
		a.t.Fatal(err)
	}
	c := page.Contents[0]
	if c.Meta["gatehouse/complete"] != false || c.Meta["gatehouse/untrusted"] != true ||
		!strings.HasPrefix(c.Text, begins) {
		a.t.Errorf("the resource = %+v, want what there is", c)
	}
	if a.host == nil {
		return
	}
	r := a.host.send(a.t, "GET", "/executions/"+x.ID+"/stdout", "")
	if r.status != 200 || r.header.Get("X-Complete") != "false" || !strings.HasPrefix(r.body, begins) {
		a.t.Errorf("GET stdout = %+v, want what there is", r)
	}
	a.host.ask(a.t, "GET", "/executions/"+x.ID, "", 200, &so)
	if so.State != "running" || so.Result == nil || !strings.HasPrefix(so.Result.Stdout, begins) {
		a.t.Errorf("GET = %+v, want what there is", so)
	}
}

// neighbours are hosts of one process, each asked by another client: two callers and an administrator.
func neighbours(t *testing.T) (mary, bob, root *host) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "auth: {tokens: ["+strings.Join([]string{
		hashed("mary", "caller", "mary's"), hashed("bob", "caller", "bob's"), hashed("root", "admin", "rule"),
	}, ", ")+"]}\n")
	h := serve(t, "lab", "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=rule", "STATE_DIRECTORY="+t.TempDir())
	return h.as("mary's"), h.as("bob's"), h
}

func TestAScanGoesOnWithoutItsClientAndBelongsToIt(t *testing.T) {
	mary, bob, root := neighbours(t)
	for _, w := range waysOfMCP {
		if w.stdio {
			continue // where the client is the host's owner
		}
		t.Run(w.name, func(t *testing.T) {
			tells := newWitness(t)
			first := w.at(t, mary, mcp.ClientOptions{})
			x := first.start("WitnessTool", tells.arguments(2))
			r := tells.meet()
			r.say("before")
			if err := first.Close(); err != nil { // the session, and with the next line its connections
				t.Fatal(err)
			}
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			w.at(t, bob, mcp.ClientOptions{}).wantNone(x)
			bob.wantNone(t, x)
			r.say("after")
			r.hangUp()
			second := w.at(t, mary, mcp.ClientOptions{})
			if end := second.ended(x); end.State != "completed" || end.Report.Stdout != "before\nafter\n" {
				t.Errorf("mary's execution came to %+v", end)
			}
			if all := second.list(`{}`); len(all) == 0 || all[0].ID != x.ID || all[0].Client != "" {
				t.Errorf("mary's list = %+v, want it first", all)
			}
			w.at(t, bob, mcp.ClientOptions{}).wantNone(x)
			all := w.at(t, root, mcp.ClientOptions{}).list(`{}`)
			if len(all) == 0 || all[0].ID != x.ID || all[0].Client != "mary" {
				t.Errorf("the administrator's list = %+v, want it, and whose it is", all)
			}
			var seen running
			root.ask(t, "GET", "/executions/"+x.ID, "", 200, &seen)
			if seen.Client != "mary" || !seen.Detached || seen.Result.Stdout != "before\nafter\n" {
				t.Errorf("the administrator sees %+v", seen)
			}
		})
	}
}

// wantNone holds that an execution of another client is not there, in no way.
func (a *assistant) wantNone(x running) {
	a.t.Helper()
	never := running{ID: neverID}
	for _, name := range []string{"execution_result", "execution_wait", "execution_read", "execution_cancel"} {
		got := a.refused(name, x.about(""), tool.KindValidation)
		if want := a.refused(name, never.about(""), tool.KindValidation); plainID(got, x) != plainID(want, never) {
			a.t.Errorf("%s says %q, and of one that never was %q", name, got, want)
		}
	}
	a.refused("executions_diff", fmt.Sprintf(`{"before":%q,"after":%q}`, x.ID, never.ID), tool.KindValidation)
	if all := a.list(`{}`); len(all) > 0 {
		a.t.Errorf("executions_list = %+v, want none", all)
	}
	for _, id := range []string{x.ID, never.ID} {
		page, err := a.ReadResource(a.t.Context(), &mcp.ReadResourceParams{URI: "execution://" + id + "/stdout"})
		if err == nil || !strings.Contains(err.Error(), "there is no") {
			a.t.Errorf("the resource of another client = %+v, %v; want that there is none", page, err)
		}
	}
}

func plainID(text string, x running) string { return strings.ReplaceAll(text, x.ID, "ID") }

func (h *host) wantNone(t *testing.T, x running) {
	t.Helper()
	for path, methods := range map[string][]string{
		"": {"GET", "DELETE"}, "/events": {"GET"}, "/stdout": {"GET"}, "/stderr": {"GET"}, "/data": {"GET"},
	} {
		for _, method := range methods {
			r := h.send(t, method, "/executions/"+x.ID+path, "")
			if r.status != 404 || strings.Contains(r.body, "WitnessTool") {
				t.Errorf("%s %s of another client = %d %s, want 404", method, path, r.status, r.body)
			}
		}
	}
	var list struct{ Executions []json.RawMessage }
	if h.ask(t, "GET", "/executions", "", 200, &list); len(list.Executions) > 0 {
		t.Errorf("GET /executions = %s, want none", list.Executions)
	}
}
