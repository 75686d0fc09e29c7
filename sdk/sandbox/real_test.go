//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

const (
	nmapPath = "/usr/bin/nmap"
	pingPath = "/usr/bin/ping"
)

// program is a command with all layers for a program of the system that reads more than every other.
func program(t *testing.T, path string, args ...string) sandbox.Command {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: scripts/setup installs it", err)
	}
	c := full(path, args...)
	c.Deadline = time.Now().Add(2 * time.Minute)
	c.Files.Read = append(c.Files.Read, "/usr/share/nmap")
	return c
}

// greeter listens on loopback and greets like an SSH server.
func greeter(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
				_, _ = conn.Read(make([]byte, 1<<10)) // what the scripts for SSH say; they get no more
			})
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// scan runs nmap and gives its XML, which it writes to a file name of its own descriptor.
func scan(t *testing.T, p *sandbox.Pool, args ...string) string {
	t.Helper()
	var xml []byte
	c := program(t, nmapPath, append(args, "-n", "-oX", "/dev/fd/3", "--", "127.0.0.1")...)
	c.Report = func(r io.Reader) (err error) { xml, err = io.ReadAll(r); return err }
	out, text := run(t, p, c)
	if out.ExitCode != 0 || out.ReportErr != nil || !strings.Contains(string(xml), `exit="success"`) {
		t.Errorf("Run(%q) = %+v\n%s\n%s", args, out, text, xml)
	}
	return string(xml)
}

func TestNmapWorksUnderAllLayers(t *testing.T) { asEach(t, nmapWorks) }

