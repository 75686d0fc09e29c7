package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/plugins/tls/internal/hello"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// silent accepts, and never says a word.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// offered is what stands in a ClientHello, as far as a liar needs it.
type offered struct {
	version uint16
	suites  []uint16
	tls13   bool // the true version is in an extension
}

// hearing reads a ClientHello, and answers with what answer makes of it; nothing more: it closes.
func hearing(answer func(offered) []byte) func(net.Conn) {
	return func(conn net.Conn) {
		header := make([]byte, 5)
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		o := offered{version: binary.BigEndian.Uint16(body[4:])}
		rest := body[4+2+32:]
		rest = rest[1+int(rest[0]):]
		n := int(binary.BigEndian.Uint16(rest))
		for i := 2; i < 2+n; i += 2 {
			o.suites = append(o.suites, binary.BigEndian.Uint16(rest[i:]))
		}
		o.tls13 = slices.Contains(o.suites, 0x1301)
		_, _ = conn.Write(answer(o))
		_ = conn.(*net.TCPConn).CloseWrite() // nothing more comes
		silent(conn)
	}
}

var refusal = []byte{21, 3, 1, 0, 2, 2, 40}

// chosen is a record with a ServerHello, and the messages behind it.
func chosen(version, suite uint16, more ...byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(body, make([]byte, 32)...)
	body = append(body, 0)
	body = append(binary.BigEndian.AppendUint16(body, suite), 0)
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return inRecords(append(message, more...))
}

func inRecords(data []byte) (all []byte) {
	for part := range slices.Chunk(data, 1<<14) {
		all = append(all, 22, 3, 1, byte(len(part)>>8), byte(len(part)))
		all = append(all, part...)
	}
	return all
}

func sized(data []byte) []byte {
	return append([]byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
}

// certificates is the message with a chain.
func certificates(chain ...[]byte) []byte {
	var list []byte
	for _, der := range chain {
		list = append(list, sized(der)...)
	}
	return append([]byte{11}, sized(sized(list))...)
}

func TestAnOldServerIsSeenThoughNoLibraryOfTodayTalksToIt(t *testing.T) {
	leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "old\x1b[2J\u202e"}}, ecKey(t), nil)
	has := []uint16{0x0004, 0x000a, 0x0003} // RC4, 3DES, export
	port := serve(t, hearing(func(o offered) []byte {
		for _, id := range has {
			if slices.Contains(o.suites, id) && o.version >= hello.SSL30 && !o.tls13 {
				return chosen(min(o.version, hello.TLS10), id, certificates(leaf.Certificate[0])...)
			}
		}
		return refusal
	}))
	r, res := ask(t, at(port, ""))
	if !r.TLS || r.Negotiated != nil || r.ChainSent != 1 || r.Failure != "" {
		t.Fatalf("report = %+v, want TLS, and a chain, without a handshake", r)
	}
	if c := r.Chain[0]; c.Subject != `CN=old\x1B[2J\u{202E}` || !c.Self {
		t.Errorf("certificate = %+v", c)
	}
	for version, offered := range map[string]bool{
		"TLS 1.3": false, "TLS 1.2": false, "TLS 1.1": false, "TLS 1.0": true, "SSL 3.0": true,
	} {
		p := protocol(r, version)
		if p.Offered != offered {
			t.Errorf("%s = %+v, want offered %t", version, p, offered)
		}
		if offered && (!slices.Equal(suiteNames(p), []string{"TLS_RSA_WITH_RC4_128_MD5",
			"TLS_RSA_WITH_3DES_EDE_CBC_SHA",
			"TLS_RSA_EXPORT_WITH_RC4_40_MD5"}) || p.ServerOrder == nil || !*p.ServerOrder || !p.Complete) {
			t.Errorf("%s = %+v, want three suites in the server's order", version, p)
		}
	}
	for _, code := range []string{"old_protocol", "rc4", "3des", "export_cipher", "no_modern_protocol",
		"self_signed"} {
		if !slices.Contains(codes(r), code) {
			t.Errorf("findings = %v, want %s among them", codes(r), code)
		}
	}
	if strings.ContainsAny(res.Stdout+string(res.Data), "\x1b\u202e") {
		t.Errorf("what a stranger wrote is not written out: %q %q", res.Stdout, res.Data)
	}
}

