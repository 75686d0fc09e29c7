package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// asPlugin makes the test binary be a plugin. Its value is how long the tool sleeps, which marks its
// process.
const asPlugin = "GATEHOUSE_TEST_SLEEP"

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if seconds := os.Getenv(asPlugin); seconds != "" {
		os.Exit(sdk.Main(sleeper(seconds)))
	}
	os.Exit(m.Run())
}

// chatty is a tool that explains itself.
type chatty struct{ sdk.Tool }

func (chatty) Help() string { return "I say it myself." }

type depth struct {
	Depth int `json:"depth" jsonschema:"how deep"`
}

func explain(context.Context, *sdk.Call, depth) (struct{}, error) { return struct{}{}, nil }

// sleeper is a plugin whose first tool runs sleep(1).
func sleeper(seconds string) sdk.Plugin {
	return sdk.Plugin{Name: "sleeper", Version: "1.2.3", Tools: []sdk.Tool{command.New(command.Definition{
		Definition: sdk.Definition{
			Name: "Sleep", Description: "Sleeps. It has no other use.",
			Facts: sdk.Facts{Details: []byte(`{"dreams": false}`)},
		},
		Program: command.Program{Name: "sleep", Install: "apt-get install coreutils"},
		Fixed:   []string{seconds},
	}),
		sdk.Func(sdk.Definition{Name: "Explain", Description: "Explains."}, explain),
		chatty{sdk.Func(sdk.Definition{Name: "Chatty", Description: "Talks."}, explain)},
	}}
}

// alive reports whether a process has the word as an argument.
func alive(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err == nil && bytes.Contains(raw, []byte("sleep\x00"+word+"\x00")) {
			return true
		}
	}
	return false
}

// eventually waits for a condition that no event tells of.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// started is a plugin in a process of its own, in the middle of a call.
type started struct {
	cmd     *exec.Cmd
	client  *goplugin.Client
	holding *os.File // what keeps the plugin's stdin open
	word    string
	call    chan error
}

func start(t *testing.T) *started {
	t.Helper()
	in, holding, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &started{
		cmd: exec.Command(os.Args[0]), holding: holding,
		word: fmt.Sprintf("36%d.%d", time.Now().UnixNano()%1e6, os.Getpid()), call: make(chan error, 1),
	}
	s.cmd.Env = append(os.Environ(), asPlugin+"="+s.word)
	s.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(nil), Cmd: s.cmd, AutoMTLS: true,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC}, GRPCDialOptions: wire.DialOptions(),
		Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(s.client.Kill)
	t.Cleanup(func() { holding.Close() })

	// go-plugin hands the process's own stdin on.
	old := os.Stdin
	os.Stdin = in
	conn, err := s.client.Client()
	os.Stdin = old
	in.Close()
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	raw, err := conn.Dispense(wire.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := raw.(*wire.Client).Call(context.Background(), sdk.Request{Tool: "Sleep"}, func(sdk.Event) {})
		s.call <- err
	}()
	eventually(t, "the tool runs", func() bool { return alive(s.word) })
	return s
}

func TestNothingOutlivesThePlugin(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s *started)
	}{
		{"the host asks it to end", func(s *started) { s.client.Kill() }},
		{"the host dies", func(s *started) { s.holding.Close() }},
		{"SIGTERM", func(s *started) { _ = s.cmd.Process.Signal(syscall.SIGTERM) }},
		{"SIGKILL", func(s *started) { _ = s.cmd.Process.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			c.end(s)
			select {
			case err := <-s.call:
				if err == nil {
					t.Error("the call succeeded")
				}
			case <-time.After(patience):
				t.Fatal("the call did not end")
			}
			eventually(t, "the plugin has ended", s.client.Exited)
			eventually(t, "its tool has ended", func() bool { return !alive(s.word) })
		})
	}
}

// runByHand runs the plugin as a person does.
func runByHand(args ...string) (stdout, stderr string, code int) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // its status is looked at
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestByHand(t *testing.T) {
	if _, stderr, code := runByHand(); code != 1 || !strings.Contains(stderr, "sleeper 1.2.3") ||
		!strings.Contains(stderr, "Sleep ") || !strings.Contains(stderr, "plugins directory") {
		t.Errorf("by hand: %d, stderr %q; want 1, the name, the tools, and what to do", code, stderr)
	}
	if stdout, _, code := runByHand("--version"); code != 0 || stdout != "sleeper 1.2.3\n" {
		t.Errorf("--version: %d, %q", code, stdout)
	}
	if stdout, _, code := runByHand("--describe"); code != 0 || !strings.Contains(stdout, `"command": "sleep"`) ||
		!strings.Contains(stdout, `"layers": [`) || !strings.Contains(stdout, `"details": {`) {
		t.Errorf("--describe: %d, %q", code, stdout)
	}
}

func TestHelpIsForTheOneWhoAsks(t *testing.T) {
	for _, flag := range []string{"--help", "-h"} {
		stdout, stderr, code := runByHand(flag)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "--debug") || !strings.Contains(stdout, "Sleep ") {
			t.Errorf("%s: %d, %q, stderr %q; want the flags and the tools", flag, code, stdout, stderr)
		}
	}
	for tool, want := range map[string][]string{
		"Sleep":   {"Sleep", "It has no other use."},
		"Explain": {"Explain: Explains.", "depth", "(integer, required)", "how deep"},
		"Chatty":  {"I say it myself."},
	} {
		stdout, _, code := runByHand("--help", tool)
		for _, text := range want {
			if code != 0 || !strings.Contains(stdout, text) {
				t.Errorf("--help %s: %d, %q, want %q in it", tool, code, stdout, text)
			}
		}
	}
	if _, stderr, code := runByHand("--help", "Slep"); code != 1 || !strings.Contains(stderr, "Chatty, Explain, Sleep") {
		t.Errorf("--help of a tool that is not there: %d, %q, want those that are", code, stderr)
	}
	if stdout, _, _ := runByHand("--describe"); !strings.Contains(stdout, `"help": "I say it myself."`) {
		t.Errorf("--describe = %q, want what a tool says of itself in it", stdout)
	}
}

func TestUnderADebuggerAPluginOutlivesItsHosts(t *testing.T) {
	temp, err := os.MkdirTemp("", "gs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_RUNTIME_DIR", "")
	cmd := exec.Command(os.Args[0], "--debug")
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // if it has not ended by then
	said, err := bufio.NewReader(out).ReadString('\n')
	path := wire.DebugSocket("sleeper")
	if err != nil || !strings.HasSuffix(said, ": gatehouse plugin debug unix:"+path+"\n") {
		t.Fatalf("--debug says %q (%v), want one line with what to type", said, err)
	}
	for range 2 {
		conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := wire.NewClient(conn).Describe(t.Context()); err != nil || m.Name != "sleeper" {
			t.Errorf("Describe() = %s, %v, want sleeper", m.Name, err)
		}
		_ = conn.Close()
	}
	if _, stderr, code := runByHand("--debug"); code != 1 || !strings.Contains(stderr, "already") {
		t.Errorf("a second one: %d, %q, want that there is one already", code, stderr)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("on SIGINT it ends with %v, want 0", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("its socket is left")
	}
}
