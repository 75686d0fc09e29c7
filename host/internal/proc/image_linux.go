package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// openImage opens the file, sees that it is whole, and reads it once, to hash it. Close what it returns.
//
// A program is held by a read lease: as long as we have that, whoever opens the file for writing waits, and
// has exec fail. Where there can be no lease (the file is another user's, the file system has none) the bytes
// are copied into memory and sealed. So are those of a script, which its interpreter reads when it likes.
func openImage(ctx context.Context, cfg Config) (*image, error) {
	want, err := cfg.wanted()
	if err != nil {
		return nil, err
	}
	im := &image{name: cfg.Name, path: cfg.Path}
	if err = im.open(cfg.Judge); err == nil {
		if err = im.take(ctx, time.Now()); err == nil {
			err = im.compare(want)
		}
	}
	if err != nil {
		im.close()
		return nil, err
	}
	return im, nil
}

// open opens what can be a program, and has it judged. O_NONBLOCK: a FIFO in its place must not hold us up.
func (im *image) open(judge func(fs.FileInfo) error) error {
	fd, err := unix.Open(im.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return im.unreadable(err)
	}
	im.file = os.NewFile(uintptr(fd), im.path)
	info, err := im.file.Stat()
	switch {
	case err != nil:
		return im.unreadable(err)
	case !info.Mode().IsRegular():
		return failed(im.name, "is no regular file; %w", ErrUnusable).
			Suggest("put the program itself at %s", im.path)
	case info.Mode()&0o111 == 0:
		return im.notExecutable()
	}
	return im.judged(info, judge)
}

// take makes sure of the bytes and hashes them.
func (im *image) take(ctx context.Context, now time.Time) error {
	err := unix.ENOTSUP
	if !remote(im.file) {
		err = lease(im.file)
	}
	im.leased = err == 0
	if err == unix.EAGAIN {
		return im.unfinished("somebody has it open for writing")
	}
	before, bad := im.file.Stat()
	if bad != nil {
		return im.unreadable(bad)
	}
	if !im.leased && fresh(before, now) {
		return im.unfinished("it was written to a moment ago")
	}
	if err := im.whole(before.Size()); err != nil {
		return err
	}
	if im.leased && !im.script {
		im.sum, bad = hash(ctx, io.Discard, im.file)
		return im.readError(bad)
	}
	return im.copy(ctx, before)
}

// settled is for how long a file must have been left alone when no lease tells whether somebody writes to it.
const settled = 300 * time.Millisecond

// fresh reports whether a file was written to just now. The clocks of a file server may be a little ahead.
func fresh(info fs.FileInfo, now time.Time) bool {
	return now.Sub(info.ModTime()).Abs() < settled
}

// whole looks at the beginning of the file: what kind it is, and whether all of it is there.
func (im *image) whole(size int64) error {
	var head [maxFirstLine]byte
	n, err := im.file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return im.unreadable(err)
	}
	im.interpreter, im.script = interpreter(string(head[:n]))
	err = checkWhole(im.file, size)
	if errors.Is(err, errCut) {
		return im.unfinished(err.Error())
	}
	return im.readError(err)
}

// maxFirstLine is how much of a script the kernel looks at.
const maxFirstLine = 256

// interpreter is the program that the first line of a script names.
func interpreter(head string) (program string, script bool) {
	line, script := strings.CutPrefix(head, "#!")
	line, _, _ = strings.Cut(line, "\n")
	if words := strings.Fields(line); script && len(words) > 0 {
		return words[0], true
	}
	return "", script
}

func (im *image) readError(err error) error {
	if err != nil {
		return im.unreadable(err)
	}
	return nil
}

// maxCopy bounds what a plugin may take of the memory for its copy.
const maxCopy = 512 << 20

// copy puts a sealed copy of the file in its place. Nothing but what is hashed goes into it.
func (im *image) copy(ctx context.Context, before fs.FileInfo) error {
	if before.Size() > maxCopy {
		return failed(im.name, "is too large, with %d bytes, to be copied into memory; %w",
			before.Size(), ErrUnusable).
			Suggest("give %s to the host's user, which makes a copy needless", im.path)
	}
	memory, err := newMemfd(filepath.Base(im.path))
	if err != nil {
		return failed(im.name, "cannot be copied into memory: %w", err).
			Suggest("allow memfd_create, see the sysctl vm.memfd_noexec, " +
				"or give the file to the host's user, which makes a copy needless")
	}
	source := im.file
	defer source.Close() // only read
	im.file, im.copied = memory, true
	if im.sum, err = hash(ctx, memory, io.LimitReader(source, maxCopy)); err != nil {
		return im.unreadable(err)
	}
	after, err := source.Stat()
	switch {
	case err != nil:
		return im.unreadable(err)
	case im.leased:
		unlease(source)
		im.leased = false
	case after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()):
		return im.unfinished("it was written to while it was read")
	}
	if err := seal(memory); err != nil {
		return failed(im.name, "cannot be sealed in memory: %w", err).
			Suggest("give %s to the host's user, which makes a copy needless", im.path)
	}
	return nil
}