func TestTheClientsOrderIsToldFromTheServers(t *testing.T) {
	has := []uint16{0xc02f, 0x009c, 0x002f}
	port := serve(t, hearing(func(o offered) []byte {
		for _, id := range o.suites {
			if slices.Contains(has, id) && o.version == hello.TLS12 {
				return chosen(hello.TLS12, id)
			}
		}
		return refusal
	}))
	r, _ := ask(t, at(port, ""))
	p := protocol(r, "TLS 1.2")
	if p.ServerOrder == nil || *p.ServerOrder || len(p.Suites) != 3 {
		t.Errorf("TLS 1.2 = %+v, want three suites in the client's order", p)
	}
	if r.Complete || r.Failure != "no certificate was seen: the server closed the connection in the handshake" {
		t.Errorf("report = %+v, want that no certificate was seen, and why", r)
	}
}

// A server may choose by groups, and so neither what it chose first nor what stands first.
func TestAnOrderOfTheServersNeedNotBeTheSameEachTime(t *testing.T) {
	has := []uint16{0xc02f, 0x009c, 0x002f}
	port := serve(t, hearing(func(o offered) []byte {
		known := slices.DeleteFunc(o.suites, func(id uint16) bool { return !slices.Contains(has, id) })
		if o.version != hello.TLS12 || len(known) == 0 {
			return refusal
		}
		return chosen(hello.TLS12, known[min(1, len(known)-1)])
	}))
	r, _ := ask(t, at(port, ""))
	if p := protocol(r, "TLS 1.2"); p.ServerOrder == nil || !*p.ServerOrder || len(p.Suites) != 3 {
		t.Errorf("TLS 1.2 = %+v, want three suites in an order of the server's", p)
	}
}

