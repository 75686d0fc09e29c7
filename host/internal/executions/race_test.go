package executions

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// TestManyDoEverythingAtOnce is for the race detector: what is right is tested elsewhere.
func TestManyDoEverythingAtOnce(t *testing.T) {
	for name, cfg := range map[string]Config{
		"memory":   {Limits: Limits{MaxCount: 30}},
		"database": {Dir: t.TempDir(), Limits: Limits{MaxCount: 30}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, cfg)
			var wg sync.WaitGroup
			for n := range 6 {
				wg.Go(func() {
					for i := range 60 {
						id := begin(t, b, func(e *Execution) { e.Detached, e.Target = i%10 == 0, fmt.Sprint(n) })
						b.Start(id)
						print(b, id, tool.Stdout, "some output\n")
						b.Event(id, tool.Event{Progress: &tool.Progress{Done: int64(i)}})
						_ = b.Cancel(id, nil) // it has no cancel function
						b.End(id, Outcome{Result: tool.Result{Data: []byte(`{}`)}})
						if x, err := b.Get(id); err == nil && x.State != Completed {
							t.Errorf("Get = %+v, want it completed", x)
						}
						if i%7 == 0 {
							_ = b.Delete(id) // it may be pushed out already
						}
					}
				})
				wg.Go(func() {
					for range 40 {
						list, _, err := b.List(Filter{Limit: 5})
						if err != nil {
							t.Errorf("List = %v", err)
						}
						for _, x := range list {
							_, _ = b.Report(x.ID) // what is pushed out meanwhile is not there
							_, _ = b.Read(x.ID, Stdout, 0, 5)
							for range b.Follow(t.Context(), x.ID, Position{}) {
							}
						}
						b.RecentTargets("alice", 3)
						b.Stats()
					}
				})
			}
			wg.Go(func() {
				for range 30 {
					if err := b.flush(t.Context(), true); err != nil {
						t.Errorf("flush = %v", err)
					}
				}
			})
			wg.Wait()
			if err := b.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			if s := b.Stats(); s.Queued+s.Running != 0 {
				t.Errorf("Stats = %+v, want nothing that runs", s)
			}
		})
	}
}
