package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

// ask reads the credentials that the kernel noted when the peer connected.
//
// Source: unix(4) of Darwin, LOCAL_PEERCRED
func ask(c *net.UnixConn) (uid int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Xucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err != nil || failed != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
