package hello

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

const (
	recordAlert     = 21
	recordHandshake = 22

	alertWarning     = 1
	alertCloseNotify = 0

	typeClientHello = 1
	typeServerHello = 2
	typeCertificate = 11

	// What is read of one server, at most. A record has 2^14 bytes, and a little for what encryption adds.
	maxRecord      = 1<<14 + 2048
	maxRecords     = 200
	maxServerHello = 16 << 10
	maxCertificate = 256 << 10
	shownOfNoTLS   = 32
)

// Answer is what a ServerHello says.
type Answer struct {
	Version uint16
	Suite   uint16
	Retry   bool // it is a HelloRetryRequest of TLS 1.3, which says all the same
	Group   uint16
}

// Alert is a refusal in the words of the protocol.
type Alert struct{ Level, Description uint8 }

// Error names the alert.
func (a *Alert) Error() string {
	if name, ok := alerts[a.Description]; ok {
		return "alert " + name
	}
	return fmt.Sprintf("alert %d", a.Description)
}

// alerts are those of RFC 8446 section 6 and older ones that answer a ClientHello.
var alerts = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
	40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate", 47: "illegal_parameter",
	48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 60: "export_restriction",
	70: "protocol_version", 71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
	90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension",
	112: "unrecognized_name", 115: "unknown_psk_identity", 116: "certificate_required",
	120: "no_application_protocol",
}

// NotTLSError is the beginning of an answer in another language.
type NotTLSError struct{ Begins []byte }

// Error shows what came.
func (e *NotTLSError) Error() string {
	return fmt.Sprintf("no TLS: the answer begins with %q", e.Begins)
}

// errMalformed is in the error of messages that are not as they must be.
var errMalformed = errors.New("malformed")

// Reader reads what a server sends in the clear. What it reads is bounded; how long that may take is up to
// who made the connection.
type Reader struct {
	from    io.Reader
	records int
	pending []byte // of the handshake, not yet taken
	warning *Alert // the last one
}

// NewReader reads from a connection on which an offer was sent.
func NewReader(from io.Reader) *Reader { return &Reader{from: from} }

// ServerHello reads the first answer. An [*Alert] and a [*NotTLSError] are errors of it, and so are those of
// the connection.
func (r *Reader) ServerHello() (Answer, error) {
	kind, body, err := r.message(maxServerHello)
	for err == nil && kind == 0 { // a HelloRequest, which is to be ignored (RFC 5246, 7.4.1.1)
		kind, body, err = r.message(maxServerHello)
	}
	switch {
	case err != nil:
		return Answer{}, err
	case kind != typeServerHello:
		return Answer{}, fmt.Errorf("%w: the answer is a message of type %d, and not a ServerHello", errMalformed,
			kind)
	}
	return parse(body)
}

// Certificates reads the chain that follows a ServerHello of TLS 1.2 or older, in DER; none where the server
// sends none. Later versions encrypt it.
func (r *Reader) Certificates() ([][]byte, error) {
	kind, body, err := r.message(maxCertificate)
	if err != nil || kind != typeCertificate {
		return nil, err
	}
	list, rest, ok := field(body, 3)
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("%w: the list of certificates", errMalformed)
	}
	var chain [][]byte
	for len(list) > 0 {
		var one []byte
		if one, list, ok = field(list, 3); !ok {
			return chain, fmt.Errorf("%w: certificate %d", errMalformed, len(chain)+1)
		}
		chain = append(chain, one)
	}
	return chain, nil
}

// message reads one message of the handshake, of at most so many bytes.
func (r *Reader) message(most int) (kind byte, body []byte, err error) {
	for {
		if len(r.pending) >= 4 {
			size := int(r.pending[1])<<16 | int(r.pending[2])<<8 | int(r.pending[3])
			if size > most {
				return 0, nil, fmt.Errorf("%w: a message of %d bytes; allowed are %d", errMalformed, size, most)
			}
			if len(r.pending) >= 4+size {
				kind, body = r.pending[0], r.pending[4:4+size]
				r.pending = r.pending[4+size:]
				return kind, body, nil
			}
		}
		if err := r.record(); err != nil {
			return 0, nil, err
		}
	}
}

