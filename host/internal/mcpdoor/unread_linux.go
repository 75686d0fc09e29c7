package mcpdoor

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// unreadOf says how much of what was written to a pipe or a socket its reader has not read yet; nil: nobody knows.
//
// Source: unix(7), SIOCOUTQ (which is TIOCOUTQ); pipe(7), FIONREAD (which is TIOCINQ)
func unreadOf(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	return func() (n int) {
		_ = conn.Control(func(fd uintptr) { n = unreadBytes(int(fd)) }) // closed: nobody reads it any more
		return n
	}
}

func unreadBytes(fd int) int {
	for _, question := range []uint{unix.TIOCOUTQ, unix.TIOCINQ} {
		if n, err := unix.IoctlGetInt(fd, question); err == nil {
			return n
		}
	}
	return 0
}
