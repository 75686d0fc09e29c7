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

// visit asks for something, and tells which certificate the host has, and whether the connection was there
// before.
func visit(t *testing.T, h *host) (serial string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET",
		h.url+"/tools", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
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
	defer impatient(resp)()
	next := a.server(t)
	f.put(t, next)
	if serial, _ := visit(t, h.by(a.client(t))); serial != next.serial {
		t.Errorf("a new connection has the certificate %s, want %s", serial, next.serial)
	}
	if serial, reused := visit(t, h); serial != first || !reused {
		t.Errorf("an open connection: certificate %s, there before %t; want that it goes on with %s", serial,
			reused, first)
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
	const (
		own   = "server: {port: 0}\n"
		open  = "server: {host: 0.0.0.0, port: 0}\n"
		proxy = "server: {host: 0.0.0.0, port: 0, behind_tls_proxy: true}\n"
		none  = "auth: {mode: none}\n"
		all   = "server: {port: 0, trusted_proxies: [0.0.0.0/0]}\n"
	)
	metrics := own + "metrics: {prometheus_host: 0.0.0.0, prometheus_port: " + freePort(t) + "}\n"
	noClients := strings.Replace(withTLS, "}", ", client_auth: require}", 1)
	for what, row := range map[string]struct{ yaml, key string }{
		"in the clear":                    {open, "server.host"},
		"of IPv6, in the clear":           {"server: {host: '::', port: 0}\n", "server.host"},
		"without a token":                 {proxy + none, "auth.mode"},
		"with TLS, without a token":       {open + none + withTLS, "auth.mode"},
		"metrics, in the clear":           {metrics, "metrics.prometheus_host"},
		"of administrators, in the clear": {own + "admin: {listen: '0.0.0.0:8081'}\n", "admin.listen"},
		"with a key that is not there":    {own + strings.ReplaceAll(withTLS, f.key, f.key+".gone"), "gone"},
		"with half of TLS":                {own + "tls: {cert_file: " + f.cert + "}\n", "tls.key_file"},
		"where clients have no authority": {own + noClients, "tls.client_ca_file"},
		"where anybody is a proxy of us":  {all, "server.trusted_proxies"},
	} {
		if out := refusesToStart(t, row.yaml); !strings.Contains(out, row.key) {
			t.Errorf("a door %s: %s, want that it names %s", what, out, row.key)
		}
	}
	if err := os.Chmod(f.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := refusesToStart(t, own+withTLS); !strings.Contains(out, f.key) {
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
		wantStatus(t, scheme+": another site", h.status(t, "GET", "/metrics", "", "Origin",
			"https://evil.example"), 403)
	}
}
