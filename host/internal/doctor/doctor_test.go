package doctor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/doctor"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// print is what a person reads.
func print(t *testing.T, all []doctor.Finding) string {
	t.Helper()
	var b strings.Builder
	if err := doctor.Print(&b, all); err != nil {
		t.Fatalf("Print() = %v", err)
	}
	return b.String()
}

func free(n uint64) func(string) (uint64, error) {
	return func(string) (uint64, error) { return n, nil }
}

func TestFindingsAsPeopleReadThem(t *testing.T) {
	got := print(t, []doctor.Finding{
		{Area: "a", Status: doctor.OK, Message: "fine", Fix: "not shown"},
		{Area: "b", Status: doctor.Warn, Message: "odd\x1b[31m\nFAIL", Fix: "chmod 700 /x"},
		{Area: "c", Status: doctor.Fail, Message: "gone", Fix: "report this"},
		{Area: "d", Status: doctor.Fail, Message: "no idea"},
	})
	want := "ok    a: fine\n" +
		"warn  b: odd\ufffd[31m\ufffdFAIL\n      type: chmod 700 /x\n" +
		"FAIL  c: gone\n      do: report this\n" +
		"FAIL  d: no idea\n"
	if got != want {
		t.Errorf("Print wrote\n%s\nwant\n%s", got, want)
	}
}

func TestTheWorstJudgement(t *testing.T) {
	of := func(all ...doctor.Status) (found []doctor.Finding) {
		for _, s := range all {
			found = append(found, doctor.Finding{Status: s})
		}
		return found
	}
	for _, row := range []struct {
		found []doctor.Finding
		want  doctor.Status
	}{
		{nil, doctor.OK}, {of(doctor.OK), doctor.OK}, {of(doctor.OK, doctor.Warn, doctor.OK), doctor.Warn},
		{of(doctor.Warn, doctor.Fail, doctor.Warn), doctor.Fail},
	} {
		if got := doctor.Worst(row.found); got != row.want {
			t.Errorf("Worst(%v) = %s, want %s", row.found, got, row.want)
		}
	}
}

func TestTheConfiguration(t *testing.T) {
	for want, found := range map[string][]doctor.Finding{
		"ok    configuration: defaults, environment and flags; no file\n": doctor.Configuration("", nil, nil, nil),
		"ok    configuration: /etc/g.yaml is valid\n" +
			"warn  configuration: server.port was clamped\n      type: gatehouse config print\n" +
			"warn  configuration: MCP_SEVER_PORT in the environment looks like a setting and is none\n" +
			"      do: unset it, or correct its name: gatehouse config print\n": doctor.Configuration("/etc/g.yaml",
			[]string{"server.port was clamped"}, []string{"MCP_SEVER_PORT"}, nil),
		"FAIL  configuration: g.yaml:3: no\nFAIL  configuration: g.yaml:4: no\n" +
			"      type: gatehouse config check --config g.yaml\n": doctor.Configuration("g.yaml", nil, nil,
			errors.New("g.yaml:3: no\ng.yaml:4: no\n")),
	} {
		if got := print(t, found); got != want {
			t.Errorf("Configuration:\n%s\nwant\n%s", got, want)
		}
	}
}

