//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// attempts are what the tool "attempt" tries in a directory. -> "" or why it could not.
var attempts = map[string]func(dir string) error{
	"read a listed file":       func(dir string) error { return read(dir + "/read/file") },
	"read an unlisted file":    func(dir string) error { return read(dir + "/secret") },
	"read /etc/passwd":         func(string) error { return read("/etc/passwd") },
	"read /etc/shadow's like":  func(dir string) error { return read(dir + "/link") },
	"list a listed directory":  func(dir string) error { return list(dir + "/read") },
	"list the root":            func(string) error { return list("/") },
	"write to a listed file":   func(dir string) error { return write(dir+"/read/file", 0) },
	"write to /dev/null":       func(string) error { return write("/dev/null", 0) },
	"write where it may":       func(dir string) error { return write(dir+"/write", 0) },
	"truncate where it may":    func(dir string) error { return write(dir+"/write", os.O_TRUNC) },
	"truncate a listed file":   func(dir string) error { return os.Truncate(dir+"/read/file", 0) },
	"make a file":              func(dir string) error { return write(dir+"/read/new", os.O_CREATE) },
	"make a directory":         func(dir string) error { return os.Mkdir(dir+"/read/newdir", 0o700) },
	"make a link":              func(dir string) error { return os.Symlink("/", dir+"/read/newlink") },
	"make a fifo":              func(dir string) error { return syscall.Mkfifo(dir+"/read/fifo", 0o600) },
	"remove a file":            func(dir string) error { return os.Remove(dir + "/read/gone") },
	"rename a file":            func(dir string) error { return os.Rename(dir+"/read/file", dir+"/new") },
	"run a listed program":     func(dir string) error { return execute(dir + "/program") },
	"run an unlisted program":  func(dir string) error { return execute(dir + "/other") },
	"run one that it may read": func(dir string) error { return execute(dir + "/read/program") },
	"read its own /proc/net":   func(string) error { return read("/proc/net/dev") },
	"read its environment":     func(string) error { return read("/proc/self/environ") },
	"signal its parent":        func(string) error { return syscall.Kill(os.Getppid(), 0) },
	"signal itself":            func(string) error { return syscall.Kill(os.Getpid(), 0) },
	"reach an abstract socket": reachSocket,
}

// permitted are those of the attempts that succeed under Landlock.
var permitted = map[string]bool{
	"read a listed file": true, "read /etc/passwd": true, "list a listed directory": true,
	"write to /dev/null": true, "write where it may": true, "truncate where it may": true,
	"run a listed program": true, "read its own /proc/net": true, "signal itself": true,
}

func execute(path string) error { return exec.Command(path, "tool=exit", "0").Run() }

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func list(path string) error {
	_, err := os.ReadDir(path)
	return err
}

func write(path string, flags int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func reachSocket(dir string) error {
	conn, err := net.Dial("unix", "@"+dir)
	if err != nil {
		return err
	}
	return conn.Close()
}

// attempt tries everything and prints a line for each.
func attempt(args []string) {
	for name, try := range attempts {
		err := try(args[0])
		fmt.Printf("%s: %v\n", name, err == nil)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		}
	}
}

// place makes the files of the attempts.
func place(t *testing.T) (dir string) {
	t.Helper()
	dir = openTemp(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/read", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/read", 0o777); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"/read/file", "/read/gone", "/secret", "/write", "/program", "/other", "/read/program",
	} {
		content := []byte(name)
		if strings.HasSuffix(name, "/program") || name == "/other" {
			content = program // not a link: a rule is on the file that has all these names
		}
		if err := os.WriteFile(dir+name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir+name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir+"/secret", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "@"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return dir
}

func TestAProgramSeesTheFilesOfItsCommandAlone(t *testing.T) { asEach(t, seesTheFilesOfItsCommand) }

func seesTheFilesOfItsCommand(t *testing.T) {
	inBothModes(t, func(t *testing.T, p *sandbox.Pool) {
		dir := place(t)
		c := full(dir+"/program", "tool=attempt", dir)
		c.Limits = roomy()
		c.Files.Read = append(c.Files.Read, dir+"/read", dir+"/not/there")
		c.Files.Write = append(c.Files.Write, dir+"/write")
		_, got := run(t, p, c)
		abi := sandbox.LandlockABI()
		for name := range attempts {
			want := permitted[name] || abi == 0
			if abi < 6 && (name == "signal its parent" || name == "reach an abstract socket") ||
				abi < 3 && strings.HasPrefix(name, "truncate") {
				continue // told by Layers
			}
			if line := fmt.Sprintf("%s: %v\n", name, want); !strings.Contains("\n"+got, "\n"+line) {
				t.Errorf("with Landlock ABI %d: no %q in\n%s", abi, line, sorted(got))
			}
		}
	})
}

func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// An upgrade puts another file in the place of one that a rule was made for.
func TestAFileThatWasReplacedIsSeenByTheNextRun(t *testing.T) {
	p := newPool(t)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	dir := openTemp(t)
	name := filepath.Join(dir, "file")
	c := full(cat, name)
	c.Files.Read = append(c.Files.Read, name)
	for i := range 3 {
		text := fmt.Sprint("version ", i)
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name+".new", 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
		if out, got := run(t, p, c); got != text {
			t.Errorf("Run(cat) = %+v, %q, want %q", out, got, text)
		}
	}
}

func TestAScriptNeedsItsInterpreterInTheList(t *testing.T) {
	p := newPool(t)
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(openTemp(t), "script")
	if err := os.WriteFile(script, []byte("#!"+shell+"\necho ran\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := full(script)
	if sandbox.LandlockABI() > 0 {
		wantFailure(t, p, c, "exec")
	}
	c.Files.Execute = append(c.Files.Execute, shell)
	if out, got := run(t, p, c); got != "ran\n" {
		t.Errorf("Run(script) = %+v, %q, want it to run", out, got)
	}
}

func TestSystemFilesHoldNoSecret(t *testing.T) {
	files := sandbox.SystemFiles()
	for _, path := range append(append(files.Read, files.Execute...), files.Write...) {
		for _, secret := range []string{
			"/etc/shadow", "/etc/ssl/private", "/root", "/home", "/proc/1", "/proc/self", "/dev/kmsg",
		} {
			if path == "/" || strings.HasPrefix(secret+"/", path+"/") {
				t.Errorf("SystemFiles has %s, and by it %s", path, secret)
			}
		}
	}
}
