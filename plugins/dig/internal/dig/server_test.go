package dig

import (
	"cmp"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// question is what dig sent.
type question struct {
	id     []byte
	raw    []byte // name, type and class
	name   string
	kind   uint16
	flags  uint16
	tcp    bool
	dnssec bool
	cookie []byte // the client's, of 8 bytes; nil: there is none
}

// server is a name server on 127.0.0.1 that says whatever a test wants, over UDP and TCP.
type server struct {
	port int

	mu    sync.Mutex // guards asked
	asked []question
}

// newServer starts a server that sends what answer returns, each as a message. Over TCP it closes the
// connection then, unless there is nothing to send.
func newServer(t testing.TB, answer func(question) [][]byte) *server {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.port})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { s.serveUDP(u, answer) })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.serveTCP(c, answer) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		_ = u.Close()
		all.Wait()
	})
	return s
}

func (s *server) serveUDP(u *net.UDPConn, answer func(question) [][]byte) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := u.ReadFromUDP(buf)
		if err != nil {
			return
		}
		for _, m := range answer(s.note(buf[:n], false)) {
			_, _ = u.WriteToUDP(m, from) // dig may have gone
		}
	}
}

func (s *server) serveTCP(c net.Conn, answer func(question) [][]byte) {
	defer c.Close()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, raw); err != nil {
		return
	}
	messages := answer(s.note(raw, true))
	for _, m := range messages {
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)) // dig may have gone
	}
	if len(messages) == 0 {
		_, _ = c.Read(size[:]) // until dig gives up
	}
}

// note reads a question, as far as tests want to know, and remembers it.
func (s *server) note(raw []byte, tcp bool) question {
	q := question{id: slices.Clone(raw[:2]), flags: binary.BigEndian.Uint16(raw[2:]), tcp: tcp}
	at := 12
	for raw[at] != 0 {
		q.name += string(raw[at+1:at+1+int(raw[at])]) + "."
		at += 1 + int(raw[at])
	}
	q.name = cmp.Or(q.name, ".")
	q.kind = binary.BigEndian.Uint16(raw[at+1:])
	q.raw = slices.Clone(raw[12 : at+5])
	if rest := raw[at+5:]; len(rest) >= 11 && binary.BigEndian.Uint16(rest[1:]) == 41 {
		q.dnssec = rest[7]&0x80 != 0
		if opt := rest[11:]; len(opt) >= 12 && binary.BigEndian.Uint16(opt) == 10 {
			q.cookie = slices.Clone(opt[4:12])
		}
	}
	s.mu.Lock()
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	return q
}

func (s *server) questions() []question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Codes of DNS.
const (
	typeA, typeNS, typeCNAME, typeSOA, typePTR, typeMX = 1, 2, 5, 6, 12, 15
	typeTXT, typeAAAA, typeSRV, typeNAPTR, typeOPT     = 16, 28, 33, 35, 41
	typeCAA                                            = 257

	answered  = 0x8580 // qr aa rd ra
	truncated = 0x0200
)

// message is an answer to be.
type message struct {
	flags                         uint16
	answer, authority, additional [][]byte
}

// to writes the answer to a question.
func (m message) to(q question) []byte {
	b := slices.Clone(q.id)
	for _, n := range []int{
		int(m.flags), 1, len(m.answer), len(m.authority), len(m.additional),
	} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(b, q.raw...)
	for _, r := range slices.Concat(m.answer, m.authority, m.additional) {
		b = append(b, r...)
	}
	return b
}

// asked is a pointer to the name of the question.
var asked = []byte{0xc0, 12}

// record writes a record of class IN.
func record(name []byte, kind uint16, ttl uint32, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(slices.Clone(name), kind)
	b = binary.BigEndian.AppendUint16(b, 1)
	return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, ttl), uint16(len(data))), data...)
}

// labels writes a name; there may be anything in a label, dots too.
func labels(parts ...string) (b []byte) {
	for _, p := range parts {
		b = append(append(b, byte(len(p))), p...)
	}
	return append(b, 0)
}

// texts writes the data of a TXT record, in pieces of 255 bytes.
func texts(text string) (b []byte) {
	for len(text) > 255 {
		b, text = append(append(b, 255), text[:255]...), text[255:]
	}
	return append(append(b, byte(len(text))), text...)
}

// options writes an OPT record of option codes and values.
func options(extendedRcode byte, codes []uint16, values ...string) []byte {
	var data []byte
	for i, v := range values {
		data = binary.BigEndian.AppendUint16(data, codes[i])
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(v))), v...)
	}
	b := append([]byte{0, 0, typeOPT, 0x04, 0xd0, extendedRcode, 0, 0, 0}, 0, 0)
	binary.BigEndian.PutUint16(b[9:], uint16(len(data)))
	return append(b, data...)
}

// each answers every question with the messages.
func each(messages ...message) func(question) [][]byte {
	return func(q question) (all [][]byte) {
		for _, m := range messages {
			all = append(all, m.to(q))
		}
		return all
	}
}

func silence(question) [][]byte { return nil }

// TestTheServerSpeaksDNS: the tests would not notice much if the server were none.
func TestTheServerSpeaksDNS(t *testing.T) {
	address := record(asked, typeA, 60, []byte{10, 0, 0, 7})
	s := newServer(t, each(message{flags: answered, answer: [][]byte{address}}))
	r := lookup(t, s, `{"name": "db.lab.internal", "dnssec": true}`)
	got := s.questions()
	if len(got) != 1 || got[0].name != "db.lab.internal." || got[0].kind != typeA || !got[0].dnssec ||
		len(got[0].cookie) != 8 || r.Status != "NOERROR" || r.Answers[0].Data != "10.0.0.7" {
		t.Errorf("questions = %+v, report = %+v; want one question and its answer", got, r)
	}
}
