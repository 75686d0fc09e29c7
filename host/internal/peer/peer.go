// Package peer says which user's process is at the other end of a Unix socket, as the kernel knows it.
//
//	uid, ok := peer.UID(conn)
package peer

import "net"

// wrapped is a connection around another, such as one of TLS.
type wrapped interface{ NetConn() net.Conn }

// UID is the number of the user whose process connected; ok is false where nobody knows, as over a network.
func UID(c net.Conn) (uid int, ok bool) {
	for {
		if u, ok := c.(*net.UnixConn); ok {
			return of(u)
		}
		w, ok := c.(wrapped)
		if !ok {
			return 0, false
		}
		c = w.NetConn()
	}
}

// of asks the kernel about a socket.
func of(c *net.UnixConn) (uid int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var failed error
	err = raw.Control(func(fd uintptr) { uid, failed = ask(int(fd)) })
	return uid, err == nil && failed == nil
}
