package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// secure is a host with TLS, and the authority that signed its certificate.
func secure(t *testing.T, more string) (*host, *authority, tlsFiles) {
	t.Helper()
	a := newAuthority(t)
	f := a.files(t)
	h := configured(t, fmt.Sprintf("server: {port: %s}\ntls: {cert_file: %s, key_file: %s}\n%s",
		freePort(t), f.cert, f.key, more))
	h.token, h.client = h.showToken(), a.client(t)
	return h, a, f
}

func TestTheHostSpeaksTLS(t *testing.T) {
	h, _, _ := secure(t, "")
	if !strings.HasPrefix(h.url, "https://") {
		t.Fatalf("the host serves at %s, want https", h.url)
	}
	h.ask(t, "POST", execute, "{}", 200, nil)
	h.wantWays(t, "over TLS", h.token, 200)
	plain := h.by(http.DefaultClient)
	plain.url = "http://" + h.address(t)
	r := plain.send(t, "GET", "/tools", "")
	if r.status != 400 || strings.Contains(r.body, "NoopTool") {
		t.Errorf("plain HTTP = %d %s, want 400", r.status, r.body)
	}
	if out := h.command(t, "plugins", "list"); !strings.Contains(out, "lab") {
		t.Errorf("plugins list = %s, want the plugin", out)
	}
	if out := h.command(t, "health"); !strings.Contains(out, "checks") {
		t.Errorf("health = %s, want a report", out)
	}
	h.command(t, "tools", "disable", "TrueTool")
	if _, kind := h.rest(t, "TrueTool", "{}"); kind != "disabled" {
		t.Errorf("a call = %q, want disabled", kind)
	}
}

func TestHTTP2IsNotOffered(t *testing.T) {
	h, a, _ := secure(t, "")
	cfg := a.client(t).Transport.(*http.Transport).TLSClientConfig
	for _, row := range []struct {
		offers       []string
		version      uint16
		want, failed string
	}{
		{[]string{"h2", "http/1.1"}, 0, "http/1.1", ""},
		{nil, 0, "", ""},
		{[]string{"h2"}, 0, "", "no application protocol"},
		{nil, tls.VersionTLS12, "", ""},
		{nil, tls.VersionTLS11, "", "protocol version"},
	} {
		one := cfg.Clone()
		one.NextProtos, one.MaxVersion, one.MinVersion = row.offers, row.version, tls.VersionTLS10
		c, err := tls.Dial("tcp", h.address(t), one)
		if row.failed != "" {
			if err == nil || !strings.Contains(err.Error(), row.failed) {
				t.Errorf("a client of %v, at most %x: %v, want %q", row.offers, row.version, err, row.failed)
			}
			continue
		}
		if err != nil {
			t.Errorf("a client of %v, at most %x: %v", row.offers, row.version, err)
			continue
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != row.want {
			t.Errorf("a client of %v speaks %q, want %q", row.offers, got, row.want)
		}
		_ = c.Close()
	}
}

// visit asks for something, and tells which certificate the host has, and whether the connection was there before.
func visit(t *testing.T, h *host) (serial string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", h.url+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token) // the connections of strangers are closed
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil { // or the connection is not used again
		t.Fatal(err)
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.String(), reused
}

func TestTheCertificateIsExchangedWhileTheHostServes(t *testing.T) {
	h, a, f := secure(t, "")
	listener := h.by(a.client(t))
	first, _ := visit(t, h)
	resp := listener.open(t, "GET", "/events", "")
	defer resp.Body.Close()
	next := a.server(t)
	f.put(t, next)
	if serial, _ := visit(t, h.by(a.client(t))); serial != next.serial {
		t.Errorf("a new connection has the certificate %s, want %s", serial, next.serial)
	}
	if serial, reused := visit(t, h); serial != first || !reused {
		t.Errorf("an open connection: certificate %s, there before %t; want that it goes on with %s", serial, reused, first)
	}
	h.log.waitFor(t, "the TLS certificate was read anew", 1)
	h.command(t, "plugins", "list")
	for what, bad := range map[string]pair{
		"a certificate that is none":        {cert: "no certificate", key: next.key},
		"a key of another":                  {cert: next.cert, key: a.server(t).key},
		"nothing":                           {},
		"a certificate that is half there":  {cert: next.cert[:len(next.cert)/2], key: next.key},
		"a key where the certificate is to": {cert: next.key, key: next.key},
	} {
		f.put(t, bad)
		if serial, _ := visit(t, h.by(a.client(t))); serial != next.serial {
			t.Errorf("%s: certificate %s, want that %s stays", what, serial, next.serial)
		}
	}
	h.log.waitFor(t, "the new TLS certificate is not good; the one before stays in force", 5)
	last := a.server(t)
	f.put(t, last)
	if serial, _ := visit(t, h.by(a.client(t))); serial != last.serial {
		t.Errorf("after the bad ones the certificate is %s, want %s", serial, last.serial)
	}
	// The stream that was open all the time hears of what happens now.
	h.ask(t, "POST", execute, `{"correlation_id":"at-last"}`, 200, nil)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "at-last") {
			return
		}
	}
	t.Error("the stream has ended")
}

