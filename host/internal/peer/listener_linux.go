package peer

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

func listeners(addr netip.AddrPort) (uids []int, ok bool) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && name == "/proc/net/tcp6" { // a kernel without IPv6
			continue
		}
		if err != nil {
			return nil, false
		}
		uids = append(uids, listening(string(raw), addr)...)
	}
	slices.Sort(uids)
	return slices.Compact(uids), true
}

// listening finds the users of the sockets of a table that take connections to an address.
//
// Source: proc_net_tcp of the kernel's documentation
func listening(table string, addr netip.AddrPort) (uids []int) {
	const listen = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[3] != listen {
			continue
		}
		local, err := parseLocal(f[1])
		uid, bad := strconv.Atoi(f[7])
		if err != nil || bad != nil || local.Port() != addr.Port() {
			continue
		}
		if at := local.Addr().Unmap(); at == addr.Addr().Unmap() || at.IsUnspecified() {
			uids = append(uids, uid)
		}
	}
	return uids
}

// parseLocal reads an address as the kernel writes it: words of four bytes, each in the order of the machine, and the
// port.
func parseLocal(text string) (netip.AddrPort, error) {
	words, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(words)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4]) // the machines that this runs on have the low byte first
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, errors.New("neither 4 nor 16 bytes")
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}
