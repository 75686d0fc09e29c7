package config

import "net/netip"

// exposure is a door that other machines can reach.
type exposure struct{ key, address string }

// Exposed is the first door that other machines can reach, by its key, and the address that it listens on;
// both are empty when there is none.
func (c Config) Exposed() (key, address string) {
	if all := c.exposed(); len(all) > 0 {
		return all[0].key, all[0].address
	}
	return "", ""
}

// exposed are all such doors that are open. What is no address and not localhost counts as one.
func (c Config) exposed() []exposure {
	var all []exposure
	add := func(open bool, key, host, address string) {
		if open && !isLoopback(host) {
			all = append(all, exposure{key, address})
		}
	}
	add(c.Server.Transport == "http", "server.host", c.Server.Host, c.Server.Host)
	add(c.Metrics.Enabled && c.Metrics.PrometheusPort != 0, "metrics.prometheus_host", c.Metrics.PrometheusHost,
		c.Metrics.PrometheusHost)
	if network, address, _ := c.Admin.Network(); network == "tcp" {
		host, _, err := hostPort(address)
		add(err == nil, "admin.listen", host, address) // one that cannot be read is a problem of its own
	}
	return all
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkExposure wants TLS, or the word that somebody else does it, and credentials at each door that other
// machines can reach.
func (l *loader) checkExposure(c Config) {
	for _, door := range c.exposed() {
		if !c.TLS.On() && !c.Server.BehindTLSProxy {
			l.problem(door.key, "%s can be reached from other machines, and nothing there is encrypted; set "+
				"tls.cert_file and tls.key_file, or say server.behind_tls_proxy: true when a proxy in front ends TLS, "+
				"or listen on 127.0.0.1", quote(door.address))
		}
		if c.Auth.Mode == AuthNone {
			l.problem("auth.mode", "none is possible on loopback only, and %s is %s; let auth.mode be token, or "+
				"listen on 127.0.0.1", door.key, quote(door.address))
		}
	}
	if key := c.proxied(); c.Auth.Mode == AuthNone && key != "" {
		l.problem("auth.mode", "none is possible on loopback only, and %s says that a proxy lets others in; let "+
			"auth.mode be token, or take the proxy away", key)
	}
}

// proxied is the key by which somebody says that a proxy brings clients to the host; empty: there is none.
func (c Config) proxied() string {
	switch {
	case c.Server.Transport != "http":
		return ""
	case c.Server.BehindTLSProxy:
		return "server.behind_tls_proxy"
	case len(c.Server.TrustedProxies) > 0:
		return "server.trusted_proxies"
	}
	return ""
}

func (l *loader) checkTLS(c Config) {
	t := c.TLS
	l.absolute("tls.cert_file", t.CertFile)
	l.absolute("tls.key_file", t.KeyFile)
	l.absolute("tls.client_ca_file", t.ClientCAFile)
	asked := t.ClientAuth != ClientAuthOff
	switch {
	case t.CertFile == "" && t.KeyFile != "":
		l.problem("tls.key_file", "is given without tls.cert_file; set both, or none")
	case t.CertFile != "" && t.KeyFile == "":
		l.problem("tls.cert_file", "is given without tls.key_file; set both, or none")
	case !t.On() && asked:
		l.problem("tls.client_auth", "%s needs TLS; set tls.cert_file and tls.key_file, or let it be off",
			t.ClientAuth)
	}
	switch {
	case asked && t.ClientCAFile == "":
		l.problem("tls.client_ca_file", "is not set, and tls.client_auth is %s; name the authorities that sign "+
			"clients' certificates", t.ClientAuth)
	case !asked && t.ClientCAFile != "":
		l.problem("tls.client_ca_file", "has no effect, because tls.client_auth is off; let that be optional or "+
			"require, or leave this out")
	}
	if !asked && len(c.Auth.Certificates) > 0 {
		l.problem("auth.certificates", "nobody shows one, because tls.client_auth is off; let that be optional or "+
			"require, or leave this out")
	}
}