// TestADoorForOtherMachinesNeedsTLS starts hosts that others could reach. No test connects but to loopback.
func TestADoorForOtherMachinesNeedsTLS(t *testing.T) {
	f := newAuthority(t).files(t)
	withTLS := fmt.Sprintf("tls: {cert_file: %s, key_file: %s}\n", f.cert, f.key)
	const proxy = "server: {host: 0.0.0.0, port: 0, behind_tls_proxy: true}\n"
	metrics := fmt.Sprintf("server: {port: 0}\nmetrics: {prometheus_host: 0.0.0.0, prometheus_port: %s}\n", freePort(t))
	for what, row := range map[string]struct{ yaml, key string }{
		"in the clear":                       {"server: {host: 0.0.0.0, port: 0}\n", "server.host"},
		"of IPv6, in the clear":              {"server: {host: '::', port: 0}\n", "server.host"},
		"without a token":                    {proxy + "auth: {mode: none}\n", "auth.mode"},
		"with TLS, without a token":          {"server: {host: 0.0.0.0, port: 0}\nauth: {mode: none}\n" + withTLS, "auth.mode"},
		"metrics, in the clear":              {metrics, "metrics.prometheus_host"},
		"of administrators, in the clear":    {"server: {port: 0}\nadmin: {listen: '0.0.0.0:8081'}\n", "admin.listen"},
		"with a key that is not there":       {strings.ReplaceAll("server: {port: 0}\n"+withTLS, f.key, f.key+".gone"), "gone"},
		"with half of TLS":                   {"server: {port: 0}\ntls: {cert_file: " + f.cert + "}\n", "tls.key_file"},
		"where clients have no authority":    {"server: {port: 0}\n" + withTLS[:len(withTLS)-2] + ", client_auth: require}\n", "tls.client_ca_file"},
		"where any address is a proxy of us": {"server: {port: 0, trusted_proxies: [0.0.0.0/0]}\n", "server.trusted_proxies"},
	} {
		if out := refusesToStart(t, row.yaml); !strings.Contains(out, row.key) {
			t.Errorf("a door %s: %s, want that it names %s", what, out, row.key)
		}
	}
	if err := os.Chmod(f.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := refusesToStart(t, "server: {port: 0}\n"+withTLS); !strings.Contains(out, f.key) {
		t.Errorf("a key that everybody can read: %s, want that it names the file", out)
	}
	h := configured(t, proxy)
	h.token = h.showToken()
	h.wantWays(t, "behind a proxy", h.token, 200)
	h.wantWays(t, "behind a proxy, without a token", "", 401)
}

// TestADoorOfIPv4IsNoneOfIPv6: who names all addresses of one family means that one.
func TestADoorOfIPv4IsNoneOfIPv6(t *testing.T) {
	h := configured(t, "server: {host: 0.0.0.0, port: 0, behind_tls_proxy: true}\n")
	_, port, err := net.SplitHostPort(h.address(t))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"127.0.0.1": true, "::1": false} {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(address, port))
		if err == nil {
			_ = c.Close()
		}
		if (err == nil) != want {
			t.Errorf("a connection to %s: %v, want one: %t", address, err, want)
		}
	}
}

