package proc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
)

// put makes an executable file at path in one step, as a plugin should be.
func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// system is the text of a program of the system's.
func system(t *testing.T, name string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hold opens an image of a file that was written a moment ago. A child that another test forks may have it
// open for writing until it has executed its own file.
func hold(t *testing.T, path string) *image {
	t.Helper()
	var im *image
	hosttest.Eventually(t, "the file to be whole", func() bool {
		var err error
		im, err = openImage(t.Context(), Config{Name: filepath.Base(path), Path: path})
		if err != nil && !errors.Is(err, ErrUnfinished) {
			t.Fatalf("openImage() = %v", err)
		}
		return err == nil
	})
	t.Cleanup(im.close)
	return im
}

// run executes an image and returns its exit status.
func run(t *testing.T, im *image) int {
	t.Helper()
	if err := im.place(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Cmd{Path: im.exec(), Args: []string{im.path}, ExtraFiles: im.extra()}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s = %v", im.path, err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestTheFileThatWasHashedRunsWhateverItsPathNamesBySoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	put(t, path, system(t, "true"))
	im := hold(t, path)
	if !im.leased {
		t.Fatalf("image %+v, want a lease", im)
	}
	put(t, path, system(t, "false"))
	if got := run(t, im); got != 0 {
		t.Errorf("exit status %d, want that of the file that was hashed", got)
	}
}

func TestWhoWritesToAFileThatIsHeldIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	put(t, path, system(t, "true"))
	im := hold(t, path)
	if err := im.intact(); err != nil {
		t.Fatalf("intact() = %v, want nil", err)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("open for writing = %d, %v, want %v", fd, err, unix.EAGAIN)
	}
	if err := im.intact(); !errors.Is(err, ErrUnfinished) {
		t.Errorf("intact() = %v, want %v in its chain", err, ErrUnfinished)
	}
	im.close()
	if fd, err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatalf("open for writing after it was let go = %v", err)
	}
	_ = unix.Close(fd) // nothing was written
}

func TestACopyRunsAsItWasWhenItWasHashed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	put(t, path, system(t, "true"))
	im := &image{name: "program", path: path}
	defer im.close()
	if err := im.open(nil); err != nil {
		t.Fatalf("open() = %v", err)
	}
	info, err := im.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := im.copy(t.Context(), info); err != nil {
		t.Fatalf("copy() = %v", err)
	}
	if err := os.WriteFile(path, system(t, "false"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := im.file.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("write to the copy = %v, want %v", err, fs.ErrPermission)
	}
	if got := run(t, im); got != 0 {
		t.Errorf("exit status %d, want that of the file that was hashed", got)
	}
}

func TestAScriptRunsAsItWasWhenItWasHashed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	put(t, path, []byte("#!/bin/sh -e\nexit 7\n"))
	im := hold(t, path)
	if im.interpreter != "/bin/sh" {
		t.Errorf("interpreter %q, want /bin/sh", im.interpreter)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 8\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := run(t, im); got != 7 {
		t.Errorf("exit status %d, want that of the script that was hashed", got)
	}
}

// stamped is a file with a time of its last change.
type stamped struct {
	fs.FileInfo
	time time.Time
}

func (s stamped) ModTime() time.Time { return s.time }

func TestAFileIsFreshUntilItHasBeenLeftAlone(t *testing.T) {
	now := time.Now()
	for _, row := range []struct {
		age  time.Duration
		want bool
	}{
		{0, true}, {settled - 1, true}, {settled, false}, {time.Hour, false},
		{-settled / 2, true}, // a file server's clock is ahead
		{-time.Hour, false},  // a date that somebody has set; it would be fresh for ever
	} {
		if got := fresh(stamped{time: now.Add(-row.age)}, now); got != row.want {
			t.Errorf("fresh(written %v ago) = %v, want %v", row.age, got, row.want)
		}
	}
}

func TestTheInterpreterIsTheFirstWordAfterTheSign(t *testing.T) {
	for head, want := range map[string]string{
		"#!/bin/sh\n": "/bin/sh", "#! /usr/bin/env python3\n": "/usr/bin/env", "#!/bin/sh": "/bin/sh",
		"#!\n": "", "#! \n/bin/sh": "",
	} {
		if got, script := interpreter(head); got != want || !script {
			t.Errorf("interpreter(%q) = %q, %v, want %q", head, got, script, want)
		}
	}
	if got, script := interpreter("\x7fELF"); got != "" || script {
		t.Errorf("interpreter of a program = %q, %v, want none", got, script)
	}
}

// TestADescriptorThatForkWouldOverwriteIsMoved gives the image the very number that Go's fork takes for itself.
func TestADescriptorThatForkWouldOverwriteIsMoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	put(t, path, system(t, "true"))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	high, err := unix.FcntlInt(null.Fd(), unix.F_DUPFD_CLOEXEC, 500) // above what else is open here
	if err != nil {
		t.Fatal(err)
	}
	stream := os.NewFile(uintptr(high), "stream")
	defer stream.Close()
	im := &image{name: "program", path: path}
	defer im.close()
	if err := im.open(nil); err != nil {
		t.Fatal(err)
	}
	bad, err := unix.FcntlInt(im.file.Fd(), unix.F_DUPFD_CLOEXEC, high+1)
	if err != nil || bad != high+1 {
		t.Fatalf("descriptor %d, %v; want %d", bad, err, high+1)
	}
	_ = im.file.Close()
	im.file = os.NewFile(uintptr(bad), path)
	if err := im.place(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: im.exec(), Args: []string{path}, Stdin: stream, Stdout: stream, Stderr: stream}
	if err := im.clearOf(cmd); err != nil {
		t.Fatalf("clearOf() = %v", err)
	}
	if got := int(im.file.Fd()); got == bad {
		t.Errorf("the descriptor has the number %d still", got)
	}
	if err := cmd.Run(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}