// record adds one record to what is pending.
func (r *Reader) record() error {
	if r.records++; r.records > maxRecords {
		return fmt.Errorf("%w: more than %d records", errMalformed, maxRecords)
	}
	var header [5]byte
	if n, err := io.ReadFull(r.from, header[:]); err != nil {
		if n > 0 && !plausible(header[:n]) {
			return r.foreign(header[:n])
		}
		if n == 0 && r.warning != nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
			return r.warning // and so that was meant
		}
		return err
	}
	if !plausible(header[:]) {
		return r.foreign(header[:])
	}
	size := int(binary.BigEndian.Uint16(header[3:]))
	if size > maxRecord {
		return fmt.Errorf("%w: a record of %d bytes; allowed are %d", errMalformed, size, maxRecord)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r.from, data); err != nil {
		return err
	}
	if header[0] == recordAlert {
		return r.alert(data)
	}
	r.pending = append(r.pending, data...)
	return nil
}

// alert is the error of an alert, or nil for a warning, behind which a handshake goes on (RFC 5246, 7.2).
func (r *Reader) alert(data []byte) error {
	if len(data) != 2 {
		return fmt.Errorf("%w: an alert of %d bytes", errMalformed, len(data))
	}
	a := &Alert{Level: data[0], Description: data[1]}
	if a.Level == alertWarning && a.Description != alertCloseNotify {
		r.warning = a
		return nil
	}
	return a
}

// plausible reports whether this can be the beginning of a record that answers a ClientHello.
func plausible(b []byte) bool {
	return (b[0] == recordHandshake || b[0] == recordAlert) && (len(b) < 2 || b[1] == 3)
}

// foreign is the error of an answer that is no record. Where records came before, it is a broken one.
func (r *Reader) foreign(begins []byte) error {
	if r.records > 1 {
		return fmt.Errorf("%w: record %d begins with % x", errMalformed, r.records, begins)
	}
	more := make([]byte, shownOfNoTLS-len(begins))
	n, _ := r.from.Read(more) // one packet, as a rule
	return &NotTLSError{Begins: append(bytes.Clone(begins), more[:n]...)}
}

// retryRandom is the random of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3).
var retryRandom = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// parse reads the body of a ServerHello.
func parse(b []byte) (a Answer, err error) {
	wrong := fmt.Errorf("%w: the ServerHello", errMalformed)
	if len(b) < 2+32 {
		return a, wrong
	}
	a.Version, a.Retry = binary.BigEndian.Uint16(b), bytes.Equal(b[2:34], retryRandom)
	session, b, ok := field(b[34:], 1)
	if !ok || len(session) > 32 || len(b) < 3 {
		return a, wrong
	}
	a.Suite = binary.BigEndian.Uint16(b)
	if b = b[3:]; len(b) == 0 { // behind the method of compression; old servers have no extensions
		return a, nil
	}
	list, b, ok := field(b, 2)
	if !ok || len(b) > 0 || !a.extensions(list) {
		return a, wrong
	}
	return a, nil
}

// extensions reads the two that matter, and reports whether all are well formed.
func (a *Answer) extensions(list []byte) bool {
	seen := make(map[uint16]bool)
	for len(list) > 0 {
		if len(list) < 2 {
			return false
		}
		kind := binary.BigEndian.Uint16(list)
		data, rest, ok := field(list[2:], 2)
		if !ok || seen[kind] {
			return false
		}
		seen[kind], list = true, rest
		switch kind {
		case extSupportedVersions:
			if len(data) != 2 {
				return false
			}
			a.Version = binary.BigEndian.Uint16(data)
		case extKeyShare:
			if len(data) < 2 {
				return false
			}
			a.Group = binary.BigEndian.Uint16(data)
		}
	}
	return true
}

// field takes data behind its length, a number of so many bytes.
func field(b []byte, size int) (data, rest []byte, ok bool) {
	if len(b) < size {
		return nil, nil, false
	}
	n := 0
	for _, digit := range b[:size] {
		n = n<<8 | int(digit)
	}
	if len(b)-size < n {
		return nil, nil, false
	}
	return b[size : size+n], b[size+n:], true
}
