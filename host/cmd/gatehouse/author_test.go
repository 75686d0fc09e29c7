package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/plugintest"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

func TestAPluginServesWhenTheBytesThatWereInstalledDo(t *testing.T) {
	in := develop.Installed{Path: "/plugins/port", SHA256: "new"}
	clash := httpdoor.PluginProblem{Path: in.Path, Tool: "PortTool", Reason: "another has it"}
	for _, c := range []struct {
		name string
		list httpdoor.PluginList
		want string // of what is wrong; "": nothing
	}{
		{"ready", plugged(httpdoor.PluginView{SHA256: "new", State: "ready"}), ""},
		{"described, and not running", plugged(httpdoor.PluginView{SHA256: "new", State: "idle"}), ""},
		{"the old one serves", plugged(httpdoor.PluginView{SHA256: "old", State: "ready"}), stillStarting},
		{"it is being started", plugged(httpdoor.PluginView{State: "starting"}), stillStarting},
		{"it does not start beside the old one", plugged(httpdoor.PluginView{
			SHA256: "old", State: "ready", SuccessorError: "no database", SuccessorFix: "make one"}), "no database; make one"},
		{"it does not start", plugged(httpdoor.PluginView{State: "backoff", Error: "no database"}), "no database"},
		{"nothing of it is wanted", plugged(httpdoor.PluginView{
			SHA256: "new", State: "stopped", Reason: "its tools are hidden"}), "its tools are hidden"},
		{"another has its tool", plugged(httpdoor.PluginView{
			SHA256: "new", State: "ready", Clashes: []httpdoor.PluginProblem{clash}}), "another has it"},
		{"the host looks elsewhere", httpdoor.PluginList{}, "gatehouse config show"},
		{"its directory is refused", httpdoor.PluginList{Problems: []httpdoor.PluginProblem{
			{Path: "/plugins", Reason: "others may write"}}}, "others may write"},
	} {
		if _, wrong := standing(c.list, in); (c.want == "") != (wrong == "") || !strings.Contains(wrong, c.want) {
			t.Errorf("%s: %q, want %q", c.name, wrong, c.want)
		}
	}
}

// plugged is a list with one plugin, at the path of the test, and another.
func plugged(v httpdoor.PluginView) httpdoor.PluginList {
	v.Path = "/plugins/port"
	return httpdoor.PluginList{Plugins: []httpdoor.PluginView{{Path: "/plugins/other", SHA256: "new", State: "ready"}, v}}
}

