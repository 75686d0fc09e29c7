package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// person is who sits at a client, and is asked.
type person struct {
	seen    chan string // what was shown; closed by nobody
	answers func(ctx context.Context) (*mcp.ElicitResult, error)
}

func newPerson(action string, content map[string]any) *person {
	return &person{seen: make(chan string, 100), answers: func(context.Context) (*mcp.ElicitResult, error) {
		return &mcp.ElicitResult{Action: action, Content: content}, nil
	}}
}

func (p *person) options() mcp.ClientOptions {
	asked := func(ctx context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
		p.seen <- r.Params.Message
		return p.answers(ctx)
	}
	return mcp.ClientOptions{ElicitationHandler: asked}
}

// allows is a person who says yes.
func allows() *person { return newPerson("accept", map[string]any{"allow": true}) }

// shown is the next question that the person was shown.
func (p *person) shown(t *testing.T) string {
	t.Helper()
	select {
	case text := <-p.seen:
		return text
	default:
		t.Fatal("the person was not asked")
		return ""
	}
}

// asking is a configuration file that has a person asked.
func asking(t *testing.T) (file, setting string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, "security: {allow_intrusive: ask}\n")
	return file, "MCP_CONFIG_FILE=" + file
}

// gated are calls of real programs that need a person's word.
var gated = map[string]string{
	"PingTool": `{"target":"127.0.0.1","extra_args":"-c 3 -i 0.1"`,
	"NmapTool": `{"target":"127.0.0.1","extra_args":"-sX -p 1"`,
}

// correlated is a call with an id of its own in the trail.
func correlated(arguments, id string) string {
	return fmt.Sprintf(`%s,"correlation_id":%q}`, arguments, id)
}

func TestAPersonWhoAllowsACommandHasSeenExactlyWhatRuns(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			_, setting := asking(t)
			p := allows()
			a := w.join(t, "plugins", p.options(), setting)
			for name, arguments := range gated {
				var rep tool.Report
				a.call(name, correlated(arguments, name), &rep)
				if rep.ReturnCode != 0 {
					t.Errorf("%s came to %+v", name, rep)
				}
				a.wantConsent(t, name, p.shown(t))
				x := a.start(name, correlated(arguments, name+"-later"))
				if got := a.ended(x); got.State != "completed" || got.Report.ReturnCode != 0 {
					t.Errorf("%s in the background came to %+v", name, got)
				}
				a.wantConsent(t, name+"-later", p.shown(t))
			}
			if len(p.seen) > 0 {
				t.Errorf("the person was asked once more: %s", <-p.seen)
			}
			a.call("PingTool", `{"target":"127.0.0.1","count":1}`, nil) // needs no asking
			if len(p.seen) > 0 {
				t.Errorf("the person was asked about what disturbs nobody: %s", <-p.seen)
			}
		})
	}
}

// wantConsent holds that what was shown is what was executed, and that the trail says so.
func (a *assistant) wantConsent(t *testing.T, correlation, shown string) {
	t.Helper()
	lines := about(trail(t, a.state), correlation)
	execs := slices.DeleteFunc(slices.Clone(lines), func(l trailLine) bool { return l.Event != "exec" })
	if len(execs) != 1 {
		t.Fatalf("the trail has %+v, want one line about what was executed", lines)
	}
	command := strings.Join(append([]string{execs[0].Program}, execs[0].Argv[1:]...), " ")
	if !strings.Contains(shown, "\nCommand: "+command+"\n") || !strings.Contains(shown, "\nTarget: 127.0.0.1 ") {
		t.Errorf("executed was %q, and shown %q", command, shown)
	}
	for _, l := range lines {
		if l.Event == "accept" && (l.Facts["consent"] != "granted" || l.Facts["consent_command"] == "") {
			t.Errorf("the line %+v does not say who allowed it", l)
		}
	}
	if !slices.ContainsFunc(lines, func(l trailLine) bool { return l.Facts["consent"] == "granted" }) {
		t.Errorf("the trail has %+v, want that it was allowed", lines)
	}
}

func TestNothingRunsThatNobodyAllowed(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			_, setting := asking(t)
			settings := []string{setting, "STATE_DIRECTORY=" + t.TempDir()}
			var h *host
			for why, p := range map[string]*person{
				"decline": newPerson("decline", nil),
				"cancel":  newPerson("cancel", nil),
				"closed":  newPerson("accept", map[string]any{"allow": false}),
				"empty":   newPerson("accept", nil),
				"nobody":  {},
			} {
				options := mcp.ClientOptions{}
				if p.answers != nil {
					options = p.options()
				}
				var a *assistant
				if h == nil || w.stdio {
					a = w.join(t, "plugins", options, settings...)
					h = a.host
				} else {
					a = w.at(t, h, options)
				}
				for name, arguments := range gated {
					a.wantDenied(t, name, correlated(arguments, why+"-"+name), why)
					later := inBackground(name, correlated(arguments, why+"-"+name+"-later"))
					a.wantDenied(t, "execution_start", later, why)
				}
				for range len(p.seen) {
					<-p.seen
				}
			}
		})
	}
}

