package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// checked is a plugin with health checks.
type checked struct {
	*hosttest.Fake
	check func(context.Context) ([]tool.HealthCheck, error)
}

func (c checked) CheckHealth(ctx context.Context) ([]tool.HealthCheck, error) { return c.check(ctx) }

func TestTheChecksOfAllPlugins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := map[string]func(context.Context) ([]tool.HealthCheck, error){
			"well": func(context.Context) ([]tool.HealthCheck, error) {
				return []tool.HealthCheck{{Name: "nmap", Status: tool.Healthy, Message: "7.93"}}, nil
			},
			"hangs": func(ctx context.Context) ([]tool.HealthCheck, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			},
			"fails": func(context.Context) ([]tool.HealthCheck, error) {
				return nil, tool.Errorf(tool.KindUnavailable, "gone").Suggest("wait")
			},
		}
		w := newWorld(t, Config{}, "well", "hangs", "fails", "plain", "dead")
		w.birth = func(_ int, c discover.Candidate) (*fakeProcess, tool.Handler, error) {
			fake := &hosttest.Fake{Manifest: hosttest.OneTool(c.Name, c.Name)}
			switch {
			case c.Name == "dead":
				return nil, nil, tool.Errorf(tool.KindUnavailable, "no process")
			case checks[c.Name] != nil:
				return newFakeProcess(), checked{fake, checks[c.Name]}, nil
			}
			return newFakeProcess(), fake, nil
		}
		defer w.run()()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		got := w.CheckHealth(ctx)
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("CheckHealth() took %v, want the 3 s that the slowest has", took)
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"fails", "hangs", "plain", "well"}) {
			t.Fatalf("CheckHealth() told of %v, want those with a process", names)
		}
		if len(got["plain"]) != 0 || len(got["well"]) != 1 || got["well"][0].Message != "7.93" {
			t.Errorf("CheckHealth() = %+v, want nothing of plain and one check of well", got)
		}
		for name, want := range map[string]string{"hangs": "ran past its deadline", "fails": "gone"} {
			c := got[name]
			if len(c) != 1 || c[0].Name != "health" || c[0].Status != tool.Unhealthy || !strings.Contains(c[0].Message, want) {
				t.Errorf("checks of %s = %+v, want one, health, unhealthy, with %q", name, c, want)
			}
		}
		if fix := got["fails"][0].Fix; fix != "wait" {
			t.Errorf("the fix of fails is %q, want the suggestion of its error", fix)
		}
	})
}
