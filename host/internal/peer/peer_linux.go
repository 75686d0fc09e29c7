package peer

import "golang.org/x/sys/unix"

// ask reads the credentials that the kernel noted when the peer connected.
//
// Source: unix(7), SO_PEERCRED
func ask(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
