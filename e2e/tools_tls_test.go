package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// tlsSeen is what these tests read of the data of TLSTool.
type tlsSeen struct {
	TLS, Reachable, Complete bool
	Failure                  string
	Trust                    *struct{ Trusted bool }
	Negotiated               *struct{ Version string }
	Chain                    []struct{ Subject, SHA256 string }
	Protocols                []struct {
		Version string
		Offered bool
		Suites  []struct{ Name string }
	}
	Findings []struct{ Severity, Code string }
}

func TestTLSThroughEveryDoor(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	for name, call := range doors(t, "tools") {
		t.Run(name, func(t *testing.T) {
			rep, kind := call(t, "TLSTool", fmt.Sprintf(`{"target": "127.0.0.1", "port": %d}`, portOf(t, s)))
			if kind != "" || rep.ReturnCode != 0 {
				t.Fatalf("TLSTool = %d, %s: %s", rep.ReturnCode, kind, rep.Stderr)
			}
			var d tlsSeen
			var all any
			if err := json.Unmarshal(rep.Data, &d); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(rep.Data, &all); err != nil {
				t.Fatal(err)
			}
			checkVisible(t, all)
			var offered []string
			for _, p := range d.Protocols {
				if p.Offered && len(p.Suites) > 1 {
					offered = append(offered, p.Version)
				}
			}
			if !d.TLS || !d.Complete || !slices.Equal(offered, []string{"TLS 1.3", "TLS 1.2"}) || d.Trust == nil ||
				d.Trust.Trusted || d.Negotiated == nil || d.Negotiated.Version != "TLS 1.3" || len(d.Chain) != 1 {
				t.Errorf("data = %s, want what the server of the test has", rep.Data)
			}
			if !strings.Contains(rep.Stdout, "TLS_AES_128_GCM_SHA256") {
				t.Errorf("stdout = %q, want the suites", rep.Stdout)
			}
			if _, kind = call(t, "TLSTool", `{"target": "8.8.8.8"}`); kind != tool.KindOutOfScope {
				t.Errorf("TLSTool of a host out of scope = %q, want %s", kind, tool.KindOutOfScope)
			}
		})
	}
}

// A closed port is an answer: however often that is, the next call is made.
func TestTLSOfAClosedPortLeavesTheBreakerClosed(t *testing.T) {
	h := serve(t, "tools")
	for range 7 {
		rep, kind := h.rest(t, "TLSTool", `{"target": "127.0.0.1", "port": 1}`)
		if kind != "" || rep.ReturnCode != 0 || !strings.Contains(string(rep.Data), "connection refused") {
			t.Fatalf("TLSTool = %d, %q, %s; want 0 and why", rep.ReturnCode, kind, rep.Data)
		}
	}
}
