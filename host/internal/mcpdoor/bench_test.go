package mcpdoor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
)

// plainServer is mcp-go alone with the same tool, which answers what the door's does.
func plainServer(b *testing.B) *server.MCPServer {
	b.Helper()
	bed := newBed(b, entry("ATool"))
	handler := bed.server.GetTool("ATool")
	if handler == nil {
		b.Fatal("there is no ATool")
	}
	result, err := handler.Handler(b.Context(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: "ATool"}})
	if err != nil {
		b.Fatal(err)
	}
	s := server.NewMCPServer("plain", "1", server.WithToolCapabilities(true), server.WithRecovery())
	s.AddTool(handler.Tool, func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { return result, nil })
	return s
}

// bareBed is a door with mcp-go's server of the plain tool behind it: what it costs is its transports.
func bareBed(b *testing.B) *bed {
	b.Helper()
	bed := newBed(b)
	bed.server = plainServer(b)
	return bed
}

// BenchmarkStdioCall makes one call after the other on pipes in memory: through the whole door, through its transport
// alone, and through mcp-go's.
func BenchmarkStdioCall(b *testing.B) {
	b.Run("door", func(b *testing.B) { benchStdio(b, newBed(b, entry("ATool")).ServeStdio) })
	b.Run("transport", func(b *testing.B) { benchStdio(b, bareBed(b).ServeStdio) })
	b.Run("mcpgo", func(b *testing.B) {
		s := server.NewStdioServer(plainServer(b))
		s.SetErrorLogger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelError))
		benchStdio(b, s.Listen)
	})
}

func benchStdio(b *testing.B, serve func(context.Context, io.Reader, io.Writer) error) {
	b.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan error, 1) // gets the one result
	go func() {
		ended <- serve(b.Context(), in, out)
		_ = out.Close() // never fails
	}()
	lines := bufio.NewReader(fromServer)
	ask := func(body string) {
		if _, err := io.WriteString(toServer, body+"\n"); err != nil {
			b.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"result"`) {
			b.Fatalf("%s = %s, %v", body, line, err)
		}
	}
	ask(initializeBody)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(callBody(fmt.Sprint(i+2), "10.0.0.1"))
	}
	_ = toServer.Close() // never fails
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

// BenchmarkHTTPCall makes one call after the other over loopback, through the same three.
func BenchmarkHTTPCall(b *testing.B) {
	for name, bed := range map[string]*bed{"door": newBed(b, entry("ATool")), "transport": bareBed(b)} {
		b.Run(name, func(b *testing.B) {
			h := bed.HTTP()
			benchHTTP(b, h)
			if err := h.Close(context.WithoutCancel(b.Context())); err != nil {
				b.Error(err)
			}
		})
	}
	b.Run("mcpgo", func(b *testing.B) {
		benchHTTP(b, server.NewStreamableHTTPServer(plainServer(b), server.WithStateful(true)))
	})
}

func benchHTTP(b *testing.B, h http.Handler) {
	b.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(origin.With(r.Context(), origin.Origin{Client: "ci", Door: origin.MCP})))
	}))
	defer srv.Close()
	session := ""
	ask := func(body string) http.Header {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, srv.URL, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			r.Header.Set(sessionHeader, session)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if raw, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(raw), `"result"`) {
			b.Fatalf("%s = %d %s, %v", body, resp.StatusCode, raw, err)
		}
		return resp.Header
	}
	session = ask(initializeBody).Get(sessionHeader)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(callBody(fmt.Sprint(i+2), "10.0.0.1"))
	}
}
