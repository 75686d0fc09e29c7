// Command stray is what a tool may leave behind: processes that sleep, and are hard to find or to end. The
// tests of the whole program start it through the lab plugin.
//
//	stray [--deaf] [--escape] [--hold] [--depth N] --mark M
//
// The number M stands in the argv of each process, and is all that they have in common. One that has done
// everything it was told renames itself to [inPlace].
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// inPlace is the name of a process that has come to where it shall be found.
const inPlace = "stray-in-place"

// lifetime ends a stray that a failed test has left.
const lifetime = 10 * time.Minute

// children is how many each process has.
const children = 2

// stray is one process.
type stray struct {
	deaf   bool // to the signals that ask for an end
	escape bool // its descendants are in sessions of their own, and have lost their parents
	hold   bool // of all generations only the last keeps the standard streams open
	depth  int  // generations below it
	leave  bool // it is there to be lost: it starts what it should have been itself, and ends
	mark   int
}

// The first thread is the one whose name is the process's.
func init() { runtime.LockOSThread() }

func main() {
	var s stray
	flag.BoolVar(&s.deaf, "deaf", false, "ignore SIGTERM, SIGINT and SIGHUP")
	flag.BoolVar(&s.escape, "escape", false, "have every child in a session of its own, and without a parent")
	flag.BoolVar(&s.hold, "hold", false, "leave the standard streams to the last generation")
	flag.IntVar(&s.depth, "depth", 0, "generations below this one")
	flag.BoolVar(&s.leave, "leave", false, "start the same in another session, print its pid, and end")
	flag.IntVar(&s.mark, "mark", 0, "the number to be found by")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "stray:", err)
		os.Exit(1)
	}
}

func (s stray) run() error {
	if s.leave {
		s.leave = false
		cmd := s.command(true)
		if err := cmd.Start(); err != nil {
			return err
		}
		_, err := fmt.Println(cmd.Process.Pid)
		return err
	}
	if s.deaf {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	if s.depth > 0 {
		if err := s.multiply(); err != nil {
			return err
		}
	}
	if err := rename(inPlace); err != nil {
		return err
	}
	time.Sleep(lifetime) // this is all it does
	return nil
}

// multiply starts the next generation.
func (s stray) multiply() error {
	child := s
	child.depth--
	for range children {
		var err error
		if child.leave = s.escape; child.leave {
			err = child.command(true).Run()
		} else {
			err = child.command(false).Start()
		}
		if err != nil {
			return err
		}
	}
	if !s.hold {
		return nil
	}
	return letGo()
}

// command starts this program again as s.
func (s stray) command(session bool) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "--depth", strconv.Itoa(s.depth), "--mark", strconv.Itoa(s.mark))
	for name, set := range map[string]bool{
		"--deaf": s.deaf, "--escape": s.escape, "--hold": s.hold, "--leave": s.leave,
	} {
		if set {
			cmd.Args = append(cmd.Args, name)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if s.hold {
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	}
	return cmd
}

// letGo closes the standard streams of this process.
func letGo() error {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