// wantDenied makes a call that is refused, and holds that the trail says why and has no command.
func (a *assistant) wantDenied(t *testing.T, name, arguments, why string) {
	t.Helper()
	res, err := a.try(t.Context(), name, arguments, nil)
	switch {
	case why == "nobody" && err != nil && a.way.revision == modern: // the protocol has an error for it
		if !strings.Contains(err.Error(), "elicitation") {
			t.Errorf("%s %s = %v, want that the client cannot ask", name, arguments, err)
		}
	case err != nil:
		t.Fatal(err)
	case !res.IsError || !strings.Contains(string(res.raw), `"error_type":"intrusive_denied"`):
		t.Errorf("%s %s = %s, want intrusive_denied", name, arguments, res.raw)
	}
	_, correlation, _ := strings.Cut(arguments, `"correlation_id":"`)
	correlation, _, _ = strings.Cut(correlation, `"`)
	lines := about(trail(t, a.state), correlation)
	want := map[bool]string{true: "unavailable", false: "declined"}[why == "nobody"]
	if !slices.ContainsFunc(lines, func(l trailLine) bool { return l.Facts["consent"] == want }) {
		t.Errorf("the trail of %s %s is %+v, want that consent is %s", name, arguments, lines, want)
	}
	for _, l := range lines {
		if l.Event == "exec" {
			t.Errorf("executed was %+v", l)
		}
	}
}

func TestRESTAndTheCommandLineCannotAsk(t *testing.T) {
	_, setting := asking(t)
	state := t.TempDir()
	settings := []string{setting, "STATE_DIRECTORY=" + state}
	h := serve(t, "plugins", settings...)
	for way, call := range map[string]door{"rest": h.rest, "cli": cliDoor("plugins", settings...)} {
		for name, arguments := range gated {
			if rep, kind := call(t, name, correlated(arguments, way+"-"+name)); kind != "intrusive_denied" {
				t.Errorf("%s: %s = %q %+v, want intrusive_denied", way, name, kind, rep)
			}
		}
	}
	for name, arguments := range gated {
		var p struct {
			Kind string `json:"error_type"`
			Next string `json:"recovery_suggestion"`
		}
		h.ask(t, "POST", "/executions", inBackground(name, correlated(arguments, "later")), 403, &p)
		if p.Kind != "intrusive_denied" || !strings.Contains(p.Next, "elicitation") {
			t.Errorf("POST /executions of %s = %+v, want intrusive_denied and who can ask", name, p)
		}
	}
	for _, l := range trail(t, state) {
		if l.Event == "exec" || l.Facts["consent"] != "" && l.Facts["consent"] != "unavailable" {
			t.Errorf("the trail has %+v", l)
		}
	}
}

func TestWhatIsNotAllowedAnyMoreDoesNotRunWhenItIsAllowedLate(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			file, setting := asking(t)
			asked, decided := make(chan struct{}), make(chan struct{})
			p := allows()
			says := p.answers
			p.answers = func(ctx context.Context) (*mcp.ElicitResult, error) {
				close(asked)
				<-decided
				return says(ctx)
			}
			a := w.join(t, "plugins", p.options(), setting)
			denied := make(chan error, 1)
			go func() {
				res, err := a.try(t.Context(), "PingTool", correlated(gated["PingTool"], "late"), nil)
				if err == nil && !strings.Contains(string(res.raw), `"error_type":"intrusive_denied"`) {
					err = fmt.Errorf("the call came to %s", res.raw)
				}
				denied <- err
			}()
			<-asked
			replace(t, file, "security: {allow_intrusive: false}\n")
			a.log.waitFor(t, "the configuration was reloaded", 1)
			close(decided)
			if err := <-denied; err != nil {
				t.Error(err)
			}
			for _, l := range about(trail(t, a.state), "late") {
				if l.Event == "exec" {
					t.Errorf("executed was %+v", l)
				}
			}
		})
	}
}

func TestAToolWithoutAProgramIsAskedAboutByItsArguments(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			_, setting := asking(t)
			p := allows()
			a := w.join(t, "lab", p.options(), setting)
			a.call("DisturbTool", `{"volts":5}`, nil)
			a.call("DisturbTool", `{"volts":13}`, nil)
			if shown := p.shown(t); !strings.Contains(shown, "13 volts disturb the target") ||
				!strings.Contains(shown, `Arguments: {"volts":13}`) || len(p.seen) > 0 {
				t.Errorf("shown was %q and %d more, want one question, about 13 volts", shown, len(p.seen))
			}
		})
	}
}

func TestAToolAsksThePersonAtTheClient(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson("accept", map[string]any{"zone": "lab.internal"})
			a := w.join(t, "lab", p.options())
			var rep struct{ Data struct{ Text string } }
			a.call("AskTool", `{}`, &rep)
			if rep.Data.Text != "lab.internal" {
				t.Errorf("the tool has %+v, want the answer", rep)
			}
			if shown := p.shown(t); shown != `AskTool asks: Which zone?\x1B[2J` {
				t.Errorf("shown was %q, want the tool's question, and whose it is", shown)
			}
			if w.stdio {
				return
			}
			var problem struct {
				Kind   string `json:"error_type"`
				Detail string
				Next   string `json:"recovery_suggestion"`
			}
			status, raw, err := a.host.do(t.Context(), "POST", "/tools/AskTool/execute", `{}`)
			if err != nil || json.Unmarshal(raw, &problem) != nil || status != 400 ||
				problem.Kind != "validation_error" || !strings.Contains(problem.Next, "elicitation") {
				t.Errorf("over REST the call is %d %s, %v; want it refused, and who can ask", status, raw, err)
			}
		})
	}
}
