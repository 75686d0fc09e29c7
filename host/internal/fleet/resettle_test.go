package fleet

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestResettleAsksAgainForSettingsAndChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off, unwanted atomic.Bool
		changed := 0
		w := newWorld(t, Config{
			Settings: func(tool.Spec) catalog.Settings {
				return catalog.Settings{Enabled: !off.Load(), MaxTimeout: time.Minute}
			},
			Wanted:  func(string) bool { return !unwanted.Load() },
			Changed: func() { changed++ },
		}, "a")
		defer w.run()()
		<-w.Ready()
		synctest.Wait()
		changed = 0
		resettle := func(what string, enabled, there bool, times int) {
			t.Helper()
			if err := w.Resettle(); err != nil {
				t.Fatalf("%s: Resettle = %v", what, err)
			}
			synctest.Wait()
			e, ok := w.Catalog().Lookup("FakeTool")
			if ok != there || ok && e.Settings.Enabled != enabled {
				t.Errorf("%s: there %t, want %t and enabled %t", what, ok, there, enabled)
			}
			if changed != times {
				t.Errorf("%s: Changed was called %d times, want %d", what, changed, times)
			}
		}
		resettle("nothing new", true, true, 0)
		off.Store(true)
		resettle("switched off", false, true, 1)
		unwanted.Store(true)
		resettle("not wanted", false, false, 2)
		unwanted.Store(false)
		off.Store(false)
		resettle("as before", true, true, 3)
	})
}

// TestResettleDuringAStart holds that a plugin which became ready meanwhile has the newest settings.
func TestResettleDuringAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Bool
		configuring, goOn := make(chan struct{}), make(chan struct{})
		w := newWorld(t, Config{
			Settings: func(tool.Spec) catalog.Settings { return catalog.Settings{Enabled: !off.Load()} },
		}, "a")
		w.birth = func(int, discover.Candidate) (*fakeProcess, tool.Handler, error) {
			first := true
			h := &hosttest.Fake{}
			h.OnConfigure = func(ctx context.Context, _ tool.Policy) error {
				if first {
					first = false
					close(configuring)
					<-goOn
				}
				return nil
			}
			return newFakeProcess(), h, nil
		}
		defer w.run()()
		<-configuring // the entries have been made
		off.Store(true)
		if err := w.Resettle(); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		<-w.Ready()
		synctest.Wait()
		if e, ok := w.Catalog().Lookup("FakeTool"); !ok || e.Settings.Enabled {
			t.Errorf("there %t; want it, switched off", ok)
		}
		if names := w.Catalog().Names(); !slices.Equal(names, []string{"FakeTool"}) {
			t.Errorf("tools %v, want FakeTool", names)
		}
	})
}
