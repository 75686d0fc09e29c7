package httpdoor

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
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

// listen serves what may stay open: it ends when the credential does, which is looked at with each heartbeat. Calls do
// as well as streams: a client whose token is withdrawn is not to have the result of a scan ten minutes later. The
// endpoint learns why.
func (d *Door) listen(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	still := d.valid(ctx)
	var look func()
	look = func() {
		switch {
		case ctx.Err() != nil:
		case still():
			time.AfterFunc(d.cfg.Heartbeat, look)
		default:
			cancel(rpcmessage.ErrWithdrawn)
		}
	}
	first := time.AfterFunc(d.cfg.Heartbeat, look) // most requests are over by then
	defer first.Stop()
	d.cfg.MCP.ServeHTTP(w, r.WithContext(ctx))
}

// message serves one message of a client, which is read here, strictly: what stands in it twice, in other letters, or is
// no valid text, the endpoint and a proxy in front could read in two ways.
func (d *Door) message(w http.ResponseWriter, r *http.Request) {
	m, ok := d.readMessage(w, r)
	if !ok {
		return
	}
	r = r.WithContext(rpcmessage.With(r.Context(), m)) // so that the endpoint need not read it again
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(m.Raw)), int64(len(m.Raw))
	serve := d.listen
	if id, _ := auth.From(r.Context()); id.Kind == auth.ByIssuer {
		// Its end is near from the beginning, and nobody has withdrawn it: a client cannot show a fresh one in the
		// middle of a request. What it listens to ends all the same, to be begun again.
		serve = d.cfg.MCP.ServeHTTP
	}
	if m.Method == rpcmessage.Listen {
		serve = d.counted(d.listen)
	}
	serve(w, r)
}

// readMessage reads and checks a message, or answers why not. Only so many large ones are read at a time.
func (d *Door) readMessage(w http.ResponseWriter, r *http.Request) (m rpcmessage.Message, ok bool) {
	if r.ContentLength > maxRESTBody || r.ContentLength < 0 {
		select {
		case d.large <- struct{}{}:
			defer func() { <-d.large }()
		default:
			e := tool.Errorf(tool.KindOverloaded, "too many large messages are being read").Suggest("try again in a second")
			e.RetryAfter = time.Second
			d.refuse(w, r, http.StatusServiceUnavailable, e)
			return m, false
		}
	}
	raw, status, bad := readJSON(w, r, maxMCPBody)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return m, false
	}
	m, err := rpcmessage.Read(raw)
	if err != nil {
		d.refuseMessage(w, r, rpcmessage.CodeOf(err), badBody(err).
			Suggest("send one JSON-RPC message, with each member once, and as it is spelled"))
		return m, false
	}
	return m, true
}

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