// newMemfd makes a file in memory that can be executed. Kernels before 6.3 know no MFD_EXEC, and need none.
func newMemfd(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal makes the copy what it is for good; not even we can undo it.
func seal(memory *os.File) error {
	_, err := unix.FcntlInt(memory.Fd(), unix.F_ADD_SEALS,
		unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	return os.NewSyscallError("seal", err)
}

// lease asks for a read lease. EAGAIN: somebody has the file open for writing. Who wants to write to it from
// now on waits until we let go, or for /proc/sys/fs/lease-break-time (45 s); the kernel tells us by a SIGIO,
// which Go ignores.
func lease(f *os.File) unix.Errno {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	var errno unix.Errno
	if err != nil && !errors.As(err, &errno) {
		return unix.ENOTSUP
	}
	return errno
}

// remote reports whether a file is a server's, or a program's: a lease of ours keeps their own writers from
// nothing.
func remote(f *os.File) bool {
	const smb2 = 0xfe534d42 // which x/sys does not name
	var info unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &info); err != nil {
		return false
	}
	switch uint32(info.Type) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, smb2, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return false
}

func unlease(f *os.File) {
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK) // it ends with the descriptor at the latest
}

// intact fails when somebody has asked to write to the file since it was leased. Who asks after this, and
// before exec, has exec fail: the kernel executes no file that is open for writing.
func (im *image) intact() error {
	if !im.leased {
		return nil
	}
	if kind, err := unix.FcntlInt(im.file.Fd(), unix.F_GETLEASE, 0); err != nil || kind != unix.F_RDLCK {
		return im.unfinished("somebody opened it for writing")
	}
	return nil
}

// inherited is the number that a script's descriptor has in its process, and that of its interpreter.
const inherited = 3

// place makes the name in dir by which the image is executed, so that ps and /proc show the plugin's own name
// and no number. A program is executed through our own descriptor, which the process does not inherit.
func (im *image) place(dir string) error {
	fd := inherited
	if !im.script {
		fd = int(im.file.Fd())
	}
	link := filepath.Join(dir, filepath.Base(im.path))
	if err := os.Symlink(fmt.Sprintf("/proc/self/fd/%d", fd), link); err != nil {
		return err
	}
	im.link = link
	return nil
}

// clearOf sees that the descriptor which is executed keeps its number until exec: Go's fork puts one of its own
// above the highest of those that become the standard streams, over whatever has that number in the child.
func (im *image) clearOf(cmd *exec.Cmd) error {
	if im.script {
		return nil
	}
	taken := 2
	for _, stream := range []any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		if f, ok := stream.(*os.File); ok {
			taken = max(taken, int(f.Fd()))
		}
	}
	if taken++; int(im.file.Fd()) != taken {
		return nil
	}
	fd, err := unix.FcntlInt(im.file.Fd(), unix.F_DUPFD_CLOEXEC, taken+1)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	_ = im.file.Close() // the other is the same file, with its lease
	im.file = os.NewFile(uintptr(fd), im.path)
	if err := os.Remove(im.link); err != nil {
		return err
	}
	return im.place(filepath.Dir(im.link))
}

// exec is the path to execute.
func (im *image) exec() string { return im.link }

// extra are the descriptors that the process inherits: a script's own bytes, which its interpreter opens by
// the name /proc/self/fd/3 at a time of its own.
func (im *image) extra() []*os.File {
	if im.script {
		return []*os.File{im.file}
	}
	return nil
}

// executed lets go of what has been executed: the kernel itself keeps writers away from it now.
func (im *image) executed() {
	if !im.script {
		_ = os.Remove(im.link) // it leads nowhere any more; the directory goes at the end
	}
	im.close()
}

// close may be called more than once.
func (im *image) close() {
	if im.file == nil {
		return
	}
	if im.leased {
		unlease(im.file) // another fork may have the descriptor for a moment still
	}
	_ = im.file.Close() // only read
	im.file = nil
}

// layer says how the bytes are held.
func (im *image) layer() tool.Layer {
	how := "nobody could write to the file between its hash and its execution (lease)"
	switch {
	case im.script:
		how = "a sealed copy of the script, made when it was hashed, is what its interpreter reads"
	case im.copied:
		how = "a sealed copy in memory, made when it was hashed, is what runs"
	}
	return tool.Layer{Name: layerBytes, Active: true, Detail: how}
}
