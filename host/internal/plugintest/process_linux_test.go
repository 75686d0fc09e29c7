package plugintest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestALineOfStatIsReadWhateverTheNameIs(t *testing.T) {
	const rest = " S 7 8 8 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0"
	s, err := parseStatus([]byte("12 (a) b) (c)" + rest))
	if err != nil || s.pid != 12 || s.comm != "a) b) (c" || s.parent != 7 || s.born != 99 || s.dead() {
		t.Errorf("parseStatus() = %+v, %v, want process 12, child of 7, born at 99", s, err)
	}
	for _, text := range []string{"", "12", "12 (a)", ")(", "x (a)" + rest, "12 (a) S 1 2 3"} {
		if s, err := parseStatus([]byte(text)); err == nil {
			t.Errorf("parseStatus(%q) = %+v, want an error", text, s)
		}
	}
}

// A shell that leaves a child in a session of its own is what a careless plugin is.
func TestOrphansInOtherSessionsAreFoundAndEnded(t *testing.T) {
	f, err := newFamily()
	if err != nil {
		t.Fatalf("newFamily() = %v", err)
	}
	out, err := exec.Command("/bin/sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	var left []status
	_, found := await(t.Context(), 10*time.Second, func() bool {
		left = f.living(0)
		return slices.ContainsFunc(left, func(s status) bool { return s.comm == "sleep" })
	})
	if !found || !strings.Contains(names(left), "sleep 300") {
		t.Fatalf("what %s left is %s, want its sleep", out, names(left))
	}
	if err := f.close(); err != nil {
		t.Errorf("close() = %v", err)
	}
	if left := f.below(0, true); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestWhatAProcessHasIsSeen(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "300")
	cmd.Env = []string{"CANARY=sings"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}()
	if env, err := environment(cmd.Process.Pid); err != nil || env != "CANARY=sings\x00" {
		t.Errorf("environment() = %q, %v, want the canary", env, err)
	}
	if file, line := executable(cmd.Process.Pid); file == "" || line != "/bin/sleep 300" {
		t.Errorf("executable() = %q, %q, want sleep", file, line)
	}
	if name := descriptor(cmd.Process.Pid, 0); name != "/dev/null" {
		t.Errorf("descriptor(0) = %q, want /dev/null", name)
	}
	if spent := processorTime(cmd.Process.Pid); spent > time.Second {
		t.Errorf("processorTime() = %s of a program that sleeps", spent)
	}
	began := processorTime(os.Getpid())
	if _, spent := await(t.Context(), 30*time.Second, func() bool {
		for range 10_000_000 {
		}
		return processorTime(os.Getpid()) > began
	}); !spent {
		t.Errorf("processorTime() stays at %s while this process computes", began)
	}
	if n := residentMemory(os.Getpid()); n < 1<<20 {
		t.Errorf("residentMemory() = %d, want a megabyte at least", n)
	}
}
