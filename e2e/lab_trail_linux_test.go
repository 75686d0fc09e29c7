package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// testTrail holds that what runs is what a plan of it said, to the word, and that it stands in the trail with
// the digests of the files that decided what it did.
func (s *site) testTrail(t *testing.T) {
	for _, c := range []struct{ name, arguments, file string }{
		{"NmapTool", `{"target":"10.77.0.11","extra_args":"-p 80,81","correlation_id":"t1"}`, "script.db"},
		{"PingTool", `{"target":"10.77.0.11","extra_args":"-c 1","correlation_id":"t2"}`, "ping"},
	} {
		var plan tool.Plan
		s.ask(t, http.MethodPost, "/tools/"+c.name+"/plan", c.arguments, 200, &plan)
		rep, kind := s.rest(t, c.name, c.arguments)
		if kind != "" || rep.ReturnCode != 0 {
			t.Fatalf("%s %s = %q, %d", c.name, c.arguments, kind, rep.ReturnCode)
		}
		x := s.executed(t, rep.CorrelationID)
		if !slices.Equal(x.Argv, plan.Argv) || x.Program != plan.Program {
			t.Errorf("%s ran %q %q, want %q %q as planned", c.name, x.Program, x.Argv, plan.Program,
				plan.Argv)
		}
		if n := len(x.Argv); n < 3 || !slices.Equal(x.Argv[n-2:], []string{"--", serverAddress}) {
			t.Errorf("%s ran %q, want the target last, after --", c.name, x.Argv)
		}
		var names []string
		for _, f := range x.Files {
			names = append(names, filepath.Base(f.Path))
			checkDigest(t, f)
		}
		if !slices.Contains(names, filepath.Base(plan.Program)) || !slices.Contains(names, c.file) {
			t.Errorf("%s ran with the files %q, want the program and %s", c.name, names, c.file)
		}
	}
}

// execution is what these tests read of the line about a program.
type execution struct {
	Event         string
	CorrelationID string `json:"correlation_id"`
	Program       string
	Argv          []string
	Files         []tool.File
}

// executed finds the line about the program of a call.
func (s *site) executed(t *testing.T, correlation string) (x execution) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.state, "audit", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(raw) {
			x = execution{}
			if err := json.Unmarshal(line, &x); err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			if x.Event == "exec" && x.CorrelationID == correlation {
				return x
			}
		}
	}
	t.Fatalf("the trail has no program of %s", correlation)
	return x
}

func checkDigest(t *testing.T, f tool.File) {
	t.Helper()
	raw, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the digest of %s is %q, want %x", f.Path, f.SHA256, sum)
	}
}

// testRights looks at nmap while a scan hangs, and then goes away.
func (s *site) testRights(t *testing.T) {
	events := s.watch(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		_, _, _ = s.do(ctx, http.MethodPost, "/tools/NmapTool/execute", `{"target":"10.77.0.12/31",`+
			`"extra_args":"-sS -sV -p 80 --max-hostgroup 1","correlation_id":"rights"}`) // it is cancelled
	}()
	events.await(t, "call.progress", `"correlation_id":"rights"`) // it runs, and one host is finished
	status := s.statusOf(t, s.executed(t, "rights").Program)
	user := fmt.Sprint(os.Getuid())
	if user == "0" {
		user = "65534" // nobody, whom the host chooses by itself
	}
	const netRaw = "0000000000002000" // CAP_NET_RAW alone
	for field, want := range map[string]string{
		"Uid": strings.Join([]string{user, user, user, user}, " "), "NoNewPrivs": "1",
		"CapEff": netRaw, "CapPrm": netRaw,
	} {
		if status[field] != want {
			t.Errorf("nmap runs with %s %s, want %s", field, status[field], want)
		}
	}
}

// statusOf reads /proc/PID/status of the one process in the scanner that was started as a program.
func (s *site) statusOf(t *testing.T, program string) map[string]string {
	t.Helper()
	network := func(pid string) string {
		link, _ := os.Readlink("/proc/" + pid + "/ns/net") // empty: it has gone, or is not ours to see
		return link
	}
	inside := network(fmt.Sprint(s.cmd.Process.Pid))
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || inside == "" {
		t.Fatalf("the host's network is %q; %v", inside, err)
	}
	for _, file := range found {
		line, err := os.ReadFile(file)
		pid := filepath.Base(filepath.Dir(file))
		first, _, _ := strings.Cut(string(line), "\x00")
		if err != nil || first != program || network(pid) != inside {
			continue
		}
		raw, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		status := make(map[string]string) // field -> value, with single blanks
		for line := range strings.Lines(string(raw)) {
			field, value, _ := strings.Cut(line, ":")
			status[field] = strings.Join(strings.Fields(value), " ")
		}
		return status
	}
	t.Fatalf("no %s runs in the scanner", program)
	return nil
}
