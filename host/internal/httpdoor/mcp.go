package httpdoor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// mcp hands a request to the MCP endpoint, when it is what the protocol allows.
func (d *Door) mcp(w http.ResponseWriter, r *http.Request) {
	serve := map[string]http.HandlerFunc{
		http.MethodGet: d.listen, http.MethodPost: d.message, http.MethodDelete: d.cfg.MCP.ServeHTTP,
	}[r.Method]
	switch {
	case serve == nil:
		d.notAllowed("GET, POST, DELETE").ServeHTTP(w, r)
	case !acceptable(r):
		d.refuse(w, r, http.StatusNotAcceptable, tool.Errorf(tool.KindValidation,
			"Accept must list application/json and text/event-stream").
			Suggest("send Accept: application/json, text/event-stream"))
	case d.cfg.Session != nil && !d.cfg.Session(r):
		d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindValidation, "there is no such session of this client").
			Suggest("begin a new one with initialize, and send its Mcp-Session-Id"))
	default:
		serve(w, r)
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

// message serves one message of a client, which is read here, strictly: what stands in it twice, in other letters, or is
// no valid text, the endpoint and a proxy in front could read in two ways.
func (d *Door) message(w http.ResponseWriter, r *http.Request) {
	raw, ok := d.readMessage(w, r)
	if !ok {
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	d.cfg.MCP.ServeHTTP(w, r)
}

// readMessage reads and checks a message, or answers why not. Only so many large ones are read at a time.
func (d *Door) readMessage(w http.ResponseWriter, r *http.Request) (raw []byte, ok bool) {
	if r.ContentLength > maxRESTBody || r.ContentLength < 0 {
		select {
		case d.large <- struct{}{}:
			defer func() { <-d.large }()
		default:
			e := tool.Errorf(tool.KindOverloaded, "too many large messages are being read").Suggest("try again in a second")
			e.RetryAfter = time.Second
			d.refuse(w, r, http.StatusServiceUnavailable, e)
			return nil, false
		}
	}
	raw, status, bad := readJSON(w, r, maxMCPBody)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return nil, false
	}
	if code, err := checkMessage(raw); err != nil {
		d.refuseMessage(w, r, code, badBody(err).
			Suggest("send one JSON-RPC message, with each member once, and as it is spelled"))
		return nil, false
	}
	return raw, true
}

// checkMessage returns the code of JSON-RPC for what is wrong with a message.
func checkMessage(raw []byte) (code int, err error) {
	if err := strictjson.Check(raw, strictjson.Limits{Depth: maxMCPDepth, Values: maxValues}); err != nil {
		return parseError, err
	}
	e, err := readEnvelope(raw)
	if err != nil {
		return invalidRequest, err
	}
	if e.method != initialize {
		return 0, nil
	}
	if len(raw) > maxOpening {
		return invalidRequest, &strictjson.Error{Reason: fmt.Sprintf("an initialize has at most %d bytes", maxOpening)}
	}
	if err := strictjson.Check(raw, strictjson.Limits{Depth: maxMCPDepth, Values: maxOpenWith}); err != nil {
		return invalidRequest, err
	}
	return 0, nil
}

const initialize = "initialize"

// JSON-RPC's codes for what is no message, and for one that says what it must not.
//
// Source: https://www.jsonrpc.org/specification#error_object
const (
	parseError     = -32700
	invalidRequest = -32600
)

// refuseMessage answers a message that is none as JSON-RPC has it: nobody knows the id of it.
func (d *Door) refuseMessage(w http.ResponseWriter, r *http.Request, code int, e *tool.Error) {
	const status = http.StatusBadRequest
	id := d.refused(r, status, e)
	correlate(w, id)
	p := problemOf(status, e, tool.Result{CorrelationID: id})
	writeJSON(w, status, rpcError{Version: "2.0", Error: rpcFault{Code: code, Message: p.Detail, Data: p}})
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
