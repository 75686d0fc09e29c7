package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAClientThatCannotBeIsRefused(t *testing.T) {
	token := func(fields string) string {
		return "auth: {tokens: [{name: a, sha256: " + hash + ", " + fields + "}]}"
	}
	certs := func(items string) string {
		return tlsFiles + ", client_auth: optional, client_ca_file: /ca}\nauth: {certificates: [" + items + "]}"
	}
	refusals(t, [][2]string{
		{token("expires: tomorrow"), `auth.tokens[0].expires: "tomorrow" is no time; allowed: RFC 3339`},
		{token("expires: '2030-01-01'"), "is no time"},
		{token("expires: '0001-01-01T00:00:00Z'"), "is no time"},
		{token("expires: 2030-01-01T00:00:00Z"), "auth.tokens[0].expires: is a date; put it in quotes"},
		{token("rate_per: 10"), "auth.tokens[0].rate_per: has no effect without rate_requests"},
		{token("rate_requests: -1"), "auth.tokens[0].rate_requests: -1 is out of range"},
		{certs("{name: a, subject: 'cn:a', rate_per: 10}"), "auth.certificates[0].rate_per: has no effect"},
		{certs("{name: a b, subject: 'cn:a'}"), `auth.certificates[0].name: "a b" must be unique`},
		{certs("{name: stdio, subject: 'cn:a'}"), `auth.certificates[0].name: "stdio" must be`},
		{certs("{name: a, subject: 'cn:a'}, {name: a, subject: 'cn:b'}"), `auth.certificates[1].name: "a" must be`},
		{certs("{name: a, subject: 'cn:a'}, {name: b, subject: 'cn:a'}"),
			`auth.certificates[1].subject: "cn:a" is that of another client`},
		{certs("{name: a, subject: 'cn:a', tools: ['[']}"), `auth.certificates[0].tools[0]: "[" is not a pattern`},
		{certs("{name: a, subject: 'cn:a', role: root}"), `auth.certificates[0].role: "root" is unknown`},
		{certs("{name: a, subject: 'dns:a.lab'}, {name: b, subject: 'dns:A.Lab'}"),
			`auth.certificates[1].subject: "dns:A.Lab" is that of another client`},
		{certs("{name: a, subject: 'dns:bücher.example'}"),
			`"dns:bücher.example" is no subject, such as cn:scanner-7: ` + "an alternative name in a certificate is ASCII; write international DNS names as xn--"},
		{certs("{name: a, subject: 'cn: scanner'}"), `"cn: scanner" is no subject`},
		{certs("{name: a, subject: 'cn:scanner '}"), `"cn:scanner " is no subject`},
		{certs("{name: a}"), `auth.certificates[0].subject: "" is no subject`},
		{certs("{name: a, subject: 'cn:'}"), `"cn:" is no subject`},
		{certs("{name: a, subject: 'CN:a'}"), `"CN:a" is no subject`},
		{certs("{name: a, subject: 'ip:10.0.0.1'}"), `"ip:10.0.0.1" is no subject`},
		{certs(`{name: a, subject: "cn:a\nb"}`), `"cn:a\nb" is no subject`},
		{tlsFiles + ", client_auth: require, client_ca_file: /ca}\nauth: {tokens: [{name: a, sha256: " + hash +
			"}], certificates: [{name: a, subject: 'cn:a'}]}", `auth.certificates[0].name: "a" must be unique`},
	})
}

func TestATokenEndsWhenItSays(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "2999-01-31T12:00:00Z": "", "2999-01-31T12:00:00+05:30": "",
		"2001-01-31T12:00:00Z": "auth.tokens[0].expires: the token a has expired, and lets nobody in (from FILE:1)",
	} {
		file := write(t, "c.yaml",
			fmt.Sprintf("auth: {tokens: [{name: a, sha256: %s, expires: %q}]}\n", hash, text))
		l := read(t, Source{File: file})
		if got := strings.Join(l.Warnings, "\n"); got != strings.ReplaceAll(want, "FILE", file) {
			t.Errorf("expires %q: Warnings = %q, want %q", text, got, want)
		}
		at := l.Config.Auth.Tokens[0].ExpiresAt()
		if parsed, _ := time.Parse(time.RFC3339, text); !at.Equal(parsed) {
			t.Errorf("ExpiresAt(%q) = %v, want %v", text, at, parsed)
		}
	}
}

