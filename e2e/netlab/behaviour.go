package netlab

import (
	"net"
	"net/netip"
	"time"
)

// Behaviour is what a responder answers besides ARP, which it always does. The zero Behaviour answers
// nothing.
type Behaviour struct {
	// Echo says after which times an echo request of a sequence number is answered: once, more than once, or,
	// with none, never. It may be called from any goroutine. nil: never.
	Echo func(seq int) []time.Duration

	// TCP has the answers to a SYN, by port; a port that is not in it is silent.
	TCP map[uint16]Answer
}

// Answer is what a port does when somebody connects to it.
type Answer int

const (
	// Silence: nothing comes back.
	Silence Answer = iota
	// Accept: the connection is made, and nothing is ever said or acknowledged on it.
	Accept
	// Refuse: a reset comes back, as from a closed port.
	Refuse
	// Prohibit: an ICMP error comes back, as from a firewall that says so.
	Prohibit
)

// reply is a frame to be sent after a time.
type reply struct {
	after time.Duration
	frame []byte
}

// responder is a machine that consists of its behaviour.
type responder struct {
	address netip.Addr
	mac     net.HardwareAddr
	Behaviour
}

// answer is all that the machine sends because of a frame that came.
func (r *responder) answer(frame []byte) []reply {
	f, ok := parseEthernet(frame)
	if !ok || f.from.String() == r.mac.String() { // a packet socket sees what it sends, too
		return nil
	}
	switch f.kind {
	case etherARP:
		return r.answerARP(f.payload)
	case etherIPv4:
		if p, ok := parseIPv4(f.payload); ok && p.to == r.address {
			return r.answerIPv4(f.from, p)
		}
	}
	return nil
}

func (r *responder) answerARP(payload []byte) []reply {
	q, ok := parseARP(payload)
	if !ok || q.operation != arpRequest || q.wanted != r.address {
		return nil
	}
	return []reply{{frame: ethernet(q.mac, r.mac, etherARP, arpReply(r.mac, r.address, q))}}
}

func (r *responder) answerIPv4(from net.HardwareAddr, p packet) []reply {
	send := func(after time.Duration, protocol byte, payload []byte) reply {
		return reply{after, ethernet(from, r.mac, etherIPv4, ipv4(protocol, r.address, p.from, payload))}
	}
	var replies []reply
	switch p.protocol {
	case protoICMP:
		if e, ok := parseEcho(p.payload); ok && r.Echo != nil {
			for _, after := range r.Echo(e) {
				replies = append(replies, send(after, protoICMP, echoReply(p.payload)))
			}
		}
	case protoTCP:
		s, ok := parseTCP(p.payload)
		if !ok || s.flags&(tcpSYN|tcpACK|tcpRST) != tcpSYN {
			return nil
		}
		switch r.TCP[s.to] {
		case Accept:
			replies = append(replies, send(0, protoTCP, tcpReply(r.address, p.from, s, tcpSYN|tcpACK)))
		case Refuse:
			replies = append(replies, send(0, protoTCP, tcpReply(r.address, p.from, s, tcpRST|tcpACK)))
		case Prohibit:
			replies = append(replies, send(0, protoICMP, prohibited(p)))
		}
	}
	return replies
}
