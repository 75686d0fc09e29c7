package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scanned is the id of a new scan of some ports of 127.0.0.1.
func (a *assistant) scanned(ports ...string) string {
	a.t.Helper()
	var rep struct {
		ID string `json:"execution_id"`
	}
	list := strings.Join(ports, ",")
	a.call("NmapTool", fmt.Sprintf(`{"target":"127.0.0.1","extra_args":"-sT -p %s"}`, list), &rep)
	return rep.ID
}

// difference is what these tests read of executions_diff.
type difference struct {
	Text  string
	Notes []string
	Diff  struct {
		Comparable bool
		Counts     map[string]int
		Hosts      []struct {
			Address string
			Ports   []struct {
				Port        int
				Change      string
				Comparable  bool
				StateBefore string `json:"state_before"`
				StateAfter  string `json:"state_after"`
			}
		}
	}
}

func (a *assistant) diff(before, after string) (d difference) {
	a.t.Helper()
	a.call("executions_diff", fmt.Sprintf(`{"before":%q,"after":%q}`, before, after), &d)
	return d
}

// counted are the counts that are not zero, as name=count.
func (d difference) counted() string {
	var all []string
	for name, n := range d.Diff.Counts {
		if n != 0 {
			all = append(all, fmt.Sprintf("%s=%d", name, n))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestAPortThatOpensBetweenTwoScansIsTheDifference(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			a := w.join(t, "plugins", mcp.ClientOptions{})
			shut, opens := freePort(t), freePort(t)
			first := a.scanned(shut, opens)
			l, err := net.Listen("tcp", "127.0.0.1:"+opens)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			second := a.scanned(shut, opens)
			third := a.scanned(shut, opens)
			other := a.scanned(opens)

			came := a.diff(first, second)
			if !came.Diff.Comparable || came.counted() != "hosts_changed=1 ports_came=1" || len(came.Diff.Hosts) != 1 ||
				len(came.Diff.Hosts[0].Ports) != 1 || !strings.Contains(came.Text, opens+"/tcp") {
				t.Fatalf("the difference is %+v, want that %s came", came, opens)
			}
			if p := came.Diff.Hosts[0].Ports[0]; fmt.Sprint(p.Port) != opens || p.Change != "came" ||
				p.StateBefore != "closed" || p.StateAfter != "open" {
				t.Errorf("the port is %+v, want %s, closed before and open after", p, opens)
			}
			went := a.diff(second, first)
			if went.counted() != "hosts_changed=1 ports_went=1" || len(went.Notes) != 1 ||
				!strings.Contains(went.Notes[0], "began later") {
				t.Errorf("the other way round it is %+v, want that it went, and that this is the wrong way round", went)
			}
			same := a.diff(second, third)
			if !same.Diff.Comparable || same.counted() != "" || same.Text != "no difference\n" {
				t.Errorf("two scans of the same differ in %+v", same)
			}
			less := a.diff(second, other)
			if less.Diff.Comparable || less.counted() != "not_comparable=1" ||
				!strings.Contains(less.Text, "the scans asked for different ports") {
				t.Errorf("scans of other ports differ in %+v, want that this cannot be compared", less)
			}
			a.refused("executions_diff", fmt.Sprintf(`{"before":%q,"after":%q}`, first, first), tool.KindValidation)
		})
	}
}
