package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// pythonExample is the plugin in Python that docs/authors/other-languages.md is about.
const pythonExample = "../docs/examples/python"

// makePython runs a target of the Makefile, as the README says, with what is made in a place of its own.
func makePython(t *testing.T, out, target string, settings ...string) {
	t.Helper()
	args := append([]string{"-C", pythonExample, "OUT=" + out, target}, settings...)
	if text, err := exec.CommandContext(t.Context(), "make", args...).CombinedOutput(); err != nil {
		t.Fatalf("make %v: %v\n%s", args, err, text)
	}
}

// servePython starts a host whose one plugin is the example.
func servePython(t *testing.T, settings ...string) *host {
	t.Helper()
	dir := pluginDir(t)
	makePython(t, t.TempDir(), "install", "DIR="+dir)
	h := serveDir(t, dir, settings...)
	if p := h.plugin(t, "banner"); p.State != "ready" {
		t.Fatalf("the plugin is %+v, want it ready\n%s", p, h.log)
	}
	return h
}

// listenTo calls BannerTool with the port of a witness; the channel gets the answer's body, once.
func (h *host) listenTo(ctx context.Context, w *witness, more string) <-chan []byte {
	answered := make(chan []byte, 1)
	go func() {
		_, body, _ := h.do(ctx, http.MethodPost, "/tools/BannerTool/execute", w.banner(more))
		answered <- body
	}()
	return answered
}

// banner is the arguments of a call of BannerTool that meets the witness.
func (w *witness) banner(more string) string {
	return fmt.Sprintf(`{"target":"127.0.0.1","port":%d%s}`, w.l.Addr().(*net.TCPAddr).Port, more)
}

func TestAPluginInPythonServesLikeAnyOther(t *testing.T) {
	h := servePython(t)
	w := newWitness(t)
	answered := h.listenTo(t.Context(), w, `,"max_bytes":11`)
	w.meet().say("220 \x1b[2Jlab and more")
	rep, kind := parseReport(t, <-answered)
	const banner, data = `220 \x1B[2Jlab`, `{"open":true,"ended":"full","bytes":11,"banner":"220 \\x1B[2Jlab"}`
	if got := strings.ReplaceAll(string(rep.Data), " ", ""); kind != "" || rep.Stdout != banner ||
		got != strings.ReplaceAll(data, " ", "") {
		t.Errorf("BannerTool = %s, stdout %q, %q, want %s, stdout %q", rep.Data, rep.Stdout, kind, data, banner)
	}

	var plan tool.Plan
	h.ask(t, http.MethodPost, "/tools/BannerTool/plan", w.banner(""), 200, &plan)
	if plan.Verdict != tool.Accept || len(plan.Notes) != 1 {
		t.Errorf("the plan is %+v, want it accepted with a note", plan)
	}
	for arguments, want := range map[string]tool.Kind{
		`{"target":"192.0.2.1","port":22}`:                           tool.KindOutOfScope,
		`{"target":"127.0.0.1","port":"ssh"}`:                        tool.KindValidation,
		w.banner(`,"shell":"sh"`):                                    tool.KindValidation,
		w.banner(`,"wait_sec":60,"timeout_sec":1`):                   tool.KindTimeout,
		fmt.Sprintf(`{"target":"127.0.0.1","port":%s}`, freePort(t)): "",
	} {
		if rep, kind := h.rest(t, "BannerTool", arguments); kind != want {
			t.Errorf("BannerTool(%s) = %+v, %q, want %q", arguments, rep, kind, want)
		}
	}
}

func TestACancelledCallOfAPluginInPythonEnds(t *testing.T) {
	h := servePython(t)
	w := newWitness(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := h.listenTo(ctx, w, `,"wait_sec":60`)
	r := w.meet()
	began := time.Now()
	cancel()
	if took := r.ended().Sub(began); took > promised {
		t.Errorf("the tool held its connection for %v after the caller had gone, want at most %v", took, promised)
	}
	<-answered

	before := h.plugin(t, "banner")
	next := h.listenTo(t.Context(), w, "")
	w.meet().hangUp()
	<-next
	if after := h.plugin(t, "banner"); after.Pid != before.Pid || after.State != "ready" {
		t.Errorf("the plugin is %+v after a cancelled call, want the process of before: %+v", after, before)
	}
}

func TestAKilledHostLeavesNoPluginInPython(t *testing.T) {
	h := servePython(t)
	w := newWitness(t)
	answered := h.listenTo(t.Context(), w, `,"wait_sec":60`)
	w.meet()
	all := familyOf(t, append(descendants(t, h.cmd.Process.Pid), h.plugin(t, "banner").Pid)...)
	begun := send(t, h.cmd.Process.Pid, syscall.SIGKILL)
	wantNobody(t, "SIGKILL of the host", all.alive(t, begun.Add(promised)))
	<-answered
	h.wait()
}

func TestAPluginInPythonEndsWithItsLifelineAlone(t *testing.T) {
	out := t.TempDir()
	makePython(t, out, filepath.Join(out, "banner"))
	cmd := exec.CommandContext(t.Context(), filepath.Join(out, "banner"))
	cmd.Env = []string{
		"GATEHOUSE_PLUGIN=6f0f3c1e-gatehouse-tool-plugin", "PLUGIN_PROTOCOL_VERSIONS=1",
		"PLUGIN_UNIX_SOCKET_DIR=" + shortTemp(t), "PLUGIN_CLIENT_CERT=" + newAuthority(t).pem,
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("1|1|unix|"))
	if _, err := io.ReadFull(stdout, line); err != nil || string(line) != "1|1|unix|" {
		t.Errorf("the handshake begins with %q, %v", line, err)
	}
	plugin := familyOf(t, cmd.Process.Pid)
	if err := lifeline.Close(); err != nil {
		t.Fatal(err)
	}
	wantNobody(t, "end-of-file on stdin", plugin.alive(t, time.Now().Add(promised)))
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want status 0", err)
	}
}

func TestThePluginInPythonPassesItsOwnTests(t *testing.T) {
	makePython(t, t.TempDir(), "test")
}

// TestThePluginInPythonKeepsTheContract is what a third party is told to do with a plugin in any language.
func TestThePluginInPythonKeepsTheContract(t *testing.T) {
	out := t.TempDir()
	makePython(t, out, filepath.Join(out, "banner"))
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), "plugin", "test",
		filepath.Join(out, "banner"), "--require-all", "--samples", filepath.Join(pythonExample, "samples.json"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "XDG_STATE_HOME=" + t.TempDir()}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("plugin test: %v\n%s", err, text)
	}
}
