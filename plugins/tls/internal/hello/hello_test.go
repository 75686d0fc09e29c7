package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// serverHello writes one, as a server does.
func serverHello(version, suite uint16, extensions []byte) []byte {
	body := number(nil, version)
	body = append(body, make([]byte, 32)...)
	body = append(body, 0)
	body = number(body, suite)
	body = append(body, 0)
	if extensions != nil {
		body = prefixed(body, 2, extensions)
	}
	return prefixed([]byte{typeServerHello}, 3, body)
}

// records puts bytes into records of so many bytes each.
func records(kind byte, data []byte, size int) (all []byte) {
	for part := range slices.Chunk(data, size) {
		all = append(all, prefixed([]byte{kind, 3, 3}, 2, part)...)
	}
	return all
}

func TestAnAnswerIsReadHoweverItIsCut(t *testing.T) {
	ext := extension(nil, extSupportedVersions, number(nil, TLS13))
	ext = extension(ext, extKeyShare, number(nil, 29))
	retry := serverHello(TLS12, 0x1301, ext)
	copy(retry[4+2:], retryRandom)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  Answer
	}{
		{"TLS 1.0 without extensions", serverHello(TLS10, 0x002f, nil), Answer{Version: TLS10, Suite: 0x002f}},
		{"TLS 1.2", serverHello(TLS12, 0xc02f, extension(nil, extRenegotiationInfo, []byte{0})),
			Answer{Version: TLS12, Suite: 0xc02f}},
		{"no extensions in the list", serverHello(TLS12, 0xc02f, []byte{}), Answer{Version: TLS12, Suite: 0xc02f}},
		{"TLS 1.3", retry, Answer{Version: TLS13, Suite: 0x1301, Retry: true, Group: 29}},
		{"a HelloRequest before it", append([]byte{0, 0, 0, 0}, serverHello(TLS12, 5, nil)...),
			Answer{Version: TLS12, Suite: 5}},
	} {
		for _, size := range []int{1, 7, 1 << 14} {
			if size == 1 && len(c.bytes) > maxRecords {
				continue
			}
			stream := records(recordHandshake, c.bytes, size)
			for _, from := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream))} {
				if got, err := NewReader(from).ServerHello(); err != nil || got != c.want {
					t.Errorf("%s, records of %d bytes: %+v, %v; want %+v", c.name, size, got, err, c.want)
				}
			}
		}
	}
}

// A server that does not know the name says so, and goes on (RFC 6066, 3).
func TestAWarningDoesNotEndAHandshake(t *testing.T) {
	const warning = "\x15\x03\x03\x00\x02\x01\x70"
	answer := string(records(recordHandshake, serverHello(TLS12, 5, nil), 9))
	for _, stream := range []string{
		warning + answer, warning + warning + answer, answer[:14] + warning + answer[14:],
	} {
		got, err := NewReader(strings.NewReader(stream)).ServerHello()
		if err != nil || got.Version != TLS12 || got.Suite != 5 {
			t.Errorf("ServerHello() of %q = %+v, %v; want the answer behind the warning", stream, got, err)
		}
	}
}