func TestAnIssuerThatCannotBeIsRefused(t *testing.T) {
	issuer := func(url, more string) string {
		return fmt.Sprintf("oidc: {issuer: '%s', audience: [gatehouse], default_role: viewer%s}", url, more)
	}
	const alone = " has no effect without oidc.issuer"
	refusals(t, [][2]string{
		{issuer("http://id.lab", ""), `oidc.issuer: "http://id.lab" is no issuer; allowed: an https URL`},
		{issuer("id.lab", ""), "is no issuer"},
		{issuer("https://", ""), "is no issuer"},
		{issuer("https://:443", ""), "is no issuer"},
		{issuer("https://me:pw@id.lab", ""), "is no issuer"},
		{issuer("https://id.lab?a=b", ""), "is no issuer"},
		{issuer("https://id.lab/?", ""), "is no issuer"},
		{issuer("https://id.lab#a", ""), "is no issuer"},
		{issuer("https://id.lab", "") + "\nauth: {mode: none}",
			"oidc.issuer: has no effect, because auth.mode is none"},
		{issuer("https://id.lab", ", name_claim: ''"), "oidc.name_claim: is empty"},
		{issuer("https://id.lab", ", ca_file: ca.pem"), `oidc.ca_file: "ca.pem" is relative`},
		{issuer("https://id.lab", ", admins: [a]"), "oidc.role_claim: is not set"},
		{issuer("https://id.lab", ", role_claim: groups"), "oidc.role_claim: has no effect without oidc.admins"},
		{issuer("https://id.lab", ", role_claim: groups, viewers: [a, '']"), "oidc.viewers[1]: is empty"},
		{"oidc: {issuer: 'https://id.lab', default_role: viewer}", "oidc.audience: is not set"},
		{"oidc: {issuer: 'https://id.lab', audience: ['']}", "oidc.audience[0]: is empty"},
		{"oidc: {issuer: 'https://id.lab', audience: [a]}",
			"oidc.default_role: is none, and no claim gives another"},
		{"oidc: {issuer: 'https://id.lab', audience: [a], default_role: admin}",
			`oidc.default_role: "admin" is unknown`},
		{"oidc: {audience: [a]}", "oidc.audience:" + alone}, {"oidc: {admins: [a]}", "oidc.admins:" + alone},
		{"oidc: {callers: [a]}", "oidc.callers:" + alone}, {"oidc: {viewers: [a]}", "oidc.viewers:" + alone},
		{"oidc: {role_claim: a}", "oidc.role_claim:" + alone}, {"oidc: {ca_file: /a}", "oidc.ca_file:" + alone},
		{"oidc: {name_claim: a}", "oidc.name_claim:" + alone},
		{"oidc: {default_role: caller}", "oidc.default_role:" + alone},
	})
	for _, good := range []string{
		issuer("https://id.lab/realms/a", ""), issuer("http://127.0.0.1:9999", ""),
		issuer("http://localhost:1", ""),
		issuer("http://[::1]:1", ", role_claim: groups, admins: [a]"),
		"oidc: {issuer: 'https://id.lab', audience: [a], role_claim: r, callers: [c]}",
	} {
		if _, err := Load(Source{File: write(t, "c.yaml", good)}); err != nil {
			t.Errorf("Read(%s) = %v, want a configuration", good, err)
		}
	}
}

// Names of addresses and of people differ by the case of letters.
func TestSubjectsThatAreNotTheSame(t *testing.T) {
	load(t, Source{File: write(t, "c.yaml", tlsFiles+`, client_auth: optional, client_ca_file: /ca}
auth:
  certificates:
    - {name: a, subject: "cn:Scanner"}
    - {name: b, subject: "cn:scanner"}
    - {name: c, subject: "email:ops@LAB"}
    - {name: d, subject: "email:ops@lab"}
    - {name: e, subject: "dns:scanner"}
`)})
}