func TestPluginDirectories(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	for path, mode := range map[string]fs.FileMode{empty: 0o700, filepath.Join(dir, "open"): 0o700} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	open, missing := filepath.Join(dir, "open"), filepath.Join(dir, "missing")
	if err := os.WriteFile(filepath.Join(open, "nmap"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dirs := []string{empty, open, missing}
	got := print(t, doctor.Directories(dirs, discover.Scan(dirs)))
	for _, want := range []string{
		"FAIL  plugin directory: " + missing, "type: mkdir -p " + missing,
		"warn  plugin directory: " + empty + ": 0 plugins", "ok    plugin directory: " + open + ": 1 plugins",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Directories:\n%s\nwant %q", got, want)
		}
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	got = print(t, doctor.Directories(dirs[1:2], discover.Scan(dirs[1:2])))
	if !strings.Contains(got, "FAIL  plugin directory: "+open+" is not used") ||
		!strings.Contains(got, "type: chmod go-w "+open) {
		t.Errorf("Directories of one that others may write to:\n%s\nwant it to fail, and chmod", got)
	}
}

func TestPlugins(t *testing.T) {
	if got := doctor.Worst(doctor.Plugins(nil)); got != doctor.Fail {
		t.Errorf("no plugin at all is %s, want fail", got)
	}
	got := print(t, append(doctor.Plugins([]doctor.Plugin{
		{Name: "ping", Version: "1.0", State: "ready", Tools: []string{"PingTool"}},
		{Name: "nmap", Version: "1.0", State: "ready"},
		{Name: "x", Path: "/p/x", State: "quarantined", Error: "is no plugin", Fix: "rm /p/x"},
	}), doctor.Clash("/p/y", "PingTool", "the name is taken by /p/ping", "rm /p/y")))
	want := "ok    plugin ping: 1.0 started, offers PingTool\n" +
		"warn  plugin nmap: 1.0 is not kept running: none of its tools is offered\n" +
		"      do: look at tool.include and tool.exclude: gatehouse config print\n" +
		"FAIL  plugin x: /p/x is quarantined: is no plugin\n      type: rm /p/x\n" +
		"FAIL  tool PingTool: that of /p/y is not served: the name is taken by /p/ping\n      type: rm /p/y\n"
	if got != want {
		t.Errorf("Plugins:\n%s\nwant\n%s", got, want)
	}
}

func TestTheChecksOfPlugins(t *testing.T) {
	got := print(t, doctor.Checks(map[string][]tool.HealthCheck{
		"nmap": {
			{Name: "nmap", Tool: "NmapTool", Status: tool.Unhealthy, Priority: tool.Important,
				Message: "not installed", Fix: "sudo apt-get install nmap"},
			{Name: "CAP_NET_RAW", Tool: "NmapTool", Status: tool.Degraded, Priority: tool.Informational, Message: "no"},
		},
		"a": {
			{Name: "sandbox", Status: tool.Healthy, Priority: tool.Important, Message: "in force"},
			{Name: "extra", Status: tool.Unhealthy, Priority: tool.Informational, Message: "gone"},
		},
	}))
	want := "ok    plugin a: sandbox: in force\nwarn  plugin a: extra: gone\n" +
		"FAIL  tool NmapTool: nmap: not installed\n      type: sudo apt-get install nmap\n" +
		"warn  tool NmapTool: CAP_NET_RAW: no\n"
	if got != want {
		t.Errorf("Checks:\n%s\nwant\n%s", got, want)
	}
}

func TestTheStateDirectory(t *testing.T) {
	for _, row := range []struct {
		says string
		dir  doctor.Dir
		want doctor.Status
		text string
	}{
		{"there, and safe", doctor.Dir{Mode: fs.ModeDir | 0o700, Free: 1 << 40}, doctor.OK, "can be written"},
		{"open to others", doctor.Dir{Mode: fs.ModeDir | 0o755, Free: 1 << 40}, doctor.Warn, "type: chmod 700 /s"},
		{"nearly full", doctor.Dir{Mode: fs.ModeDir | 0o700, Free: 3 << 20}, doctor.Warn, "only 3 MiB are free"},
		{"free space not known", doctor.Dir{Mode: fs.ModeDir | 0o700, FreeErr: fs.ErrInvalid}, doctor.OK, ""},
		{"read only", doctor.Dir{Mode: fs.ModeDir | 0o700, Writable: syscall.EROFS}, doctor.Fail, "read-only file system"},
		{"not there yet", doctor.Dir{Err: fs.ErrNotExist, Free: 1 << 40}, doctor.OK, "made at the first start"},
		{"not there, and cannot be", doctor.Dir{Err: fs.ErrNotExist, Writable: fs.ErrPermission}, doctor.Fail,
			"type: sudo install -d -m 700"},
		{"not to be looked at", doctor.Dir{Err: fs.ErrPermission}, doctor.Fail, "type: sudo chown"},
		{"a file", doctor.Dir{Mode: 0o600}, doctor.Fail, "is no directory"},
	} {
		found := doctor.StateDir("/s", row.dir)
		if got := print(t, found); doctor.Worst(found) != row.want || !strings.Contains(got, row.text) {
			t.Errorf("%s: StateDir:\n%s\nwant %s with %q", row.says, got, row.want, row.text)
		}
	}
	broken := doctor.Dir{Mode: fs.ModeDir | 0o700, Writable: syscall.EROFS}
	if got := doctor.Worst(doctor.AuditDir("/a", broken, false)); got != doctor.Warn {
		t.Errorf("a trail that may be lost and cannot be written is %s, want warn", got)
	}
	if got := doctor.Worst(doctor.AuditDir("/a", broken, true)); got != doctor.Fail {
		t.Errorf("a trail that must be kept and cannot be written is %s, want fail", got)
	}
}

func TestLookingAtADirectoryLeavesItAsItWas(t *testing.T) {
	dir := t.TempDir()
	if d := doctor.LookAt(dir, free(7)); d.Err != nil || d.Writable != nil || !d.Mode.IsDir() || d.Free != 7 {
		t.Errorf("LookAt() = %+v, want a directory that can be written", d)
	}
	d := doctor.LookAt(filepath.Join(dir, "a", "b"), free(7))
	if !errors.Is(d.Err, fs.ErrNotExist) || d.Writable != nil {
		t.Errorf("LookAt() of what is not there = %+v, want %v, and that it can be made", d, fs.ErrNotExist)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v is left, want nothing", left, err)
	}
}

func TestTheToken(t *testing.T) {
	dir := t.TempDir()
	judged := func() doctor.Finding {
		_, err := auth.ReadToken(dir)
		return doctor.Token(err)
	}
	if f := judged(); f.Status != doctor.OK {
		t.Errorf("no token yet: %+v, want ok", f)
	}
	if _, _, err := auth.EnsureToken(dir); err != nil {
		t.Fatal(err)
	}
	if f := judged(); f.Status != doctor.OK {
		t.Errorf("a good token: %+v, want ok", f)
	}
	name := filepath.Join(dir, "token")
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := judged(); f.Status != doctor.Fail || f.Fix != "chmod 600 "+name {
		t.Errorf("a token for all to read: %+v, want fail, and chmod", f)
	}
}

func TestPorts(t *testing.T) {
	look := func(l net.Listener) doctor.Finding {
		addr := l.Addr().(*net.TCPAddr)
		return doctor.Ports(doctor.LookAtPort(t.Context(), "127.0.0.1", addr.Port, "server.port"))[0]
	}
	answering := func(body string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/livez" {
				fmt.Fprintln(w, body)
			}
		}))
	}
	ours, others := answering(`{"status":"alive"}`), answering("hello")
	defer ours.Close()
	defer others.Close()
	if f := look(ours.Listener); f.Status != doctor.OK || !strings.Contains(f.Message, "a Gatehouse serves") {
		t.Errorf("a port of a Gatehouse: %+v, want ok", f)
	}
	if f := look(others.Listener); f.Status != doctor.Fail || !strings.Contains(f.Fix, "ss -ltnp") {
		t.Errorf("a port of another program: %+v, want fail, and ss", f)
	}
	for _, row := range []struct {
		err  error
		want string
	}{
		{nil, "is free"}, {syscall.EACCES, "for root alone"}, {syscall.EADDRNOTAVAIL, "no address of this machine"},
		{errors.New("odd"), "odd"},
	} {
		f := doctor.Ports(doctor.Port{Host: "10.0.0.1", Port: 80, Err: row.err})[0]
		if (f.Status == doctor.OK) != (row.err == nil) || !strings.Contains(f.Message, row.want) {
			t.Errorf("a port with %v: %+v, want %q", row.err, f, row.want)
		}
	}
	free := doctor.LookAtPort(t.Context(), "127.0.0.1", 0, "server.port")
	if free.Err != nil {
		t.Errorf("LookAtPort of any port = %v", free.Err)
	}
}

