package scope

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// The types of DNS records that are asked for, and two answers without records (RFC 1035).
const (
	typeA, typeAAAA    = 1, 28
	serverFailure      = 2
	noSuchName         = 3
	headerLen, typeLen = 12, 4
)

// nameserver is what a name server of the test's own answers: type -> addresses, or a code for all.
type nameserver struct {
	code    byte
	failing uint16 // a type that fails; 0: none
	records map[uint16][]netip.Addr
}

// answer makes the response to a query with one question.
func (z nameserver) answer(query []byte) []byte {
	end := headerLen
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	out := slices.Clone(query[:end+1+typeLen])
	out[2], out[3] = 0x84, z.code // a response, authoritative
	if kind == z.failing {
		out[3] = serverFailure
	}
	binary.BigEndian.PutUint16(out[6:], uint16(len(z.records[kind])))
	clear(out[8:headerLen])
	for _, a := range z.records[kind] {
		raw := a.AsSlice()
		out = append(out, 0xc0, headerLen, 0, byte(kind), 0, 1, 0, 0, 0, 60, 0, byte(len(raw)))
		out = append(out, raw...)
	}
	return out
}

// resolver asks a server on loopback, and nobody else.
func (z nameserver) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() { // ends with the server
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(z.answer(buf[:n]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", server.LocalAddr().String())
	}}
}

func addrs(list ...string) (all []netip.Addr) {
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func TestDNSTellsEveryAnswerAsItIs(t *testing.T) {
	for _, row := range []struct {
		name       string
		nameserver nameserver
		want       []netip.Addr // nil: an error
		pins       bool
	}{
		{"one A record", nameserver{records: map[uint16][]netip.Addr{typeA: addrs("10.1.2.3")}}, addrs("10.1.2.3"), true},
		{"an A and an AAAA record", nameserver{records: map[uint16][]netip.Addr{
			typeA: addrs("10.1.2.3"), typeAAAA: addrs("fd00::1")}}, addrs("10.1.2.3", "fd00::1"), false},
		{"an AAAA record alone", nameserver{records: map[uint16][]netip.Addr{typeAAAA: addrs("fd00::1")}},
			addrs("fd00::1"), false},
		{"an AAAA record that holds an IPv4 address is none", nameserver{records: map[uint16][]netip.Addr{
			typeAAAA: addrs("::ffff:10.0.0.1")}}, nil, false},
		{"one answer outside", nameserver{records: map[uint16][]netip.Addr{typeA: addrs("10.1.2.3", "192.0.2.1")}},
			addrs("10.1.2.3", "192.0.2.1"), false},
		{"no such name", nameserver{code: noSuchName}, nil, false},
		{"the AAAA records cannot be had", nameserver{failing: typeAAAA, records: map[uint16][]netip.Addr{
			typeA: addrs("10.1.2.3")}}, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			lookup := DNS(row.nameserver.resolver(t))
			got, err := lookup(t.Context(), "db.lab.internal")
			if (err != nil) != (row.want == nil) || !slices.Equal(got, row.want) {
				t.Errorf("lookup = %v, %v, want %v", got, err, row.want)
			}
			pinned, err := Default().Pin(t.Context(), "db.lab.internal", OneHost, lookup)
			if (err == nil) != row.pins || row.pins && pinned.Prefix.Addr() != row.want[0] {
				t.Errorf("Pin = %v, %v, want it pinned: %t", pinned, err, row.pins)
			}
		})
	}
}
