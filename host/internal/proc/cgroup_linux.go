package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// treePrefix begins the names of the directories of hosts; the host's process id follows.
const treePrefix = "gatehouse-"

// NewCgroup makes the directory of this host below the host's own cgroup, and removes what hosts that are
// dead have left there, with every process in it. With an error it returns a Cgroup all the same, which gives
// processes none and says why in their layers. Close it when the last process has ended.
//
// A directory belongs to a host that lives as long as that holds a lock on it: numbers of processes are used
// again, and those of a container mean nothing outside of it.
func NewCgroup() (*Cgroup, error) {
	g := &Cgroup{}
	if g.why = g.open(); g.why != nil {
		return g, fmt.Errorf("no cgroup for plugins: %w", g.why)
	}
	return g, nil
}

func (g *Cgroup) open() error {
	own, err := ownCgroup()
	if err != nil {
		return err
	}
	sweepTrees(own)
	if g.dir, g.lock, err = makeTree(own); err != nil {
		return err
	}
	if err := g.try(); err != nil {
		_ = g.Close() // why there is none is what counts
		return err
	}
	return nil
}

// makeTree makes a directory and locks it. Until it is locked another host may take it for a dead one's, and
// remove it; one that we made before is taken.
func makeTree(own string) (string, *os.File, error) {
	for n := range 64 {
		dir := filepath.Join(own, treePrefix+fmt.Sprint(os.Getpid()))
		if n > 0 {
			dir += fmt.Sprint(".", n)
		}
		if err := unix.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return "", nil, fmt.Errorf("the host may not make cgroups in %s: %w", own, err)
		}
		if lock := lockTree(dir); lock != nil {
			return dir, lock, nil
		}
	}
	return "", nil, fmt.Errorf("no free name below %s", own)
}

// lockTree locks a directory that nobody else has locked; nil: somebody has, or it is gone.
func lockTree(dir string) *os.File {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // only locked
		return nil
	}
	ours, err := f.Stat()
	named, errNamed := os.Stat(dir)
	if err != nil || errNamed != nil || !os.SameFile(ours, named) {
		_ = f.Close() // removed before we had the lock
		return nil
	}
	return f
}

// sweepTrees ends what dead hosts have left. What cannot be removed now stays for the next host.
func sweepTrees(own string) {
	trees, _ := filepath.Glob(filepath.Join(own, treePrefix+"*")) // the pattern is a good one
	for _, dir := range trees {
		endDeadTree(dir)
	}
}

// try makes a cgroup and forks into it, as far as exec, of what cannot be executed: seccomp filters of
// containers deny clone3, and kernels before 5.14 have no cgroup.kill.
func (g *Cgroup) try() error {
	c, err := g.cell("trial")
	if err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{}
	c.hold(attr)
	_, err = syscall.ForkExec("/", []string{"/"}, &syscall.ProcAttr{Sys: attr})
	if !errors.Is(err, syscall.EACCES) {
		_ = c.end() // why there is none is what counts
		return fmt.Errorf("no process can be born in a cgroup: %w", err)
	}
	return c.end()
}

// Close kills what is left in the cgroups of this host, and removes them. It may be called more than once.
func (g *Cgroup) Close() error {
	if g == nil || g.lock == nil {
		return nil
	}
	err := endTree(g.dir)
	_ = g.lock.Close() // only locked
	g.lock = nil
	return err
}

// cell is the cgroup of one process; nil: it has none.
type cell struct {
	dir  string
	file *os.File // of the directory, to be born into
}

// cell makes a cgroup. The error is why the process gets none.
func (g *Cgroup) cell(name string) (*cell, error) {
	if err := g.missing(); err != nil {
		return nil, err
	}
	c := &cell{dir: filepath.Join(g.dir, name)}
	err := os.Mkdir(c.dir, 0o755)
	if err == nil {
		if c.file, err = os.Open(c.dir); err == nil {
			_, err = os.Stat(filepath.Join(c.dir, "cgroup.kill"))
		}
	}
	if err != nil {
		_ = c.end() // why there is none is what counts
		return nil, fmt.Errorf("no cgroup for this process: %w", err)
	}
	return c, nil
}

// hold has a process be born in the cgroup.
func (c *cell) hold(attr *syscall.SysProcAttr) {
	if c != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(c.file.Fd())
	}
}

// end kills all that is in the cgroup and removes it. It must not be called from a thread that is confined.
func (c *cell) end() error {
	if c == nil {
		return nil
	}
	if c.file != nil {
		_ = c.file.Close() // only named by it
	}
	return endTree(c.dir)
}

// emptied is how long killed processes may take to be gone.
const emptied = 2 * time.Second

// endTree kills all processes beneath a cgroup, waits for their end, and removes it with those that were made
// in it.
func endTree(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.kill"), os.O_WRONLY, 0)
	switch {
	case err == nil:
		_, err = f.WriteString("1")
		err = errors.Join(err, f.Close(), awaitEmpty(dir))
	case errors.Is(err, fs.ErrNotExist):
		err = nil // it is gone, or the kernel is too old to have put any process there
	}
	return errors.Join(err, removeTree(dir))
}

// awaitEmpty waits until no process is left beneath dir. The kernel tells of a change of cgroup.events.
func awaitEmpty(dir string) error {
	f, err := os.Open(filepath.Join(dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() // only read
	for end := time.Now().Add(emptied); ; {
		var text [256]byte
		n, err := f.ReadAt(text[:], 0)
		if n == 0 && err != nil {
			return err
		}
		if !strings.Contains(string(text[:n]), "populated 1") {
			return nil
		}
		left := time.Until(end)
		if left <= 0 {
			return fmt.Errorf("processes in %s live on after %s", dir, emptied)
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}, int(left.Milliseconds())+1)
	}
}

// removeTree removes directories, the innermost first. The files in them are the kernel's and go along.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone meanwhile need not be removed
	})
	for _, d := range slices.Backward(dirs) {
		if e := unix.Rmdir(d); e != nil && !errors.Is(e, unix.ENOENT) {
			err = errors.Join(err, &fs.PathError{Op: "remove cgroup", Path: d, Err: e})
		}
	}
	return err
}

// ownCgroup is the directory of this process's cgroup.
func ownCgroup() (string, error) {
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return findCgroup(string(cgroups), string(mounts))
}

// findCgroup reads /proc/self/cgroup and /proc/self/mountinfo, see cgroups(7) and proc(5). The tree of
// version 2 may be mounted beside those of version 1, and then has no controllers; we need none.
func findCgroup(cgroups, mounts string) (string, error) {
	path, ok := unifiedPath(cgroups)
	if !ok {
		return "", errors.New("the host is in no cgroup of version 2")
	}
	if strings.HasPrefix(path, "/..") {
		return "", errors.New("the host's cgroup lies outside of what its namespace shows")
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) == 0 || kind[0] != "cgroup2" {
			continue
		}
		root, point := unescape.Replace(fields[3]), unescape.Replace(fields[4])
		rel, err := filepath.Rel(root, path)
		if err == nil && filepath.IsLocal(rel) {
			return filepath.Join(point, rel), nil
		}
	}
	return "", errors.New("the cgroup tree of version 2 is not mounted, or not the host's part of it")
}

// unifiedPath is the path in the line of /proc/PID/cgroup that is of version 2.
func unifiedPath(cgroups string) (string, bool) {
	for line := range strings.Lines(cgroups) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n"), true
		}
	}
	return "", false
}

// unescape undoes what the kernel does to paths in mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
