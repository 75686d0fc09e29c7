package netlab

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"
)

var (
	ours   = netip.MustParseAddr("10.77.0.12")
	theirs = netip.MustParseAddr("10.77.0.1")
	ourMAC = net.HardwareAddr{2, 0, 0, 0, 0, 12}
	their  = net.HardwareAddr{2, 0, 0, 0, 0, 1}
)

func example() *responder {
	return &responder{address: ours, mac: ourMAC, Behaviour: Behaviour{
		Echo: func(seq int) []time.Duration {
			return [][]time.Duration{nil, {0}, {time.Second, time.Minute}}[seq%3]
		},
		TCP: map[uint16]Answer{22: Accept, 23: Refuse, 24: Prohibit, 25: Silence},
	}}
}

func echoRequest(to netip.Addr, seq byte) []byte {
	request := icmp(icmpEcho, 0, []byte{7, 7, 0, seq, 'x'})
	return ethernet(ourMAC, their, etherIPv4, ipv4(protoICMP, theirs, to, request))
}

func toPort(port uint16, flags byte) []byte {
	b := make([]byte, tcpHeader)
	order.PutUint16(b, 40000)
	order.PutUint16(b[2:], port)
	order.PutUint32(b[4:], 0xffffffff) // so that the number acknowledged wraps
	b[13] = flags
	return ethernet(ourMAC, their, etherIPv4, ipv4(protoTCP, theirs, ours, b))
}

func whoHas(ip netip.Addr) []byte {
	b := arpReply(their, theirs, query{mac: make(net.HardwareAddr, 6), address: ip})
	b[7] = arpRequest
	return ethernet(bytes.Repeat([]byte{0xff}, 6), their, etherARP, b)
}

func TestWhatAResponderAnswers(t *testing.T) {
	fromUs := ethernet(their, ourMAC, etherIPv4, echoRequest(ours, 1)[etherHeader:])
	for _, c := range []struct {
		name  string
		frame []byte
		after []time.Duration
	}{
		{"ARP for its address", whoHas(ours), []time.Duration{0}},
		{"ARP for another address", whoHas(theirs), nil},
		{"an echo request that is lost", echoRequest(ours, 3), nil},
		{"an echo request", echoRequest(ours, 1), []time.Duration{0}},
		{"an echo request that is answered twice, late", echoRequest(ours, 2),
			[]time.Duration{time.Second, time.Minute}},
		{"an echo request to another address", echoRequest(theirs, 1), nil},
		{"a frame that it sent itself", fromUs, nil},
		{"a SYN to an open port", toPort(22, tcpSYN), []time.Duration{0}},
		{"a SYN to a closed port", toPort(23, tcpSYN), []time.Duration{0}},
		{"a SYN to a forbidden port", toPort(24, tcpSYN), []time.Duration{0}},
		{"a SYN to a silent port", toPort(25, tcpSYN), nil},
		{"a SYN to a port that nobody spoke of", toPort(26, tcpSYN), nil},
		{"an ACK to an open port", toPort(22, tcpACK), nil},
		{"half a frame", whoHas(ours)[:20], nil},
		{"nothing", nil, nil},
	} {
		var after []time.Duration
		for _, r := range example().answer(c.frame) {
			after = append(after, r.after)
		}
		if len(after) != len(c.after) || len(after) > 0 && after[len(after)-1] != c.after[len(after)-1] {
			t.Errorf("answer to %s: after %v, want %v", c.name, after, c.after)
		}
	}
}

func TestAnswersAreWellFormed(t *testing.T) {
	for name, frame := range map[string][]byte{
		"an echo request": echoRequest(ours, 1), "a SYN to an open port": toPort(22, tcpSYN),
		"a SYN to a closed port": toPort(23, tcpSYN), "a SYN to a forbidden port": toPort(24, tcpSYN),
	} {
		replies := example().answer(frame)
		if len(replies) != 1 {
			t.Fatalf("answer to %s: %d frames, want 1", name, len(replies))
		}
		checkFrame(t, name, replies[0].frame)
	}
}

// checkFrame holds a frame to be addressed to the one who asked, and to have right checksums.
func checkFrame(t *testing.T, name string, frame []byte) {
	t.Helper()
	f, ok := parseEthernet(frame)
	p, okIP := parseIPv4(f.payload)
	if !ok || !okIP || p.from != ours || p.to != theirs || !bytes.Equal(frame[:6], their) {
		t.Fatalf("answer to %s: % x, want a frame for the one who asked", name, frame)
	}
	if sum := checksum(f.payload[:ipHeader]); sum != 0 {
		t.Errorf("answer to %s: the IP checksum is off by %#x", name, sum)
	}
	body := p.payload
	if p.protocol == protoTCP {
		body = append(append(ours.AsSlice(), theirs.AsSlice()...), 0, protoTCP, 0, byte(len(p.payload)))
		body = append(body, p.payload...)
		if got := order.Uint32(p.payload[8:]); got != 0 {
			t.Errorf("answer to %s: acknowledges %d, want 0, the number after the SYN's", name, got)
		}
	}
	if sum := checksum(body); sum != 0 {
		t.Errorf("answer to %s: the checksum of protocol %d is off by %#x", name, p.protocol, sum)
	}
}

// Whatever comes, what is sent goes to the machine whose frame it answers, and is no frame that is answered
// again.
func FuzzAnswer(f *testing.F) {
	for _, frame := range [][]byte{
		whoHas(ours), echoRequest(ours, 1), toPort(22, tcpSYN), toPort(24, tcpSYN), nil,
	} {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r := example()
		for _, reply := range r.answer(frame) {
			if !bytes.Equal(reply.frame[6:12], ourMAC) {
				t.Errorf("a frame from % x, want it from % x", reply.frame[6:12], ourMAC)
			}
			if again := r.answer(reply.frame); again != nil {
				t.Errorf("the answer to % x is answered again", frame)
			}
		}
	})
}
