package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	scansAtOnce  = 10
	linesOfAScan = 8 // fewer than are held back for being many
)

// runAll lets ten runs of WitnessTool print their lines in turn, each its own, and end.
func (w *witness) runAll() {
	w.t.Helper()
	var runs []run
	for range scansAtOnce {
		runs = append(runs, w.meet())
	}
	for line := range linesOfAScan {
		for k, r := range runs {
			r.say(fmt.Sprintf("%d of run %d", line+1, k))
		}
	}
	for _, r := range runs {
		r.hangUp()
	}
}

// progress is what these tests read of a notification of it.
type progress struct {
	Token           any `json:"progressToken"`
	Progress, Total float64
	Message         string
}

// wantOwn holds that one call was told all lines of one run, in order, and returns which run.
func wantOwn(t *testing.T, told []progress) (run string) {
	t.Helper()
	if len(told) != linesOfAScan {
		t.Fatalf("a call was told %+v, want %d lines", told, linesOfAScan)
	}
	for i, p := range told {
		line, of, ok := strings.Cut(p.Message, " of run ")
		of, _, _ = strings.Cut(of, " ") // behind it stands how many of how many
		of = strings.Trim(of, ";,(:")
		if i == 0 {
			run = of
		}
		if n := float64(i + 1); !ok || !strings.HasSuffix(line, fmt.Sprint(i+1)) || of != run || p.Progress != n ||
			p.Total != linesOfAScan {
			t.Errorf("told as number %d of run %s was %+v", i+1, run, p)
		}
	}
	return run
}

func TestTenScansAtOnceAreToldEachToItsOwnCall(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a, tells := w.join(t, "lab", mcp.ClientOptions{}), newWitness(t)
			results, errs := make([]result, scansAtOnce), make(chan error, scansAtOnce)
			for i := range scansAtOnce {
				go func() {
					var err error
					token := fmt.Sprint("scan ", i)
					results[i], err = a.try(t.Context(), "WitnessTool", tells.arguments(linesOfAScan), token)
					errs <- err
				}()
			}
			tells.runAll()
			for range scansAtOnce {
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
			}
			runs := make(map[string]bool)
			for i, res := range results {
				var told []progress
				for _, p := range a.told.of(t, fmt.Sprint("scan ", i), linesOfAScan) {
					told = append(told, progress{p.ProgressToken, p.Progress, p.Total, p.Message})
				}
				own := wantOwn(t, told)
				if runs[own] = true; !strings.Contains(string(res.raw), "8 of run "+own+`\n`) {
					t.Errorf("the call was told of run %s, and its result is %s", own, res.raw)
				}
			}
			if len(runs) != scansAtOnce {
				t.Errorf("told were the runs %v, want each once", runs)
			}
		})
	}
}

// TestProgressComesInOrderAndNeverBehindItsAnswer looks at the messages themselves: the official client hands
// a result out past what it was told before.
func TestProgressComesInOrderAndNeverBehindItsAnswer(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			c, tells := w.raw(t, "lab"), newWitness(t)
			streams := make([]<-chan message, scansAtOnce)
			for i := range streams {
				streams[i], _ = c.begin(i, "WitnessTool", tells.arguments(linesOfAScan), object{"progressToken": i})
			}
			tells.runAll()
			if w.stdio {
				c.wantOrder(streams[0], scansAtOnce)
				return
			}
			for _, stream := range streams { // over HTTP nothing else comes on it
				c.wantOrder(stream, 1)
			}
		})
	}
}

// wantOrder reads until so many calls were answered.
func (c *rawClient) wantOrder(from <-chan message, calls int) {
	c.t.Helper()
	told := make(map[string][]progress)
	for calls > 0 {
		m := c.next(from)
		if m.Method != "" {
			var p progress
			if err := json.Unmarshal(m.Params, &p); err != nil || m.Method != "notifications/progress" {
				c.t.Fatalf("told was %s %s: %v", m.Method, m.Params, err)
			}
			if strings.Contains(p.Message, "is at work for") {
				continue // this machine is slow
			}
			id := fmt.Sprint(p.Token)
			if told[id] == nil && len(told) > 0 && !c.way.stdio {
				c.t.Errorf("on the stream of another call comes %+v", p)
			}
			told[id] = append(told[id], p)
			continue
		}
		calls--
		if own := wantOwn(c.t, told[string(m.ID)]); !strings.Contains(string(m.Result), `8 of run `+own) {
			c.t.Errorf("the answer to the call that was told of run %s is %s %s", own, m.Result, m.Error)
		}
		delete(told, string(m.ID)) // what comes behind the answer has too few before it
	}
	if len(told) > 0 {
		c.t.Errorf("told was behind the answers: %+v", told)
	}
}
