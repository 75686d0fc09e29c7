package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxSocketPath is the most bytes of a Unix socket's path; the kernel takes 107.
const maxSocketPath = 100

// Proxies are the networks of server.trusted_proxies.
func (c Config) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range c.Server.TrustedProxies {
		if p, err := proxy(text); err == nil { // validated
			all = append(all, p)
		}
	}
	return all
}

// Network says where the administrative routes listen, as [net.Listen] takes it; ok is false when they are
// with the others.
func (a Admin) Network() (network, address string, ok bool) {
	if a.Listen == "" {
		return "", "", false
	}
	if path, unix := strings.CutPrefix(a.Listen, "unix:"); unix {
		return "unix", path, true
	}
	return "tcp", a.Listen, true
}

// checkDoors looks at each door for itself, and at ports that two of them want.
func (l *loader) checkDoors(c Config) {
	for i, text := range c.Server.TrustedProxies {
		if _, err := proxy(text); err != nil {
			l.problem(fmt.Sprintf("server.trusted_proxies[%d]", i), "%v", err)
		}
	}
	for i, text := range c.Server.AllowedHosts {
		if !isHost(text) {
			l.problem(fmt.Sprintf("server.allowed_hosts[%d]", i), "%s is no host; allowed: a name or an IP address, "+
				"without port, brackets and *, such as gatehouse.lab.internal", quote(text))
		}
	}
	for i, text := range c.Server.AllowedOrigins {
		if err := checkOrigin(text); err != nil {
			l.problem(fmt.Sprintf("server.allowed_origins[%d]", i), "%v", err)
		}
	}
	if err := checkAdmin(c.Admin); err != nil {
		l.problem("admin.listen", "%v", err)
	}
	l.checkPorts(c)
}

// checkPorts finds a port that two doors want.
func (l *loader) checkPorts(c Config) {
	if p := c.Metrics.PrometheusPort; p != 0 && p == c.Server.Port {
		l.problem(l.spoken("metrics.prometheus_port", "server.port"),
			"metrics.prometheus_port and server.port are both %d; choose another for one of them", p)
	}
	host, port, err := hostPort(c.Admin.Listen)
	if err != nil {
		return
	}
	for _, other := range []struct {
		key, host string
		port      int
		open      bool
	}{
		{"server.port", c.Server.Host, c.Server.Port, c.Server.Transport == "http"},
		{"metrics.prometheus_port", c.Metrics.PrometheusHost, c.Metrics.PrometheusPort, c.Metrics.Enabled},
	} {
		if other.open && other.port == port && sameHost(other.host, host) {
			l.problem("admin.listen", "%s has the port of %s; choose another for one of them", quote(c.Admin.Listen),
				other.key)
		}
	}
}

// The shortest networks of proxies. In two halves of all addresses, too, everybody could forge theirs.
const (
	leastProxy4 = 8
	leastProxy6 = 16
)

// proxy reads an address, or a network that is not too large.
func proxy(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is neither an IP address nor a network, such as 10.0.0.7 or "+
			"fd00:7::/64", quote(text))
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length; write %v, or the address alone",
			quote(text), p.Masked())
	case p.Bits() < leastProxy6 && (p.Addr().Is6() || p.Bits() < leastProxy4):
		return netip.Prefix{}, fmt.Errorf("%s trusts too many; name the addresses of the proxies, or a network of "+
			"/%d or longer (IPv4), /%d or longer (IPv6)", quote(text), leastProxy4, leastProxy6)
	}
	return p, nil
}

// hostRE is of the names of hosts; underscores are not in the RFCs and yet in the names of containers.
var hostRE = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?` +
	`(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

func isHost(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Zone() == "" || len(text) <= 253 && hostRE.MatchString(text)
}

// checkOrigin takes what a browser would send, byte for byte: that is what will be compared.
func checkOrigin(text string) error {
	want, err := originOf(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no origin: %w; allowed: http:// or https://, a host, and a port when it is not "+
			"the usual one, such as https://console.lab.internal:8443", quote(text), err)
	case want != text:
		return fmt.Errorf("%s is not how browsers write it; write %s", quote(text), want)
	}
	return nil
}

// originOf reads an origin, and gives it back as a browser writes it.
func originOf(text string) (string, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	usual := map[string]string{"http": "80", "https": "443"}[scheme]
	switch {
	case strings.Contains(text, "*"):
		return "", errors.New("a * stands for no origin; name each")
	case usual == "":
		return "", errors.New("it does not begin with http:// or https://")
	case strings.ContainsAny(rest, "/?#@"):
		return "", errors.New("something stands beside host and port")
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if _, ok := portNumber(port); !ok {
			return "", fmt.Errorf("%s is no port", quote(port))
		}
	}
	host, ok := originHost(host)
	if !ok {
		return "", errors.New("it has no host")
	}
	if port != "" && port != usual {
		host += ":" + port
	}
	return scheme + "://" + host, nil
}

// originHost is the host of an origin: a name in small letters, or an address, that of IPv6 in brackets.
func originHost(host string) (string, bool) {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened && !closed {
		return strings.ToLower(host), isHost(host) && !strings.Contains(host, ":")
	}
	addr, err := netip.ParseAddr(inner)
	good := opened && closed && err == nil && addr.Is6() && !addr.Is4In6() && addr.Zone() == ""
	return "[" + addr.String() + "]", good
}

// checkAdmin says what is wrong with a place for the administrative routes.
func checkAdmin(a Admin) error {
	network, address, ok := a.Network()
	switch {
	case !ok:
		return nil
	case network == "tcp":
		_, _, err := hostPort(address)
		return err
	case !filepath.IsAbs(address) || filepath.Clean(address) != address || address == "/" ||
		strings.ContainsRune(address, 0):
		return fmt.Errorf("%s is no absolute path; allowed: unix:/run/gatehouse/admin.sock, or an address and a "+
			"port", quote(address))
	case len(address) > maxSocketPath:
		return fmt.Errorf("the path has %d bytes; a socket's may have %d", len(address), maxSocketPath)
	}
	return nil
}

// hostPort takes an address and a port apart. Names are not looked up, since what they mean can change.
func hostPort(text string) (host string, port int, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, fmt.Errorf("%s has no port; allowed: unix:/absolute/path, or an address and a port, such as "+
			"127.0.0.1:8081", quote(text))
	}
	host = text[:i]
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case strings.Contains(host, ":") != bracketed:
		return "", 0, fmt.Errorf("%s: an address of IPv6, and no other, stands in brackets, such as [::1]:8081",
			quote(text))
	case host != "localhost" && (err != nil || addr.Zone() != ""):
		return "", 0, fmt.Errorf("%s is neither an IP address nor localhost; write such as 127.0.0.1:8081",
			quote(host))
	}
	port, ok := portNumber(text[i+1:])
	if !ok {
		return "", 0, fmt.Errorf("%s is no port; allowed: 1 to 65535", quote(text[i+1:]))
	}
	return host, port, nil
}

// portNumber reads a port as everybody writes it: without sign and leading zeros.
func portNumber(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == text
}

// sameHost reports whether two listeners would be on one address.
func sameHost(a, b string) bool {
	a, b = listenAddress(a), listenAddress(b)
	return a == b || a == "" || b == ""
}

// listenAddress is an address in one form; empty: all of the machine's.
func listenAddress(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "localhost":
		return "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		return ""
	case err == nil:
		return addr.Unmap().String()
	}
	return host
}
