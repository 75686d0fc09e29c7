package peer

import "net/netip"

// Listeners are the numbers of the users whose sockets take connections to a TCP address of this machine; ok is false
// where nobody knows.
func Listeners(addr netip.AddrPort) (uids []int, ok bool) { return listeners(addr) }