func TestTheWaitForAHostEndsWithItsErrorAndWithTheCaller(t *testing.T) {
	gone := errors.New("the host is gone")
	_, err := awaitServing(t.Context(), develop.Installed{}, func() (httpdoor.PluginList, error) {
		return httpdoor.PluginList{}, gone
	})
	if !errors.Is(err, gone) {
		t.Errorf("awaitServing() = %v, want %v", err, gone)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = awaitServing(ctx, develop.Installed{Path: "/plugins/port"}, func() (httpdoor.PluginList, error) {
		cancel()
		return httpdoor.PluginList{}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("awaitServing() = %v, want that it was cancelled", err)
	}
}

func TestAPluginUnderADebuggerIsFoundByAddressAndByName(t *testing.T) {
	temp, err := os.MkdirTemp("", "gd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := debugSocket(""); err == nil {
		t.Error("debugSocket() without a plugin that waits = nil")
	}
	for said, want := range map[string]string{
		"unix:/run/x/../port.sock": "/run/port.sock", "/run/port.sock": "/run/port.sock",
		"port": wire.DebugSocket("port"),
	} {
		if got, err := debugSocket(said); err != nil || got != want {
			t.Errorf("debugSocket(%q) = %s, %v, want %s", said, got, err, want)
		}
	}
	for _, said := range []string{"unix:port.sock", "127.0.0.1:80", "./port", "unix:"} {
		if got, err := debugSocket(said); err == nil {
			t.Errorf("debugSocket(%q) = %s, want an error", said, got)
		}
	}
	var waiting []net.Listener
	for _, name := range []string{"one", "two"} {
		l, err := wire.ListenDebug(name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // may have been closed
		waiting = append(waiting, l)
	}
	if _, err := debugSocket(""); err == nil || !strings.Contains(err.Error(), "one.sock, ") {
		t.Errorf("debugSocket() while two wait = %v, want both named", err)
	}
	waiting[1].(*net.UnixListener).SetUnlinkOnClose(false) // as when its process is killed
	_ = waiting[1].Close()
	if got, err := debugSocket(""); err != nil || filepath.Base(got) != "one.sock" {
		t.Errorf("debugSocket() while one waits = %s, %v, want that one", got, err)
	}
	waiting[0].(*net.UnixListener).SetUnlinkOnClose(false)
	_ = waiting[0].Close()
	if got, err := debugSocket(""); err == nil || err.Error() != "no plugin waits for a host" {
		t.Errorf("debugSocket() after all were killed = %s, %v, want that none waits", got, err)
	}
}

func TestSamplesInAFIFOAreNotWaitedFor(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSamples(fifo, new(plugintest.Peers)); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("readSamples() of a FIFO = %v, want that it is no regular file", err)
	}
}

func TestDevTakesOutWhatIsItsOwn(t *testing.T) {
	put := func(path, content string) fs.FileInfo {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	for _, c := range []struct {
		name  string
		does  func(t *testing.T, d *dev, path string)
		says  string
		stays bool
	}{
		{"it made it", func(t *testing.T, d *dev, path string) {
			mine := put(path, "one")
			keeps(t, d, develop.Installed{Path: path, File: mine})
			keeps(t, d, develop.Installed{Path: path, Before: mine, File: put(path, "two")})
		}, "took out PATH\n", false},
		{"there was one before", func(t *testing.T, d *dev, path string) {
			keeps(t, d, develop.Installed{Path: path, Before: put(path, "old"), File: put(path, "one")})
		}, "the last good build stays at PATH\n", true},
		{"another put the same bytes there", func(t *testing.T, d *dev, path string) {
			keeps(t, d, develop.Installed{Path: path, File: put(path, "one")})
			put(path, "one")
		}, "left PATH to who exchanged it\n", true},
		{"it was put over another's", func(t *testing.T, d *dev, path string) {
			keeps(t, d, develop.Installed{Path: path, File: put(path, "one")})
			keeps(t, d, develop.Installed{Path: path, Before: put(path, "other"), File: put(path, "two")})
		}, "the last good build stays at PATH\n", true},
		{"it is gone", func(t *testing.T, d *dev, path string) {
			keeps(t, d, develop.Installed{Path: path, File: put(path, "one")})
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			path := filepath.Join(t.TempDir(), "port")
			d := &dev{app: &app{stdout: &out}, made: make(map[string]made)}
			c.does(t, d, path)
			if err := d.leave(); err != nil {
				t.Errorf("leave() = %v", err)
			}
			if want := strings.ReplaceAll(c.says, "PATH", path); out.String() != want {
				t.Errorf("leave() says %q, want %q", &out, want)
			}
			if _, err := os.Lstat(path); (err == nil) != c.stays {
				t.Errorf("the file: %v, want it to stay: %t", err, c.stays)
			}
		})
	}
}

func keeps(t *testing.T, d *dev, in develop.Installed) {
	t.Helper()
	if err := d.keep(in); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsTakenOutIsSaidWhenItIsOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil { // which cannot be removed
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := (made{file: info, ours: true}).leave(&out, path); err == nil || out.Len() > 0 {
		t.Errorf("leave() = %v, and says %q; want an error alone", err, &out)
	}
}

func TestWhoInstallsIsNotSentToThePluginDirectory(t *testing.T) {
	hello := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(hello, []byte("#!/bin/echo\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"/bin/true": "it is not a plugin, or fails as it starts, and was not installed; run /bin/true by hand",
		hello:       "nothing was installed; name a program that was built with the sdk",
	} {
		_, err := describer(filepath.Base(program), program)(t.Context(), program)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "plugin directory") {
			t.Errorf("of %s, which is no plugin, is said %v, want %q", program, err, want)
		}
	}
}

func TestWhatIsToBeTypedIsOneWord(t *testing.T) {
	for _, text := range []string{"port-check", "sp ace", "it's", "$HOME", "`id`", "a;b", "*", "~", "", "#", `\`, "=x"} {
		out, err := exec.Command("sh", "-c", "printf '<%s>' "+shellWord(text)).Output()
		if want := "<" + text + ">"; err != nil || string(out) != want {
			t.Errorf("a shell takes %s for %s, %v, want %s", shellWord(text), out, err, want)
		}
	}
	if got := shellPath("-x"); got != "./-x" {
		t.Errorf("shellPath(-x) = %s, want ./-x", got)
	}
}

func TestTheDirectoryOfANewPluginCanBeTypedAsItIsPrinted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sp ace")
	code, out, errs := commanded(t, "plugin", "new", "spc", "--dir", dir, "--sdk", "v1.2.3")
	if code != exitOK || !strings.Contains(out, "cd '"+dir+"' && make test") {
		t.Errorf("plugin new = exit %d, %q, %q, want the directory as one word", code, out, errs)
	}
}
