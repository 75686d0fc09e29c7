package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

func TestClientsFindTheIssuer(t *testing.T) {
	i := startIssuer(t, "127.0.0.1:0")
	h := trusting(t, i.url)
	h.token = ""
	for path, resource := range map[string]string{"": h.url, "/mcp": h.url + "/mcp"} {
		metadata := h.url + "/.well-known/oauth-protected-resource" + path
		doc, err := oauthex.GetProtectedResourceMetadata(t.Context(), metadata, resource, http.DefaultClient)
		if err != nil || len(doc.AuthorizationServers) != 1 || doc.AuthorizationServers[0] != i.url {
			t.Errorf("GET %s = %+v, %v; want the issuer, for %s", metadata, doc, err, resource)
		}
	}
	for path, method := range map[string]string{"/mcp": "POST", "/tools": "GET", "/events": "GET"} {
		r := h.send(t, method, path, "")
		all, err := oauthex.ParseWWWAuthenticate(r.header.Values("WWW-Authenticate"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: WWW-Authenticate %q: %v", path, r.header.Values("WWW-Authenticate"), err)
		}
		if got, want := all[0].Params["resource_metadata"],
			h.url+"/.well-known/oauth-protected-resource/mcp"; got != want {
			t.Errorf("%s: resource_metadata is %s, want %s", path, got, want)
		}
	}
	wantStatus(t, "the metadata for another Host",
		h.status(t, "GET", "/.well-known/oauth-protected-resource", "", "Host", "evil.example"), 403)
	none := serve(t, "lab")
	wantStatus(t, "the metadata of a host without an issuer",
		none.as(none.token).status(t, "GET", "/.well-known/oauth-protected-resource", ""), 404)
}

func TestTheOfficialClientComesInWithATokenOfTheIssuer(t *testing.T) {
	i := startIssuer(t, "127.0.0.1:0")
	h := trusting(t, i.url)
	s := h.as(i.sign(roles("lab-caller"))).mcp(t)
	if got := listed(t, s); len(got) < len(hostTools)+6 {
		t.Errorf("tools/list = %v, want all", got)
	}
	if _, kind := mcpDoor(s)(t, "NoopTool", "{}"); kind != "" {
		t.Errorf("a call = %q", kind)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	if _, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: h.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{i.sign(claims{"aud": "elsewhere"})}},
	}, nil); err == nil {
		t.Error("a token for others lets the client in")
	}
}

// TestTheOfficialClientFindsItsOwnWayIn knows nothing but the address of /mcp: the client is sent away, reads
// where tokens come from, gets one for what the host says that it is, and is let in.
func TestTheOfficialClientFindsItsOwnWayIn(t *testing.T) {
	i := startIssuer(t, "127.0.0.1:0")
	port := freePort(t)
	endpoint := "http://127.0.0.1:" + port + "/mcp"
	configured(t, fmt.Sprintf("server: {port: %s}\noidc: {issuer: %q, audience: [%q], default_role: caller}\n",
		port, i.url, endpoint))
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: "assistant"},
		RedirectURL:         "http://127.0.0.1/callback", AuthorizationCodeFetcher: agree,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := connect(t, &mcp.StreamableClientTransport{Endpoint: endpoint, OAuthHandler: handler})
	if _, kind := mcpDoor(s)(t, "NoopTool", "{}"); kind != "" || len(listed(t, s)) < len(hostTools)+6 {
		t.Errorf("a call = %q, tools/list = %v; want that both do", kind, listed(t, s))
	}
}

// agree is the browser, and the person before it.
func agree(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // which does not follow
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusFound {
		return nil, errors.Join(err, fmt.Errorf("the issuer answers %s", resp.Status))
	}
	return &auth.AuthorizationResult{Code: back.Query().Get("code"), State: back.Query().Get("state")}, nil
}
