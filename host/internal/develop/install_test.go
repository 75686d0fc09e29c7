package develop_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// named says that every program is a plugin of a name.
func named(name string) develop.Describe {
	return func(context.Context, string) (tool.Manifest, error) { return hosttest.OneTool(name, "FakeTool"), nil }
}

// program is an executable file with some content.
func program(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(path, []byte("#!/bin/false\n"+content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAPluginIsInstalledUnderItsName(t *testing.T) {
	dir := hosttest.Dir(t)
	built := program(t, "one")
	in, err := develop.Install(t.Context(), built, dir, named("fake"))
	if err != nil {
		t.Fatalf("Install() = %v", err)
	}
	sum, _ := discover.Sum(built)
	if filepath.Base(in.Path) != "fake" || in.SHA256 != sum || in.Replaced || in.Same || in.Unpinned {
		t.Errorf("Install() = %+v, want fake, with the bytes of what was built", in)
	}
	if info, err := os.Stat(in.Path); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the file: %v, %v, want mode 0755", info, err)
	}
	if in, err = develop.Install(t.Context(), built, dir, named("fake")); err != nil || !in.Same || !in.Replaced {
		t.Errorf("the same again: %+v, %v, want that it is the same", in, err)
	}
	in, err = develop.Install(t.Context(), program(t, "two"), dir, named("fake"))
	if err != nil || in.Same || !in.Replaced {
		t.Errorf("another: %+v, %v, want that it was replaced", in, err)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("in the directory are %v, want the plugin alone", got)
	}
}

func TestWhatIsDescribedIsWhatIsInstalled(t *testing.T) {
	dir := hosttest.Dir(t)
	built := program(t, "one")
	in, err := develop.Install(t.Context(), built, dir, func(_ context.Context, path string) (tool.Manifest, error) {
		if sum, _ := discover.Sum(path); path == built || filepath.Dir(path) != dir || sum == "" {
			t.Errorf("described is %s, want a copy in the directory", path)
		}
		err := os.WriteFile(built, []byte("#!/bin/false\nexchanged"), 0o755)
		return hosttest.OneTool("fake", "FakeTool"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(in.Path); !strings.HasSuffix(string(raw), "one") {
		t.Errorf("installed is %q, want what was described", raw)
	}
}

func TestWhatIsNoPluginChangesNothing(t *testing.T) {
	dir := hosttest.Dir(t)
	before, err := develop.Install(t.Context(), program(t, "one"), dir, named("fake"))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("it is no plugin")
	for what, describe := range map[string]develop.Describe{
		"it does not start":  func(context.Context, string) (tool.Manifest, error) { return tool.Manifest{}, broken },
		"its name is a path": named("../fake"),
		"it has no name":     named(""),
	} {
		if _, err := develop.Install(t.Context(), program(t, "two"), dir, describe); err == nil {
			t.Errorf("%s: Install() = nil, want an error", what)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "../fake")); err == nil {
		t.Error("a plugin was put beside the directory")
	}
	if sum, _ := discover.Sum(before.Path); sum != before.SHA256 || len(files(t, dir)) != 1 {
		t.Errorf("in the directory are %v, and the plugin is %s; want it as it was", files(t, dir), sum)
	}
	if _, err := develop.Install(t.Context(), t.TempDir(), dir, named("fake")); err == nil {
		t.Error("Install() of a directory = nil")
	}
	if _, err := develop.Install(t.Context(), filepath.Join(dir, "missing"), dir, named("fake")); err == nil {
		t.Error("Install() of nothing = nil")
	}
}

func TestANameThatHostsPassOverIsTold(t *testing.T) {
	if _, err := develop.Install(t.Context(), program(t, "one"), hosttest.Dir(t), named("TestPlugin")); err == nil ||
		!strings.Contains(err.Error(), "another name") {
		t.Errorf("Install() of TestPlugin = %v, want that hosts pass over it", err)
	}
}

func TestOnlyADirectoryThatHostsUseIsTaken(t *testing.T) {
	good, open := hosttest.Dir(t), hosttest.Dir(t)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(good, "missing")
	if got, err := develop.Directory([]string{missing, open, good}); err != nil || got != good {
		t.Errorf("Directory() = %s, %v, want the one that is good", got, err)
	}
	_, err := develop.Directory([]string{missing, open})
	if err == nil || !strings.Contains(err.Error(), "chmod go-w") || !strings.Contains(err.Error(), "mkdir -p") {
		t.Errorf("Directory() of bad ones = %v, want what is wrong with each", err)
	}
	if _, err := develop.Install(t.Context(), program(t, "one"), open, named("fake")); err == nil {
		t.Error("Install() into a directory of everybody's = nil")
	}
	if got := files(t, open); len(got) > 0 {
		t.Errorf("there are %v now", got)
	}
}

func TestALockFileIsTold(t *testing.T) {
	dir := hosttest.Dir(t)
	if err := pin.Write(dir, pin.Lock{}); err != nil {
		t.Fatal(err)
	}
	if in, err := develop.Install(t.Context(), program(t, "one"), dir, named("fake")); err != nil || !in.Unpinned {
		t.Errorf("Install() = %+v, %v, want that no host starts it", in, err)
	}
}

func TestWhatIsNoRegularFileIsNotWaitedFor(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := develop.Install(t.Context(), fifo, hosttest.Dir(t), named("fake"))
	if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("Install() of a FIFO = %v, want that it is no regular file", err)
	}
}

func TestALinkToTheSameBytesIsReplaced(t *testing.T) {
	dir, built := hosttest.Dir(t), program(t, "one")
	if err := os.Symlink(built, filepath.Join(dir, "fake")); err != nil {
		t.Fatal(err)
	}
	in, err := develop.Install(t.Context(), built, dir, named("fake"))
	if err != nil || in.Same || !in.Replaced {
		t.Errorf("Install() over a link = %+v, %v, want that it was replaced", in, err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "fake")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("in its place is %v, %v, want a file", info, err)
	}
}

func TestWhoseFileItIsCanBeSeen(t *testing.T) {
	dir, built := hosttest.Dir(t), program(t, "one")
	mine, err := develop.Install(t.Context(), built, dir, named("fake"))
	if err != nil || mine.Before != nil {
		t.Fatalf("Install() = %+v, %v, want nothing before it", mine, err)
	}
	again, err := develop.Exchange(t.Context(), built, dir, mine.File, named("fake"))
	if now, _ := os.Lstat(mine.Path); err != nil || !again.Same || !develop.SameFile(now, mine.File) {
		t.Errorf("Exchange() with the same bytes = %+v, %v, want that my file stays", again, err)
	}
	other, err := develop.Install(t.Context(), built, dir, named("fake"))
	if now, _ := os.Lstat(mine.Path); err != nil || !other.Same || develop.SameFile(now, mine.File) ||
		!develop.SameFile(now, other.File) || !develop.SameFile(other.Before, mine.File) {
		t.Errorf("Install() of the same bytes = %+v, %v, want that it is another file", other, err)
	}
	back, err := develop.Exchange(t.Context(), built, dir, mine.File, named("fake"))
	if now, _ := os.Lstat(mine.Path); err != nil || !develop.SameFile(now, back.File) ||
		develop.SameFile(now, other.File) {
		t.Errorf("Exchange() over another's = %+v, %v, want a file of mine", back, err)
	}
}
