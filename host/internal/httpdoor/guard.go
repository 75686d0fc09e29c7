package httpdoor

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Hosts is what may stand in the Host header: the names under which the door can be reached. It keeps a page
// that rebinds its own name to this machine from talking to it.
type Hosts struct {
	Names      []string // lower case, without a port
	AnyAddress bool     // any IP address as well: the door is bound to all interfaces
}

// HostsOf derives the list from the address that the door listens on.
func HostsOf(bind string) Hosts {
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
		names := []string{"localhost", "127.0.0.1", "::1", addr.String()}
		slices.Sort(names)
		return Hosts{Names: slices.Compact(names)}
	default:
		return Hosts{Names: []string{addr.String()}}
	}
}

func (h Hosts) allow(header string) bool {
	host := strings.ToLower(withoutPort(header))
	if literal, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(literal, "]")
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return false
		}
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
		if !d.cfg.Hosts.allow(r.Host) {
			d.refuse(w, r, http.StatusForbidden, tool.Errorf(
				tool.KindForbidden, "the Host %q is not served here", r.Host).
				Suggest("use the address that the host listens on: %s", strings.Join(d.cfg.Hosts.Names, ", ")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what a browser sends on behalf of a foreign page: an Origin that is not the door's own,
// or fetch metadata that say so. Programs send neither.
func (d *Door) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreignOrigin(r) {
			d.refuse(w, r, http.StatusForbidden, tool.Errorf(
				tool.KindForbidden, "requests of other sites are not served").
				Suggest("call from a program, or from a page of this origin"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func foreignOrigin(r *http.Request) bool {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return len(origins) > 1 || err != nil || u.Scheme != scheme || u.Host == "" || u.Host != r.Host
}

// authenticate lets only known clients in, before anything of the body is read.
func (d *Door) authenticate(next http.Handler) http.Handler {
	return d.identify(func(w http.ResponseWriter, r *http.Request) {
		if origin.From(r.Context()).Client == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
			d.refuse(w, r, http.StatusUnauthorized, tool.Errorf(
				tool.KindUnauthenticated, "a valid bearer token is required").
				Suggest("send the header Authorization: Bearer TOKEN; gatehouse token show prints the generated one"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// identify says in the context who calls: the name of the token, or where none is asked for, the address. A
// request with a bad credential or none goes on as nobody.
func (d *Door) identify(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := d.client(r)
		if client == "" {
			w.Header().Set("Connection", "close") // strangers keep no connection from those who may call
		}
		next(w, r.WithContext(origin.With(r.Context(), origin.Origin{
			Client: client, Door: origin.REST, Remote: remote(r), Trace: trace(r),
		})))
	})
}

// remote is the address of the peer.
func remote(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return addr.Addr().Unmap().String()
}

// trace is where the request stands in the caller's trace; of several such headers none is believed.
func trace(r *http.Request) origin.Trace {
	headers := r.Header.Values("Traceparent")
	if len(headers) != 1 {
		return origin.Trace{}
	}
	return origin.ParseTraceparent(headers[0])
}

func (d *Door) client(r *http.Request) string {
	if d.cfg.Tokens == nil {
		return remote(r)
	}
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	client, _ := d.cfg.Tokens.Authenticate(token)
	return client
}
