//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

const asVar = "SANDBOX_TEST_AS"

// asEach runs test as this process is and, when it is root's, again as an ordinary user, and as one who can
// hand on CAP_NET_RAW. Each further run is one of this test binary, for the one test.
func asEach(t *testing.T, test func(t *testing.T)) {
	if os.Getenv(asVar) != "" || os.Getuid() != 0 {
		test(t)
		return
	}
	t.Run("as root", test)
	t.Run("as an ordinary user", func(t *testing.T) { again(t, nobody) })
	t.Run("as a user with CAP_NET_RAW", func(t *testing.T) { again(t, nobody, capNetRaw) })
}

const capNetRaw = 13

// again runs the test that calls it in another process.
func again(t *testing.T, uid uint32, capabilities ...uintptr) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(openCopy(t, exe), "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), asVar+"="+strconv.Itoa(int(uid)), "TMPDIR="+openTemp(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: capabilities}
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// wantFailure wants a StartError at a stage.
func wantFailure(t *testing.T, p *sandbox.Pool, c sandbox.Command, stage string) {
	t.Helper()
	out, err := p.Run(context(), c)
	var start *sandbox.StartError
	if !errors.As(err, &start) || start.Stage != stage {
		t.Errorf("Run(%s) = %+v, %v, want an error at %q", c.Path, out, err, stage)
	}
}

// status is what /proc/self/status of a program says.
func status(t *testing.T, p *sandbox.Pool, c sandbox.Command) map[string]string {
	t.Helper()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	c.Path, c.Args = cat, []string{"/proc/self/status"}
	out, text := run(t, p, c)
	if out.ExitCode != 0 {
		t.Fatalf("Run(cat) = %+v", out)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

func TestAProgramIsWhoItsCommandSaysAndHasNoMore(t *testing.T) { asEach(t, programIsWhoItsCommandSays) }

func programIsWhoItsCommandSays(t *testing.T) {
	files := sandbox.SystemFiles()
	files.Read = append(files.Read, "/proc/self/status")
	p := newPool(t)
	for _, user := range []*sandbox.User{nil, {UID: nobody, GID: nobody}} {
		for _, names := range [][]string{nil, {"CAP_NET_RAW"}, {"CAP_NET_RAW", "CAP_CHOWN", "CAP_BPF"}} {
			for _, nnp := range []bool{false, true} {
				c := sandbox.Command{RunAs: user, Capabilities: names, NoNewPrivileges: nnp}
				if nnp {
					c.Files = &files
				}
				name := fmt.Sprintf("%v %v no_new_privs %v", user, names, nnp)
				wantStatus(t, name, status(t, p, c), c)
			}
		}
	}
}

// wantStatus compares the whole identity of a program with that of its command.
func wantStatus(t *testing.T, name string, got map[string]string, c sandbox.Command) {
	t.Helper()
	mine := status(t, newPool(t), sandbox.Command{})
	id := strconv.Itoa(os.Getuid()) // the group has the same number, here and there
	groups := mine["Groups"]
	if c.RunAs != nil && os.Getuid() == 0 {
		id, groups = strconv.Itoa(int(c.RunAs.UID)), ""
	}
	set := capabilityBits(c.Capabilities)
	want := map[string]string{
		"Uid": strings.TrimSpace(strings.Repeat(id+" ", 4)), "Groups": groups,
		"Gid":    strings.TrimSpace(strings.Repeat(id+" ", 4)),
		"CapEff": set, "CapPrm": set, "CapInh": set, "CapAmb": set,
		"NoNewPrivs": mine["NoNewPrivs"], "Seccomp": "0",
		"SigBlk": "0000000000000000", "SigIgn": "0000000000000000",
	}
	if c.NoNewPrivileges {
		want["NoNewPrivs"] = "1"
	}
	if os.Getuid() == 0 && (id == "0" || c.NoNewPrivileges) && sandbox.Available("CAP_SETPCAP") {
		want["CapBnd"] = set
	}
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%s: %s = %q, want %q", name, field, got[field], value)
		}
	}
}

// capabilityBits are those of the names that this process can hand on, as status prints them.
func capabilityBits(names []string) string {
	bits := uint64(0)
	for name, n := range map[string]int{"CAP_CHOWN": 0, "CAP_NET_RAW": capNetRaw, "CAP_BPF": 39} {
		if slices.Contains(names, name) && sandbox.Available(name) {
			bits |= 1 << n
		}
	}
	return fmt.Sprintf("%016x", bits)
}

func TestAvailableIsWhatAProgramHas(t *testing.T) { asEach(t, availableIsWhatAProgramHas) }

func availableIsWhatAProgramHas(t *testing.T) {
	p := newPool(t)
	last := status(t, p, sandbox.Command{})["CapBnd"]
	if last == "" {
		t.Fatal("no CapBnd in /proc/self/status")
	}
	for n, name := range sandbox.CapabilityNames() {
		got := status(t, p, sandbox.Command{Capabilities: []string{name}})["CapEff"]
		want := uint64(0)
		if sandbox.Available(name) {
			want = 1 << n
		}
		if got != fmt.Sprintf("%016x", want) {
			t.Errorf("with %s, of which Available says %v, CapEff = %s", name, want != 0, got)
		}
	}
	for _, wrong := range []string{"", "NET_RAW", "cap_net_raw", "CAP_NET_RAW "} {
		if sandbox.Available(wrong) {
			t.Errorf("Available(%q) = true", wrong)
		}
	}
	if sandbox.Available("CAP_NET_RAW") != (os.Getuid() == 0 || ambient(t)) {
		t.Errorf("Available(CAP_NET_RAW) = %v", sandbox.Available("CAP_NET_RAW"))
	}
}

// ambient reports whether this process has CAP_NET_RAW without being root's.
func ambient(t *testing.T) bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "CapPrm:\t0000000000002000")
}

