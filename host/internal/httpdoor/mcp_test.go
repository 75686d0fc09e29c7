package httpdoor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// TestAStreamOfMCPEndsWithItsToken exchanges the token of a client that listens.
func TestAStreamOfMCPEndsWithItsToken(t *testing.T) {
	listening := make(chan struct{})
	var tokens *auth.Tokens
	d := newDoor(t, withTokens, func(c *Config) {
		tokens, c.Heartbeat = c.Tokens, time.Millisecond
		c.MCP = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(listening)
			<-r.Context().Done()
		})
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serve(d, request("GET", "/mcp", "", "Authorization", "Bearer secret"))
	}()
	<-listening
	if err := tokens.Replace([]auth.Token{{Name: "ci", SHA256: auth.Hash("another"), Role: auth.Caller}}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the stream stays open")
	}
}

func TestARefusalDoesNotRepeatAllThatWasSent(t *testing.T) {
	var told Refusal
	d := newDoor(t, func(c *Config) { c.Refused = func(r Refusal) { told = r } })
	r := request("GET", "/tools", "")
	r.Host = strings.Repeat("elsewhere.", 1000)
	serve(d, r)
	if told.Err == nil {
		t.Fatal("the request was not refused")
	}
	if n := len(told.Err.Message); n == 0 || n > maxMessage+3 {
		t.Errorf("the message has %d bytes, want at most %d", n, maxMessage+3)
	}
}
