package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

const tlsFiles = "tls: {cert_file: /c.pem, key_file: /k.pem"

// refusals holds files to what is said of them.
func refusals(t *testing.T, rows [][2]string) {
	t.Helper()
	for _, row := range rows {
		if text := problemsOf(t, write(t, "c.yaml", row[0])).Error(); !strings.Contains(text, row[1]) {
			t.Errorf("Read(%s) = %s, want %s", row[0], text, row[1])
		}
	}
}

func TestADoorThatCannotBeIsRefused(t *testing.T) {
	refusals(t, [][2]string{
		{"server: {trusted_proxies: [proxy.lab]}",
			`server.trusted_proxies[0]: "proxy.lab" is neither an IP address nor a network`},
		{"server: {trusted_proxies: [10.0.0.1, 10.0.0.1/8]}",
			`server.trusted_proxies[1]: "10.0.0.1/8" has bits set behind its length; write 10.0.0.0/8`},
		{"server: {trusted_proxies: ['fe80::1%eth0']}", `"fe80::1%eth0" is neither`},
		{"server: {trusted_proxies: ['::ffff:10.0.0.0/104']}", `is neither`},
		{"server: {trusted_proxies: [0.0.0.0/0]}", `"0.0.0.0/0" trusts too many; name the addresses`},
		{"server: {trusted_proxies: [0.0.0.0/1, 128.0.0.0/1]}",
			`server.trusted_proxies[1]: "128.0.0.0/1" trusts too many`},
		{"server: {trusted_proxies: [10.0.0.0/7]}", `"10.0.0.0/7" trusts too many`},
		{"server: {trusted_proxies: ['::/0']}", `"::/0" trusts too many`},
		{"server: {trusted_proxies: ['::/1']}", `"::/1" trusts too many`},
		{"server: {trusted_proxies: ['fd00::/15']}", `or a network of /8 or longer (IPv4), /16 or longer (IPv6)`},
		{"server: {allowed_hosts: ['*']}", `server.allowed_hosts[0]: "*" is no host`},
		{"server: {allowed_hosts: ['*.lab.internal']}", `"*.lab.internal" is no host`},
		{"server: {allowed_hosts: ['a.lab:8080']}", `"a.lab:8080" is no host`},
		{"server: {allowed_hosts: ['[::1]']}", `"[::1]" is no host`},
		{"server: {allowed_hosts: ['']}", `"" is no host`},
		{"server: {allowed_hosts: ['a.lab.']}", `"a.lab." is no host`},
		{"server: {allowed_hosts: ['http://a.lab']}", `"http://a.lab" is no host`},
		{"server: {allowed_origins: ['*']}",
			`server.allowed_origins[0]: "*" is no origin: a * stands for no origin`},
		{"server: {allowed_origins: ['https://*.lab']}", "a * stands for no origin"},
		{"server: {allowed_origins: ['null']}", `"null" is no origin`},
		{"server: {allowed_origins: ['a.lab']}", "does not begin with http:// or https://"},
		{"server: {allowed_origins: ['ftp://a.lab']}", "does not begin with http:// or https://"},
		{"server: {allowed_origins: ['https://']}", "it has no host"},
		{"server: {allowed_origins: ['https://:443']}", "it has no host"},
		{"server: {allowed_origins: ['https://::1']}", "it has no host"},
		{"server: {allowed_origins: ['https://a.lab/']}", "something stands beside host and port"},
		{"server: {allowed_origins: ['https://me@a.lab']}", "something stands beside host and port"},
		{"server: {allowed_origins: ['https://a.lab?x']}", "something stands beside host and port"},
		{"server: {allowed_origins: ['https://a.lab:0']}", `"0" is no port`},
		{"server: {allowed_origins: ['https://a.lab:']}", `"" is no port`},
		{"server: {allowed_origins: ['HTTPS://A.lab:443']}", "is not how browsers write it; write https://a.lab"},
		{"server: {allowed_origins: ['http://[0:0::1]:80']}", "write http://[::1]"},
		{"admin: {listen: '8081'}", `admin.listen: "8081" has no port`},
		{"admin: {listen: ':8081'}", `"" is neither an IP address nor localhost`},
		{"admin: {listen: 'box.lab:8081'}", `"box.lab" is neither an IP address nor localhost`},
		{"admin: {listen: '::1:8081'}", "an address of IPv6, and no other, stands in brackets"},
		{"admin: {listen: '[127.0.0.1]:8081'}", "an address of IPv6, and no other, stands in brackets"},
		{"admin: {listen: '127.0.0.1:0'}", `"0" is no port; allowed: 1 to 65535`},
		{"admin: {listen: '127.0.0.1:65536'}", `"65536" is no port`},
		{"admin: {listen: '127.0.0.1:+81'}", `"+81" is no port`},
		{"admin: {listen: 'unix:admin.sock'}", `"admin.sock" is no absolute path`},
		{"admin: {listen: 'unix:/run/../admin.sock'}", `is no absolute path`},
		{"admin: {listen: 'unix:/'}", `"/" is no absolute path`},
		{"admin: {listen: 'unix:/" + strings.Repeat("x", 100) + "'}",
			"the path has 101 bytes; a socket's may have 100"},
		{"server: {transport: http}\nadmin: {listen: 'localhost:8080'}",
			`admin.listen: "localhost:8080" has the port of server.port`},
		{"server: {transport: http, host: '0.0.0.0', behind_tls_proxy: true}\nadmin: {listen: '127.0.0.1:8080'}",
			"has the port of server.port"},
		{"metrics: {prometheus_port: 9090}\nadmin: {listen: '[::]:9090'}",
			"has the port of metrics.prometheus_port"},
	})
}

