package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxReport is how many bytes of a call's report are read: an output may be long, and JSON makes it longer.
const maxReport = 256 << 20

// callRunning has the running host make a call, and tells of it as if it had been made here.
func (a *app) callRunning(ctx context.Context, o oneShot, req tool.Request) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	cfg.Admin = config.Admin{} // at an address of their own, administrators call no tools
	w, err := a.way(o.remote, cfg)
	if err != nil {
		return err
	}
	if len(o.args) > 0 {
		schema, err := w.inputSchema(ctx, req.Tool)
		if err != nil {
			return err
		}
		if err := o.typed(schema, &req); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
	}
	res, err := w.execute(ctx, req)
	if exit := (*exitError)(nil); errors.As(err, &exit) {
		return err
	}
	if !o.json {
		_, _ = io.WriteString(a.stdout, plain(res.Stdout)) // as the events of a call of our own
		_, _ = io.WriteString(a.stderr, plain(res.Stderr))
	}
	return a.tell(nil, o, res, err)
}

// inputSchema asks for the schema of a tool's arguments; empty when the host does not tell: the call says
// why.
func (w way) inputSchema(ctx context.Context, name string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	req, err := w.request(ctx, http.MethodGet, "/tools/"+url.PathEscape(name), http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, raw, err := w.exchange(req, maxAnswer)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, err
	}
	var view struct {
		InputSchema json.RawMessage `json:"input_schema"`
	}
	if err := json.Unmarshal(raw, &view); err != nil {
		return nil, failure(fmt.Errorf("read the answer: %w", err))
	}
	return view.InputSchema, nil
}

// execute makes a call. Its error is an exitError when it is not one of the call.
func (w way) execute(ctx context.Context, call tool.Request) (tool.Result, error) {
	path := "/tools/" + url.PathEscape(call.Tool) + "/execute"
	req, err := w.request(ctx, http.MethodPost, path, bytes.NewReader(call.Arguments))
	if err != nil {
		return tool.Result{}, err
	}
	resp, raw, err := w.exchange(req, maxReport)
	switch {
	case ctx.Err() != nil:
		return tool.Result{}, ctx.Err() // the host has seen us go
	case err != nil:
		return tool.Result{}, err
	case resp.StatusCode == http.StatusOK:
		return readReport(raw)
	}
	return readProblem(resp, raw)
}

// readReport is the way back from [tool.NewReport].
func readReport(raw []byte) (tool.Result, error) {
	var r tool.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return tool.Result{}, failure(fmt.Errorf("read the answer: %w", err))
	}
	res := tool.Result{
		Stdout: r.Stdout, Stderr: r.Stderr, ReturnCode: r.ReturnCode,
		TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr, TimedOut: r.TimedOut,
		Elapsed: seconds(r.ExecutionTime), CorrelationID: r.CorrelationID, ExecutionID: r.ExecutionID,
		Metadata: r.Metadata, Data: r.Data, Content: r.Content,
	}
	if r.ErrorType == nil {
		return res, nil
	}
	e := &tool.Error{Kind: *r.ErrorType, Suggestion: r.Suggestion, Tool: r.Tool, Target: r.Target}
	if r.Error != nil {
		e.Message = *r.Error
	}
	if r.Timestamp != nil {
		e.Time = *r.Timestamp
	}
	if r.RetryAfter != nil {
		e.RetryAfter = seconds(*r.RetryAfter)
	}
	return res, e
}

// readProblem understands what stands in the place of a report when the call was refused.
func readProblem(resp *http.Response, raw []byte) (tool.Result, error) {
	var p struct {
		Detail      string         `json:"detail"`
		Kind        tool.Kind      `json:"error_type"`
		Suggestion  string         `json:"recovery_suggestion"`
		Time        time.Time      `json:"timestamp"`
		Tool        string         `json:"tool"`
		Target      string         `json:"target"`
		RetryAfter  float64        `json:"retry_after"`
		Metadata    map[string]any `json:"metadata"`
		Correlation string         `json:"correlation_id"`
		Execution   string         `json:"execution_id"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Kind == "" {
		return tool.Result{}, refusal(resp, raw)
	}
	return tool.Result{CorrelationID: p.Correlation, ExecutionID: p.Execution}, &tool.Error{
		Kind: p.Kind, Message: p.Detail, Suggestion: p.Suggestion, Time: p.Time, Tool: p.Tool, Target: p.Target,
		RetryAfter: seconds(p.RetryAfter), Metadata: p.Metadata,
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// toCall is what to type for a call by the running host, which is where o says or, when this process is the
// host, where it listens; "" when no command would surely reach it.
func (a *app) toCall(o remote, name string) string {
	// Of TLS the configuration knows more than an address, unless a flag has put the host elsewhere.
	if strings.HasPrefix(a.address, "https://") && (a.said("server.port") || a.said("server.host")) {
		return ""
	}
	if strings.HasPrefix(a.address, "http://") {
		o.url = a.address
	}
	words := []string{program(), "call", "--running"}
	for _, flag := range [][2]string{
		{"--config", a.configFile}, {"--url", o.url}, {"--token-file", o.tokenFile},
		{"--cert-file", o.certFile}, {"--key-file", o.keyFile},
	} {
		if flag[1] != "" {
			words = append(words, flag[:]...)
		}
	}
	words = append(words, name, "TARGET")
	for i, word := range words {
		words[i] = shellWord(word)
	}
	return strings.Join(words, " ")
}
