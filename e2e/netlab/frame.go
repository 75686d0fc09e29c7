package netlab

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// What is spoken here of Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792) and TCP (RFC 9293).
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806

	arpRequest = 1
	arpAnswer  = 2

	protoICMP = 1
	protoTCP  = 6

	icmpEchoReply   = 0
	icmpUnreachable = 3
	icmpProhibited  = 13 // code of icmpUnreachable: communication administratively prohibited
	icmpEcho        = 8

	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10

	etherHeader = 14
	ipHeader    = 20
	arpSize     = 28
	tcpHeader   = 20
	icmpHeader  = 8
	timeToLive  = 64
	window      = 1024
)

var order = binary.BigEndian

type etherFrame struct {
	from    net.HardwareAddr
	kind    uint16
	payload []byte
}

func parseEthernet(b []byte) (f etherFrame, ok bool) {
	if len(b) < etherHeader {
		return f, false
	}
	return etherFrame{from: bytes.Clone(b[6:12]), kind: order.Uint16(b[12:]), payload: b[etherHeader:]}, true
}

func ethernet(to, from net.HardwareAddr, kind uint16, payload []byte) []byte {
	b := append(append(make([]byte, 0, etherHeader+len(payload)), to...), from...)
	return append(order.AppendUint16(b, kind), payload...)
}

// query is an ARP packet: who has the address wanted?
type query struct {
	operation uint16
	mac       net.HardwareAddr // of the machine that asks
	address   netip.Addr       // the same
	wanted    netip.Addr
}

func parseARP(b []byte) (q query, ok bool) {
	if len(b) < arpSize || !bytes.Equal(b[:6], []byte{0, 1, etherIPv4 >> 8, 0, 6, 4}) {
		return q, false // not about IPv4 on Ethernet
	}
	return query{
		operation: order.Uint16(b[6:]), mac: bytes.Clone(b[8:14]),
		address: address(b[14:]), wanted: address(b[24:]),
	}, true
}

func arpReply(mac net.HardwareAddr, ip netip.Addr, q query) []byte {
	b := []byte{0, 1, etherIPv4 >> 8, 0, 6, 4, 0, arpAnswer}
	b = append(append(b, mac...), ip.AsSlice()...)
	return append(append(b, q.mac...), q.address.AsSlice()...)
}

func address(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// packet is an IPv4 packet that is not a fragment.
type packet struct {
	protocol byte
	from, to netip.Addr
	payload  []byte
	quoted   []byte // the header and what an ICMP error quotes of the rest
}

func parseIPv4(b []byte) (p packet, ok bool) {
	if len(b) < ipHeader || b[0]>>4 != 4 {
		return p, false
	}
	header, total := int(b[0]&15)*4, int(order.Uint16(b[2:]))
	if header < ipHeader || total < header || total > len(b) || order.Uint16(b[6:])&0x3fff != 0 {
		return p, false
	}
	return packet{
		protocol: b[9], from: address(b[12:]), to: address(b[16:]),
		payload: b[header:total], quoted: b[:min(header+icmpHeader, total)],
	}, true
}

func ipv4(protocol byte, from, to netip.Addr, payload []byte) []byte {
	b := make([]byte, ipHeader, ipHeader+len(payload))
	b[0] = 4<<4 | ipHeader/4
	order.PutUint16(b[2:], uint16(ipHeader+len(payload)))
	b[8], b[9] = timeToLive, protocol
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	order.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// parseEcho returns the sequence number of an echo request.
func parseEcho(b []byte) (seq int, ok bool) {
	if len(b) < icmpHeader || b[0] != icmpEcho {
		return 0, false
	}
	return int(order.Uint16(b[6:])), true
}

func echoReply(request []byte) []byte {
	return icmp(icmpEchoReply, 0, request[4:])
}

// prohibited is the error of a firewall.
func prohibited(p packet) []byte {
	return icmp(icmpUnreachable, icmpProhibited, append(make([]byte, 4), p.quoted...))
}

func icmp(kind, code byte, rest []byte) []byte {
	b := append([]byte{kind, code, 0, 0}, rest...)
	order.PutUint16(b[2:], checksum(b))
	return b
}

// segment is the head of a TCP segment.
type segment struct {
	from, to uint16
	sequence uint32
	flags    byte
}

func parseTCP(b []byte) (s segment, ok bool) {
	if len(b) < tcpHeader {
		return s, false
	}
	return segment{order.Uint16(b), order.Uint16(b[2:]), order.Uint32(b[4:]), b[13]}, true
}

// tcpReply answers a SYN.
func tcpReply(from, to netip.Addr, syn segment, flags byte) []byte {
	b := make([]byte, tcpHeader)
	order.PutUint16(b, syn.to)
	order.PutUint16(b[2:], syn.from)
	order.PutUint32(b[8:], syn.sequence+1)
	b[12], b[13] = tcpHeader/4<<4, flags
	if flags&tcpRST == 0 {
		order.PutUint16(b[14:], window)
	}
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = append(pseudo, 0, protoTCP, 0, tcpHeader)
	order.PutUint16(b[16:], checksum(append(pseudo, b...)))
	return b
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(order.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
