package httpdoor

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// lost is an answer that nobody reads.
type lost struct{ header http.Header }

func (l lost) Header() http.Header         { return l.header }
func (l lost) Write(p []byte) (int, error) { return len(p), nil }
func (l lost) WriteHeader(int)             {}
func (l lost) Flush()                      {}

// BenchmarkChecks is what all checks of a request cost before anybody looks at what it asks for: budgets, Host, Origin,
// the credential (of 100 in the configuration and 100 in the state directory), the role, the media type and the strict
// reading of 200 bytes. "bare" is the same endpoint with nothing in front of it; the difference counts.
func BenchmarkChecks(b *testing.B) {
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"NmapTool","arguments":{"target":` +
		`"127.0.0.1","extra_args":"-sT -p 1-1024 --open","timeout_sec":60,"correlation_id":"bench-0001"}}}`
	endpoint := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	door, token := lockedDoor(b, endpoint)
	for _, row := range []struct {
		name string
		h    http.Handler
	}{{"bare", endpoint}, {"door", door}} {
		b.Run(row.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodPost, "/mcp", http.NoBody)
			r.Host = "127.0.0.1:8080"
			r.Header = http.Header{
				"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "User-Agent": {"bench"},
				"Accept": {"application/json, text/event-stream"}, "Mcp-Session-Id": {"mcp-session-1"},
			}
			r.ContentLength = int64(len(body))
			w := lost{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				clear(w.header)
				row.h.ServeHTTP(w, r)
			}
		})
	}
}

// lockedDoor is a door as it is in service, and a token of its store.
func lockedDoor(b *testing.B, endpoint http.Handler) (http.Handler, string) {
	store, err := auth.OpenStore(auth.StoreConfig{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	var secret string
	var configured []auth.Token
	for i := range 100 {
		name := fmt.Sprint("client", i)
		if secret, err = store.Create(auth.Wanted{Name: name, Role: auth.Caller, Tools: []string{"Nmap*"}}); err != nil {
			b.Fatal(err)
		}
		configured = append(configured, auth.Token{Name: "c" + name, SHA256: sha256.Sum256([]byte(name)), Role: auth.Viewer})
	}
	tokens, err := auth.NewTokens(configured, store)
	if err != nil {
		b.Fatal(err)
	}
	return newBareDoor(b, func(c *Config) {
		c.Clients = auth.NewClients(auth.Config{Tokens: tokens})
		c.Failures = auth.NewFailures(30, time.Minute, 4096)
		c.Origins, c.MCP = []string{"https://console.example"}, endpoint
		c.Session = func(r *http.Request) bool { return r.Header.Get("Mcp-Session-Id") == "mcp-session-1" }
		c.Request = func(string, time.Duration) {}
	}), secret
}
