package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const leafName = "probe 1"

// newLeaf makes a certificate, which edit may change before it is signed.
func newLeaf(t testing.TB, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spiffe, err := url.Parse("spiffe://lab.internal/probe")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: leafName},
		DNSNames: []string{"Probe.Lab.Internal", "other.lab.internal"}, EmailAddresses: []string{"ops@lab.internal"},
		URIs: []*url.URL{spiffe}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if edit != nil {
		edit(template)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func mapped(list ...Certificate) *Clients {
	return NewClients(Config{Certificates: func() []Certificate { return list }})
}

func TestWhichSubjectIsThatOfACertificate(t *testing.T) {
	leaf := newLeaf(t, nil)
	nameless := newLeaf(t, func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.EmailAddresses, c.URIs = pkix.Name{}, nil, nil, nil
	})
	for _, row := range []struct {
		subject string
		leaf    *x509.Certificate
		known   bool
	}{
		{"cn:probe 1", leaf, true},
		{"cn:Probe 1", leaf, false},
		{"cn:probe", leaf, false},
		{"cn:probe.lab.internal", leaf, false},
		{"dns:probe.lab.internal", leaf, true},
		{"dns:OTHER.lab.internal", leaf, true},
		{"dns:lab.internal", leaf, false},
		{"dns:*.lab.internal", leaf, false},
		{"dns:probe 1", leaf, false},
		{"dns:\u212Aprobe.lab.internal", leaf, false},
		{"uri:spiffe://lab.internal/probe", leaf, true},
		{"uri:spiffe://lab.internal/probe/", leaf, false},
		{"email:ops@lab.internal", leaf, true},
		{"email:OPS@lab.internal", leaf, false},
		{"email:probe 1", leaf, false},
		{"ip:10.0.0.1", leaf, false},
		{"probe 1", leaf, false},
		{"", leaf, false},
		{"cn:", nameless, false},
		{"dns:", nameless, false},
	} {
		clients := mapped(Certificate{Name: "client", Subject: row.subject, Role: Caller})
		id, err := clients.Authenticate(t.Context(), Credentials{Certificate: row.leaf})
		if (err == nil) != row.known || row.known && id.Client != "client" || err != nil && !errors.Is(err, ErrBad) {
			t.Errorf("Authenticate(a certificate), mapped by %q = %q, %v, want %t", row.subject, id.Client, err, row.known)
		}
	}
}

func TestADNSNameIsMatchedInASCII(t *testing.T) {
	leaf := newLeaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"kelvin.lab.internal"} })
	if id, err := mapped(Certificate{Name: "a", Subject: "dns:\u212Aelvin.lab.internal"}).
		Authenticate(t.Context(), Credentials{Certificate: leaf}); err == nil {
		t.Errorf("Authenticate = %q, want nobody: the sign of Kelvin is no k", id.Client)
	}
}

func TestTheFirstSubjectCounts(t *testing.T) {
	leaf := newLeaf(t, nil)
	clients := mapped(
		Certificate{Name: "nobody", Subject: "cn:other", Role: Admin},
		Certificate{
			Name: "first", Subject: "cn:" + leafName, Role: Viewer, Tools: []string{"PingTool"}, Rate: Rate{Requests: 3},
		},
		Certificate{Name: "second", Subject: "email:ops@lab.internal", Role: Admin},
	)
	id, err := clients.Authenticate(t.Context(), Credentials{Certificate: leaf})
	if err != nil || id.Client != "first" || id.Kind != ByCertificate || id.Role != Viewer || id.Rate.Requests != 3 ||
		!id.Expires.Equal(leaf.NotAfter) || len(id.Tools) != 1 {
		t.Errorf("Authenticate = %+v, %v, want the first", id, err)
	}
}

