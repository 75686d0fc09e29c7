package peer

import "golang.org/x/sys/unix"

// ask reads the credentials that the kernel noted when the peer connected.
//
// Source: unix(4) of Darwin, LOCAL_PEERCRED
func ask(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
