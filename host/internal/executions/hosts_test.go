package executions

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAHostWhoseLockIsTakenAwayMakesItAgain(t *testing.T) {
	for name, what := range map[string]func(*Book) string{
		"the file":      func(b *Book) string { return bootLock(b.cfg.Dir, b.boot) },
		"the directory": func(b *Book) string { return filepath.Join(b.cfg.Dir, hostsDir) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			a := healthy(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			b := healthy(t, Config{Dir: dir})
			id := begin(t, a, detached)
			if err := os.RemoveAll(what(a)); err != nil {
				t.Fatal(err)
			}
			flush(t, a)
			if err := b.Cancel(id, nil); reason(err) != ReasonOtherHost {
				t.Errorf("Cancel = %v, want %s", err, ReasonOtherHost)
			}
			if err := a.Close(); err != nil || !strings.Contains(log.String(), bootLock(dir, a.boot)) {
				t.Errorf("Close = %v, log = %q; want a word about the file", err, log.String())
			}
			if err := b.Cancel(id, nil); reason(err) != ReasonEnded {
				t.Errorf("Cancel after the end of its host = %v, want %s", err, ReasonEnded)
			}
		})
	}
}

// TestAHostThatHeldItsLockAWhileAfterItsDeathIsFoundSoon has the look at dead hosts come around again, long before
// that at old age.
func TestAHostThatHeldItsLockAWhileAfterItsDeathIsFoundSoon(t *testing.T) {
	dir := t.TempDir()
	a, b := healthy(t, Config{Dir: dir}), healthy(t, Config{Dir: dir})
	id := begin(t, a, detached)
	flush(t, b)
	if x := get(t, b, id); x.State.Ended() {
		t.Fatalf("while its host lives the execution is %s", x.State)
	}
	for _, book := range []*Book{a, b} {
		if err := book.flushing.lock(t.Context()); err != nil { // a does not look after its file, b does nothing
			t.Fatal(err)
		}
	}
	if err := os.Remove(bootLock(dir, a.boot)); err != nil {
		t.Fatal(err)
	}
	b.swept = b.swept.Add(-sweepEvery)
	b.flushing.unlock()
	flush(t, b)
	if x := get(t, b, id); x.State != Interrupted {
		t.Errorf("after %v the execution of a dead host is %s, want %s", sweepEvery, x.State, Interrupted)
	}
	a.flushing.unlock()
}

func TestWhatWasFoundInterruptedDoesNotRunAgain(t *testing.T) {
	dir := t.TempDir()
	a, b := healthy(t, Config{Dir: dir}), healthy(t, Config{Dir: dir})
	id := begin(t, a, detached)
	a.Start(id)
	print(a, id, tool.Stdout, "before ")
	flush(t, a)
	if err := a.flushing.lock(t.Context()); err != nil { // it does not look after its file
		t.Fatal(err)
	}
	if err := os.Remove(bootLock(dir, a.boot)); err != nil {
		t.Fatal(err)
	}
	if err := b.sweepNow(); err != nil {
		t.Fatal(err)
	}
	a.flushing.unlock()
	for range 2 {
		print(a, id, tool.Stdout, "meanwhile ")
		flush(t, a)
		if err := b.sweepNow(); err != nil {
			t.Fatal(err)
		}
		if x := get(t, b, id); x.State != Interrupted {
			t.Errorf("the other host sees it %s, want it to stay interrupted", x.State)
		}
		if got := readAll(t, b, id, Stdout, 100); got != "before " {
			t.Errorf("the other host reads %q, want what was there at that end", got)
		}
		if x := get(t, a, id); x.State != Running {
			t.Errorf("its own host sees it %s, want running", x.State)
		}
	}
	if n := count(t, b, `select count(*) from hosts`); n != 2 {
		t.Errorf("%d hosts are known, want both", n)
	}
	print(a, id, tool.Stdout, "after")
	a.End(id, Outcome{})
	flush(t, a)
	if x := get(t, b, id); x.State != Completed || x.ErrorType != "" {
		t.Errorf("the other host sees %+v, want what it came to", x)
	}
	if got := readAll(t, b, id, Stdout, 100); got != "before meanwhile meanwhile after" {
		t.Errorf("the other host reads %q, want all of it", got)
	}
}

// powerlessEnv makes the test binary a host without the powers of root; it names the directory.
const powerlessEnv = "EXECUTIONS_TEST_POWERLESS"

// powerless says what a host makes of a directory into which it may not write. Root may, until it gives that
// up and executes itself.
func powerless(dir string) {
	runtime.LockOSThread()
	if rest, first := strings.CutPrefix(dir, "drop:"); first {
		if os.Geteuid() == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_DAC_OVERRIDE, 0, 0, 0); err != nil {
				fmt.Println("prctl:", err)
			}
		}
		fmt.Println("exec:", syscall.Exec("/proc/self/exe", os.Args, []string{powerlessEnv + "=" + rest}))
		return
	}
	b, err := Open(Config{Dir: dir})
	if err != nil {
		fmt.Println("Open:", err)
		return
	}
	fmt.Println("Healthy:", b.Healthy())
	_, err = b.Get(newID())
	fmt.Println("Get:", err)
	_, _, err = b.List(Filter{})
	fmt.Println("List:", err)
	id := newID()
	fmt.Println("Begin:", b.Begin(Execution{ID: id, Detached: true}, nil))
	list, _, err := b.List(Filter{})
	fmt.Println("List:", len(list), err)
	fmt.Println("Close:", b.Close())
}

func TestADirectoryThatCannotBeWrittenIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := healthy(t, Config{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), powerlessEnv+"=drop:"+dir)
	out, err := cmd.CombinedOutput()
	if err := os.Chmod(dir, 0o700); err != nil { // for those who take it away
		t.Error(err)
	}
	why := fmt.Sprintf("may not write into the state directory %s (mode 0500); type: chmod u+rwx %s", dir, dir)
	lines := strings.Split(string(out), "\n")
	for i, want := range []string{
		"Healthy: user", "Get: the database of executions cannot be read", "List: the database of executions",
		"Begin: " + ErrMemoryOnly.Error(), "List: 1 <nil>", "Close: executions: 1 were not written",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) || i != 4 && !strings.Contains(lines[i], why) {
			t.Fatalf("line %d of\n%s%v\nis not %q with %q", i, out, err, want, why)
		}
	}
}
