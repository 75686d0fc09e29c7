package httpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What stays open ends with the token of its client, be it a stream or a call, and the endpoint learns why.
func TestARequestOfMCPThatStaysOpenEndsWithItsToken(t *testing.T) {
	for says, r := range map[string]*http.Request{
		"a stream":       request("GET", "/mcp", "", "Authorization", "Bearer secret", "Accept", "text/event-stream"),
		"a call":         request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, "Authorization", "Bearer secret"),
		"a subscription": request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}`, "Authorization", "Bearer secret"),
	} {
		open, cause := make(chan struct{}), make(chan error, 1)
		var tokens *auth.Tokens
		d := newDoor(t, withTokens, func(c *Config) {
			c.Clients, tokens = clientsOf(auth.Token{Name: "ci", SHA256: auth.Hash("secret"), Role: auth.Caller})
			c.Heartbeat = time.Millisecond
			c.MCP = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(open)
				<-r.Context().Done()
				cause <- context.Cause(r.Context())
			})
		})
		go serve(d, r)
		<-open
		if err := tokens.Replace([]auth.Token{{Name: "ci", SHA256: auth.Hash("another"), Role: auth.Caller}}); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-cause:
			if !errors.Is(err, rpcmessage.ErrWithdrawn) {
				t.Errorf("%s ends because of %v, want %v", says, err, rpcmessage.ErrWithdrawn)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s stays open", says)
		}
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

func TestWhatAClientOfMCPMustAccept(t *testing.T) {
	for _, row := range []struct {
		method string
		accept []string
		ok     bool
	}{
		{"POST", []string{"application/json, text/event-stream"}, true},
		{"POST", []string{"text/event-stream", "application/json"}, true},
		{"POST", []string{"*/*"}, true},
		{"POST", []string{"application/json;q=1, text/event-stream;q=0.5"}, true},
		{"POST", []string{"application/json"}, false},
		{"POST", []string{"text/event-stream"}, false},
		{"POST", []string{"text/html"}, false},
		{"POST", nil, false},
		{"GET", []string{"text/event-stream"}, true},
		{"GET", []string{"application/json"}, false},
		{"GET", nil, false},
		{"DELETE", nil, true},
	} {
		d := newDoor(t, func(c *Config) { c.MCP = says("application/json", "{}") })
		body := ""
		if row.method == "POST" {
			body = "{}"
		}
		r := request(row.method, "/mcp", body)
		r.Header["Accept"] = row.accept
		w := serve(d, r)
		if (w.Code == 200) != row.ok {
			t.Errorf("%s with Accept %q = %d %s, want taken: %t", row.method, row.accept, w.Code, w.Body, row.ok)
		}
		if !row.ok {
			checkProblem(t, w, 406, tool.KindValidation)
		}
	}
}

// What is no message is told as JSON-RPC has it; the endpoint never sees it.
func TestAMessageOfMCPIsReadStrictly(t *testing.T) {
	for _, row := range []struct {
		says, body string
		pointer    string
		ok         bool
	}{
		{"a message", `{"jsonrpc":"2.0","method":"ping","id":1}`, "", true},
		{"members that the protocol does not know", `{"jsonrpc":"2.0","method":"ping","id":1,"x":{}}`, "", true},
		{"a list of messages, which the endpoint itself refuses", `[{"jsonrpc":"2.0"}]`, "", true},
		{"a member that stands twice", `{"method":"ping","method":"tools/call"}`, "/method", false},
		{"a member in two spellings", `{"method":"ping","Method":"tools/call"}`, "/Method", false},
		{"a member that stands twice below", `{"params":{"arguments":{"a":1,"a":2}}}`, "/params/arguments/a", false},
		{"NaN", `{"params":{"arguments":{"t":NaN}}}`, "/params/arguments/t", false},
		{"a number without end", `{"params":{"arguments":{"t":1e999}}}`, "/params/arguments/t", false},
		{"no UTF-8", "{\"method\":\"\xff\"}", "/method", false},
		{"no end", `{"method":`, "", false},
		{"nothing", ``, "", false},
		{"nesting without end", strings.Repeat("[", 1000), "", false},
	} {
		got := ""
		d := newDoor(t, func(c *Config) {
			c.MCP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				raw, err := io.ReadAll(r.Body)
				if got = string(raw); err != nil {
					t.Errorf("%s: read the body: %v", row.says, err)
				}
			})
		})
		r := request("POST", "/mcp", row.body)
		r.Header.Set("Content-Type", "application/json")
		w := serve(d, r)
		if row.ok {
			if w.Code != 200 || got != row.body {
				t.Errorf("%s: POST %.60q = %d, the endpoint got %.60q", row.says, row.body, w.Code, got)
			}
			continue
		}
		var answer struct {
			Version string           `json:"jsonrpc"`
			ID      *json.RawMessage `json:"id"`
			Error   struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
				Data    struct {
					Kind     string            `json:"error_type"`
					Metadata map[string]string `json:"metadata"`
				} `json:"data"`
			} `json:"error"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 400 || got != "" {
			t.Errorf("%s: POST %.60q = %d %s, the endpoint got %q", row.says, row.body, w.Code, w.Body, got)
		}
		e := answer.Error
		if answer.Version != "2.0" || answer.ID != nil || e.Code != -32700 || e.Message == "" ||
			e.Data.Kind != "validation_error" || !strings.HasPrefix(e.Data.Metadata["pointer"], row.pointer) {
			t.Errorf("%s: the answer is %s, want a parse error at %q", row.says, w.Body, row.pointer)
		}
	}
}

