package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// needing is a tool that needs two capabilities, of which the host can hand on those that are held.
func needing(t *testing.T, held []string, optional bool, change func(*Definition)) *Tool {
	t.Helper()
	before := available
	available = func(name string) bool { return slices.Contains(held, name) }
	t.Cleanup(func() { available = before })
	d := Definition{
		Definition: sdk.Definition{Name: "Frob", Description: "A tool of the tests.", Needs: []sdk.Need{
			{Kind: sdk.NeedCapability, Name: "CAP_NET_RAW"},
			{Kind: sdk.NeedCapability, Name: "CAP_NET_ADMIN", Optional: optional},
			{Kind: sdk.NeedCommand, Name: "sh", Install: "apt-get install dash"},
		}},
		Program: Program{Name: "sh", Install: "apt-get install dash"},
	}
	if change != nil {
		change(&d)
	}
	return New(d)
}

func TestAProgramHasTheCapabilitiesThatItNeeds(t *testing.T) {
	const raw, admin = "CAP_NET_RAW", "CAP_NET_ADMIN"
	without := func(d *Definition) {
		d.Without = func(c string, _ []int) string { return "does without " + c }
	}
	for _, row := range []struct {
		says     string
		held     []string
		optional bool
		change   func(*Definition)
		want     []string
		lacks    string // the capability over which the run is refused
	}{
		{"both are handed on", []string{raw, admin}, false, nil, []string{raw, admin}, ""},
		{"what is not needed is not handed on", []string{raw, admin, "CAP_BPF"}, false, nil, []string{raw, admin},
			""},
		{"an optional one is missing", []string{raw}, true, nil, []string{raw}, ""},
		{"a required one is missing", []string{raw}, false, nil, nil, admin},
		{"all are missing", nil, false, nil, nil, raw},
		{"the program does without", nil, false, without, nil, ""},
		{"the program could do without, and need not", []string{raw}, false, without, []string{raw}, ""},
		{"the file has none either", nil, false, func(d *Definition) { d.FileCapabilities = true }, nil, raw},
	} {
		tool := needing(t, row.held, row.optional, row.change)
		got, err := tool.access(sdk.Env{}, "/bin/sh")
		if row.lacks != "" {
			e := sdk.AsError(err)
			if err == nil || e.Kind != sdk.KindNeedsPrivilege || e.Metadata["needs"] != row.lacks ||
				e.Suggestion == "" {
				t.Errorf("%s: access = %+v, %v; want a %s about %s", row.says, got, err, sdk.KindNeedsPrivilege,
					row.lacks)
			}
			continue
		}
		if err != nil || !slices.Equal(got.capabilities, row.want) || got.byFile {
			t.Errorf("%s: access = %+v, %v; want %q", row.says, got, err, row.want)
		}
	}
}

func TestAProgramThatLivesByItsFileRunsWithoutNoNewPrivileges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "frob")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	tool := needing(t, nil, false, func(d *Definition) { d.FileCapabilities = true })
	hinder(t, "")
	got, err := tool.access(sdk.Env{}, file)
	if os.Geteuid() == 0 { // what root has lost no file gives back
		if sdk.KindOf(err) != sdk.KindNeedsPrivilege {
			t.Errorf("as root: access = %+v, %v; want a %s", got, err, sdk.KindNeedsPrivilege)
		}
		got = access{byFile: true}
	} else if err != nil || !got.byFile {
		t.Errorf("access = %+v, %v; want it to live by its file", got, err)
	}
	var cmd sandbox.Command
	if tool.restrict(&cmd, got); cmd.NoNewPrivileges || cmd.Files != nil {
		t.Errorf("by file: %+v, want neither no_new_privs nor Landlock", cmd)
	}
	if tool.restrict(&cmd, access{}); !cmd.NoNewPrivileges || cmd.Files == nil {
		t.Errorf("otherwise: %+v, want no_new_privs and Landlock", cmd)
	}
}

// hinder makes the kernel give that as the reason why no file gives a right; empty: none.
func hinder(t *testing.T, why string) {
	t.Helper()
	before := hindered
	hindered = func(string, string) string { return why }
	t.Cleanup(func() { hindered = before })
}