func TestACommandThatCannotBeConfinedIsRefused(t *testing.T) { asEach(t, cannotBeConfined) }

func cannotBeConfined(t *testing.T) {
	p := newPool(t)
	for name, change := range map[string]func(*sandbox.Command){
		"an unknown capability":      func(c *sandbox.Command) { c.Capabilities = []string{"CAP_NET_RAV"} },
		"files without no_new_privs": func(c *sandbox.Command) { c.NoNewPrivileges = false },
		"a relative path": func(c *sandbox.Command) {
			c.Files = &sandbox.Files{Read: []string{"etc"}}
		},
		"a path with a NUL": func(c *sandbox.Command) {
			c.Files = &sandbox.Files{Write: []string{"/a\x00b"}}
		},
		"nobody's user number":  func(c *sandbox.Command) { c.RunAs = &sandbox.User{UID: 1<<32 - 1, GID: 1} },
		"nobody's group number": func(c *sandbox.Command) { c.RunAs = &sandbox.User{UID: 1, GID: 1<<32 - 1} },
		"a user whom we cannot become": func(c *sandbox.Command) {
			c.RunAs = &sandbox.User{UID: 4242, GID: 4242}
			if os.Getuid() == 0 {
				c.RunAs.UID = 1<<32 - 1 // there is no other that root cannot become
			}
		},
	} {
		c := full("/bin/true")
		change(&c)
		t.Run(name, func(t *testing.T) { wantFailure(t, p, c, "check the command") })
	}
	c := full("/bin/true")
	c.Files.Read = append(c.Files.Read, "/"+strings.Repeat("long/", 1000))
	if sandbox.LandlockABI() > 0 {
		wantFailure(t, p, c, "make the landlock rules")
	}
	c = full("/bin/true")
	c.RunAs = &sandbox.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if out, err := p.Run(context(), c); err != nil || out.ExitCode != 0 {
		t.Errorf("Run(as who this process is) = %+v, %v", out, err)
	}
}

// A step that the kernel refuses is the end: the program does not run with less. Here the process loses a
// right after it has been read what it may, so that the refusal comes as late as it can.
func TestAStepThatFailsMeansNoRun(t *testing.T) {
	if os.Getenv(asVar) == "" {
		for _, lost := range []string{"setpcap", "setuid", "net_raw", "landlock"} {
			t.Run(lost, func(t *testing.T) {
				t.Setenv("SANDBOX_TEST_LOSES", lost)
				again(t, uint32(os.Getuid()))
			})
		}
		return
	}
	c := full("/bin/true")
	sandbox.Available("CAP_NET_RAW") // reads what this process may
	runtime.LockOSThread()
	stage := ""
	switch os.Getenv("SANDBOX_TEST_LOSES") {
	case "landlock":
		if sandbox.LandlockABI() > 0 {
			stage = "restrict files by landlock"
		}
		exhaustLandlock(t)
	case "setpcap":
		stage = lose(t, 8, "drop from the capability bounding set")
	case "setuid":
		stage = lose(t, 7, "change the user")
	case "net_raw":
		stage = lose(t, capNetRaw, "set the capabilities")
	}
	p := newPool(t)
	sandbox.Shared(p)
	if stage == "" { // nothing to lose
		if out, err := p.Run(context(), c); err != nil || out.ExitCode != 0 {
			t.Errorf("Run() = %+v, %v", out, err)
		}
		return
	}
	wantFailure(t, p, c, stage)
}