func TestWhyAHandshakeWasNotCompleted(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "the server sent none"},
		{os.ErrDeadlineExceeded, "the handshake had no answer in time"},
		{io.EOF, "the server closed the connection in the handshake"},
		{errors.New("tls: failed to parse certificate from server: x509: evil"),
			"the server's certificate cannot be read"},
		{errors.New("tls: x\x1b"), `the handshake failed: tls: x\x1B`},
	} {
		if got := unfinished(c.err); got != c.want {
			t.Errorf("unfinished(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

// A server that does not know the name warns, and goes on.
func TestAServerThatWarns(t *testing.T) {
	warning := []byte{21, 3, 3, 0, 2, 1, 112}
	port := serve(t, hearing(func(o offered) []byte {
		if o.version != hello.TLS12 || o.tls13 || !slices.Contains(o.suites, 0xc02f) {
			return append(slices.Clone(warning), refusal...)
		}
		return append(slices.Clone(warning), chosen(hello.TLS12, 0xc02f)...)
	}))
	r, _ := ask(t, at(port, ""))
	if p := protocol(r, "TLS 1.2"); !p.Offered || len(p.Suites) != 1 || !p.Complete {
		t.Errorf("TLS 1.2 = %+v, want it offered behind the warning", p)
	}
	if p := protocol(r, "TLS 1.1"); p.Offered || p.Why != "alert handshake_failure" {
		t.Errorf("TLS 1.1 = %+v, want it refused", p)
	}
}

func TestServersThatSpeakNoTLSOrLie(t *testing.T) {
	endless := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		most  int // connections
		ok    func(Report) bool
	}{
		{"another protocol", func(conn net.Conn) {
			_, _ = io.WriteString(conn,
				"SSH-2.0-x\x1b[2J\r\n")
			silent(conn)
		}, 3,
			func(r Report) bool { return strings.HasPrefix(string(r.NotTLS), `SSH-2.0-x\x1B[2J`) && r.Failure != "" }},
		{"closed at once", func(net.Conn) {}, 6, func(r Report) bool { return r.Failure != "" && r.NotTLS == "" }},
		{"never a word", silent, 2, func(r Report) bool { return r.Failure != "" && !r.Complete }},
		{"words without end", endless("blah "), 3, func(r Report) bool { return r.NotTLS != "" }},
		{"empty records without end", endless("\x16\x03\x03\x00\x00"), 7,
			func(r Report) bool { return !r.Complete }},
		{"warnings without end", endless("\x15\x03\x03\x00\x02\x01\x70"), 7,
			func(r Report) bool { return r.Failure != "" }},
		{"large records", endless("\x16\x03\x03\xff\xff" + strings.Repeat("a", 65535)), 7,
			func(r Report) bool { return !r.Complete }},
		{"a suite that was not offered", hearing(func(o offered) []byte { return chosen(o.version, 0xfafa) }), 7,
			func(r Report) bool { return !r.Complete && strings.Contains(protocol(r, "TLS 1.0").Why, "not offered") }},
		{"a version that was not offered", hearing(func(o offered) []byte { return chosen(0x0399, o.suites[0]) }),
			7,
			func(r Report) bool { return !protocol(r, "TLS 1.2").Offered }},
		{"every suite there is", hearing(func(o offered) []byte {
			return chosen(o.version,
				o.suites[len(o.suites)-1])
		}), maxConnections,
			func(r Report) bool { return r.TLS && !r.Complete && len(protocol(r, "TLS 1.2").Suites) > 40 }},
		{"a chain of nonsense", hearing(func(o offered) []byte {
			return chosen(o.version, o.suites[0], certificates([]byte("none"), nil, []byte("\xff"))...)
		}), maxConnections, func(r Report) bool {
			return len(r.Chain) == 3 && r.Chain[0].Problem != "" &&
				!r.Trust.Trusted
		}},
		{"a chain without end", hearing(func(o offered) []byte {
			return chosen(o.version, o.suites[0], certificates(slices.Repeat([][]byte{[]byte("x")}, 10000)...)...)
		}), maxConnections, func(r Report) bool { return len(r.Chain) == maxChain && r.ChainSent == 10000 }},
	} {
		port := serve(t, c.serve)
		r, _ := ask(t, at(port, `, "wait_sec": 0.5`))
		if r.Connections > c.most || !r.Reachable || !c.ok(r) {
			t.Errorf("%s: %d connections, want %d at most; report = %+v", c.name, r.Connections, c.most, r)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	r, res := ask(t, at(1, ""))
	if r.Reachable || r.TLS || r.Connections != 1 || !strings.Contains(r.Failure, "refused") || r.Complete ||
		res.ReturnCode != 0 {
		t.Errorf("report = %+v, want a refused connection", r)
	}
}

func TestALongChainIsCut(t *testing.T) {
	ca := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true}, ecKey(t), nil)
	names := make([]string, 300)
	for i := range names {
		names[i] = fmt.Sprintf("h%d.lab.internal", i)
	}
	leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: strings.Repeat("x", 3*maxText)},
		DNSNames: names}, ecKey(t), &ca)
	for range 99 {
		leaf.Certificate = append(leaf.Certificate, ca.Certificate[0])
	}
	port := serve(t, speaking(&tls.Config{Certificates: []tls.Certificate{leaf}}))
	r, _ := ask(t, at(port, `, "quick": true`))
	if r.ChainSent != 101 || len(r.Chain) != maxChain || !slices.Contains(codes(r), "long_chain") {
		t.Errorf("chain has %d certificates of %d, findings %v", len(r.Chain), r.ChainSent, codes(r))
	}
	if c := r.Chain[0]; len(c.Names) != maxNames || c.NameCount != 300 || len(c.Subject) != maxText {
		t.Errorf("certificate has %d names of %d, and a subject of %d bytes", len(c.Names), c.NameCount,
			len(c.Subject))
	}
}

