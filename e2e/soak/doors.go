package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// rest calls over HTTP, with the connections that all share.
type rest struct{ site *site }

var _ caller = rest{}

func openREST(_ context.Context, s *site) (caller, error) { return rest{s}, nil }

func (r rest) call(ctx context.Context, q request, correlation string) (answer, error) {
	what := "/execute"
	if q.plan {
		what = "/plan"
	}
	_, raw, err := r.site.do(ctx, http.MethodPost, "/tools/"+q.tool+what, q.body(correlation))
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(raw)
}

func (r rest) plans() bool { return true }
func (r rest) close()      {}

// body is the arguments as JSON.
func (q request) body(correlation string) string {
	return fmt.Sprintf(`{%s,"correlation_id":%q}`, q.arguments, correlation)
}

// assistant is an MCP client with a session of its own.
type assistant struct{ session *mcp.ClientSession }

var _ caller = assistant{}

func openMCP(ctx context.Context, s *site) (caller, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "soak", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: s.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{s}},
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to /mcp: %w", err)
	}
	return assistant{session}, nil
}

func (a assistant) plans() bool { return false }

func (a assistant) close() { _ = a.session.Close() } // what counts is written down

func (a assistant) call(ctx context.Context, q request, correlation string) (answer, error) {
	res, err := a.session.CallTool(ctx, &mcp.CallToolParams{
		Name: q.tool, Arguments: json.RawMessage(q.body(correlation)),
	})
	var refused *jsonrpc.Error
	if errors.As(err, &refused) && refused.Code == jsonrpc.CodeInvalidParams {
		kind := "tool_not_found"
		return answer{ErrorType: &kind, CorrelationID: correlation}, nil
	}
	if err != nil {
		return answer{}, err
	}
	if len(res.Content) == 0 {
		return answer{}, errors.New("the result has no content")
	}
	text, ok := res.Content[0].(*mcp.TextContent)
	if !ok {
		return answer{}, fmt.Errorf("the content is %T, want text", res.Content[0])
	}
	return parseAnswer([]byte(text.Text))
}

// bearer adds the token to each request.
type bearer struct{ site *site }

var _ http.RoundTripper = bearer{}

// RoundTrip implements [http.RoundTripper].
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.site.token)
	return b.site.client.Transport.RoundTrip(r)
}
