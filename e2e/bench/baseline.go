package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// baselineCommand, followed by one of the kinds, starts this program as a baseline.
const baselineCommand = "baseline"

// The kinds of baseline.
const (
	baselineMCPStdio = "mcp-stdio" // mcp-go with a tool in its own process
	baselineMCPHTTP  = "mcp-http"
	baselineExec     = "exec-http" // an HTTP handler that runs true(1), with nothing around it
)

// serveBaseline serves until stdin ends. One that listens prints its address first.
func serveBaseline(ctx context.Context, kind string, stdin io.Reader, stdout io.Writer) error {
	switch kind {
	case baselineMCPStdio:
		return server.NewStdioServer(noopServer()).Listen(ctx, stdin, stdout)
	case baselineMCPHTTP:
		return serveHTTP(stdin, stdout, server.NewStreamableHTTPServer(noopServer(), server.WithStateful(true)))
	case baselineExec:
		return serveHTTP(stdin, stdout, http.HandlerFunc(execTrue))
	}
	return fmt.Errorf("there is no baseline %q", kind)
}

// noopServer offers the same tool as the lab plugin's NoopTool. It answers with the tool's result alone,
// without the fields that Gatehouse adds to every result: they are part of what Gatehouse costs.
func noopServer() *server.MCPServer {
	s := server.NewMCPServer("baseline", "1.0.0", server.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("NoopTool", mcp.WithDescription("Does nothing, at once."), mcp.WithString("text")),
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultStructuredOnly(struct {
				OK   bool   `json:"ok"`
				Text string `json:"text"`
			}{true, r.GetString("text", "")}), nil
		})
	return s
}

// execTrue is the least that a server can do to run a program.
func execTrue(w http.ResponseWriter, r *http.Request) {
	var answer struct {
		ReturnCode int     `json:"returncode"`
		Error      *string `json:"error"`
	}
	if err := exec.CommandContext(r.Context(), "true").Run(); err != nil {
		why := err.Error()
		answer.Error, answer.ReturnCode = &why, 1
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client notices
}

func serveHTTP(stdin io.Reader, stdout io.Writer, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: h}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = srv.Close() // the bench is through
	}()
	fmt.Fprintln(stdout, "http://"+l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
