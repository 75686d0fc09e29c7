package discover

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// on names a path below base, and does something to it.
func on(rel string, do func(path string) error) func(base string) error {
	return func(base string) error { return do(filepath.Join(base, rel)) }
}

func mode(m fs.FileMode) func(string) error {
	return func(path string) error { return os.Chmod(path, m) }
}

func TestTheWayToADirectoryMustBeSafe(t *testing.T) {
	for name, row := range map[string]struct {
		spoil  func(base string) error
		dir    string // what is scanned: up/plugins, or a link to it
		at     string // what the refusal names
		reason string
	}{
		"a directory above that the group may write": {
			on("up", mode(0o775)), "up/plugins", "up", "its group or others"},
		"a directory above that others may write": {
			on("up", mode(0o757)), "up/plugins", "up", "its group or others"},
		"a directory further above": {
			on("", mode(0o777)), "up/plugins", ".", "its group or others"},
		"the directory that holds a link to it": {
			on("links", mode(0o777)), "links/plugins", "links", "its group or others"},
		"the directory that a link leads through": {
			on("up", mode(0o777)), "links/plugins", "up", "its group or others"},
		"the directory that holds the second link of two": {
			on("second", mode(0o777)), "links/twice", "second", "its group or others"},
		"a directory that a link goes through and leaves again": {
			on("second", mode(0o777)), "links/around", "second", "its group or others"},
	} {
		t.Run(name, func(t *testing.T) {
			base := tree(t, map[string]string{"up/plugins/tool": elf, "links/x": "", "second/deep/x": ""})
			must(t, os.Symlink("../up/plugins", filepath.Join(base, "links/plugins")))
			must(t, os.Symlink(filepath.Join(base, "up/plugins"), filepath.Join(base, "second/plugins")))
			must(t, os.Symlink("../second/plugins", filepath.Join(base, "links/twice")))
			must(t, os.Symlink("../second/deep/../../up/plugins", filepath.Join(base, "links/around")))
			dir, at := filepath.Join(base, row.dir), filepath.Join(base, row.at)
			res := Scan([]string{dir})
			if len(res.Candidates) != 1 || len(res.Refusals) > 0 {
				t.Fatalf("Scan() before it is spoilt = %+v, want one candidate", res)
			}
			must(t, row.spoil(base))
			res = Scan([]string{dir})
			if len(res.Candidates)+len(res.Missing) > 0 || len(res.Refusals) != 1 {
				t.Fatalf("Scan() = %+v, want one refusal", res)
			}
			got := res.Refusals[0]
			if got.Path != dir || !strings.HasPrefix(got.Reason, at+" is on the way to it") ||
				!strings.Contains(got.Reason, row.reason) || !strings.HasPrefix(got.Fix, "chmod go-w "+at+",") {
				t.Errorf("refusal %+v, want one of %s that names %s: %s", got, dir, at, row.reason)
			}
		})
	}
}

func TestAStickyDirectoryIsSafeOnTheWayOnly(t *testing.T) {
	base := tree(t, map[string]string{"up/plugins/below/tool": elf})
	must(t, os.Chmod(filepath.Join(base, "up"), 0o777|os.ModeSticky))
	dir := filepath.Join(base, "up/plugins")
	if res := Scan([]string{dir}); len(res.Candidates) != 1 || len(res.Refusals) > 0 {
		t.Errorf("Scan() below a sticky directory = %+v, want a candidate", res)
	}
	for _, rel := range []string{"", "below"} {
		at := filepath.Join(dir, rel)
		must(t, os.Chmod(at, 0o777|os.ModeSticky))
		res := Scan([]string{dir})
		if len(res.Candidates) > 0 || len(res.Refusals) != 1 || res.Refusals[0].Path != at ||
			!strings.Contains(res.Refusals[0].Reason, "put files into it") {
			t.Errorf("Scan() when %s is everybody's and sticky = %+v, want it refused", at, res)
		}
		must(t, os.Chmod(at, 0o755))
	}
}

// TestTheWayMustBelongToRootOrTheHost gives parts of the way to another user when it may, and looks with the
// eyes of another user when it may not.
func TestTheWayMustBelongToRootOrTheHost(t *testing.T) {
	const stranger = 4711
	for at, fix := range map[string]string{"up": "chown ", "link": "chown -h "} {
		base := tree(t, map[string]string{"up/plugins/tool": elf})
		must(t, os.Symlink("up", filepath.Join(base, "link")))
		euid, want := os.Geteuid(), filepath.Join(base, at)
		if euid == 0 {
			must(t, os.Lchown(want, stranger, 0))
		} else {
			euid, want, fix = stranger, "", "chown "
		}
		var res Result
		scanDir(filepath.Join(base, "link/plugins"), euid, &res)
		if len(res.Candidates) > 0 || len(res.Refusals) != 1 {
			t.Fatalf("scanDir() = %+v, want one refusal", res)
		}
		got := res.Refusals[0]
		if !strings.HasPrefix(got.Reason, want) ||
			!strings.Contains(got.Reason, "is on the way to it: it belongs to") ||
			!strings.HasPrefix(got.Fix, fix) || !strings.Contains(got.Fix, want+",") {
			t.Errorf("refusal %+v, want one that names %s and says %s", got, want, fix)
		}
	}
}

