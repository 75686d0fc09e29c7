package mcpdoor

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// post takes one message.
func (h *HTTP) post(w http.ResponseWriter, r *http.Request) {
	m, err := h.read(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, nil, faultOf(err))
		return
	}
	kind, err := m.Kind()
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, m.KnownID(), faultOf(err))
	case modernHeader(r), mcp.IsModernProtocol(m.Version):
		h.modern(w, r, m, kind)
	case kind == rpcmessage.Request && m.Method == rpcmessage.Initialize:
		h.open(w, r, m)
	case knownVersion(w, r, m.KnownID()):
		h.within(w, r, m, kind)
	}
}

// open begins a session. Initialize cannot be cancelled, and takes no time.
func (h *HTTP) open(w http.ResponseWriter, r *http.Request, m rpcmessage.Message) {
	o := h.sessions.open(clientOf(r))
	defer h.sessions.done(o)
	answer := h.door.respond(r.Context(), &call{message: m, session: o.session})
	if answer.code != 0 {
		h.sessions.forget(o)
	} else {
		o.greeted()
		w.Header().Set(sessionHeader, o.id)
	}
	writeJSON(w, http.StatusOK, answer.line)
}

// within takes a message of a session.
func (h *HTTP) within(w http.ResponseWriter, r *http.Request, m rpcmessage.Message, kind rpcmessage.Kind) {
	o := h.enter(w, r, m.KnownID())
	if o == nil {
		return
	}
	if kind == rpcmessage.Request {
		h.request(w, r, o, m)
		return
	}
	defer h.sessions.done(o)
	var f *fault
	switch {
	case kind == rpcmessage.Answer:
		f = o.answered(m)
	case m.Method == rpcmessage.Cancelled:
		o.cancel(m.Cancels)
	default:
		h.door.notice(r.Context(), o.session, m)
	}
	if f != nil {
		refuse(w, http.StatusBadRequest, nil, f)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// request serves a request of a session. It is not cancelled when its client goes away, which the protocol does not
// take for a cancellation.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
func (h *HTTP) request(w http.ResponseWriter, r *http.Request, o *owned, m rpcmessage.Message) {
	v := h.newVisit(context.WithoutCancel(r.Context()), w, r, m, o.session)
	if f := o.begin(v.call); f != nil {
		v.call.cancel(nil)
		h.sessions.done(o)
		refuse(w, http.StatusBadRequest, m.ID, f)
		return
	}
	v.goesOn = true
	h.serve(r, v, func() {
		o.session.end(v.call)
		h.sessions.done(o)
	})
}

// visit is a request of MCP in one of HTTP.
type visit struct {
	*exchange
	ctx    context.Context // of the call
	call   *call
	client string
	answer chan response // gets the one answer; never closed
	goesOn bool          // without its client
	status func(code int) int

	// Guarded by the lock of the endpoint.
	detached, over bool
}

func (h *HTTP) newVisit(
	ctx context.Context, w http.ResponseWriter, r *http.Request, m rpcmessage.Message, s *session,
) *visit {
	ctx, cancel := context.WithCancelCause(ctx)
	v := &visit{
		exchange: newExchange(w, r), ctx: ctx, client: clientOf(r),
		call:   &call{message: m, session: s, cancel: cancel, out: &outbox{giveUp: ctx.Done()}},
		answer: make(chan response, 1),
		status: func(int) int { return http.StatusOK },
	}
	if v.streams {
		v.call.out.to = v.exchange
	}
	return v
}

// serve runs a request and answers it. after is called once, before the answer can be seen.
func (h *HTTP) serve(r *http.Request, v *visit, after func()) {
	stop := context.AfterFunc(h.until(v.call.message), func() { v.call.cancel(errEnding) })
	begun := h.running.start(func() {
		answer := h.door.respond(v.ctx, v.call)
		v.call.out.close()
		stop()
		v.call.cancel(nil)
		h.settle(v)
		after()
		v.answer <- answer
	})
	if !begun {
		stop()
		v.call.cancel(nil)
		after()
		v.exchange.answer(http.StatusServiceUnavailable, failure(v.call.message.ID, errHostEnds).line)
		return
	}
	h.await(r, v)
}

// waitTool is the tool of the host's own that runs nothing.
const waitTool = "execution_wait"

// until is what a request ends with at the latest: the end of the endpoint, or of one that does nothing but wait, its
// beginning to end.
func (h *HTTP) until(m rpcmessage.Message) context.Context {
	if m.Method == string(mcp.MethodToolsCall) && m.Name == waitTool {
		return h.streams
	}
	return h.calls
}

// await waits for the answer, and writes it. A stream of comments shows to who waits for long that the request lives.
func (h *HTTP) await(r *http.Request, v *visit) {
	beat := time.NewTimer(h.patience)
	defer beat.Stop()
	left, ticks := r.Context().Done(), beat.C
	var in <-chan mcp.JSONRPCNotification
	var wake <-chan struct{}
	if v.call.inbox != nil {
		in, wake = v.call.inbox.in, v.call.inbox.wake
	}
	for {
		var err error
		select {
		case answer := <-v.answer:
			v.finish(answer)
			return
		case n := <-in:
			v.call.inbox.add(n)
			err = pour(left, v.exchange, v.call.inbox)
		case <-wake:
			err = pour(left, v.exchange, v.call.inbox)
		case <-ticks:
			beat.Reset(h.beat)
			err = v.comment(left)
		case <-left:
			err = errGone
		}
		if err == nil || errors.Is(err, errNoStream) {
			continue
		}
		if errors.Is(context.Cause(r.Context()), rpcmessage.ErrWithdrawn) {
			v.expel()
			return
		}
		if h.depart(v) {
			return
		}
		left, ticks = nil, nil
	}
}

var errExpelled = faultf(unavailable, "the credential is not valid any more; the request has been cancelled")

// expel ends a request whose client has lost its right to it. It is no disconnection, after which a request of a
// session goes on: what the client may not begin any more, it may not have finished either. Executions that were
// started to go on without it, and requests that do already, are the operator's to end.
func (v *visit) expel() {
	v.call.cancel(errExpelled)
	if v.call.inbox != nil {
		v.call.inbox.shut()
	}
	v.exchange.answerWith(http.StatusUnauthorized, failure(v.call.message.ID, errExpelled).line,
		"WWW-Authenticate", `Bearer error="invalid_token"`)
}

// depart is the end of an exchange whose client has gone; false: an answer is still to be written. A question that
// went out on it cannot be answered in it any more.
func (h *HTTP) depart(v *visit) bool {
	if v.goesOn && h.detach(v) {
		v.leave()
		v.call.session.failAsks(v.call, errGone)
		return true
	}
	v.call.cancel(errGone)
	if h.streams.Err() != nil { // it is the host that goes: its client may be there
		return false
	}
	v.leave()
	return true
}

func (v *visit) finish(answer response) {
	if v.call.inbox != nil {
		_ = pour(nil, v.exchange, v.call.inbox) // a client that is gone needs nothing more
	}
	if v.call.withdrawn.Load() {
		v.silent(answer.line)
		return
	}
	v.exchange.answer(v.status(answer.code), answer.line)
}
