package peer

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
)

func TestWhoListensIsKnown(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", bind)
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort(l.Addr().String())
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
		}
		if uids, ok := Listeners(at); !ok || !slices.Equal(uids, []int{os.Geteuid()}) {
			t.Errorf("bound to %s: Listeners(%v) = %v, %t, want %d", bind, at, uids, ok, os.Geteuid())
		}
		_ = l.Close()
		if uids, ok := Listeners(at); !ok || len(uids) != 0 {
			t.Errorf("bound to %s no more: Listeners(%v) = %v, %t, want nobody", bind, at, uids, ok)
		}
	}
}

func TestTheTableOfTheKernelIsRead(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    65534        0 2 1
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  7        0 3 1
   3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  8        0 4 1
   4: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  9        0 5 1
   5: nonsense
`
	if uids := listening(table, netip.MustParseAddrPort("127.0.0.1:8080")); !slices.Equal(uids, []int{1000, 65534}) {
		t.Errorf("listening = %v, want who listens on the address, and on all", uids)
	}
}
