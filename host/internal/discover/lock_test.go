package discover

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
)

func lock(t *testing.T, dir string, pins ...pin.Pin) {
	t.Helper()
	must(t, pin.Write(dir, pin.Lock{Pins: pins}))
}

// pinOf is a pin of a file as it is.
func pinOf(base, file string) pin.Pin {
	sum, _ := Sum(filepath.Join(base, file)) // Write refuses an empty one
	return pin.Pin{File: file, SHA256: sum, Name: "name", Version: "1", Tools: []string{"Tool"}}
}

func TestEachCandidateHasThePinOfItsPath(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, "below/tool": elf + "2", "free": elf, ".store/real": elf})
	must(t, os.Symlink(".store/real", filepath.Join(base, "linked")))
	lock(t, base, pinOf(base, "tool"), pinOf(base, "below/tool"), pinOf(base, ".store/real"))
	res := Scan([]string{base})
	if len(res.Candidates) != 4 || len(res.Refusals) > 0 {
		t.Fatalf("Scan() = %+v, want four candidates", res)
	}
	for _, c := range res.Candidates {
		rel, _ := filepath.Rel(base, c.Path)
		want := pinOf(base, rel)
		if !c.Locked || (rel == "free") != (c.Pin == nil) || c.Pin != nil && !c.Pin.Same(want) {
			t.Errorf("candidate %s: locked %v, pin %+v, want %+v", rel, c.Locked, c.Pin, want)
		}
	}
}

func TestWithoutALockFileNothingIsLocked(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, "below/tool": elf})
	lock(t, filepath.Join(base, "below")) // which is no plugin directory itself
	for _, c := range Scan([]string{base}).Candidates {
		if c.Locked || c.Pin != nil {
			t.Errorf("candidate %s: locked %v, pin %v, want neither", c.Path, c.Locked, c.Pin)
		}
	}
}

func TestALockHoldsForItsDirectoryAlone(t *testing.T) {
	one := tree(t, map[string]string{"tool": elf})
	two := tree(t, map[string]string{"tool": elf})
	lock(t, one)
	for _, c := range Scan([]string{one, two}).Candidates {
		if c.Locked != (c.Dir == one) {
			t.Errorf("candidate of %s: locked %v", c.Dir, c.Locked)
		}
	}
}

func TestALockFileIsNoPlugin(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, pin.FileName: elf, "below/" + pin.FileName: elf})
	must(t, os.Symlink(pin.FileName, filepath.Join(base, "alias")))
	res := Scan([]string{base})
	if got := names(base, res); len(got) != 1 || got[0] != "tool" {
		t.Errorf("Scan() found %v, want the tool alone", got)
	}
}

func TestTheStricterLockOfTwoNestedDirectoriesHolds(t *testing.T) {
	base := tree(t, map[string]string{"below/tool": elf})
	below := filepath.Join(base, "below")
	want := func(pinned bool) {
		t.Helper()
		for _, dirs := range [][]string{{base, below}, {below, base}} {
			res := Scan(dirs)
			if len(res.Candidates) != 1 || !res.Candidates[0].Locked || (res.Candidates[0].Pin != nil) != pinned {
				t.Errorf("Scan(%v) = %+v, want one locked candidate, pinned: %v", dirs, res, pinned)
			}
		}
	}
	lock(t, below, pinOf(below, "tool"))
	want(true)
	lock(t, base)
	want(false)
	lock(t, base, pinOf(base, "below/tool"))
	want(true)
	lock(t, below)
	want(false)
}

