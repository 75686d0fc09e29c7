package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

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
	const yaml = "server: {port: %s}\ntls: {cert_file: %s, key_file: %s, client_ca_file: %s, client_auth: %s}\n"
	return configured(t, fmt.Sprintf(yaml,
		freePort(t), f.cert, f.key, f.clients, how)+certificates+operatorToken("viewer")+"\n"), a
}

func TestClientsComeInByTheirCertificates(t *testing.T) {
	h, a := mutual(t, "optional")
	h = h.as("")
	cn := func(name string) pair { return a.named(t, name, "", "", "") }
	worker := a.named(t, "x", "", "spiffe://lab/worker", "")
	dns, email := a.named(t, "x", "web.lab.internal", "", ""), a.named(t, "x", "", "", "ops@lab.internal")
	swapped := a.named(t, "web.lab.internal", "scanner-7", "", "")
	for what, row := range map[string]struct {
		shown                        pair
		bearer, client               string
		tools, execute, other, admin int
	}{
		"by a common name":            {cn("scanner-7"), "", "scanner", 200, 200, 200, 403},
		"by a name of DNS":            {dns, "", "web", 200, 403, 403, 403},
		"by a URI":                    {worker, "", "workload", 200, 200, 200, 200},
		"by an address":               {email, "", "person", 200, 200, 403, 200},
		"nobody's":                    {cn("scanner-8"), "", "", 401, 401, 401, 401},
		"nobody's, with other cases":  {cn("Scanner-7"), "", "", 401, 401, 401, 401},
		"of nobody's, by other kinds": {swapped, "", "", 401, 401, 401, 401},
		"nobody's with a good token":  {cn("scanner-8"), operator, "operator", 200, 403, 403, 403},
		"an admin's beside a token":   {worker, operator, "operator", 200, 403, 403, 403},
		"an admin's, a bad token":     {worker, "bad", "", 401, 401, 401, 401},
	} {
		c := h.by(a.client(t, row.shown)).as(row.bearer)
		id := strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(what)
		wantStatus(t, what+": GET /tools", c.status(t, "GET", "/tools", ""), row.tools)
		wantStatus(t, what+": a call", c.status(t, "POST", execute, `{"correlation_id":"`+id+`"}`), row.execute)
		wantStatus(t, what+": a call of another tool", c.status(t, "POST", "/tools/TrueTool/execute", "{}"),
			row.other)
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
	defer impatient(stream)()
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

func TestCertificatesOfOthersEndTheHandshake(t *testing.T) {
	for _, how := range []string{"optional", "require"} {
		h, a := mutual(t, how)
		h = h.as("")
		foreign := newAuthority(t).named(t, "scanner-7", "", "", "")
		if resp, err := h.by(a.client(t, foreign)).try(t, "GET", "/livez", ""); err == nil ||
			!strings.Contains(err.Error(), "tls:") {
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
		h, a := mutual(t, how)
		shown := a.named(t, "scanner-7", "", "", "")
		cert, key := filepath.Join(t.TempDir(), "client.crt"), filepath.Join(t.TempDir(), "client.key")
		writeSecret(t, cert, shown.cert)
		writeSecret(t, key, shown.key)
		for _, row := range []struct {
			args []string
			want string
			ok   bool
		}{
			{[]string{"plugins", "list", "--cert-file", cert, "--key-file", key}, "NoopTool", true},
			{[]string{"health", "--cert-file", cert, "--key-file", key}, "checks", true},
			{[]string{"health", "--cert-file", cert}, "belong together", false},
			{[]string{"health"}, map[string]string{"optional": "checks", "require": "--cert-file"}[how], how == "optional"},
		} {
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), row.args...)
			cmd.Env = h.cmd.Env
			if out, err := cmd.CombinedOutput(); (err == nil) != row.ok || !strings.Contains(string(out), row.want) {
				t.Errorf("%s: %v = %v: %s; want %q", how, row.args, err, out, row.want)
			}
		}
	}
}

func writeSecret(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