func TestACertificateIsGoodWhileItIsMapped(t *testing.T) {
	leaf := newLeaf(t, nil)
	list := []Certificate{{Name: "a", Subject: "cn:" + leafName, Role: Caller}}
	now := time.Now()
	clients := NewClients(Config{
		Certificates: func() []Certificate { return list }, Now: func() time.Time { return now },
	})
	id, err := clients.Authenticate(t.Context(), Credentials{Certificate: leaf})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		says  string
		list  []Certificate
		at    time.Time
		valid bool
	}{
		{"as it was", list, now, true},
		{"beside others", []Certificate{{Name: "b", Subject: "cn:b"}, list[0]}, now, true},
		{"gone", nil, now, false},
		{"by another subject", []Certificate{{Name: "a", Subject: "cn:b", Role: Caller}}, now, false},
		{"under another name", []Certificate{{Name: "b", Subject: "cn:" + leafName, Role: Caller}}, now, false},
		{"with another role", []Certificate{{Name: "a", Subject: "cn:" + leafName, Role: Viewer}}, now, false},
		{"expired", list, leaf.NotAfter, false},
	} {
		list, now = row.list, row.at
		if got := clients.Valid(id); got != row.valid {
			t.Errorf("%s: Valid = %t, want %t", row.says, got, row.valid)
		}
	}
	if _, err := clients.Authenticate(t.Context(), Credentials{Certificate: leaf}); !errors.Is(err, ErrBad) {
		t.Errorf("Authenticate(an expired certificate) = %v, want %v", err, ErrBad)
	}
}

func TestParseSubject(t *testing.T) {
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"cn:probe 1", true}, {"cn:Müller", true}, {"dns:probe.lab.internal", true}, {"uri:spiffe://a/b:c", true},
		{"email:a@b", true},
		{"", false}, {"probe", false}, {"cn", false}, {"cn:", false}, {"cn: probe", false}, {"cn:probe ", false},
		{"CN:probe", false}, {"ip:10.0.0.1", false}, {"cn:a\nb", false}, {"cn:a\x00", false}, {"cn:\xff", false},
		{"dns:Müller.lab.internal", false}, {"email:müller@b", false}, {"uri:spiffe://a/ü", false},
		{"uri:spiffe://a/%zz", false}, {"uri:SPIFFE://a", false}, {"uri:spiffe://a/b c", false},
	} {
		if err := ParseSubject(row.text); (err == nil) != row.ok {
			t.Errorf("ParseSubject(%q) = %v, want %t", row.text, err, row.ok)
		}
	}
}

func TestWhichSubjectsAreTheSame(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"dns:Probe.Lab", "dns:probe.LAB", true}, {"dns:a", "dns:b", false}, {"dns:a", "cn:a", false},
		{"cn:Probe", "cn:probe", false}, {"email:a@LAB", "email:a@lab", false},
		{"uri:spiffe://A/b", "uri:spiffe://a/b", false}, {"dns:\u212A", "dns:k", false},
	} {
		if got := FoldSubject(row.a) == FoldSubject(row.b); got != row.same {
			t.Errorf("FoldSubject(%q) == FoldSubject(%q) = %t, want %t", row.a, row.b, got, row.same)
		}
	}
}

// FuzzParseSubject: what can be the subject of a certificate is that of one that has it, in one line.
func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{
		"cn:a", "dns:a.lab", "uri:spiffe://a/b", "email:a@b", "cn:", ":", "cn:\n", "cn:\xff", "uri:a%2fb", "uri:?",
		"uri://[::1%25a]", "uri:a#", "dns:A",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if ParseSubject(text) != nil {
			return
		}
		kind, rest, _ := strings.Cut(text, ":")
		leaf := &x509.Certificate{}
		switch kind {
		case "cn":
			leaf.Subject.CommonName = rest
		case "dns":
			leaf.DNSNames = []string{rest}
		case "email":
			leaf.EmailAddresses = []string{rest}
		case "uri":
			u, err := url.Parse(rest)
			if err != nil {
				t.Fatalf("ParseSubject(%q) = nil, want an error: %v", text, err)
			}
			leaf.URIs = []*url.URL{u}
		}
		for _, subject := range []string{text, FoldSubject(text)} {
			if c := (Certificate{Subject: subject}); !c.is(leaf) {
				t.Errorf("ParseSubject(%q) = nil, and a certificate that has %q does not match", text, subject)
			}
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x00\x1b") {
			t.Errorf("ParseSubject(%q) = nil, want an error", text)
		}
	})
}
