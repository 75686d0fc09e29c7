package audit

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// child is a host process of the tests: it appends, and prints a line for each line that was acknowledged.
func child(role string) int {
	trail, err := New(Config{Dir: os.Getenv("AUDIT_TEST_DIR"), MaxFileSize: 16 << 10, MaxFiles: 1000})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch role {
	case "endless":
		for {
			if err := trail.Append(typical(Accept)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Println(trail.Status().Seq)
		}
	case "some":
		for range 200 {
			if err := trail.Append(typical(Accept)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	case "limited":
		err = limited(trail)
	}
	if err := errors.Join(err, trail.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func startChild(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_TEST_CHILD="+role, "AUDIT_TEST_DIR="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), &stderr
}

func TestSeveralProcessesWriteOneChain(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	const processes = 4
	for range processes {
		all.Go(func() {
			cmd, out, stderr := startChild(t, "some", dir)
			for out.Scan() { // until its end
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("a process ended with %v: %s", err, stderr)
			}
		})
	}
	all.Wait()
	r := wantUnbroken(t, dir)
	if r.Lines != processes*200+uint64(r.Files)-1 || r.Files < 2 || r.Notes > 0 {
		t.Errorf("Verify = %+v, want %d lines, and a rotate record in each file but the first", r, processes*200)
	}
}

func TestAKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		cmd, out, stderr := startChild(t, "endless", dir)
		seq := uint64(0)
		for n := 1 + random.IntN(60); n > 0 && out.Scan(); n-- {
			if _, err := fmt.Sscan(out.Text(), &seq); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		if r := wantUnbroken(t, dir); r.Last.Seq < seq || seq == 0 {
			t.Fatalf("seq %d was acknowledged, the trail ends with %d; %s", seq, r.Last.Seq, stderr)
		}
	}
	closeTrail(t, open(t, Config{Dir: dir}))
	if _, findings := verify(t, dir, Options{}); len(findings) > 20 {
		t.Errorf("Verify found %v, want at most one torn line for each kill", findings)
	}
}

// limited meets a disk that is really full: a limit of the size of files makes short writes, then errors.
func limited(trail *Trail) error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGXFSZ) // its default is to end the process
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	full := before
	full.Cur = 8 << 10
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &full); err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	accepted := 0
	for ; trail.Append(typical(Accept)) == nil; accepted++ {
	}
	refused := trail.Err()
	kept := trail.Append(typical(Finish))
	lost := trail.Append(typical(Refuse))
	again := trail.Append(typical(Accept))
	if !isFull(refused) || !errors.Is(kept, ErrKept) || !errors.Is(lost, ErrLost) || !isFull(again) {
		return fmt.Errorf("full: %v; finish: %v; refuse: %v; accept: %v", refused, kept, lost, again)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		return fmt.Errorf("unlimit: %w", err)
	}
	if err := trail.Append(typical(Accept)); err != nil || trail.Err() != nil {
		return fmt.Errorf("there is room again, and Append fails: %w", err)
	}
	fmt.Println(accepted)
	return nil
}

func TestAFullDiskRefusesNewCallsAndKeepsTheEndsOfOthers(t *testing.T) {
	dir := t.TempDir()
	cmd, out, stderr := startChild(t, "limited", dir)
	accepted := -1
	for out.Scan() {
		_, _ = fmt.Sscan(out.Text(), &accepted)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the process ended with %v: %s", err, stderr)
	}
	r := wantUnbroken(t, dir)
	got := events(t, dir)
	if tail := strings.Join(got[len(got)-3:], " "); tail != "finish gap accept" || r.Lost != 1 || r.Torn != 0 ||
		len(got) != accepted+3 || accepted < 2 {
		t.Errorf("%d accepted, then %q, %+v; want finish, gap (1 lost) and accept, and nothing torn", accepted,
			tail, r)
	}
}
