package httpdoor

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAHandshakeThatFailsIsARefusal(t *testing.T) {
	for _, row := range []struct {
		says   string
		remote string // empty: nobody is told
	}{
		{"http: TLS handshake error from 10.0.0.9:41234: tls: client didn't provide a certificate\n", "10.0.0.9"},
		{"http: TLS handshake error from [fd00::1]:1: tls: failed to verify certificate: x509: unknown authority\n", "fd00::1"},
		{"http: TLS handshake error from 10.0.0.9:41234: remote error: tls: bad certificate\n", "10.0.0.9"},
		{"http: TLS handshake error from 10.0.0.9:41234: EOF\n", ""},
		{"http: TLS handshake error from 10.0.0.9:41234: read tcp 10.0.0.1:8443->10.0.0.9:41234: i/o timeout\n", ""},
		{"http: Accept error: too many open files; retrying in 5ms\n", ""},
		{"http: TLS handshake error from nowhere: tls: what\n", ""},
	} {
		var told []Refusal
		d := newDoor(t, func(c *Config) { c.Refused = func(r Refusal) { told = append(told, r) } })
		d.serverLog().Print(row.says)
		switch {
		case row.remote == "" && len(told) > 0:
			t.Errorf("%q: told of %+v, want of nothing", row.says, told)
		case row.remote != "" && (len(told) != 1 || told[0].Origin.Remote != row.remote || told[0].Method != "TLS" ||
			told[0].Err.Kind != tool.KindUnauthenticated):
			t.Errorf("%q: told of %+v, want of a refusal of %s", row.says, told, row.remote)
		}
	}
}