func TestThePortOfMetricsHasTheSameLocks(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	for scheme, yaml := range map[string]string{
		"https": fmt.Sprintf("server: {port: 0}\ntls: {cert_file: %s, key_file: %s}\n", f.cert, f.key),
		"http":  "server: {port: 0, behind_tls_proxy: true}\n",
	} {
		port := freePort(t)
		h := configured(t, yaml+"metrics: {prometheus_host: 0.0.0.0, prometheus_port: "+port+"}\n")
		h.token, h.client = h.showToken(), a.client(t)
		h.url = scheme + "://127.0.0.1:" + port
		if r := h.send(t, "GET", "/metrics", ""); r.status != 200 || !strings.Contains(r.body, "go_goroutines") {
			t.Errorf("%s: GET /metrics = %d %.80s, want the numbers", scheme, r.status, r.body)
		}
		wantStatus(t, scheme+": without a token", h.as("").status(t, "GET", "/metrics", ""), 401)
		wantStatus(t, scheme+": another route", h.status(t, "GET", "/tools", ""), 404)
		wantStatus(t, scheme+": another Host", h.status(t, "GET", "/metrics", "", "Host", "evil.example"), 403)
		wantStatus(t, scheme+": another site", h.status(t, "GET", "/metrics", "", "Origin", "https://evil.example"), 403)
	}
}

// certificates are who may come in by what stands in a certificate.
const certificates = `
auth:
  certificates:
    - {name: scanner, subject: "cn:scanner-7"}
    - {name: web, subject: "dns:web.lab.internal", role: viewer}
    - {name: workload, subject: "uri:spiffe://lab/worker", role: admin}
    - {name: person, subject: "email:ops@lab.internal", role: admin, tools: [NoopTool]}
  tokens:
    - `

// mutual is a host that asks its clients for certificates.
func mutual(t *testing.T, how string) (*host, *authority) {
	t.Helper()
	a := newAuthority(t)
	f := a.files(t)
	return configured(t, fmt.Sprintf("server: {port: %s}\ntls: {cert_file: %s, key_file: %s, client_ca_file: %s, client_auth: %s}\n",
		freePort(t), f.cert, f.key, f.clients, how)+certificates+operatorToken("viewer")+"\n"), a
}

func TestClientsComeInByTheirCertificates(t *testing.T) {
	h, a := mutual(t, "optional")
	h = h.as("")
	for what, row := range map[string]struct {
		shown                        pair
		bearer, client               string
		tools, execute, other, admin int
	}{
		"by a common name":            {a.named(t, "scanner-7", "", "", ""), "", "scanner", 200, 200, 200, 403},
		"by a name of DNS":            {a.named(t, "x", "web.lab.internal", "", ""), "", "web", 200, 403, 403, 403},
		"by a URI":                    {a.named(t, "x", "", "spiffe://lab/worker", ""), "", "workload", 200, 200, 200, 200},
		"by an address":               {a.named(t, "x", "", "", "ops@lab.internal"), "", "person", 200, 200, 403, 200},
		"nobody's":                    {a.named(t, "scanner-8", "", "", ""), "", "", 401, 401, 401, 401},
		"of nobody's, by other kinds": {a.named(t, "web.lab.internal", "scanner-7", "", ""), "", "", 401, 401, 401, 401},
		"nobody's with a good token":  {a.named(t, "scanner-8", "", "", ""), operator, "operator", 200, 403, 403, 403},
		"an admin's beside a token":   {a.named(t, "x", "", "spiffe://lab/worker", ""), operator, "operator", 200, 403, 403, 403},
		"an admin's, a bad token":     {a.named(t, "x", "", "spiffe://lab/worker", ""), "bad", "", 401, 401, 401, 401},
	} {
		c := h.by(a.client(t, row.shown)).as(row.bearer)
		id := strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(what)
		wantStatus(t, what+": GET /tools", c.status(t, "GET", "/tools", ""), row.tools)
		wantStatus(t, what+": a call", c.status(t, "POST", execute, `{"correlation_id":"`+id+`"}`), row.execute)
		wantStatus(t, what+": a call of another tool", c.status(t, "POST", "/tools/TrueTool/execute", "{}"), row.other)
		wantStatus(t, what+": GET /config", c.status(t, "GET", "/config", ""), row.admin)
		lines := about(trail(t, stateOf(t, h)), id)
		for _, l := range lines {
			if l.Client != row.client {
				t.Errorf("%s: the trail names %q, want %q", what, l.Client, row.client)
			}
		}
		if row.tools == 200 && len(lines) == 0 {
			t.Errorf("%s: the trail has no line of the call", what)
		}
	}
	wantStatus(t, "without a certificate", h.by(a.client(t)).status(t, "GET", "/tools", ""), 401)
	wantStatus(t, "with a token alone", h.by(a.client(t)).as(operator).status(t, "GET", "/tools", ""), 200)
}