func TestLayersAreFactsUnlessTheyAreRequired(t *testing.T) {
	layers := []tool.Layer{{Name: "landlock", Active: true, Detail: "ABI 7"}, {Name: "cgroup", Detail: "not used"}}
	for _, row := range []struct {
		name     string
		required []string
		want     string
	}{
		{"nothing is required", nil, "ok    sandbox of nmap, ping: landlock, in force: ABI 7\n" +
			"ok    sandbox of nmap, ping: cgroup, not in force: not used\n"},
		{"one that is missing, and one that does not exist", []string{"cgroup", "wall"},
			"ok    sandbox of nmap, ping: landlock, in force: ABI 7\n" +
				"FAIL  sandbox of nmap, ping: cgroup, not in force: not used\n" +
				"      do: take it out of sandbox.require, or give the host what it needs\n" +
				"FAIL  sandbox of nmap, ping: there is no layer wall\n      do: correct sandbox.require\n"},
	} {
		if got := print(t, doctor.Layers([]string{"nmap", "ping"}, layers, row.required)); got != row.want {
			t.Errorf("%s: Layers wrote\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
	if got := doctor.Layers([]string{"go"}, nil, []string{"landlock"}); got != nil {
		t.Errorf("Layers of a plugin without programs = %v, want none", got)
	}
}

func TestACertificateIsJudgedByItsEnd(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		says string
		end  time.Time
		err  error
		want doctor.Status
	}{
		{"a month is left", now.AddDate(0, 1, 0), nil, doctor.OK},
		{"a day is left", now.AddDate(0, 0, 1), nil, doctor.Warn},
		{"it has ended", now, nil, doctor.Fail},
		{"it cannot be read", time.Time{}, errors.New("tls.key_file: no such file"), doctor.Fail},
	} {
		f := doctor.Certificate(row.end, now, row.err)
		if f.Status != row.want || (f.Fix == "") != (row.want == doctor.OK) {
			t.Errorf("%s: Certificate = %+v, want %s", row.says, f, row.want)
		}
	}
}

func TestTokensThatCannotBeReadAreAFailure(t *testing.T) {
	if f := doctor.Tokens(nil); f.Status != doctor.OK {
		t.Errorf("Tokens(nil) = %+v, want ok", f)
	}
	if f := doctor.Tokens(errors.New("tokens.json can be read by others")); f.Status != doctor.Fail || f.Fix == "" {
		t.Errorf("Tokens = %+v, want fail, and what to do", f)
	}
}