func TestTLSIsWholeOrNotAtAll(t *testing.T) {
	refusals(t, [][2]string{
		{"tls: {cert_file: /c.pem}", "tls.cert_file: is given without tls.key_file; set both, or none"},
		{"tls: {key_file: /k.pem}", "tls.key_file: is given without tls.cert_file; set both, or none"},
		{"tls: {cert_file: c.pem, key_file: /k.pem}", `tls.cert_file: "c.pem" is relative`},
		{"tls: {cert_file: /c.pem, key_file: k.pem}", `tls.key_file: "k.pem" is relative`},
		{tlsFiles + ", client_auth: require, client_ca_file: ca.pem}", `tls.client_ca_file: "ca.pem" is relative`},
		{tlsFiles + ", client_auth: require}", "tls.client_ca_file: is not set, and tls.client_auth is require"},
		{tlsFiles + ", client_ca_file: /ca.pem}", "tls.client_ca_file: has no effect"},
		{"tls: {client_auth: optional, client_ca_file: /ca.pem}", "tls.client_auth: optional needs TLS"},
		{"auth: {certificates: [{name: a, subject: 'cn:a'}]}", "auth.certificates: nobody shows one"},
	})
}

// What other machines can reach needs TLS and credentials, whichever door it is.
func TestExposure(t *testing.T) {
	const http = "server: {transport: http, host: %s}\n"
	const metrics = "metrics: {prometheus_port: 9090, prometheus_host: %s}\n"
	const admin = "admin: {listen: '%s:8081'}\n"
	const none, proxy = "auth: {mode: none}\n", "behind_tls_proxy: true}\n"
	for _, row := range []struct{ says, file, key, address, want string }{
		{"nothing is open", none, "", "", ""},
		{"a host counts with HTTP only", "server: {host: 0.0.0.0}\n" + none, "", "", ""},
		{"loopback", fmt.Sprintf(http+metrics+admin, "127.0.0.1", "localhost", "[::1]") + none, "", "", ""},
		{"all of loopback", fmt.Sprintf(http, "127.9.9.9") + none, "", "", ""},
		{"a port of 0 opens no door", "metrics: {prometheus_host: 0.0.0.0}\n" + none, "", "", ""},
		{"metrics that are off open none",
			"metrics: {enabled: false, prometheus_port: 9, prometheus_host: 0.0.0.0}\n", "", "", ""},
		{"a socket is this machine's", "admin: {listen: 'unix:/run/a'}\n" + none, "", "", ""},
		{"HTTP for all", fmt.Sprintf(http, "0.0.0.0"), "server.host", "0.0.0.0",
			`server.host: "0.0.0.0" can be reached from other machines`},
		{"HTTP for all without saying so", fmt.Sprintf(http, "''"), "server.host", "",
			"server.host: \"\" can be reached"},
		{"HTTP at a name", fmt.Sprintf(http, "box.lab"), "server.host", "box.lab", `server.host: "box.lab" can be`},
		{"HTTP of IPv6", fmt.Sprintf(http, "'::'"), "server.host", "::", `server.host: "::" can be reached`},
		{"metrics for all", fmt.Sprintf(metrics, "10.0.0.1"), "metrics.prometheus_host", "10.0.0.1",
			`metrics.prometheus_host: "10.0.0.1" can be reached`},
		{"admin for all", fmt.Sprintf(admin, "0.0.0.0"), "admin.listen", "0.0.0.0:8081",
			`admin.listen: "0.0.0.0:8081" can be reached`},
		{"with TLS", fmt.Sprintf(http, "0.0.0.0") + tlsFiles + "}\n", "server.host", "0.0.0.0", ""},
		{"behind a proxy", "server: {transport: http, host: 0.0.0.0, " + proxy, "server.host", "0.0.0.0", ""},
		{"behind a proxy with TLS again", "server: {transport: http, host: 0.0.0.0, " + proxy + tlsFiles + "}\n",
			"server.host", "0.0.0.0", ""},
		{"with TLS and no credentials", fmt.Sprintf(http, "0.0.0.0") + tlsFiles + "}\n" + none,
			"server.host", "0.0.0.0", `auth.mode: none is possible on loopback only, and server.host is "0.0.0.0"`},
		{"admin behind a proxy and no credentials", fmt.Sprintf(admin, "10.0.0.1") + "server: {" + proxy + none,
			"admin.listen", "10.0.0.1:8081", `and admin.listen is "10.0.0.1:8081"`},
		{"on loopback behind a proxy, and no credentials", "server: {transport: http, " + proxy + none, "", "",
			"server.behind_tls_proxy says that a proxy lets others in"},
		{"on loopback with a proxy that is trusted, and no credentials",
			"server: {transport: http, trusted_proxies: [127.0.0.1], allowed_hosts: [gatehouse.example.org]}\n" + none,
			"", "", "auth.mode: none is possible on loopback only, and server.trusted_proxies says that a proxy lets"},
		{"a proxy in front of no HTTP", "server: {trusted_proxies: [127.0.0.1]}\n" + none, "", "", ""},
		{"neither TLS nor credentials", fmt.Sprintf(metrics, "10.0.0.1") + none,
			"metrics.prometheus_host", "10.0.0.1", "auth.mode: none is possible on loopback only"},
	} {
		file := write(t, "c.yaml", row.file)
		if row.want != "" {
			refusals(t, [][2]string{{row.file, row.want}})
			continue
		}
		key, address := load(t, Source{File: file}).Exposed()
		if key != row.key || address != row.address {
			t.Errorf("%s: Exposed() = %q, %q, want %q, %q", row.says, key, address, row.key, row.address)
		}
	}
	text := problemsOf(t, write(t, "c.yaml", fmt.Sprintf(http, "0.0.0.0"))).Error()
	for _, way := range []string{"tls.cert_file", "server.behind_tls_proxy: true", "127.0.0.1"} {
		if !strings.Contains(text, way) {
			t.Errorf("Read = %s, want %s among the ways out", text, way)
		}
	}
}