// TestWhoIsNotNamedAnyMoreGoes takes a certificate out of the configuration, while its connection is open.
func TestWhoIsNotNamedAnyMoreGoes(t *testing.T) {
	h, a := mutual(t, "optional")
	file := h.setting(t, "MCP_CONFIG_FILE")
	scanner := h.by(a.client(t, a.named(t, "scanner-7", "", "", ""))).as("")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stream := scanner.open(t, "GET", "/events", "")
	defer stream.Body.Close()
	wantStatus(t, "who is named yet", scanner.status(t, "POST", execute, "{}"), 200)
	replace(t, file, strings.Replace(string(before), "cn:scanner-7", "cn:scanner-8", 1))
	raw, err := io.ReadAll(stream.Body) // to its end
	if err != nil || !strings.Contains(string(raw), "not valid any more") {
		t.Errorf("the stream ended with %v: %s, want it to say why", err, raw)
	}
	wantStatus(t, "who was named", scanner.status(t, "POST", execute, "{}"), 401)
	next := h.by(a.client(t, a.named(t, "scanner-8", "", "", ""))).as("")
	wantStatus(t, "who is named", next.status(t, "POST", execute, "{}"), 200)
}

// stateOf is the state directory of a host.
func stateOf(t *testing.T, h *host) string {
	t.Helper()
	return filepath.Join(h.setting(t, "XDG_STATE_HOME"), "gatehouse")
}

func TestCertificatesOfOthersEndTheHandshake(t *testing.T) {
	for _, how := range []string{"optional", "require"} {
		h, a := mutual(t, how)
		h = h.as("")
		foreign := newAuthority(t).named(t, "scanner-7", "", "", "")
		if resp, err := h.by(a.client(t, foreign)).try(t, "GET", "/livez", ""); err == nil || !strings.Contains(err.Error(), "tls:") {
			t.Errorf("%s: a certificate of another authority = %v, %v; want no handshake", how, resp, err)
		}
		resp, err := h.by(a.client(t)).try(t, "GET", "/livez", "")
		if good := err == nil && resp.StatusCode == 200; good != (how == "optional") {
			t.Errorf("%s: no certificate = %v, %v; want it to be let in with optional alone", how, resp, err)
		}
		own := h.by(a.client(t, a.named(t, "scanner-7", "", "", "")))
		wantStatus(t, how+": a good one", own.status(t, "POST", execute, "{}"), 200)
	}
}

// TestCommandsFindAHostThatWantsCertificates: an operator on the same machine has the configuration, and what
// stands in it.
func TestCommandsFindAHostThatWantsCertificates(t *testing.T) {
	for _, how := range []string{"optional", "require"} {
		h, _ := mutual(t, how)
		h.cmd.Env = append(h.cmd.Env, "GATEHOUSE_TOKEN="+operator)
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), "health")
		cmd.Env = h.cmd.Env
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "checks") {
			t.Errorf("%s: health = %v: %s; want a report", how, err, out)
		}
	}
}
