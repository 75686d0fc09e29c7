package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Guard is a small process beside the host. When the host is killed, so that it can end nothing any more, the
// guard ends what its plugins have left: what lies in their cgroups, and what carries their mark. Then it
// takes the host's runtime directory away. The plugins themselves, and the programs that they run through the
// sdk, end without it.
type Guard struct {
	cmd  *exec.Cmd
	pipe *os.File // the guard waits for its end
}

// guardName is the guard's among the processes of this host.
const guardName = "guard"

// StartGuard starts this program once more, as a guard of this process. runtime is a directory that is
// removed when the host is killed; "": none is.
func StartGuard(cgroup *Cgroup, runtime string) (*Guard, error) {
	keepToOurselves()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard of the plugins: %w", err)
	}
	defer r.Close() // the guard has its own
	tree := ""
	if cgroup.missing() == nil {
		tree = cgroup.dir
	}
	g := &Guard{pipe: w, cmd: &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"gatehouse", GuardCommand, kin.mark(""), tree, runtime},
		Env: []string{"GOMAXPROCS=1"}, Dir: "/", Stdin: r, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}}
	err = kin.bear(kin.mark(guardName), func() (int, error) { // who looks for orphans must know that it is none
		if err := g.cmd.Start(); err != nil {
			return 0, err
		}
		return g.cmd.Process.Pid, nil
	})
	if err != nil {
		_ = w.Close() // nobody reads it
		return nil, fmt.Errorf("start the guard of the plugins: %w", err)
	}
	return g, nil
}

// inOrder is what the host says when it ends by itself, and leaves nothing to do.
const inOrder = "in order\n"

// Close ends the guard: the host has ended everything itself.
func (g *Guard) Close() error {
	if g == nil {
		return nil
	}
	_, err := g.pipe.WriteString(inOrder)
	err = errors.Join(err, g.pipe.Close(), g.cmd.Wait())
	kin.bury(g.cmd.Process.Pid, kin.mark(guardName))
	return err
}

// GuardMain is the program of a guard: args are what StartGuard gave it, in is its stdin. It returns the exit
// status.
func GuardMain(args []string, in io.Reader) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	_ = os.WriteFile("/proc/self/comm", []byte("gatehouse-guard"), 0) // for people who look for it
	if len(args) != 3 || len(args[0]) < len("x-") {
		return 2
	}
	said, err := io.ReadAll(io.LimitReader(in, int64(len(inOrder))))
	if err == nil && string(said) == inOrder {
		return 0
	}
	mark, tree, runtime := args[0], args[1], args[2]
	if tree != "" {
		endDeadTree(tree)
	}
	endMarked(mark)
	if runtime != "" {
		_ = os.RemoveAll(runtime) // the next host does it else
	}
	return 0
}

// endDeadTree ends what is in a cgroup of a dead host. What it leaves is looked for by its mark. When somebody has
// locked it, another host has got there first, and may have made one of the same name.
func endDeadTree(dir string) {
	if lock := lockTree(dir); lock != nil {
		_ = endTree(dir)
		_ = lock.Close() // only locked
	}
}

// byThemselves is how long what a dead host has left may take to end by itself: supervisors of the sdk know
// best what belongs to them.
const byThemselves = time.Second

// endMarked kills what carries a mark, again and again, as what is killed may have forked before.
func endMarked(mark string) {
	tick := time.NewTicker(20 * time.Millisecond) // nobody tells of the end of another's processes
	defer tick.Stop()
	patient := time.Now().Add(byThemselves)
	for end := time.Now().Add(5 * byThemselves); time.Now().Before(end); <-tick.C {
		left := marked(mark)
		if len(left) == 0 {
			return
		}
		if time.Now().Before(patient) {
			continue
		}
		for _, e := range left {
			endEntry(e)
		}
	}
}

// marked are the processes with a mark, those that have ended apart.
func marked(mark string) (found []entry) {
	table, err := processTable()
	if err != nil {
		return nil
	}
	for _, e := range table {
		if !e.zombie() && e.pid != os.Getpid() && strings.HasPrefix(markOf(e.pid), mark) {
			found = append(found, e)
		}
	}
	return found
}

// endEntry kills a process by a descriptor of it, so that no other is hit.
func endEntry(e entry) {
	fd, err := unix.PidfdOpen(e.pid, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd) // only named by it
	if now, err := readEntry(e.pid); err == nil && now.id == e.id {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it may be ending
	}
}
