// Package hosttest is what tests of the host stand on: a [Fake] of a plugin in the same process, and real
// plugin processes for which nothing has to be built. The test binary is its own plugin: [Install] links it
// into a plugin directory under the name of a behaviour, and [Main] recognizes that name when the binary is
// executed.
//
//	func TestMain(m *testing.M) { hosttest.Main(m, nil) }
//
//	func TestEcho(t *testing.T) {
//		dir := hosttest.Dir(t)
//		path := hosttest.Install(t, dir, "echo")
//		... start path as a plugin ...
//		hosttest.AwaitNone(t, dir) // and see that nothing is left of it
//	}
//
// The rules of who may import whom are here as well, as a test over go list.
package hosttest

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Main runs the tests, or, when this process was executed under the name of a behaviour, that behaviour. It
// never returns. more adds to [Behaviours], for what one package needs alone.
//
// The name is that of the executed file up to the first dot, so that "echo.a" and "echo.b" are two plugins
// that do the same.
func Main(m *testing.M, more map[string]func()) {
	name, _, _ := strings.Cut(filepath.Base(os.Args[0]), ".")
	all := maps.Clone(Behaviours())
	maps.Copy(all, more)
	if behave, ok := all[name]; ok {
		behave()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Dir is a directory that is safe enough for plugins, whatever the umask. It is gone after the test, and its
// path has no symbolic links.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		t.Fatalf("make a plugin directory: %v", err)
	}
	return dir
}

// RuntimeDir is a directory with a path short enough for unix sockets, which t.TempDir's is not.
func RuntimeDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatalf("make a runtime directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // at worst a directory stays in the system's temporary one
	return dir
}

// Install puts a plugin into dir and returns its path. name is a behaviour, or one with a suffix after a dot.
func Install(t testing.TB, dir, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find the test binary: %v", err)
	}
	path := filepath.Join(dir, name)
	info, err := os.Stat(self)
	if err != nil {
		t.Fatalf("look at the test binary: %v", err)
	}
	// A link is preferred: the binary is large.
	if info.Mode()&0o022 != 0 || os.Link(self, path) != nil {
		if err := copyFile(path, self); err != nil {
			t.Fatalf("install %s: %v", name, err)
		}
	}
	return path
}

// InstallScript puts a shell script into dir and returns its path. Its first line names the shell. To become
// a plugin it executes one: `exec DIR/echo`.
func InstallScript(t testing.TB, dir, name, shell string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := writeFile(path, strings.NewReader("#!/bin/sh\n"+shell+"\n")); err != nil {
		t.Fatalf("install script %s: %v", name, err)
	}
	return path
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() // only read
	return writeFile(to, src)
}

// writeFile makes an executable file. A child that is being forked meanwhile would hold the descriptor until
// it has executed its own file, and the file could be executed by nobody as long as that.
func writeFile(path string, content io.Reader) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		_ = f.Close() // the copy has failed already
		return err
	}
	return f.Close()
}

// Env is an environment for plugins that are test binaries. Under the race detector a process sleeps for a
// second before it exits, unless it is told not to.
func Env() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "GORACE=atexit_sleep_ms=0"}
}

// Eventually waits until what is asked for holds, for things that send no event when they change: goroutines,
// descriptors, processes of others. It gives up after ten seconds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-limit.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Names lists the behaviours, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Behaviours())) }

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
