package mcpdoor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// eras runs a test with the official client in each revision that it can be held to, on both transports.
func eras(t *testing.T, test func(t *testing.T, b *bed, join func(*sdk.ClientOptions) *sdk.ClientSession)) {
	t.Helper()
	for _, revision := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		for name, transport := range map[string]func(*testing.T, *bed) sdk.Transport{"stdio": onPipes, "http": onHTTP} {
			t.Run(revision+" "+name, func(t *testing.T) {
				b := newBed(t, entry("ATool"))
				test(t, b, func(opts *sdk.ClientOptions) *sdk.ClientSession {
					s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opts).Connect(t.Context(),
						transport(t, b), &sdk.ClientSessionOptions{ProtocolVersion: revision})
					if err != nil {
						t.Fatalf("Connect = %v, want a session", err)
					}
					if got := s.InitializeResult().ProtocolVersion; got != revision && revision < "2026" {
						t.Errorf("the revision is %s, want %s", got, revision)
					}
					t.Cleanup(func() { _ = s.Close() })
					return s
				})
			})
		}
	}
}

func onPipes(t *testing.T, b *bed) sdk.Transport {
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan error, 1) // gets the one result of ServeStdio
	go func() {
		ended <- b.ServeStdio(context.WithoutCancel(t.Context()), in, out)
		_ = out.Close() // never fails
	}()
	t.Cleanup(func() {
		_ = toServer.Close() // never fails
		if err := <-ended; err != nil {
			t.Errorf("ServeStdio = %v, want nil", err)
		}
	})
	return &sdk.IOTransport{Reader: fromServer, Writer: toServer}
}

func onHTTP(t *testing.T, b *bed) sdk.Transport {
	h := b.HTTP()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(origin.With(r.Context(), origin.Origin{Client: "ci", Door: origin.MCP})))
	}))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		h.CloseSessions(ctx)
		if err := h.Close(ctx); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		srv.Close()
	})
	return &sdk.StreamableClientTransport{Endpoint: srv.URL, HTTPClient: srv.Client(), MaxRetries: -1}
}

func TestTheOfficialClientSeesAllProgressOfTenCallsAtOnce(t *testing.T) {
	const calls, steps = 10, 20
	eras(t, func(t *testing.T, b *bed, join func(*sdk.ClientOptions) *sdk.ClientSession) {
		b.caller.call = func(ctx context.Context, r tool.Request) (tool.Result, error) {
			for i := range steps {
				if err := outboxOf(ctx).notify("notifications/progress", map[string]any{
					"progressToken": target(r), "progress": i + 1, "total": steps}); err != nil {
					t.Errorf("notify = %v", err)
				}
			}
			return tool.Result{Stdout: "done"}, nil
		}
		seen := make(chan *sdk.ProgressNotificationParams, calls*steps)
		s := join(&sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			seen <- r.Params
		}})
		var running sync.WaitGroup
		for i := range calls {
			running.Go(func() {
				token := fmt.Sprint("call", i)
				p := &sdk.CallToolParams{Name: "ATool", Arguments: map[string]any{"target": token}}
				p.SetProgressToken(token)
				if res, err := s.CallTool(t.Context(), p); err != nil || res.IsError {
					t.Errorf("CallTool = %+v, %v", res, err)
				}
			})
		}
		running.Wait()
		last := map[any]float64{} // token -> progress
		for range calls * steps { // this client hands answers out before what it read earlier
			p := <-seen
			if p.Progress != last[p.ProgressToken]+1 {
				t.Errorf("progress of %v = %v after %v", p.ProgressToken, p.Progress, last[p.ProgressToken])
			}
			last[p.ProgressToken] = p.Progress
		}
	})
}

func TestTheOfficialClientCancelsAndHearsOfChanges(t *testing.T) {
	eras(t, func(t *testing.T, b *bed, join func(*sdk.ClientOptions) *sdk.ClientSession) {
		u := newUntil()
		b.caller.call = u.call
		changed := make(chan struct{}, 10)
		s := join(&sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {
			changed <- struct{}{}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		other := make(chan error, 1) // gets the result of the call that goes on
		go func() {
			_, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool", Arguments: map[string]any{"target": "other"}})
			other <- err
		}()
		<-u.began
		go func() {
			<-u.began
			cancel()
		}()
		if res, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "ATool", Arguments: map[string]any{"target": "one"}}); err == nil {
			t.Errorf("CallTool = %+v, want it cancelled", res)
		}
		if got := <-u.ended; got != "one" {
			t.Errorf("%s was cancelled, want one", got)
		}
		close(u.free)
		if err := <-other; err != nil {
			t.Errorf("the other call = %v, want its result", err)
		}
		b.offer(entry("BTool"))
		b.Refresh()
		<-changed
	})
}

func TestTheOfficialClientAnswersQuestions(t *testing.T) {
	eras(t, func(t *testing.T, b *bed, join func(*sdk.ClientOptions) *sdk.ClientSession) {
		answers := make(chan string, 1)
		asking(b, answers)
		s := join(&sdk.ClientOptions{ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"asked": r.Params.Message}}, nil
		}})
		res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "ATool", Arguments: map[string]any{"target": "scan"}})
		if s.InitializeResult().ProtocolVersion >= "2026" {
			return // asks in its answers, which is not the business of transports
		}
		if got := <-answers; err != nil || res.IsError || got != "scan: accept map[asked:May I scan?]" {
			t.Errorf("CallTool = %+v, %v; the call has heard %q", res, err, got)
		}
	})
}