func TestASessionIsItsClients(t *testing.T) {
	d := newDoor(t, withTokens, func(c *Config) {
		c.MCP = says("application/json", "{}")
		c.Session = func(r *http.Request) bool { return r.Header.Get("Mcp-Session-Id") == "own" }
	})
	for _, method := range []string{"POST", "GET", "DELETE"} {
		for id, status := range map[string]int{"own": 200, "another's": 404, "../../x": 404} {
			w := serve(d, request(method, "/mcp", "{}", "Authorization", "Bearer secret", "Accept", "*/*", "Mcp-Session-Id", id))
			if w.Code != status {
				t.Errorf("%s with the session %q = %d, want %d", method, id, w.Code, status)
			}
		}
	}
}

// What reads names without case must not find others than this door.
func TestAnEnvelopeIsSpelledAsItIs(t *testing.T) {
	for _, row := range []struct {
		body    string
		pointer string // empty: it is taken
	}{
		{`{"jsonrpc":"2.0","id":"a","method":"ping"}`, ""},
		{`{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"ATool","arguments":{"NAME":1},"x":2}}`, ""},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ""},
		{`{"jsonrpc":"2.0","id":1,"result":{}}`, ""},
		{`{"jsonrpc":"2.0","id":1,"METHOD":"ping"}`, "/METHOD"},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"ATool"}}`, "/Params"},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"ATool","arguments":{}}}`, "/params/NAME"},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ATool","argument\u017f":{}}}`, "/params/argument"},
		{`{"jsonrpc":"2.0","id":{},"method":"ping"}`, "/id"},
		{`{"jsonrpc":"2.0","id":[1],"method":"ping"}`, "/id"},
		{`{"jsonrpc":"2.0","id":true,"method":"ping"}`, "/id"},
		{`{"jsonrpc":"2.0","id":"` + strings.Repeat("a", 300) + `","method":"ping"}`, "/id"},
		{`{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("a", 300) + `"}`, "/method"},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + strings.Repeat("a", 300) + `"}}`, "/params/name"},
	} {
		reached := false
		d := newDoor(t, func(c *Config) {
			c.MCP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
		})
		w := serve(d, request("POST", "/mcp", row.body))
		if reached != (row.pointer == "") {
			t.Errorf("POST %.80s = %d, reached the endpoint: %t", row.body, w.Code, reached)
		}
		if row.pointer != "" && (w.Code != 400 || !strings.Contains(w.Body.String(), `"code":-32600`) ||
			!strings.Contains(w.Body.String(), `"pointer":"`+row.pointer)) {
			t.Errorf("POST %.80s = %d %s, want -32600 at %s", row.body, w.Code, w.Body, row.pointer)
		}
	}
}

// What a session keeps of its first message is bounded: it is kept as long as the session.
func TestAnInitializeIsSmall(t *testing.T) {
	message := func(experimental string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"experimental":{` + experimental + `}}}}`
	}
	many := strings.TrimSuffix(strings.Repeat(`"_":{},`, 10), ",")
	for i := range 10 {
		many = strings.Replace(many, `"_"`, fmt.Sprintf(`"a%d"`, i), 1)
	}
	for _, row := range []struct {
		says, body string
		ok         bool
	}{
		{"an ordinary one", message(many), true},
		{"one long text", message(`"a":"` + strings.Repeat("x", 70<<10) + `"`), false},
		{"many values", message(`"a":[` + strings.TrimSuffix(strings.Repeat("1,", 300), ",") + `]`), false},
	} {
		reached := false
		d := newDoor(t, func(c *Config) {
			c.MCP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
		})
		if w := serve(d, request("POST", "/mcp", row.body)); reached != row.ok {
			t.Errorf("%s = %d %s, want taken: %t", row.says, w.Code, w.Body, row.ok)
		}
	}
}