func nmapWorks(t *testing.T) {
	p := newPool(t)
	port := fmt.Sprint(greeter(t))
	raw := []string{"--unprivileged"}
	if sandbox.Available("CAP_NET_RAW") {
		raw = []string{"--privileged"}
	}
	got := scan(t, p, append(raw, "-sT", "-sV", "--script", "default", "-p", port)...)
	for _, want := range []string{
		`portid="` + port + `"><state state="open"`, `product="OpenSSH" version="9.2p1 Debian 2"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nmap -sT -sV: no %s in\n%s", want, got)
		}
	}
	for _, row := range []struct{ args, want string }{
		{"-sS -p " + port, `<state state="open" reason="syn-ack"`},
		{"-sU -p 9", `<state state="closed" reason="port-unreach"`},
		{"-O --max-os-tries 1 -p 9," + port, `<os><portused state="open"`},
		{"-sn -PE", `<status state="up"`},
	} {
		if raw[0] == "--unprivileged" {
			break // such scans need what this user cannot hand on
		}
		if got := scan(t, p, append(raw, strings.Fields(row.args)...)...); !strings.Contains(got, row.want) {
			t.Errorf("nmap %s: no %s in\n%s", row.args, row.want, got)
		}
	}
}

func TestNmapReadsAndWritesNoOtherFile(t *testing.T) {
	p := newPool(t)
	dir := openTemp(t)
	if err := os.WriteFile(dir+"/list", []byte("127.0.0.77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/list", 0o644); err != nil {
		t.Fatal(err)
	}
	c := program(t, nmapPath, "-sL", "-n", "-iL", dir+"/list")
	_, text := run(t, p, c)
	if seen := strings.Contains(text, "127.0.0.77"); seen != (sandbox.LandlockABI() == 0) {
		t.Errorf("nmap -iL has seen the file: %v, with Landlock ABI %d\n%s", seen, sandbox.LandlockABI(), text)
	}
	run(t, p, program(t, nmapPath, "-sL", "-n", "-oN", dir+"/new", "127.0.0.1"))
	if info, err := os.Stat(dir + "/new"); err == nil && (sandbox.LandlockABI() > 0 || info.Size() > 0) {
		t.Errorf("nmap -oN made a file of %d bytes", info.Size())
	}
}

// pinger is ping with all layers, if it can have raw sockets so; else with what its file carries.
func pinger(t *testing.T, args ...string) sandbox.Command {
	t.Helper()
	c := program(t, pingPath, append([]string{"-4", "-n", "-w", "20"}, args...)...)
	if !sandbox.Available("CAP_NET_RAW") {
		c.NoNewPrivileges, c.Files = false, nil
	}
	return c
}

// wantNoPing is the fallback where nothing gives ping a socket: it says so, or cannot be executed, and in no
// case does it run with more than its caller has.
func wantNoPing(t *testing.T, p *sandbox.Pool) {
	t.Helper()
	var got lines
	c := pinger(t, "-c", "1", "--", "127.0.0.1")
	c.Stdout = got.add
	out, err := p.Run(context(), c)
	refused := errors.Is(err, syscall.EPERM) || err == nil && out.ExitCode != 0
	if !refused || got.text() != "" {
		t.Errorf("Run(ping) = %+v, %v, %q, want it refused", out, err, got.text())
	}
}

// canPing says whether something gives ping a socket here: this process, the file, or the system, for the
// group of the program.
func canPing(t *testing.T) bool {
	t.Helper()
	if sandbox.Available("CAP_NET_RAW") {
		return true
	}
	mine := status(t, newPool(t), sandbox.Command{})
	bounding, err := strconv.ParseUint(mine["CapBnd"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Getxattr(pingPath, "security.capability", make([]byte, 64)); err == nil {
		return bounding>>capNetRaw&1 != 0 && mine["NoNewPrivs"] == "0"
	}
	var low, high int
	text, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		t.Fatal(err)
	}
	return low <= os.Getgid() && os.Getgid() <= high
}

func TestPingWorksUnderAllLayers(t *testing.T) {
	asEach(t, pingWorks)
	if os.Geteuid() == 0 && os.Getenv(asVar) == "" {
		t.Run("as a user who can gain nothing", func(t *testing.T) {
			runtime.LockOSThread() // for good: the thread ends with the test
			lose(t, capNetRaw, "")
			again(t, nobody)
		})
	}
}

func pingWorks(t *testing.T) {
	p := newPool(t)
	if !canPing(t) {
		wantNoPing(t, p)
		return
	}
	out, text := run(t, p, pinger(t, "-c", "2", "-i", "0.2", "--", "127.0.0.1"))
	if out.ExitCode != 0 || !strings.Contains(text, "2 received") {
		t.Errorf("Run(ping) = %+v, %q", out, text)
	}
}

// A command that may gain what its file carries gets it, whoever runs it.
func TestPingLivesByItsFileCapability(t *testing.T) { asEach(t, pingLivesByItsFileCapability) }

func pingLivesByItsFileCapability(t *testing.T) {
	p := newPool(t)
	c := program(t, pingPath, "-4", "-n", "-c", "1", "-w", "10", "--", "127.0.0.1")
	c.NoNewPrivileges, c.Files, c.Capabilities = false, nil, nil
	var carried [64]byte
	_, err := syscall.Getxattr(pingPath, "security.capability", carried[:])
	mine := status(t, p, sandbox.Command{RunAs: c.RunAs})
	can, parseErr := strconv.ParseUint(mine["CapBnd"], 16, 64)
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	if err != nil || can>>capNetRaw&1 == 0 || mine["NoNewPrivs"] != "0" {
		return // it lives by something else here, or not at all
	}
	if out, text := run(t, p, c); out.ExitCode != 0 {
		t.Errorf("Run(ping) = %+v, %q", out, text)
	}
}

// Every PID namespace counts from 1, so that programs of several may have the same number. What tells the
// replies of one ping from those of another is that number.
func TestPingsAtTheSameTimeDoNotSeeEachOther(t *testing.T) {
	inBothModes(t, func(t *testing.T, p *sandbox.Pool) {
		const at, count = 8, 10
		if !canPing(t) {
			wantNoPing(t, p)
			return
		}
		var all sync.WaitGroup
		for i := range at {
			all.Go(func() {
				address := fmt.Sprintf("127.0.0.%d", 1+i%2)
				out, text := run(t, p, pinger(t, "-c", strconv.Itoa(count), "-i", "0.1", "--", address))
				replies := strings.Count(text, " bytes from ")
				if strings.Contains(text, "DUP!") || strings.Count(text, " bytes from "+address+":") != count ||
					replies != count || out.ExitCode != 0 {
					t.Errorf("ping %d = %+v\n%s", i, out, text)
				}
			})
		}
		all.Wait()
	})
}
