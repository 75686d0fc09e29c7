package httpdoor

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Hosts is what may stand in the Host header: the names under which the door can be reached. It keeps a page
// that rebinds its own name to this machine from talking to it.
type Hosts struct {
	Names      []string // lower case, without a port
	AnyAddress bool     // any IP address as well: the door is bound to all interfaces
}

// HostsOf derives the list from the address that the door listens on, and adds what the operator names.
func HostsOf(bind string, more ...string) Hosts {
	h := hostsOf(bind)
	for _, name := range more {
		name = strings.ToLower(strings.Trim(name, "[]"))
		if addr, err := netip.ParseAddr(name); err == nil {
			name = addr.String() // as browsers write it
		}
		h.Names = append(h.Names, name)
	}
	slices.Sort(h.Names)
	h.Names = slices.Compact(h.Names)
	return h
}

func hostsOf(bind string) Hosts {
	switch strings.ToLower(bind) {
	case "localhost":
		bind = "127.0.0.1"
	case "": // as net.Listen has it
		bind = "0.0.0.0"
	}
	addr, err := netip.ParseAddr(bind)
	switch {
	case err != nil:
		return Hosts{Names: []string{strings.ToLower(bind)}}
	case addr.IsUnspecified():
		return Hosts{Names: []string{"localhost"}, AnyAddress: true}
	case addr.IsLoopback():
		return Hosts{Names: []string{"localhost", "127.0.0.1", "::1", addr.String()}}
	default:
		return Hosts{Names: []string{addr.String()}}
	}
}

func (h Hosts) allow(header string) bool {
	host := strings.ToLower(withoutPort(header))
	if literal, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(literal, "]"); !ok {
			return false
		}
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return false
		}
	} else if strings.Contains(host, ":") { // an IPv6 address stands in brackets
		return false
	}
	if slices.Contains(h.Names, host) {
		return host != ""
	}
	_, err := netip.ParseAddr(host)
	return h.AnyAddress && err == nil
}

// withoutPort takes a port of digits away; anything else behind a colon stays, and is no name that is known.
func withoutPort(header string) string {
	colon := strings.LastIndexByte(header, ':')
	if colon < 0 || strings.Trim(header[colon+1:], "0123456789") != "" {
		return header
	}
	if host := header[:colon]; !strings.Contains(host, ":") || strings.HasSuffix(host, "]") {
		return host
	}
	return header // an IPv6 address without brackets
}

func (d *Door) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := visitOf(r).host; !d.cfg.Hosts.allow(host) {
			d.refuse(w, r, http.StatusForbidden, tool.Errorf(
				tool.KindForbidden, "the Host %q is not served here", clip(host)).
				Suggest("use the address that the host listens on: %s; other names can be allowed with server.allowed_hosts",
					strings.Join(d.cfg.Hosts.Names, ", ")))
			return
		}
		next.ServeHTTP(w, r)
	})
}
