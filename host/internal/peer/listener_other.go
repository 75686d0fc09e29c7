//go:build !linux

package peer

import "net/netip"

func listeners(netip.AddrPort) (uids []int, ok bool) { return nil, false }
