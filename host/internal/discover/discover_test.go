package discover

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const elf = "\x7fELF and so on"

// tree makes files, path -> content, each 0755, in a directory that is safe.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(base, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o600))
		must(t, os.Chmod(path, 0o755))
	}
	must(t, filepath.WalkDir(base, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, 0o755) // whatever the umask
		}
		return err
	}))
	return base
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func names(base string, res Result) []string {
	var got []string
	for _, c := range res.Candidates {
		rel, _ := filepath.Rel(base, c.Path)
		got = append(got, rel)
	}
	return got
}

func TestScanTakesPrograms(t *testing.T) {
	base := tree(t, map[string]string{
		"zeta": elf, "alpha": "#!/bin/true\n", "below/mac": "\xcf\xfa\xed\xfe...", "below/deeper/x": elf,
		"README": "read me", "empty": "", ".hidden": elf, ".git/hook": elf, "_draft": elf,
		"TestThing": elf, "MockTool": elf, "AbstractTool": elf, "ExampleTool": elf,
		"ToolBase": elf, "ToolMixin": elf, "ToolInterface": elf, "ToolBase.sh": "#!/bin/true\n",
		"testing": elf, "Basement": elf,
	})
	must(t, os.WriteFile(filepath.Join(base, "not-executable"), []byte(elf), 0o600))
	must(t, syscall.Mkfifo(filepath.Join(base, "fifo"), 0o700))
	res := Scan([]string{base})
	want := []string{"Basement", "alpha", "below/deeper/x", "below/mac", "testing", "zeta"}
	if got := names(base, res); !slices.Equal(got, want) {
		t.Errorf("Scan() found %v, want %v", got, want)
	}
	if len(res.Refusals)+len(res.Missing) > 0 {
		t.Errorf("Scan() refuses %v, misses %v; want neither", res.Refusals, res.Missing)
	}
}

func TestScanRefuses(t *testing.T) {
	outside := tree(t, map[string]string{"tool": elf})
	for name, row := range map[string]struct {
		spoil       func(path string) error // the path of bin/tool
		at          string                  // what is refused
		reason, fix string
	}{
		"a file that the group may write": {
			func(p string) error { return os.Chmod(p, 0o775) }, "bin/tool", "may write to it", "chmod go-w "},
		"a file that others may write": {
			func(p string) error { return os.Chmod(p, 0o757) }, "bin/tool", "may write to it", "chmod go-w "},
		"a setuid file": {
			func(p string) error { return os.Chmod(p, 0o755|os.ModeSetuid) }, "bin/tool", "setuid", "chmod u-s,g-s "},
		"a setgid file": {
			func(p string) error { return os.Chmod(p, 0o755|os.ModeSetgid) }, "bin/tool", "setgid", "chmod u-s,g-s "},
		"a directory below that others may write": {
			func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, "bin", "put files", "chmod go-w "},
		"the directory itself when others may write": {
			func(p string) error { return os.Chmod(filepath.Join(p, "../.."), 0o775) }, ".", "put files", "chmod"},
		"a link to a program outside": {
			func(p string) error { return relink(outside+"/tool", p) }, "bin/tool", "leaves", "cp --remove"},
		"a link to a directory outside": {
			func(p string) error { return relink(outside, p) }, "bin/tool", "leaves", "cp --remove"},
		"a link to nothing": {
			func(p string) error { return relink("nothing", p) }, "bin/tool", "no such file", "take it away"},
	} {
		t.Run(name, func(t *testing.T) {
			base := tree(t, map[string]string{"bin/tool": elf})
			must(t, row.spoil(filepath.Join(base, "bin/tool")))
			res := Scan([]string{base})
			if len(res.Candidates) > 0 || len(res.Refusals) != 1 {
				t.Fatalf("Scan() = %+v, want one refusal", res)
			}
			got := res.Refusals[0]
			if got.Path != filepath.Join(base, row.at) || !strings.Contains(got.Reason, row.reason) ||
				!strings.Contains(got.Fix, row.fix) {
				t.Errorf("refusal %+v, want %q, %q of %s", got, row.reason, row.fix, row.at)
			}
		})
	}
}

