package httpdoor

import (
	"context"
	"net/netip"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// behindProxies makes a door believe what 10.1.0.0/16 says.
func behindProxies(c *Config) {
	trusted := netip.MustParsePrefix("10.1.0.0/16")
	c.Proxy = trusted.Contains
}

func TestOnlyTrustedProxiesSayWhoTheClientIs(t *testing.T) {
	for _, row := range []struct {
		says, peer string
		forwarded  []string
		want       string
	}{
		{"nobody in between", "10.9.0.1", nil, "10.9.0.1"},
		{"a stranger who says so", "10.9.0.1", []string{"10.9.9.9"}, "10.9.0.1"},
		{"a proxy", "10.1.0.1", []string{"10.9.9.9"}, "10.9.9.9"},
		{"a proxy that says nothing", "10.1.0.1", nil, "10.1.0.1"},
		{"two proxies", "10.1.0.1", []string{"10.9.9.9, 10.1.0.2"}, "10.9.9.9"},
		{"a client that wrote the beginning itself", "10.1.0.1", []string{"127.0.0.1, 10.9.9.9"}, "10.9.9.9"},
		{"one that wrote a header of its own", "10.1.0.1", []string{"127.0.0.1", "10.9.9.9"}, "10.9.9.9"},
		{"proxies alone", "10.1.0.1", []string{"10.1.0.3, 10.1.0.2"}, "10.1.0.3"},
		{"no address", "10.1.0.1", []string{"unknown"}, "10.1.0.1"},
		{"an address with a port", "10.1.0.1", []string{"10.9.9.9:80"}, "10.1.0.1"},
		{"no address behind one", "10.1.0.1", []string{"10.9.9.9, what"}, "10.1.0.1"},
		{"IPv6", "10.1.0.1", []string{"fd00::1"}, "fd00::1"},
		{"IPv6 with a zone", "10.1.0.1", []string{"fe80::1%eth0"}, "10.1.0.1"},
		{"IPv4 within IPv6", "10.1.0.1", []string{"::ffff:10.9.9.9"}, "10.9.9.9"},
	} {
		got := ""
		d := newDoor(t, behindProxies, calling(func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			got = origin.From(ctx).Remote
			return tool.Result{}, nil
		}))
		r := request("POST", "/tools/ATool/execute", "{}")
		r.RemoteAddr = row.peer + ":1234"
		r.Header["X-Forwarded-For"] = row.forwarded
		if serve(d, r); got != row.want {
			t.Errorf("%s: from %s with %q: the client = %q, want %q", row.says, row.peer, row.forwarded, got, row.want)
		}
	}
}

// A page of the address that the browser shows is the door's own, whatever the proxy makes of it.
func TestTheOriginBehindAProxyIsTheBrowsers(t *testing.T) {
	for _, row := range []struct {
		says, peer, host, proto, origin string
		behindTLS, allowed              bool
	}{
		{"its own page", "10.1.0.1", "gate.lab.example", "https", "https://gate.lab.example", false, true},
		{"its own page, of a proxy that says nothing of TLS", "10.1.0.1", "gate.lab.example", "",
			"https://gate.lab.example", true, true},
		{"an open page of the same name", "10.1.0.1", "gate.lab.example", "https", "http://gate.lab.example", false, false},
		{"a stranger who plays the proxy", "10.9.0.1", "gate.lab.example", "https", "https://gate.lab.example", true, false},
		{"a name that is not served", "10.1.0.1", "evil.example", "https", "https://evil.example", true, false},
	} {
		d := newDoor(t, behindProxies, func(c *Config) {
			c.Hosts, c.BehindTLSProxy = HostsOf("10.1.2.3", "Gate.lab.example"), row.behindTLS
		})
		r := request("GET", "/livez", "", "Origin", row.origin, "X-Forwarded-Host", row.host)
		r.Host, r.RemoteAddr = "10.1.2.3", row.peer+":1234"
		if row.proto != "" {
			r.Header.Set("X-Forwarded-Proto", row.proto)
		}
		if w := serve(d, r); (w.Code == 200) != row.allowed {
			t.Errorf("%s = %d %s, want allowed: %t", row.says, w.Code, w.Body, row.allowed)
		}
	}
}
