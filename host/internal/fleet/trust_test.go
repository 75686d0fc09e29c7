package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// hashed is a birth of files whose bytes hash to "sum" and their inode; as proc does, it refuses others than
// it is told.
func hashed(w *world) {
	start := w.start
	w.Fleet.start = func(ctx context.Context, b birth) (*process, error) {
		sum := fmt.Sprint("sum", b.candidate.Stamp.Inode)
		if b.sha256 != "" && b.sha256 != sum {
			return nil, tool.Errorf(tool.KindUnavailable, "it hashes to %s: %w", sum, proc.ErrChanged)
		}
		b.sha256 = sum
		return start(ctx, b)
	}
}

func pinned(sum string, tools ...string) *pin.Pin {
	return &pin.Pin{File: "fake", SHA256: sum, Name: "fake", Version: "1.2.3", Tools: tools}
}

// lock puts a lock file beside the plugin, which says this of it.
func (w *world) lock(p *pin.Pin) {
	w.put(func(files []discover.Candidate) []discover.Candidate {
		c := files[0]
		c.Locked, c.Pin = true, p
		return []discover.Candidate{c}
	})
}

func TestOnlyPinnedBytesRun(t *testing.T) {
	for name, row := range map[string]struct {
		trust  Trust
		locked bool
		pin    *pin.Pin
		want   string // in the error; "": it serves
	}{
		"no lock file":                         {"", false, nil, ""},
		"no lock file, and pins are asked for": {TrustPinned, false, nil, "not pinned"},
		"a lock file that does not name it":    {"", true, nil, "not pinned"},
		"a lock file that pins it":             {"", true, pinned("sum0", "FakeTool"), ""},
		"a lock file that pins other bytes":    {"", true, pinned("sum9", "FakeTool"), "not what was pinned"},
		"a tool that was not pinned":           {"", true, pinned("sum0", "OtherTool"), "the tool FakeTool"},
		"whoever is about to pin":              {TrustAll, true, pinned("sum9"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{Trust: row.trust}, "fake")
				hashed(w)
				w.files[0].Locked, w.files[0].Pin = row.locked, row.pin
				defer w.run()()
				if row.want == "" {
					w.wantState(Ready)
					return
				}
				s := w.wantState(Quarantined)
				if !strings.Contains(s.Error, row.want) || !strings.Contains(s.Fix, "gatehouse plugins pin") {
					t.Errorf("status %+v, want %q and the command that settles it", s, row.want)
				}
				if names := w.Catalog().Names(); len(names) > 0 {
					t.Errorf("tools %v, want none", names)
				}
			})
		})
	}
}

func TestAPinThatComesLaterLetsAPluginServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Trust: TrustPinned}, "fake")
		hashed(w)
		defer w.run()()
		w.wantState(Quarantined)
		w.lock(pinned("sum0", "FakeTool"))
		if s := w.wantState(Ready); !s.Pinned || s.SHA256 != "sum0" {
			t.Errorf("status %+v, want it pinned", s)
		}
	})
}

func TestAPinThatIsTakenBackEndsThePlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		hashed(w)
		defer w.run()()
		w.wantState(Ready)
		before := w.process()
		w.lock(pinned("sum0", "FakeTool", "OtherTool"))
		if w.wantState(Ready); w.process() != before {
			t.Error("a pin that admits what runs has started another process")
		}
		w.lock(nil)
		w.wantState(Quarantined)
		if !before.closed.Load() {
			t.Error("the process was not ended")
		}
	})
}

func TestAnUpgradeThatIsNotPinnedLeavesTheOldServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, "fake")
		hashed(w)
		w.files[0].Locked, w.files[0].Pin = true, pinned("sum0", "FakeTool")
		defer w.run()()
		before := w.process()
		w.replace()
		s := w.wantState(Ready)
		if !strings.Contains(s.Follower, "not what was pinned") || before.closed.Load() {
			t.Errorf("status %+v, want the old process, and why the new file does not serve", s)
		}
		w.lock(pinned("sum1", "FakeTool"))
		if s := w.wantState(Ready); s.Follower != "" || !before.closed.Load() || s.SHA256 != "sum1" {
			t.Errorf("status %+v, want the new file after it was pinned", s)
		}
	})
}

func TestAnExchangedFileIsNotTakenForAPlainFailure(t *testing.T) {
	err := (&Fleet{cfg: Config{Trust: TrustDirectory}}).startError(file("fake"), proc.ErrChanged)
	if !errors.Is(err, proc.ErrChanged) || errors.Is(err, errRefused) {
		t.Errorf("startError() = %v, want it as it was: nothing was pinned", err)
	}
}
