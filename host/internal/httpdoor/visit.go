package httpdoor

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

// visit is what the door knows of a request before anybody looks at it: where it really comes from, what the
// client typed, and which route it found. Each request has one.
type visit struct {
	endpoint string // the route as a template; otherEndpoint until one is found
	remote   string // IP address of the client
	host     string // as in the header Host
	https    bool   // whether the client speaks TLS, to us or to a proxy of ours
	listens  bool   // it is answered by a stream that stays open
}

type visitKey struct{}

// visitOf is the visit of a request; of one that did not come through the door, what can be seen.
func visitOf(r *http.Request) *visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{endpoint: otherEndpoint, remote: addressOf(r.RemoteAddr), host: r.Host, https: r.TLS != nil}
}

func withVisit(r *http.Request, v *visit) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

// arrive begins a visit. What a proxy says of the client is believed when the proxy is one of those that the
// operator trusts; from everybody else such headers count for nothing.
func (d *Door) arrive(r *http.Request) *visit {
	v := &visit{
		endpoint: otherEndpoint, remote: addressOf(r.RemoteAddr), host: r.Host,
		https: r.TLS != nil || d.cfg.BehindTLSProxy,
	}
	if !d.proxy(v.remote) {
		return v
	}
	v.remote = d.client(v.remote, r.Header.Values("X-Forwarded-For"))
	if hosts := r.Header.Values("X-Forwarded-Host"); len(hosts) == 1 && hosts[0] != "" {
		v.host = hosts[0]
	}
	if protos := r.Header.Values("X-Forwarded-Proto"); len(protos) == 1 {
		v.https = strings.EqualFold(protos[0], "https")
	}
	return v
}

// proxy reports whether an address is that of a trusted proxy.
func (d *Door) proxy(address string) bool {
	if d.cfg.Proxy == nil {
		return false
	}
	addr, err := netip.ParseAddr(address)
	return err == nil && d.cfg.Proxy(addr)
}

// maxForwarded is how many addresses of X-Forwarded-For are looked at.
const maxForwarded = 16

// client finds the client in X-Forwarded-For: each proxy appends who spoke to it, so that the list is true from its
// end on, up to the first address that is no proxy of ours. What stands before it anybody can have written.
func (d *Door) client(peer string, headers []string) string {
	list := strings.Split(strings.Join(headers, ","), ",")
	for i := len(list) - 1; i >= max(len(list)-maxForwarded, 0); i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil || addr.Zone() != "" {
			break // what stands there was written by a proxy of ours, and is not understood
		}
		peer = addr.Unmap().String()
		if !d.proxy(peer) {
			break
		}
	}
	return peer
}

// addressOf is the IP address of a peer; "local" that of a Unix socket.
func addressOf(remote string) string {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return localAddress
	}
	return addr.Addr().Unmap().String()
}

const localAddress = "local"

// trace is where the request stands in the caller's trace; of several such headers none is believed.
func trace(r *http.Request) origin.Trace {
	headers := r.Header.Values("Traceparent")
	if len(headers) != 1 {
		return origin.Trace{}
	}
	return origin.ParseTraceparent(headers[0])
}