func TestAServerThatWantsToKnowWhoAsks(t *testing.T) {
	leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, ecKey(t), nil)
	for _, most := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		port := serve(t, speaking(&tls.Config{
			Certificates: []tls.Certificate{leaf}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: most,
		}))
		r, _ := ask(t, at(port, `, "quick": true`))
		if n := r.Negotiated; n == nil || !n.ClientCertificate || r.ChainSent != 1 || r.Connections > 6 {
			t.Errorf("up to %s: negotiated = %+v of %+v, want that a certificate was asked for", versionName(most),
				n, r)
		}
	}
}

func TestDaysAreCountedDown(t *testing.T) {
	leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, ecKey(t), nil)
	port := serve(t, speaking(&tls.Config{Certificates: []tls.Certificate{leaf}}))
	for _, c := range []struct {
		later time.Duration
		days  int
		code  string
	}{
		{0, 90, ""}, {61 * 24 * time.Hour, 29, "expires_soon"}, {90*24*time.Hour + 2*time.Hour, -1, "expired"},
		{-48 * time.Hour, 92, "not_yet_valid"},
	} {
		p := sdk.Plugin{Name: "tls", Version: "test", Tools: []sdk.Tool{tool(prober{
			now: func() time.Time { return time.Now().Add(c.later) }, roots: x509.SystemCertPool,
		})}}
		res, err := sdktest.New(t, p, sdktest.Options{}).Call(t.Context(), "TLSTool", at(port, `, "quick": true`))
		if err != nil {
			t.Fatal(err)
		}
		r := decoded(t, res)
		if got := r.Chain[0].DaysLeft; got != c.days || c.code != "" && !slices.Contains(codes(r), c.code) {
			t.Errorf("%v later: %d days left, findings %v; want %d, %s", c.later, got, codes(r), c.days, c.code)
		}
	}
}