func TestWayGoesWhereTheKernelGoes(t *testing.T) {
	base := tree(t, map[string]string{"a/b/file": "", "c/file": ""})
	links := map[string]string{
		"abs": filepath.Join(base, "a"), "rel": "a/b", "a/up": "..", "a/again": "../rel/../b/.//", "loop": "loop",
		"through": "c/file/x", "nowhere": "gone", "a/b/far": base + "/a/up/c",
	}
	for link, target := range links {
		must(t, os.Symlink(target, filepath.Join(base, link)))
	}
	for _, dir := range []string{
		"", "a", "a/b", "abs", "abs/b", "rel", "a/up", "a/up/a/up/c", "a/again", "rel/far", "c/file",
		"loop", "through", "nowhere", "gone", "c/file/x",
	} {
		path := filepath.Join(base, dir)
		want, wantErr := filepath.EvalSymlinks(path)
		got, err := way(path, os.Lstat)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("way(%s) = %s, %v, want %s, %v", dir, got, err, want, wantErr)
		}
	}
	if got, err := way("/", os.Lstat); got != "/" || err != nil {
		t.Errorf("way(/) = %s, %v, want /", got, err)
	}
	t.Chdir(base)
	if got, err := way("abs/b", os.Lstat); got != filepath.Join(base, "a/b") || err != nil {
		t.Errorf("way() of a relative path = %s, %v, want it absolute", got, err)
	}
}

func TestALoopOfLinksIsMissing(t *testing.T) {
	base := tree(t, nil)
	loop := filepath.Join(base, "loop")
	must(t, os.Symlink("loop", loop))
	res := Scan([]string{loop})
	if len(res.Missing) != 1 || !strings.Contains(res.Missing[0].Reason, syscall.ELOOP.Error()) {
		t.Errorf("Scan() = %+v, want it missing because of the loop", res)
	}
}

func TestSum(t *testing.T) {
	base := tree(t, map[string]string{"abc": "abc"})
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if got, err := Sum(filepath.Join(base, "abc")); got != abc || err != nil {
		t.Errorf("Sum() = %s, %v, want %s", got, err, abc)
	}
	fifo := filepath.Join(base, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o700))
	for _, path := range []string{fifo, base, filepath.Join(base, "gone")} {
		if got, err := Sum(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Sum(%s) = %s, %v, want an error that names it", path, got, err)
		}
	}
}

func TestStampOfIsTheStampOfTheScan(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	c := Scan([]string{base}).Candidates[0]
	if got, err := StampOf(c.Path); got != c.Stamp || err != nil {
		t.Errorf("StampOf() = %+v, %v, want %+v", got, err, c.Stamp)
	}
	must(t, os.WriteFile(c.Path, []byte(elf+"."), 0o600))
	if got, err := StampOf(c.Path); got == c.Stamp || err != nil {
		t.Errorf("StampOf() of what was written to = %+v, %v, want another", got, err)
	}
	if _, err := StampOf(filepath.Join(base, "gone")); err == nil {
		t.Error("StampOf() of what is not there = nil, want an error")
	}
}

func TestEachPartTellsCandidatesApart(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	lock(t, base, pinOf(base, "tool"))
	for name, spoil := range map[string]func(*Candidate){
		"path":   func(c *Candidate) { c.Path += "x" },
		"stamp":  func(c *Candidate) { c.Stamp.Changed++ },
		"lock":   func(c *Candidate) { c.Locked = false },
		"no pin": func(c *Candidate) { c.Pin = nil },
		"pin":    func(c *Candidate) { c.Pin.Tools = slices.Concat(c.Pin.Tools, []string{"More"}) },
	} {
		a, b := Scan([]string{base}).Candidates[0], Scan([]string{base}).Candidates[0]
		if a.Pin == nil || a.Pin == b.Pin || !a.Same(b) {
			t.Fatalf("Same() of two scans is false: %+v and %+v", a, b)
		}
		if spoil(&b); a.Same(b) || b.Same(a) {
			t.Errorf("Same() is true in spite of another %s", name)
		}
		a.Pin, b.Pin = nil, nil
		if same := a.Same(b); same != (name == "pin" || name == "no pin") {
			t.Errorf("Same() without pins, and another %s, is %v", name, same)
		}
	}
}
