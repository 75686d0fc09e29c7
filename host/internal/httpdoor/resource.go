package httpdoor

import (
	"net/http"
)

// metadataPath is where clients look for who gives tokens for what is at a path that follows.
const metadataPath = "/.well-known/oauth-protected-resource"

// resourceView tells OAuth clients which issuer's tokens are taken here.
//
// Source: RFC 9728 section 2
type resourceView struct {
	Resource string   `json:"resource" jsonschema:"the address that tokens are for"`
	Servers  []string `json:"authorization_servers" jsonschema:"issuers whose tokens are taken"`
	Methods  []string `json:"bearer_methods_supported" jsonschema:"how a token is sent: header"`
	Name     string   `json:"resource_name" jsonschema:"gatehouse"`
}

// resource answers for one path below the door.
func (d *Door) resource(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, resourceView{
			Resource: baseOf(r) + path, Servers: []string{d.cfg.Issuer}, Methods: []string{"header"}, Name: "gatehouse",
		})
	}
}

// baseOf is the address of the door as the client sees it. The host was checked before.
func baseOf(r *http.Request) string {
	v := visitOf(r)
	if v.https {
		return "https://" + v.host
	}
	return "http://" + v.host
}

// resourceRows are there when an issuer's tokens are taken.
func (d *Door) resourceRows() []route {
	row := func(path, id, about string) route {
		return route{
			path: metadataPath + path, method: http.MethodGet, role: everybody, handler: d.resource(path),
			off: d.cfg.Issuer == "", id: id, tag: "health", summary: "Which issuer's tokens are taken " + about,
			text:    "OAuth 2.0 Protected Resource Metadata (RFC 9728).",
			answers: []outcome{{status: 200, text: "The metadata.", schema: "ProtectedResource"}},
		}
	}
	return []route{row("", "getProtectedResource", "here"), row(mcpPath, "getProtectedMCP", "at /mcp")}
}