func TestDoorsAsTheyAreTaken(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml", `
server:
  trusted_proxies: [10.0.0.7, 11.0.0.0/8, "::ffff:10.0.0.8", "fd00::/16"]
  allowed_hosts: [Box.Lab.internal, 10.0.0.1, "::1", my_box]
  allowed_origins: [https://a.lab, "http://a.lab:8080", "https://[fd00::1]:8443", "http://127.0.0.1:3000"]
admin: {listen: "[::1]:8081"}
`)})
	if got, want := fmt.Sprint(cfg.Proxies()), "[10.0.0.7/32 11.0.0.0/8 10.0.0.8/32 fd00::/16]"; got != want {
		t.Errorf("Proxies() = %s, want %s", got, want)
	}
	for _, file := range []string{ // a door that is closed has no port
		"admin: {listen: '127.0.0.1:8080'}",
		"metrics: {enabled: false, prometheus_port: 9090}\nadmin: {listen: '127.0.0.1:9090'}",
		"server: {transport: http}\nadmin: {listen: '[::1]:8080'}", // another address
	} {
		load(t, Source{File: write(t, "c.yaml", file)})
	}
	for listen, want := range map[string]string{
		"": " ", "unix:/run/admin.sock": "unix /run/admin.sock", "[::1]:8081": "tcp [::1]:8081",
	} {
		network, address, ok := Admin{Listen: listen}.Network()
		if got := network + " " + address; got != want || ok != (listen != "") {
			t.Errorf("Network(%q) = %q, %v, want %q", listen, got, ok, want)
		}
	}
}

// What is taken for an origin is one for the parser of URLs too, and has nothing but scheme, host and port.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://a.lab", "http://[::1]:80", "https://A:443", "null", "*", "https://a@b", "https://a:0",
		"https://[::1",
		"https://::1", "https://a/..", "https://a\\b", "http://a:08", "https://[fe80::1%25a]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if checkOrigin(text) != nil {
			if want, err := originOf(text); err == nil && checkOrigin(want) != nil {
				t.Errorf("checkOrigin(%q) = %v, want nil: it was advised for %q", want, checkOrigin(want), text)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme+"://"+u.Host != text || u.Hostname() == "" || !isHost(u.Hostname()) {
			t.Errorf("checkOrigin(%q) = nil, want an error: it is the URL %+v (%v)", text, u, err)
		}
	})
}

// What is taken for a place of the administrative routes is one that can be listened on.
func FuzzAdminListen(f *testing.F) {
	for _, s := range []string{
		"", "127.0.0.1:8081", "[::1]:1", "localhost:65535", "unix:/run/a.sock", "unix:", "unix:/a\x00",
		":1", "[]:1",
		"[localhost]:1", "1.2.3.4:01",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := Admin{Listen: text}
		if checkAdmin(a) != nil {
			return
		}
		network, address, ok := a.Network()
		switch {
		case !ok && text == "":
		case network == "unix" && filepath.IsAbs(address) && len(address) <= maxSocketPath &&
			!strings.Contains(address, "\x00"):
		case network == "tcp":
			local := strings.Replace(address, "localhost:", "127.0.0.1:", 1)
			if at, err := netip.ParseAddrPort(local); err != nil || at.Port() == 0 {
				t.Errorf("checkAdmin(%q) = nil, want an error: %v", text, err)
			}
		default:
			t.Errorf("Network(%q) = %q, %q, %v", text, network, address, ok)
		}
	})
}