func TestWhatIsNoAnswerIsToldApart(t *testing.T) {
	double := extension(extension(nil, 23, nil), 23, nil)
	for _, c := range []struct {
		name  string
		bytes string
		want  string
	}{
		{"an alert", "\x15\x03\x03\x00\x02\x02\x28", "alert handshake_failure"},
		{"an alert that nobody knows", "\x15\x03\x03\x00\x02\x02\xee", "alert 238"},
		{"a warning, and no more", "\x15\x03\x03\x00\x02\x01\x70", "alert unrecognized_name"},
		{"a warning, and half a header", "\x15\x03\x03\x00\x02\x01\x70\x16", "unexpected EOF"},
		{"a farewell", "\x15\x03\x03\x00\x02\x01\x00" + string(records(recordHandshake,
			serverHello(TLS12, 5, nil), 1<<14)), "alert close_notify"},
		{"warnings without end", strings.Repeat("\x15\x03\x03\x00\x02\x01\x70", maxRecords+1),
			"malformed: more than 200 records"},
		{"an alert of odd size", "\x15\x03\x03\x00\x03\x02\x28\x00", "malformed: an alert of 3 bytes"},
		{"nothing", "", "EOF"},
		{"half a header", "\x16\x03", "unexpected EOF"},
		{"half a record", "\x16\x03\x03\x00\x09abc", "unexpected EOF"},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
			`no TLS: the answer begins with "HTTP/1.1 400 Bad Request\r\nServer"`},
		{"SSH, and no more", "SSH", `no TLS: the answer begins with "SSH"`},
		{"another version of records", "\x16\x02\x00\x00\x01a",
			`no TLS: the answer begins with "\x16\x02\x00\x00\x01a"`},
		{"data in place of a record", string(records(recordHandshake, []byte{2, 0}, 5)) + "\x17\x03\x03\x00\x01a",
			"malformed: record 2 begins with 17 03 03 00 01"},
		{"a large record", "\x16\x03\x03\xff\xff" + strings.Repeat("a", 1<<16),
			"malformed: a record of 65535 bytes"},
		{"a large message", string(records(recordHandshake, []byte{2, 0xff, 0xff, 0xff}, 9)),
			"malformed: a message of 16777215 bytes"},
		{"another message", string(records(recordHandshake, []byte{11, 0, 0, 0}, 9)),
			"malformed: the answer is a message of type 11"},
		{"too short", string(records(recordHandshake, []byte{2, 0, 0, 1, 3}, 9)), "malformed: the ServerHello"},
		{"an extension twice", string(records(recordHandshake, serverHello(TLS12, 5, double), 1<<14)),
			"malformed: the ServerHello"},
		{"empty records", strings.Repeat("\x16\x03\x03\x00\x00", maxRecords+1), "malformed: more than 200 records"},
	} {
		_, err := NewReader(strings.NewReader(c.bytes)).ServerHello()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: ServerHello() = %v, want %s", c.name, err, c.want)
		}
	}
}

func TestCertificatesAreReadBehindTheServerHello(t *testing.T) {
	list := prefixed(prefixed(nil, 3, []byte("one")), 3, []byte("two"))
	chain := prefixed([]byte{typeCertificate}, 3, prefixed(nil, 3, list))
	for _, c := range []struct {
		name string
		last []byte
		want int
		ok   bool
	}{
		{"two", chain, 2, true},
		{"none", []byte{14, 0, 0, 0}, 0, true},
		{"half a list", prefixed([]byte{typeCertificate}, 3, []byte{0, 0, 9, 1}), 0, false},
		{"half a certificate", prefixed([]byte{typeCertificate}, 3, prefixed(nil, 3, append(list, 0, 0, 9))), 2,
			false},
	} {
		r := NewReader(bytes.NewReader(records(recordHandshake, append(serverHello(TLS12, 5, nil), c.last...), 33)))
		if _, err := r.ServerHello(); err != nil {
			t.Fatal(err)
		}
		got, err := r.Certificates()
		if len(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%s: Certificates() = %q, %v", c.name, got, err)
		}
	}
}

// What we write is what Go's server, which is strict, reads: each suite and each version that it has.
func TestGoUnderstandsTheOffers(t *testing.T) {
	for _, c := range []struct {
		version uint16
		suites  int
	}{{TLS13, 7}, {TLS12, 150}, {TLS11, 60}, {TLS10, 60}, {SSL30, 40}} {
		suites := Suites(c.version)
		if len(suites) < c.suites {
			t.Errorf("Suites(%04x) has %d, want %d at least", c.version, len(suites), c.suites)
		}
		var got *tls.ClientHelloInfo
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- tls.Server(server, &tls.Config{MinVersion: tls.VersionTLS10,
				GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
					got = h
					return nil, errors.New("enough")
				}}).Handshake()
			_ = server.Close()
		}()
		o := Offer{Version: c.version, Suites: suites, ServerName: "www.example", Protocols: []string{"h2"}}
		record := o.Record()
		if _, err := client.Write(record); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, client)
		err := <-done
		if got == nil {
			t.Errorf("version %04x: Go's server says %v, want the offer understood", c.version, err)
			continue
		}
		var ids []uint16
		for _, s := range suites {
			ids = append(ids, s.ID)
		}
		if c.version == SSL30 { // which has no extensions, and no place among the versions of Go
			if !slices.Equal(got.CipherSuites, ids) || len(got.Extensions) != 0 {
				t.Errorf("SSL 3.0: Go's server read %+v", got)
			}
			continue
		}
		if got.ServerName != "www.example" || !slices.Equal(got.CipherSuites, ids) ||
			!slices.Contains(got.SupportedVersions, c.version) ||
			!slices.Equal(got.SupportedProtos, []string{"h2"}) {
			t.Errorf("version %04x: Go's server read %+v", c.version, got)
		}
		if size := len(record) - 5; size >= 256 && size < 512 {
			t.Errorf("version %04x: the message has %d bytes, over which some hang", c.version, size)
		}
	}
}

