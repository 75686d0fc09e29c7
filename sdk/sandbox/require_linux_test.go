//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// wantNamespace runs a program that requires a PID namespace, and one that does not. The latter always runs.
func wantNamespace(t *testing.T, p *Pool, there bool) {
	t.Helper()
	c := Command{Path: "/bin/true"}
	if out, err := p.Run(context.Background(), c); err != nil || out.ExitCode != 0 {
		t.Errorf("Run(%s) = %+v, %v, want it to run", c.Path, out, err)
	}
	c.RequireNamespace = true
	out, err := p.Run(context.Background(), c)
	switch {
	case there && (err != nil || out.ExitCode != 0):
		t.Errorf("Run(%s in a namespace) = %+v, %v, want it to run", c.Path, out, err)
	case !there && (!errors.As(err, new(*StartError)) || !errors.Is(err, ErrNoNamespace)):
		t.Errorf("Run(%s in a namespace) = %+v, %v, want a StartError with ErrNoNamespace", c.Path, out, err)
	}
}

func TestARequiredNamespaceIsThereOrNothingRuns(t *testing.T) {
	p := New(Config{Dir: t.TempDir()})
	defer p.Close()
	can := namespaces() == nil
	wantNamespace(t, p, can)
	without := New(Config{Dir: t.TempDir()})
	defer without.Close()
	without.shared = true
	wantNamespace(t, without, false)
	without.shared = false // one without is idle, and is no good
	wantNamespace(t, without, can)
}

// What the trial has promised can fail later: here clone(2) does, on this thread.
func TestANamespaceThatCannotBeHadAnyMoreIsNotDoneWithout(t *testing.T) {
	namespaces()
	runtime.LockOSThread() // for good: the thread ends with the test
	dropEffective(t, capSysAdmin)
	p := New(Config{Dir: t.TempDir()})
	defer p.Close()
	wantNamespace(t, p, false)
}

func dropEffective(t *testing.T, capability int) {
	t.Helper()
	header := struct {
		version uint32
		pid     int32
	}{version: 0x20080522}
	var data [2]struct{ effective, permitted, inheritable uint32 }
	head, sets := unsafe.Pointer(&header), unsafe.Pointer(&data)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(head), uintptr(sets), 0); errno != 0 {
		t.Fatalf("capget: %v", errno)
	}
	data[capability/32].effective &^= 1 << (capability % 32)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(head), uintptr(sets), 0); errno != 0 {
		t.Fatalf("capset: %v", errno)
	}
}

// A host answers a call 5 s after its deadline, whatever a plugin does. That of the plugin says more.
func TestAHungSupervisorLeavesTimeToAnswer(t *testing.T) {
	if late := defaultGrace + unresponsive; late > 4*time.Second {
		t.Errorf("Run returns up to %v after its deadline, want at most 4 s", late)
	}
}
