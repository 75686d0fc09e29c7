package executions

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestTwoHostsShareADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := healthy(t, Config{Dir: dir}), healthy(t, Config{Dir: dir})
	id := begin(t, a, detached)
	a.Start(id)
	print(a, id, tool.Stdout, "first ")
	flush(t, a)
	flush(t, b)
	if x := get(t, b, id); x.State != Running {
		t.Errorf("the other host sees %+v, want it running", x)
	}
	if got := readAll(t, b, id, Stdout, 100); got != "first " {
		t.Errorf("the other host reads %q, want what was written", got)
	}
	err := b.Cancel(id, errors.New("no more"))
	if tool.KindOf(err) != tool.KindUnavailable || reason(err) != ReasonOtherHost ||
		!strings.Contains(err.Error(), "pid ") {
		t.Errorf("Cancel = %v, want a word about the other host", err)
	}
	if err := b.Delete(id); reason(err) != ReasonNotEnded {
		t.Errorf("Delete = %v, want %s", err, ReasonNotEnded)
	}
	print(a, id, tool.Stdout, "sec") // one change since the last write
	flush(t, a)
	if got := readAll(t, b, id, Stdout, 100); got != "first sec" {
		t.Errorf("the other host reads %q, want what came since", got)
	}
	print(a, id, tool.Stdout, "ond")
	a.End(id, Outcome{Result: tool.Result{Stdout: "first second", Data: []byte(`{}`)}})
	flush(t, a)
	other := run(t, b, "of b", nil)
	for name, book := range map[string]*Book{"a": a, "b": b} {
		flush(t, b)
		rep, err := book.Report(id)
		if err != nil || rep.Stdout != "first second" || string(rep.Data) != `{}` {
			t.Errorf("%s: Report = %+v, %v; want the whole", name, rep, err)
		}
		list, _, err := book.List(Filter{})
		if got := ids(list); err != nil || !slices.Equal(got, []string{other, id}) {
			t.Errorf("%s: List = %v, %v; want both", name, got, err)
		}
	}
}

func TestAHostThatEndsInterruptsItsOwnOnly(t *testing.T) {
	dir := t.TempDir()
	a, b := healthy(t, Config{Dir: dir}), healthy(t, Config{Dir: dir})
	ofA, ofB := begin(t, a, detached), begin(t, b, detached)
	quick := begin(t, a, nil) // has no row yet
	print(a, quick, tool.Stdout, "x")
	if err := a.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	c := healthy(t, Config{Dir: dir})
	for id, want := range map[string]State{ofA: Interrupted, quick: Interrupted, ofB: Queued} {
		if x := get(t, c, id); x.State != want {
			t.Errorf("%s is %s, want %s", id, x.State, want)
		}
	}
	if got := readAll(t, c, quick, Stdout, 10); got != "x" {
		t.Errorf("stdout = %q, want what was captured", got)
	}
	if _, err := os.Stat(bootLock(dir, a.boot)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock of the host that ended: %v, want it gone", err)
	}
	b.End(ofB, Outcome{})
	flush(t, b)
	if x := get(t, c, ofB); x.State != Completed {
		t.Errorf("it is %s, want completed", x.State)
	}
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for range 3 {
		b := healthy(t, Config{Dir: dir})
		for range 20 {
			want = append(want, run(t, b, strings.Repeat("line\n", 100), nil))
		}
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Fatalf("Close = %v", err)
		}
	}
	slices.Reverse(want)
	b := healthy(t, Config{Dir: dir})
	list, _, err := b.List(Filter{Limit: 100})
	if got := ids(list); err != nil || !slices.Equal(got, want) {
		t.Errorf("List = %v, %v; want %v", got, err, want)
	}
}

func TestInterruptComesBeforeTheEndsThatItCauses(t *testing.T) {
	for name, cfg := range map[string]Config{"memory": {}, "database": {Dir: t.TempDir()}} {
		b := open(t, cfg)
		id := begin(t, b, detached)
		b.Start(id)
		print(b, id, tool.Stdout, "captured")
		b.Interrupt()
		first, err := b.Wait(t.Context(), id)
		if err != nil || first.State != Interrupted {
			t.Errorf("%s: Wait = %+v, %v; want the end", name, first, err)
		}
		print(b, id, tool.Stdout, " more")
		b.End(id, Outcome{Err: tool.Errorf(tool.KindCancelled, "the host ends")})
		b.Interrupt()
		if x := get(t, b, id); x.State != Interrupted || !x.Finished.Equal(first.Finished) || x.StdoutBytes != 8 {
			t.Errorf("%s: Get = %+v, want it as it was when it was interrupted", name, x)
		}
		if err := b.Begin(Execution{ID: newID()}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Begin = %v, want %v", name, err, ErrClosed)
		}
		if err := b.Cancel(id, nil); reason(err) != ReasonEnded {
			t.Errorf("%s: Cancel = %v, want %s", name, err, ReasonEnded)
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: Close = %v", name, err)
		}
		b.Interrupt()
		if cfg.Dir == "" {
			continue
		}
		next := healthy(t, cfg)
		if x := get(t, next, id); x.State != Interrupted || readAll(t, next, id, Stdout, 10) != "captured" {
			t.Errorf("%s: the next host sees %+v, want it interrupted with what was captured", name, x)
		}
	}
}

func TestABookThatIsClosedTakesNothing(t *testing.T) {
	for name, cfg := range map[string]Config{"memory": {}, "database": {Dir: t.TempDir()}} {
		b := open(t, cfg)
		id := begin(t, b, nil)
		if err := b.Close(); err != nil {
			t.Errorf("%s: Close = %v", name, err)
		}
		if err := b.Begin(Execution{ID: newID(), Detached: true}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: Begin = %v, want %v", name, err, ErrClosed)
		}
		b.End(id, Outcome{})
		_, err := b.Wait(t.Context(), id)
		if name == "database" && tool.KindOf(err) != tool.KindUnavailable {
			t.Errorf("%s: Wait = %v, want a word about the database", name, err)
		}
		if name == "memory" && err != nil {
			t.Errorf("%s: Wait = %v, want the end", name, err)
		}
	}
}

func TestWhatIsInTheStateDirectoryIsNobodyElses(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir})
	id := begin(t, b, detached)
	print(b, id, tool.Stdout, "x")
	flush(t, b)
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		seen++
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v, %v; want nothing for others", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil || seen < 6 {
		t.Errorf("%d files, %v; want database, log, index, locks", seen, err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir()})
	if _, err := b.store.Load().reader.Exec(`delete from executions`); err == nil {
		t.Error("a reader deleted rows, want an error")
	}
}

func TestABadConfigurationIsRefused(t *testing.T) {
	for _, cfg := range []Config{
		{Dir: "relative"}, {Limits: Limits{MaxAge: -1}}, {Limits: Limits{MaxCount: -1}},
		{Limits: Limits{MaxBytes: -1}}, {Limits: Limits{MaxStdout: -1}}, {Limits: Limits{MaxStderr: -1}},
	} {
		if b, err := Open(cfg); err == nil {
			t.Errorf("Open(%+v) = nil, want an error", cfg)
			_ = b.Close()
		}
	}
	if err := open(t, Config{}).SetLimits(Limits{MaxCount: -1}); err == nil {
		t.Error("SetLimits(MaxCount -1) = nil, want an error")
	}
}