func TestTheTableIsThatOfGoWhereGoHasOne(t *testing.T) {
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := Name(s.ID); got != s.Name {
			t.Errorf("Name(%04x) = %s, want %s", s.ID, got, s.Name)
		}
		for _, v := range s.SupportedVersions {
			if !slices.ContainsFunc(Suites(v), func(x Suite) bool { return x.ID == s.ID }) {
				t.Errorf("Suites(%04x) has no %s", v, s.Name)
			}
		}
	}
	ids, names := make(map[uint16]bool), make(map[string]bool)
	for _, s := range suites {
		if ids[s.ID] || names[s.Name] {
			t.Errorf("%+v is in the table twice", s)
		}
		ids[s.ID], names[s.Name] = true, true
	}
	if got := Name(0xfafa); got != "0xFAFA" {
		t.Errorf("Name of an unknown suite = %s", got)
	}
}

func TestASuiteIsOfferedFromItsFirstVersionOn(t *testing.T) {
	for name, first := range map[string]uint16{
		"TLS_AES_128_GCM_SHA256": TLS13, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": TLS12,
		"TLS_RSA_WITH_AES_128_CCM_8":      TLS12,
		"TLS_RSA_WITH_AES_128_CBC_SHA256": TLS12, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": TLS10,
		"TLS_RSA_WITH_RC4_128_MD5": SSL30,
	} {
		for _, v := range []uint16{SSL30, TLS10, TLS11, TLS12, TLS13} {
			want := v >= first && (v == TLS13) == (first == TLS13)
			if got := slices.ContainsFunc(Suites(v), func(s Suite) bool { return s.Name == name }); got != want {
				t.Errorf("Suites(%04x) has %s: %t, want %t", v, name, got, want)
			}
		}
	}
}

func TestOnlyWhatWasOfferedCanBeChosen(t *testing.T) {
	o := Offer{Version: TLS12, Suites: []Suite{{1, "one"}, {2, "two"}}}
	if s, err := o.Check(Answer{Version: TLS12, Suite: 2}); err != nil || s.Name != "two" {
		t.Errorf("Check() = %v, %v", s, err)
	}
	if _, err := o.Check(Answer{Version: TLS12, Suite: 3}); err == nil || errors.Is(err, ErrOtherVersion) {
		t.Errorf("Check of a suite that was not offered = %v", err)
	}
	if _, err := o.Check(Answer{Version: TLS11, Suite: 2}); !errors.Is(err, ErrOtherVersion) {
		t.Errorf("Check of another version = %v", err)
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func FuzzServerHello(f *testing.F) {
	f.Add(records(recordHandshake, serverHello(TLS12, 0xc02f, extension(nil, extKeyShare, []byte{0, 29})), 20))
	f.Add(records(recordHandshake, append(serverHello(TLS10, 5, nil),
		prefixed([]byte{typeCertificate}, 3, prefixed(nil, 3, prefixed(nil, 3, []byte("x"))))...), 99))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x28"))
	f.Add([]byte("HTTP/1.0 400\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, pieces := &counted{Reader: bytes.NewReader(stream)}, iotest.OneByteReader(bytes.NewReader(stream))
		one, two := NewReader(whole), NewReader(pieces)
		a, errA := one.ServerHello()
		b, errB := two.ServerHello()
		foreign := (*NotTLSError)(nil)
		if a != b || (errA == nil) != (errB == nil) || errA != nil && !errors.As(errA, &foreign) &&
			errA.Error() != errB.Error() {
			t.Errorf("%+v, %v; byte by byte %+v, %v", a, errA, b, errB)
		}
		if whole.n > (maxRecords+1)*(maxRecord+5) || len(one.pending) > maxServerHello+maxRecord+4 {
			t.Errorf("read %d bytes, %d pending", whole.n, len(one.pending))
		}
		if errA != nil {
			return
		}
		c, errC := one.Certificates()
		d, errD := two.Certificates()
		if !reflect.DeepEqual(c, d) || (errC == nil) != (errD == nil) {
			t.Errorf("certificates %q, %v; byte by byte %q, %v", c, errC, d, errD)
		}
		total := 0
		for _, x := range c {
			total += len(x)
		}
		if total > maxCertificate {
			t.Errorf("%d bytes of certificates", total)
		}
	})
}
