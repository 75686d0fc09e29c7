package httpdoor

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What pages of allowed origins may send and read. Credentials of the browser (cookies, certificates) are not among
// it: such a page must have a token.
const (
	corsMethods = "GET, HEAD, POST, DELETE"
	corsHeaders = "Authorization, Content-Type, Accept, Last-Event-ID, Traceparent, " +
		"Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name"
	corsExposed = "X-Correlation-ID, Retry-After, WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, " +
		"Location, Link, X-Offset, X-Next-Offset, X-Total-Bytes, X-Complete"
	corsMaxAge = "600" // seconds
)

// sameOrigin refuses what a browser sends on behalf of a foreign page: an Origin that is neither the door's own nor
// one that the operator named, or fetch metadata that say so. Programs send neither.
//
// Source: https://fetch.spec.whatwg.org/#http-cors-protocol, https://www.w3.org/TR/fetch-metadata/
func (d *Door) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(d.cfg.Origins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		named := d.namedOrigin(r)
		switch {
		case named == "" && foreignOrigin(r):
			d.refuse(w, r, http.StatusForbidden, tool.Errorf(
				tool.KindForbidden, "requests of other sites are not served").
				Suggest("call from a program, or from a page of this origin; "+
					"the operator can allow origins with server.allowed_origins"))
			return
		case named != "":
			w.Header().Set("Access-Control-Allow-Origin", named)
			if preflight(r) {
				allowPreflight(w, r)
				return
			}
			w.Header().Set("Access-Control-Expose-Headers", corsExposed)
		}
		next.ServeHTTP(w, r)
	})
}

// namedOrigin is the origin of a request when the operator named it; empty otherwise.
func (d *Door) namedOrigin(r *http.Request) string {
	origins := r.Header.Values("Origin")
	if len(origins) != 1 || !slices.Contains(d.cfg.Origins, strings.ToLower(origins[0])) {
		return ""
	}
	return origins[0]
}

// preflight is the question of a browser whether a page may send what it wants to.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowPreflight answers it. It tells nothing of the routes: a page that may not know them asks here too.
func allowPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
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
	return len(origins) > 1 || !strings.EqualFold(origins[0], baseOf(r)) // as a browser writes it: no path, no user
}
