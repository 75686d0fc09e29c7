//go:build amd64 || arm64

package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox/internal/supervisor"
)

// exitPatience is how long a supervisor may take to end after its socket closed, before SIGKILL. With
// no tool alive it takes a millisecond.
const exitPatience = 5 * time.Second

// worker is the parent's side of one supervisor process. One run uses it at a time.
type worker struct {
	process *os.Process
	conn    *net.UnixConn
	dir     *emptyDir // in which it runs programs
	brand   uint64    // what its programs are recognised by, see the other side's setBrand
	// namespace: it is the init of a PID namespace, and numbers of processes that it tells are of that one.
	namespace bool
	oob       [64]byte
	packet    [supervisor.MessageSize]byte
}

// startWorker starts this executable again, to become a supervisor. It does not wait for that: a
// job sent now is read then.
//
// The signal at our death only wakes a supervisor that was stopped: it follows the thread that forks, not
// this process, so that it may come too early, and does no harm then. The socket is what tells the
// supervisor of our end, and we alone hold this end of it.
func startWorker(tmp string, namespace bool) (*worker, error) {
	dir, err := makeEmptyDir(tmp)
	if err != nil {
		return nil, &StartError{"make an empty directory", err}
	}
	conn, theirs, err := socketPair()
	if err != nil {
		dir.remove()
		return nil, &StartError{"make a socket pair", err}
	}
	defer theirs.Close()
	w := &worker{conn: conn, dir: dir, brand: newBrand(), namespace: namespace}
	if w.process, err = spawn(dir.name, theirs, w.brand, namespace); err != nil {
		_ = conn.Close()
		dir.remove()
		return nil, &StartError{"start a supervisor", err}
	}
	return w, nil
}

// socketPair gives our end, which exec closes, and that of a supervisor.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "supervisor"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// newBrand is a number that no process has as its limit on realtime run time: 2^60 µs and more.
func newBrand() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return 1<<60 | binary.LittleEndian.Uint64(b[:])>>4
}

func spawn(dir string, control *os.File, brand uint64, namespace bool) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	self := "/proc/self/exe"
	title := filepath.Base(os.Args[0]) + ": sandbox supervisor"
	return os.StartProcess(self, []string{title}, &os.ProcAttr{
		Dir: dir,
		Env: []string{
			supervisor.Marker + "=" + strconv.FormatUint(brand, 16),
			// It allocates nothing, and forks from one thread: see the doc of its package.
			"GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1",
		},
		Files: []*os.File{null, null, null, control},
		Sys:   supervisorAttr(namespace),
	})
}

// supervisorAttr hands the capabilities on to a supervisor: exec keeps root's, and those of an ordinary
// user only when asked.
func supervisorAttr(namespace bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGCONT}
	if namespace {
		attr.Cloneflags = syscall.CLONE_NEWPID
	}
	if p := own(); !p.root {
		for n := range uintptr(64) {
			if p.inheritable.has(int(n)) {
				attr.AmbientCaps = append(attr.AmbientCaps, n)
			}
		}
	}
	return attr
}

// send hands over a job with the descriptors of its streams.
func (w *worker) send(job []byte, fds []int) error {
	_, _, err := w.conn.WriteMsgUnix(job, syscall.UnixRights(fds...), nil)
	return err
}

// order sends KindTerm or KindKill. When the supervisor is gone the next receive says so.
func (w *worker) order(kind byte) { _, _ = w.conn.Write([]byte{kind}) }

var errGarbled = errors.New("the supervisor sent something that is no message")

// receive reads one message, and the pidfd that comes with Started, else -1.
func (w *worker) receive(m *supervisor.Message) (pidfd int, err error) {
	n, oobn, _, _, err := w.conn.ReadMsgUnix(w.packet[:], w.oob[:])
	if err != nil {
		return -1, err
	}
	pidfd = descriptor(w.oob[:oobn])
	if !m.Decode(w.packet[:n]) {
		closeFd(pidfd)
		return -1, errGarbled
	}
	return pidfd, nil
}

// diedDeaf reports whether the supervisor ended before it had read all that we sent: then the end of
// the socket is a reset. A read that races with that end can miss it, and leaves it in SO_ERROR.
func (w *worker) diedDeaf(cause error) (deaf bool) {
	if errors.Is(cause, syscall.ECONNRESET) {
		return true
	}
	raw, err := w.conn.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		pending, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		deaf = err == nil && syscall.Errno(pending) == syscall.ECONNRESET
	})
	return deaf && err == nil
}

func descriptor(oob []byte) int {
	if len(oob) == 0 {
		return -1
	}
	list, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(list) != 1 {
		return -1
	}
	fds, err := syscall.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return -1
	}
	return fds[0]
}

func closeFd(fd int) {
	if fd >= 0 {
		_ = syscall.Close(fd)
	}
}

// end closes the socket, whereupon the supervisor kills what it has and exits, and waits for that.
func (w *worker) end() {
	_ = w.conn.Close()
	late := time.AfterFunc(exitPatience, func() { _ = w.process.Kill() })
	_, _ = w.process.Wait()
	late.Stop()
	w.dir.remove()
}

// destroy ends a supervisor that does not do its work, or is dead already, and everything that it ran.
func (w *worker) destroy() {
	_ = w.process.Kill()
	endBranded(w.brand)
}