// lose takes a capability from the bounding set of this thread, and so from what it starts, and returns stage
// when root has lost something by it.
func lose(t *testing.T, capability uintptr, stage string) string {
	if os.Getuid() != 0 {
		return ""
	}
	const capbsetDrop = 24
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, capbsetDrop, capability, 0); errno != 0 {
		t.Fatalf("PR_CAPBSET_DROP: %v", errno)
	}
	return stage
}

// exhaustLandlock makes as many domains around this thread as there may be.
func exhaustLandlock(t *testing.T) {
	const noNewPrivs, createRuleset, restrictSelf, makeBlock, domains = 38, 444, 446, 1 << 11, 16
	if sandbox.LandlockABI() == 0 {
		return
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	attr := uint64(makeBlock)
	fd, _, errno := syscall.RawSyscall(createRuleset, uintptr(unsafe.Pointer(&attr)), 8, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	for range domains {
		if _, _, errno := syscall.RawSyscall(restrictSelf, fd, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
}

func TestNothingOutlivesAProgramOfAnotherUser(t *testing.T) {
	inBothModes(t, func(t *testing.T, p *sandbox.Pool) {
		mark := newMark(t)
		c := tool(t, "tree", "stay", mark)
		exe := openCopy(t, c.Path)
		limits, args := c.Limits, c.Args
		c = full(exe, args...)
		c.Limits = limits
		c.Files.Execute = append(c.Files.Execute, "/") // what it starts looks itself up in /proc
		s := begin(t, context(), p, c, treeLines)
		if n := len(alive(mark)); n != treeLines {
			t.Fatalf("%d processes are alive, want %d", n, treeLines)
		}
		victims := s.lines.pids(t, "tree")
		if err := syscall.Kill(victims[1], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.wait(t)
		wantNone(t, mark)
		if s.err == nil {
			t.Errorf("Run() = %+v, want an error for the lost supervisor", s.out)
		}
	})
}

func TestTheDirectoryOfAnotherUsersProgramStaysEmpty(t *testing.T) {
	p := newPool(t)
	c := tool(t, "litter")
	f := full(openCopy(t, c.Path), c.Args...)
	f.Files, f.Limits = nil, c.Limits // what keeps it empty here is the permission
	if out, _ := run(t, p, f); out.ExitCode == 0 {
		t.Errorf("Run() = %+v, want a failure to write", out)
	}
	f = full(openCopy(t, c.Path), "tool=state")
	f.Files, f.Limits = nil, c.Limits
	_, got := run(t, p, f)
	if want := "cwd=gatehouse-empty-"; !strings.Contains(got, want) || !strings.Contains(got, " files=0 ") {
		t.Errorf("the program says %q, want %q and no files", got, filepath.Base(want))
	}
}

// The pipe of a report is root's. A program of another user opens it by name all the same, also when root has
// not the right to give files away.
func TestAProgramOfAnotherUserOpensItsReportByName(t *testing.T) {
	if os.Getenv(asVar) == "" && os.Getuid() == 0 {
		t.Run("without CAP_CHOWN", func(t *testing.T) {
			runtime.LockOSThread() // for good: the thread ends with the test
			lose(t, 0, "")
			again(t, 0)
		})
	}
	if os.Getenv(asVar) != "" && sandbox.Available("CAP_CHOWN") {
		t.Error("this process has CAP_CHOWN, want it lost")
	}
	c := tool(t, "byname")
	f := full(openCopy(t, c.Path), c.Args...)
	f.Limits, f.Deadline = c.Limits, c.Deadline
	var got []byte
	f.Report = func(r io.Reader) (err error) { got, err = io.ReadAll(r); return err }
	if out, _ := run(t, newPool(t), f); out.ExitCode != 0 || string(got) != "by name" {
		t.Errorf("Run() = %+v, and a report of %q, want it by name", out, got)
	}
}
