package executions

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const captured = "Nmap scan report for 10.0.0.7\n"

// victim is a host that runs two executions. It says their ids when what they printed is in the database, and
// waits.
func victim(dir string) {
	b, err := Open(Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	running, queued, done := newID(), newID(), newID()
	for _, id := range []string{running, queued, done} {
		e := Execution{ID: id, Tool: "NmapTool", Client: "alice", Target: "10.0.0.7", Detached: true}
		if err := b.Begin(e, nil); err != nil && !errors.Is(err, errBusy) { // what is busy is written below
			fmt.Println(err)
			return
		}
	}
	b.Start(running)
	print(b, running, tool.Stdout, captured)
	b.Event(running, tool.Event{Progress: &tool.Progress{Task: "SYN Stealth Scan", Percent: 40}})
	for b.Healthy() == nil && b.store.Load() != nil {
		if err := b.flush(context.Background(), false); err != nil {
			fmt.Println(err)
			return
		}
		print(b, running, tool.Stdout, captured)
		b.Start(queued)
		if x, err := b.store.Load().find(running); err == nil && x.x.StdoutBytes >= 2*int64(len(captured)) {
			break
		}
	}
	b.End(done, Outcome{Result: tool.Result{Stdout: "done"}})
	_ = b.flush(context.Background(), false) // the parent sees what came of it
	fmt.Println(running, queued, done)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent kills us
}

// killed runs a victim until it has said its ids, and kills it.
func killed(t *testing.T, dir string) (running, queued, done string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close() // which ends it, whatever happens here
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the victim said %q, %v", line, err)
	}
	if _, err := fmt.Sscan(line, &running, &queued, &done); err != nil {
		t.Fatalf("the victim said %q, want three ids", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	return running, queued, done
}

func TestWhatAKilledHostRanIsInterruptedWithWhatWasCaptured(t *testing.T) {
	dir := t.TempDir()
	running, queued, done := killed(t, dir)
	b := healthy(t, Config{Dir: dir})
	for id, want := range map[string]State{running: Interrupted, queued: Interrupted, done: Completed} {
		if x := get(t, b, id); x.State != want || x.Finished.IsZero() || x.Finished.After(time.Now()) {
			t.Errorf("Get = %+v, want %s", x, want)
		}
	}
	text := readAll(t, b, running, Stdout, 100)
	if !strings.HasPrefix(text, captured+captured) || strings.ReplaceAll(text, captured, "") != "" {
		t.Errorf("stdout = %q, want what was captured", text)
	}
	x := get(t, b, running)
	if x.ErrorType != tool.KindUnavailable || x.ReturnCode != -1 || x.Progress == nil || x.Progress.Percent != 40 {
		t.Errorf("Get = %+v, want why it ended, and how far it was", x)
	}
	rep, err := b.Report(running)
	if err != nil || rep.Stdout != text || rep.ReturnCode != -1 || rep.Metadata["state"] != "interrupted" ||
		rep.ErrorType == nil || rep.Suggestion == "" {
		t.Errorf("Report = %+v, %v; want what was captured, and why it ended", rep, err)
	}
	if err := b.Cancel(running, nil); reason(err) != ReasonEnded {
		t.Errorf("Cancel = %v, want %s", err, ReasonEnded)
	}
	locks, err := filepath.Glob(filepath.Join(dir, hostsDir, "*"))
	if err != nil || len(locks) != 1 || locks[0] != bootLock(dir, b.boot) {
		t.Errorf("locks = %v, %v; want that of the living host alone", locks, err)
	}
	if n := count(t, b, `select count(*) from hosts`); n != 1 {
		t.Errorf("%d hosts are known, want one", n)
	}
}

func TestAHostThatLivesSeesThatAnotherDied(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir})
	running, _, _ := killed(t, dir)
	if x := get(t, b, running); x.State != Running {
		t.Errorf("before anybody looked it is %s, want running", x.State)
	}
	// Who wants to cancel it makes the host look.
	if err := b.Cancel(running, nil); reason(err) != ReasonEnded {
		t.Errorf("Cancel = %v, want %s", err, ReasonEnded)
	}
	if x := get(t, b, running); x.State != Interrupted {
		t.Errorf("after that it is %s, want interrupted", x.State)
	}
}