func TestFindingsOfCertificates(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Certificate
		n    int
		want []string
	}{
		{"a good one", Certificate{DaysLeft: 90, Key: "ECDSA", KeyBits: 256, Signature: "ECDSA-SHA256"}, 0, nil},
		{"a short key", Certificate{DaysLeft: 90, Key: "RSA", KeyBits: 1024, Signature: "SHA256-RSA"}, 0,
			[]string{"medium weak_key"}},
		{"a broken key", Certificate{DaysLeft: 90, Key: "RSA", KeyBits: 512, Signature: "SHA256-RSA"}, 1,
			[]string{"high weak_key"}},
		{"SHA-1", Certificate{DaysLeft: 90, Key: "RSA", KeyBits: 2048, Signature: "SHA1-RSA"}, 0,
			[]string{"high weak_signature"}},
		{"SHA-1 of a root", Certificate{DaysLeft: 90, Key: "RSA", KeyBits: 2048, Signature: "SHA1-RSA",
			Self: true}, 1, nil},
		{"DSA", Certificate{DaysLeft: 90, Key: "DSA", Signature: "DSA-SHA256"}, 0, []string{"medium weak_key"}},
		{"unreadable", Certificate{Problem: "x"}, 0, []string{"medium unreadable"}},
	} {
		var got []string
		c.c.findings(func(severity, code, _ string, _ ...any) { got = append(got, severity+" "+code) }, c.n)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: findings %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWeaknessesGoByTheName(t *testing.T) {
	for suite, code := range map[string]string{
		"TLS_AES_128_GCM_SHA256": "", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "",
		"TLS_DHE_RSA_WITH_AES_256_CCM":         "",
		"TLS_RSA_WITH_AES_128_GCM_SHA256":      "no_forward_secrecy",
		"TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256": "no_forward_secrecy",
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA":   "cbc", "TLS_RSA_WITH_3DES_EDE_CBC_SHA": "3des",
		"TLS_RSA_WITH_DES_CBC_SHA": "des",
		"TLS_RSA_WITH_RC4_128_SHA": "rc4", "TLS_RSA_EXPORT_WITH_RC4_40_MD5": "export_cipher",
		"TLS_DH_anon_WITH_RC4_128_MD5": "anonymous",
		"TLS_RSA_WITH_NULL_SHA":        "null_cipher", "TLS_ECDH_anon_WITH_NULL_SHA": "null_cipher",
	} {
		got := ""
		for _, w := range weaknesses {
			if w.about == weakness(suite) {
				got = w.code
			}
		}
		if got != code {
			t.Errorf("weakness(%s) is %q, want %q", suite, got, code)
		}
	}
}

func TestArgumentsAreHeldToTheirRanges(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for _, args := range []string{
		`{"target": "127.0.0.1", "port": 65536}`, `{"target": "127.0.0.1", "port": -1}`,
		`{"target": "127.0.0.1", "port": "443"}`, `{"target": "127.0.0.1", "port": 0}`,
		`{"target": "127.0.0.1", "wait_sec": 0.01}`, `{"target": "127.0.0.1", "wait_sec": 31}`,
		`{"target": "127.0.0.1", "wait_sec": -1}`,
		`{"target": "127.0.0.1", "server_name": "127.0.0.1"}`, `{"target": "127.0.0.1", "server_name": "a b"}`,
		`{"target": "127.0.0.1", "server_name": "a..b"}`, `{"target": "127.0.0.1", "server_name": "-a"}`,
		`{"target": "127.0.0.1", "server_name": "a\u0000"}`, `{"target": "127.0.0.1", "server_name": "0x7f"}`,
		`{"target": "127.0.0.0/30"}`, `{"target": "127.0.0.1", "starttls": "smtp"}`,
	} {
		if _, err := b.Call(t.Context(), "TLSTool", args); sdk.KindOf(err) != sdk.KindValidation {
			t.Errorf("Call(%s) = %v, want a %s", args, err, sdk.KindValidation)
		}
	}
	for _, args := range []string{`{"target": "192.0.2.1"}`, `{"target": "169.254.169.254"}`,
		`{"target": "example.com"}`} {
		if _, err := b.Call(t.Context(), "TLSTool", args); sdk.KindOf(err) != sdk.KindOutOfScope {
			t.Errorf("Call(%s) = %v, want it %s", args, err, sdk.KindOutOfScope)
		}
	}
}

func TestProgressAndTheEndOfACall(t *testing.T) {
	leaf := signed(t, &x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, ecKey(t), nil)
	port := serve(t, speaking(&tls.Config{Certificates: []tls.Certificate{leaf}}))
	var mu sync.Mutex // guards told
	var told []sdk.Progress
	b := sdktest.New(t, plugin(), sdktest.Options{Event: func(ev sdk.Event) {
		if mu.Lock(); ev.Progress != nil {
			told = append(told, *ev.Progress)
		}
		mu.Unlock()
	}})
	if _, err := b.Call(t.Context(), "TLSTool", at(port, "")); err != nil {
		t.Fatal(err)
	}
	for i, p := range told {
		if i > 0 && p.Percent < told[i-1].Percent || p.Percent > 100 || p.Message == "" {
			t.Errorf("progress %d = %+v behind %+v", i, p, told[max(i-1, 0)])
		}
	}
	if len(told) < 7 {
		t.Errorf("progress was told %d times, want once for each version at least", len(told))
	}

	ctx, cancel := context.WithCancel(t.Context())
	port = serve(t, func(conn net.Conn) { cancel(); silent(conn) })
	if _, err := b.Call(ctx, "TLSTool", at(port, `, "wait_sec": 30`)); sdk.KindOf(err) != sdk.KindCancelled {
		t.Errorf("Call, cancelled = %v, want a %s", err, sdk.KindCancelled)
	}
}

func TestConformance(t *testing.T) {
	port := serve(t, silent)
	sdktest.Conformance(t, plugin(), sdktest.Sample{
		Tool: "TLSTool", Quick: `{"target": "127.0.0.1", "port": 1}`, Slow: at(port, `, "wait_sec": 30`),
	})
}