func TestABadLockFileLetsNothingRun(t *testing.T) {
	outside := tree(t, map[string]string{"good": "", "tool": elf})
	lock(t, outside, pinOf(outside, "tool"))
	for name, row := range map[string]struct {
		spoil       func(path string) error // the path of a good lock file
		reason, fix string
	}{
		"one that others may write":    {mode(0o646), "may write to it", "chmod go-w "},
		"one that the group may write": {mode(0o664), "may write to it", "chmod go-w "},
		"no JSON":                      {text("{"), "it is no lock file: it is not JSON", repin},
		"nothing":                      {text(""), "it is no lock file", repin},
		"a bad hash":                   {edit(`"sha256": "`, `"sha256": "x`), "64 lower-case hex", repin},
		"a file twice": {
			edit(`"plugins": [`, `"plugins": [{"file": "tool", "sha256": "`+strings.Repeat("0", 64)+`"},`),
			`"tool" stands twice`, repin},
		"far too much":       {text(strings.Repeat(" ", pin.MaxSize+10)), "allowed are 1048576", repin},
		"a directory":        {become(directory), "not a regular file", "take it away"},
		"a FIFO":             {become(fifo), "regular", "take it away"},
		"a link outside":     {link(filepath.Join(outside, pin.FileName)), "leaves", "cp --remove-destination"},
		"a link to nothing":  {link("gone"), "no such file", "take it away"},
		"a link to bad text": {link("tool"), "it is no lock file", repin},
		"a link through a directory that is everybody's": {
			link("open/" + pin.FileName), "a directory that is refused", repin},
	} {
		t.Run(name, func(t *testing.T) {
			base := tree(t, map[string]string{"tool": elf, "open/x": ""})
			lock(t, base, pinOf(base, "tool"))
			lock(t, filepath.Join(base, "open"), pinOf(base, "tool"))
			if c := Scan([]string{base}).Candidates[0]; c.Pin == nil {
				t.Fatalf("the candidate has no pin before the lock file is spoilt")
			}
			if strings.Contains(name, "everybody's") {
				must(t, os.Chmod(filepath.Join(base, "open"), 0o777))
			}
			must(t, row.spoil(filepath.Join(base, pin.FileName)))
			res := Scan([]string{base})
			if len(res.Candidates) != 1 || !res.Candidates[0].Locked || res.Candidates[0].Pin != nil {
				t.Errorf("Scan() found %+v, want the tool, locked and without a pin", res.Candidates)
			}
			wantRefusal(t, res, filepath.Join(base, pin.FileName), row.reason, row.fix)
		})
	}
}

// wantRefusal looks for one of a path; others may be there.
func wantRefusal(t *testing.T, res Result, path, reason, fix string) {
	t.Helper()
	for _, r := range res.Refusals {
		if r.Path == path && strings.Contains(r.Reason, reason) && strings.Contains(r.Fix, fix) {
			return
		}
	}
	t.Errorf("Scan() refuses %+v, want %s: %s; %s", res.Refusals, path, reason, fix)
}

func text(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

func edit(old, replacement string) func(string) error {
	return func(path string) error {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return text(strings.Replace(string(raw), old, replacement, 1))(path)
	}
}

func become(what func(path string) error) func(string) error {
	return func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return what(path)
	}
}

func directory(path string) error { return os.Mkdir(path, 0o755) }

func fifo(path string) error { return syscall.Mkfifo(path, 0o600) }

func link(target string) func(string) error {
	return become(func(path string) error { return os.Symlink(target, path) })
}

func TestALinkToALockFileInsideIsFollowed(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, ".locks/x": ""})
	lock(t, base, pinOf(base, "tool"))
	must(t, os.Rename(filepath.Join(base, pin.FileName), filepath.Join(base, ".locks/one")))
	must(t, os.Symlink(".locks/one", filepath.Join(base, pin.FileName)))
	res := Scan([]string{base})
	if len(res.Refusals) > 0 || len(res.Candidates) != 1 || res.Candidates[0].Pin == nil {
		t.Errorf("Scan() = %+v, want the tool with its pin", res)
	}
}

// TestALockFileOfAStrangerLetsNothingRun looks as another user where it may not give files away.
func TestALockFileOfAStrangerLetsNothingRun(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	lock(t, base, pinOf(base, "tool"))
	w := walker{base: base, euid: os.Geteuid(), res: new(Result)}
	if w.euid == 0 {
		must(t, os.Chown(filepath.Join(base, pin.FileName), 4711, 0))
	} else {
		w.euid++
	}
	root, err := os.OpenRoot(base)
	must(t, err)
	defer root.Close()
	w.root = root
	w.readLock()
	if !w.locked || w.lock != nil {
		t.Errorf("readLock(): locked %v, lock %v, want it closed", w.locked, w.lock)
	}
	wantRefusal(t, *w.res, filepath.Join(base, pin.FileName), "it belongs to user", "chown ")
}

func TestALockFileThatCannotBeReadLetsNothingRun(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	lock(t, base, pinOf(base, "tool"))
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.Chmod(filepath.Join(base, pin.FileName), 0))
	res := scanAsNobody(base)
	if len(res.Candidates) != 1 || !res.Candidates[0].Locked || res.Candidates[0].Pin != nil {
		t.Errorf("Scan() found %+v, want the tool, locked and without a pin", res.Candidates)
	}
	wantRefusal(t, res, filepath.Join(base, pin.FileName), "cannot be read", "chmod u+r ")
}
