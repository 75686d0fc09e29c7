//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// TestMain makes the test binary its own tool, and its own plugin: with a first argument "tool=NAME"
// it does what tools[NAME] says. Tools leave by syscall.Exit: under the race detector os.Exit takes a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if name, ok := strings.CutPrefix(os.Args[1], "tool="); ok {
			tools[name](os.Args[2:])
			syscall.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// name -> what it does with its arguments. Each gets a mark as the last one, by which tests find it.
var tools map[string]func(args []string)

func init() {
	tools = map[string]func([]string){
		"exit":     func(args []string) { n, _ := strconv.Atoi(args[0]); syscall.Exit(n) },
		"state":    printState,
		"ready":    func([]string) { pid, parent := numbers(); fmt.Println("ready", pid, parent); block() },
		"stubborn": func([]string) { signal.Ignore(syscall.SIGTERM); fmt.Println("ready"); block() },
		"parent":   func([]string) { _, parent := numbers(); fmt.Println(parent) },
		"inner":    func([]string) { fmt.Println(os.Getppid()) },
		"tree":     growTree,
		"branch":   growBranch,
		"leaf":     growLeaf,
		"spew":     spew,
		"burn":     burn,
		"grow":     grow,
		"report":   report,
		"byname":   func([]string) { check(os.WriteFile("/dev/fd/3", []byte("by name"), 0)) },
		"attempt":  attempt,
		"litter":   func([]string) { check(os.WriteFile("left", nil, 0o600)) },
		"list":     func([]string) { names, err := filepath.Glob("*"); check(err); fmt.Println(len(names)) },
		"suicide":  func([]string) { check(syscall.Kill(os.Getpid(), syscall.SIGKILL)); block() },
		"plugin":   bePlugin,
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(3)
	}
}

// numbers gives those of this process and its parent as /proc has them, which the tests look at too: in a
// PID namespace getpid knows others.
func numbers() (pid, parent int) {
	stat, err := os.ReadFile("/proc/self/stat")
	check(err)
	_, err = fmt.Sscan(string(stat), &pid)
	check(err)
	var state string
	_, err = fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent)
	check(err)
	return pid, parent
}

// block does not use select{}: the runtime would call that a deadlock.
func block() {
	var p [2]int
	check(syscall.Pipe(p[:]))
	var b [1]byte
	for {
		_, _ = syscall.Read(p[0], b[:])
	}
}

func printState([]string) {
	cwd, err := os.Getwd()
	check(err)
	files, err := os.ReadDir(".")
	check(err)
	in, err := io.ReadAll(os.Stdin)
	check(err)
	sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	umask := syscall.Umask(0)
	fmt.Printf("cwd=%s files=%d stdin=%d leader=%v group=%v umask=%o\n", filepath.Base(cwd), len(files),
		len(in), int(sid) == os.Getpid(), syscall.Getpgrp() == os.Getpid(), umask)
	fmt.Println("env=" + strings.Join(os.Environ(), " "))
	fmt.Println("fds=" + strings.Join(openFds(), " "))
	fmt.Println("argv0=" + os.Args[0])
}

// openFds asks the kernel about each descriptor, rather than /proc, where the runtime's own show.
func openFds() (list []string) {
	for fd := range 200 {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno == 0 && flags&syscall.FD_CLOEXEC == 0 { // those of Go's poller have the flag
			list = append(list, strconv.Itoa(fd))
		}
	}
	sort.Strings(list)
	return list
}

func self(setsid bool, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	check(err)
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid}
	return cmd
}

// growTree leaves a grandchild that has its own session, no parent but the supervisor, holds stdout
// and ignores SIGTERM; and a child in the group. Then it stays, or exits with both hardly begun.
func growTree(args []string) {
	mark := args[len(args)-1]
	check(self(true, "tool=branch", mark).Run())
	check(self(false, "tool=leaf", mark).Start())
	pid, parent := numbers()
	fmt.Println("tree", pid, parent)
	if args[0] == "stay" {
		block()
	}
}

func growBranch(args []string) { check(self(true, "tool=leaf", args[0]).Start()) }

func growLeaf([]string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	pid, _ := numbers()
	fmt.Println("leaf", pid)
	block()
}

func spew(args []string) {
	total, err := strconv.Atoi(args[0])
	check(err)
	out := os.Stdout
	if args[1] == "stderr" {
		out = os.Stderr
	}
	buf := make([]byte, 1<<16)
	for total > 0 {
		n, err := out.Write(buf[:min(total, len(buf))])
		check(err)
		total -= n
	}
}

func burn(args []string) {
	if args[0] == "stubborn" {
		signal.Ignore(syscall.SIGXCPU)
	}
	for n := 0; ; n++ {
		if n < 0 {
			fmt.Println()
		}
	}
}

func grow(args []string) {
	f, err := os.Create(args[0])
	check(err)
	signal.Reset(syscall.SIGXFSZ)
	_, err = f.WriteString("x")
	check(err)
}

func report(args []string) {
	f := os.NewFile(3, "report")
	if f == nil {
		syscall.Exit(4)
	}
	_, err := io.WriteString(f, strings.Repeat("r", 1<<18))
	check(err)
	fmt.Println("text")
}

// bePlugin runs a tree, under all layers, in a pool of its own and passes its output on, until it is killed.
func bePlugin(args []string) {
	pool := sandbox.New(sandbox.Config{})
	if args[1] == "shared" {
		sandbox.Shared(pool)
	}
	c := full(args[2], "tool=tree", "stay", args[0])
	c.Files.Execute = append(c.Files.Execute, "/")
	c.Limits = roomy()
	c.Stdout = func(b []byte) { _, _ = os.Stdout.Write(b) }
	_, err := pool.Run(context(), c)
	check(err)
}
