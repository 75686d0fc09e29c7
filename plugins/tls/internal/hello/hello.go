// Package hello speaks the first two messages of TLS, and no more: it writes a ClientHello with the version
// and the cipher suites that somebody wants to hear about, and reads what the server says to it. No keys are
// made and nothing is encrypted, so that suites and versions can be offered that no library of today would
// complete.
//
//	conn.Write(hello.Offer{Version: hello.TLS12, Suites: hello.Suites(hello.TLS12), ServerName: name}.Record())
//	answer, err := hello.NewReader(conn).ServerHello()
//
// An [Offer] is a ClientHello, an [Answer] a ServerHello (RFC 5246, 8446), an [Alert] a refusal. [Suites]
// are the cipher suites of IANA's registry that a server can choose without keys agreed on before: PSK, SRP
// and Kerberos are not among them.
package hello

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrOtherVersion is in the error of an answer that is in another version than the offer: the server does
// not speak this one.
var ErrOtherVersion = errors.New("answered with another version")

// The versions of the protocol, as they stand on the wire.
const (
	SSL30 uint16 = 0x0300
	TLS10 uint16 = 0x0301
	TLS11 uint16 = 0x0302
	TLS12 uint16 = 0x0303
	TLS13 uint16 = 0x0304
)

// The extensions that an offer has, and that an answer may have.
const (
	extServerName        = 0
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extPadding           = 21
	extSupportedVersions = 43
	extKeyShare          = 51
	extRenegotiationInfo = 0xff01
)

// groups are those of key exchanges that may be chosen: curves from the common to the odd, and finite fields.
var groups = []uint16{29, 23, 24, 25, 30, 4588, 4587, 22, 26, 27, 28, 19, 21, 9, 10, 13, 14, 256, 257, 258,
	259, 260}

// signatures are the algorithms of signatures that may be chosen; a server with a certificate of another one
// would refuse, so there are weak ones among them.
var signatures = []uint16{
	0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
	0x0401, 0x0501, 0x0601, 0x0301, 0x0303, 0x0203, 0x0201, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202, 0x0101,
}

// Offer is a ClientHello: one version, and the cipher suites that may be chosen with it.
type Offer struct {
	Version    uint16   // one of the constants
	Suites     []Suite  // in the order of preference
	ServerName string   // of the extension server_name; empty: it is left out
	Protocols  []string // of ALPN; empty: it is left out
}

// Record is the message in one record, ready to be sent. Its random values are new each time.
func (o Offer) Record() []byte {
	var random [64]byte
	_, _ = rand.Read(random[:]) // which never fails
	legacy := min(o.Version, TLS12)
	body := number(nil, legacy)
	body = append(body, random[:32]...)
	if o.Version == TLS13 { // middleboxes want to see a session id (RFC 8446, appendix D.4)
		body = prefixed(body, 1, random[32:])
	} else {
		body = append(body, 0)
	}
	var suites []byte
	for _, s := range o.Suites {
		suites = number(suites, s.ID)
	}
	body = prefixed(body, 2, suites)
	body = append(body, 1, 0) // no compression
	if o.Version > SSL30 {
		body = prefixed(body, 2, o.extensions(len(body)))
	}
	message := prefixed([]byte{typeClientHello}, 3, body)
	record := number([]byte{recordHandshake}, min(legacy, TLS10))
	return prefixed(record, 2, message)
}

// extensions writes them behind so many bytes of the message.
func (o Offer) extensions(before int) []byte {
	var b []byte
	if o.ServerName != "" {
		name := prefixed([]byte{0}, 2, []byte(o.ServerName))
		b = extension(b, extServerName, prefixed(nil, 2, name))
	}
	b = extension(b, extGroups, prefixed(nil, 2, numbers(groups)))
	b = extension(b, extPointFormats, []byte{1, 0})
	if o.Version >= TLS12 {
		b = extension(b, extSignatures, prefixed(nil, 2, numbers(signatures)))
	}
	if len(o.Protocols) > 0 {
		var list []byte
		for _, p := range o.Protocols {
			list = prefixed(list, 1, []byte(p))
		}
		b = extension(b, extALPN, prefixed(nil, 2, list))
	}
	if o.Version == TLS13 {
		b = extension(b, extSupportedVersions, prefixed(nil, 1, number(nil, TLS13)))
		b = extension(b, extKeyShare, []byte{0, 0}) // no key: the server asks for one, and says the suite
	} else {
		b = extension(b, extRenegotiationInfo, []byte{0})
	}
	return padded(b, before)
}

// padded makes messages of 256 to 511 bytes longer, over which some load balancers hang (RFC 7685).
func padded(b []byte, before int) []byte {
	const header = 4 + 2 // of the message, and of the list of extensions
	size := header + before + len(b)
	if size < 256 || size >= 512 {
		return b
	}
	return extension(b, extPadding, make([]byte, max(512-size-4, 1)))
}

func extension(b []byte, kind uint16, data []byte) []byte { return prefixed(number(b, kind), 2, data) }

// number appends a number of two bytes.
func number(b []byte, n uint16) []byte { return append(b, byte(n>>8), byte(n)) }

func numbers(list []uint16) []byte {
	var b []byte
	for _, n := range list {
		b = number(b, n)
	}
	return b
}

// prefixed appends data behind its length, in a number of so many bytes.
func prefixed(b []byte, size int, data []byte) []byte {
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(len(data)>>(8*i)))
	}
	return append(b, data...)
}

// Check says which of the suites was chosen. An answer in another version is an error, and so is a suite
// that was not offered.
func (o Offer) Check(a Answer) (Suite, error) {
	if a.Version != o.Version {
		return Suite{}, fmt.Errorf("%w: 0x%04X instead of 0x%04X", ErrOtherVersion, a.Version, o.Version)
	}
	for _, s := range o.Suites {
		if s.ID == a.Suite {
			return s, nil
		}
	}
	return Suite{}, fmt.Errorf("%w: the suite %s was not offered", errMalformed, Name(a.Suite))
}
