package cookbook

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestRedirectsStayInScope(t *testing.T) {
	to := "http://www.lab.internal/new"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "test\u202e")
		if r.URL.Path == "/" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	defer server.Close()
	bench := sdktest.New(t, sdk.Plugin{Name: "web", Version: "1.0.0", Tools: []sdk.Tool{HomepageTool}}, sdktest.Options{
		Hosts: map[string][]string{"www.lab.internal": {"10.0.3.8"}},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) { // all hosts are this server
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	res, err := bench.Call(t.Context(), "HomepageTool", `{"target": "10.0.3.7"}`)
	if want := `{"status":200,"server":"test\\u{202E}","sent":0}`; err != nil || string(res.Data) != want {
		t.Errorf("Call() = %s, %v; want %s", res.Data, err, want)
	}
	to = "http://192.0.2.1/"
	if _, err := bench.Call(t.Context(), "HomepageTool", `{"target": "10.0.3.7"}`); sdk.KindOf(err) != sdk.KindOutOfScope {
		t.Errorf("Call() = %v, want %s: the redirect leads out of scope", err, sdk.KindOutOfScope)
	}
}
