package httpdoor

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// mcp hands a request to the MCP endpoint, when it is what the protocol allows.
func (d *Door) mcp(w http.ResponseWriter, r *http.Request) {
	if !acceptable(r) {
		d.refuse(w, r, http.StatusNotAcceptable, tool.Errorf(tool.KindValidation,
			"Accept must list application/json and text/event-stream").
			Suggest("send Accept: application/json, text/event-stream"))
		return
	}
	if d.cfg.Session != nil && !d.cfg.Session(r) {
		d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindValidation, "there is no such session of this client").
			Suggest("begin a new one with initialize, and send its Mcp-Session-Id"))
		return
	}
	switch r.Method {
	case http.MethodGet:
		d.listen(w, r)
	case http.MethodPost:
		d.message(w, r)
	default:
		d.cfg.MCP.ServeHTTP(w, r)
	}
}

// listen serves a stream that stays open: it ends when the credential does.
func (d *Door) listen(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	still := d.valid(ctx)
	stop := every(d.cfg.Heartbeat, func() {
		if !still() {
			cancel()
		}
	})
	defer stop()
	d.cfg.MCP.ServeHTTP(w, r.WithContext(ctx))
}

// message serves one message of a client, which is read here, strictly: what stands in it twice, or is no valid
// text, the endpoint and a proxy in front could read in two ways.
func (d *Door) message(w http.ResponseWriter, r *http.Request) {
	raw, status, bad := readJSON(w, r, maxMCPBody)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return
	}
	if err := strictjson.Check(raw, maxMCPDepth); err != nil {
		d.refuseMessage(w, r, badBody(err).Suggest("send one JSON-RPC message, with each member once"))
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	d.cfg.MCP.ServeHTTP(w, r)
}

// parseError is JSON-RPC's code for what is no message.
//
// Source: https://www.jsonrpc.org/specification#error_object
const parseError = -32700

// refuseMessage answers what is no message as JSON-RPC has it: nobody knows the id of it.
func (d *Door) refuseMessage(w http.ResponseWriter, r *http.Request, e *tool.Error) {
	const status = http.StatusBadRequest
	id := d.refused(r, status, e)
	correlate(w, id)
	p := problemOf(status, e, tool.Result{CorrelationID: id})
	writeJSON(w, status, rpcError{Version: "2.0", Error: rpcFault{Code: parseError, Message: p.Detail, Data: p}})
}

type rpcError struct {
	Version string   `json:"jsonrpc"`
	ID      any      `json:"id"` // null
	Error   rpcFault `json:"error"`
}

type rpcFault struct {
	Code    int     `json:"code"`
	Message string  `json:"message"`
	Data    problem `json:"data"`
}

// acceptable holds what the protocol asks of Accept: POST takes JSON and event streams, GET event streams.
func acceptable(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.Contains(accept, "*/*") {
		return true
	}
	stream := strings.Contains(accept, eventStream)
	switch r.Method {
	case http.MethodPost:
		return stream && strings.Contains(accept, "application/json")
	case http.MethodGet:
		return stream
	default:
		return true
	}
}

// every calls f again and again, until stop is called and has waited for it.
func every(pause time.Duration, f func()) (stop func()) {
	tick, done, ended := time.NewTicker(pause), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				f()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