func TestAFileThatCannotGiveWhatItCarriesIsNotBelieved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "frob")
	for _, err := range []error{
		os.WriteFile(file, nil, 0o755), os.Chmod(file, 0o755|os.ModeSetuid),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tool := needing(t, nil, false, func(d *Definition) {
		d.FileCapabilities = true
		d.Needs = d.Needs[:1]
	})
	hinder(t, "the moon is full")
	_, err := tool.access(sdk.Env{}, file)
	e := sdk.AsError(err)
	if err == nil || e.Kind != sdk.KindNeedsPrivilege || strings.Contains(e.Suggestion, "setcap") ||
		!strings.Contains(e.Suggestion, "AmbientCapabilities=CAP_NET_RAW") ||
		strings.Contains(e.Message, "the moon is full") != (os.Geteuid() != 0) {
		t.Errorf("access = %v, want a %s with the reason unless root asks, and no setcap", err,
			sdk.KindNeedsPrivilege)
	}
	_, err = tool.checkCapability(sdk.Env{}, tool.def.Needs[0])
	e = sdk.AsError(err)
	if err == nil || e.Kind != sdk.KindNeedsPrivilege || strings.Contains(e.Suggestion, "setcap") ||
		!strings.Contains(e.Suggestion, "--ambient-caps=+net_raw") ||
		strings.Contains(e.Message, "the moon is full") != (os.Geteuid() != 0) {
		t.Errorf("checkCapability = %v, want a %s likewise", err, sdk.KindNeedsPrivilege)
	}
}

func TestWithoutIsAskedForTheGroupsOfTheProgram(t *testing.T) {
	var asked []int
	tool := needing(t, nil, false, func(d *Definition) {
		d.Without = func(_ string, groups []int) string { asked = groups; return "yes" }
	})
	if _, err := tool.access(sdk.Env{}, "/bin/sh"); err != nil || !slices.Contains(asked, os.Getegid()) {
		t.Errorf("access asked for groups %v, %v; want this process's, %d among them", asked, err,
			os.Getegid())
	}
}

func TestAProgramThatEverybodyCanReplaceIsNotRun(t *testing.T) {
	for _, row := range []struct {
		says      string
		file, dir os.FileMode
		open      bool
	}{
		{"closed", 0o755, 0o755, false},
		{"open to the group", 0o775, 0o775, false},
		{"the file is open", 0o757, 0o755, true},
		{"the directory is open", 0o755, 0o777, true},
		{"the directory is open, and sticky", 0o755, 0o777 | os.ModeSticky, true},
	} {
		dir, bin := t.TempDir(), t.TempDir()
		file, link := filepath.Join(dir, "frob"), filepath.Join(bin, "frob")
		for _, err := range []error{
			os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755), os.Chmod(file, row.file),
			os.Chmod(dir, row.dir),
			os.Chmod(bin, 0o755), os.Symlink(file, link),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{file, link} {
			err := newLocator(Program{Name: "frob"}).guarded(path)
			if (err != nil) != row.open ||
				row.open && !strings.Contains(sdk.AsError(err).Suggestion, "chmod o-w "+dir) {
				t.Errorf("%s: guarded(%s) = %v, want an error: %t", row.says, path, err, row.open)
			}
		}
	}
}

func TestADigestIsThatOfTheFileAsItIs(t *testing.T) {
	// sha256sum says so.
	const one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" // "one"
	const two = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3" // "two"
	dir := t.TempDir()
	file := filepath.Join(dir, "data")
	var d digests
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		// The same size, and the same time of modification: only the inode tells.
		if err := os.Chtimes(file, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ text, want string }{
		{"one", one}, {"one", one}, {"two", two}, {"one", one},
	} {
		write(row.text)
		for range 2 {
			got := d.files(file, filepath.Join(dir, "missing"), dir)
			if len(got) != 1 || got[0] != (sdk.File{Path: file, SHA256: row.want}) {
				t.Errorf("digest of %q = %v, want %s of the file alone", row.text, got, row.want)
			}
		}
	}
}

func TestADigestIsKnownUntilTheFileChanges(t *testing.T) {
	const path = "/bin/sh" // which is old
	var d digests
	first := d.of(path)
	if len(first) != 64 {
		t.Fatalf("digest of %s = %q, want 64 digits", path, first)
	}
	known := d.known[path]
	known.sum = "known"
	d.known[path] = known
	if got := d.of(path); got != "known" {
		t.Errorf("digest of a file that did not change = %q, want the known one", got)
	}
	known.stamp.size++
	d.known[path] = known
	if got := d.of(path); got != first {
		t.Errorf("digest of a file that changed = %q, want it anew: %s", got, first)
	}
}

func BenchmarkDigestOfAKnownFile(b *testing.B) {
	var d digests
	for b.Loop() {
		d.of("/bin/sh")
	}
}