func relink(target, path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func TestALinkToAnOrdinaryFileOutsideIsPassedOver(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	note := filepath.Join(t.TempDir(), "note")
	must(t, os.WriteFile(note, []byte("text"), 0o600))
	must(t, os.Symlink(note, filepath.Join(base, "note")))
	if res := Scan([]string{base}); len(res.Refusals) > 0 {
		t.Errorf("Scan() refuses %v", res.Refusals)
	}
}

// TestTheOwnerMustBeRootOrTheHost looks with the eyes of a host of another user. What root owns is fit for
// all users, so root gives the files away.
func TestTheOwnerMustBeRootOrTheHost(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, "dir/tool": elf})
	owner, host := os.Geteuid(), os.Geteuid()+1
	if owner == 0 {
		owner, host = 4711, 0
		must(t, os.Chown(filepath.Join(base, "tool"), owner, owner))
		must(t, os.Chown(filepath.Join(base, "dir"), owner, owner))
	}
	var res Result
	scanDir(base, host, &res)
	if len(res.Candidates) > 0 || len(res.Refusals) == 0 {
		t.Fatalf("scanDir() = %+v, want refusals alone", res)
	}
	for _, r := range res.Refusals {
		if !strings.Contains(r.Reason, fmt.Sprintf("belongs to user %d", owner)) ||
			!strings.HasPrefix(r.Fix, fmt.Sprintf("chown %d ", host)) {
			t.Errorf("refusal %+v, want one about user %d", r, owner)
		}
	}
	res = Result{}
	if scanDir(base, owner, &res); owner != 0 && os.Geteuid() != 0 && len(res.Candidates) != 2 {
		t.Errorf("scanDir() for the owner = %+v, want both plugins", res)
	}
}

func TestLinksInside(t *testing.T) {
	base := tree(t, map[string]string{"tool-1.2": elf, ".store/other": elf})
	must(t, os.Symlink("tool-1.2", filepath.Join(base, "tool")))
	must(t, os.Symlink(".store/other", filepath.Join(base, "other")))
	res := Scan([]string{base, base})
	if got, want := names(base, res), []string{".store/other", "tool-1.2"}; !slices.Equal(got, want) {
		t.Errorf("Scan() found %v, want %v", got, want)
	}
	must(t, os.Chmod(filepath.Join(base, ".store"), 0o777))
	res = Scan([]string{base})
	if len(res.Candidates) != 1 || len(res.Refusals) != 1 {
		t.Errorf("Scan() = %+v, want the link's way refused", res)
	}
}

func TestMissingDirectoriesDoNotStopTheScan(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf})
	gone := filepath.Join(base, "gone")
	res := Scan([]string{gone, base, filepath.Join(base, "tool")})
	if len(res.Candidates) != 1 || len(res.Missing) != 2 {
		t.Fatalf("Scan() = %+v, want one candidate and two missing directories", res)
	}
	if m := res.Missing[0]; m.Path != gone || !strings.Contains(m.Reason, "no such file") ||
		!strings.Contains(m.Fix, "mkdir -p ") {
		t.Errorf("missing %+v, want %s with its reason", m, gone)
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	base := tree(t, map[string]string{"tool": elf, "dir/tool": elf})
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.Chmod(base, 0o755))
	must(t, os.Chmod(filepath.Join(base, "tool"), 0o111))
	must(t, os.Chmod(filepath.Join(base, "dir"), 0o111))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(base, "dir"), 0o755) })
	if res := scanAsNobody(base); len(res.Candidates) > 0 || len(res.Refusals) != 2 {
		t.Errorf("Scan() = %+v, want two refusals", res)
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/nmap": "/usr/bin/nmap", "/my plugins/x": "'/my plugins/x'",
		"/it's": `'/it'\''s'`, "/$(x)": "'/$(x)'",
	} {
		if got := quote(path); got != want {
			t.Errorf("quote(%s) = %s, want %s", path, got, want)
		}
	}
}
