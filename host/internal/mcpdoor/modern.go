package mcpdoor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// modern serves a message of the stateless revision. It has a session of its own, which ends with it: nothing that one
// client does is known to another, nor to its own next request. Its client cancels it by going away.
//
// Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
func (h *HTTP) modern(w http.ResponseWriter, r *http.Request, m rpcmessage.Message, kind rpcmessage.Kind) {
	f := h.checkModern(r, m, kind)
	switch {
	case f != nil:
		refuse(w, modernStatus(f.Code), m.KnownID(), f)
	case kind == rpcmessage.Notification: // a cancellation too: it would be of another exchange, which has its own way
		w.WriteHeader(http.StatusAccepted)
	case m.Method == rpcmessage.Listen:
		h.subscribe(w, r, m)
	default:
		v := h.newVisit(r.Context(), w, r, m, requestSession())
		v.status = modernStatus
		h.serve(r, v, func() {})
	}
}

// modernStatus is the status of an answer with an error.
//
// Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
func modernStatus(code int) int {
	switch code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.PARSE_ERROR, mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.HEADER_MISMATCH,
		mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// checkModern holds the headers of a message to what it says itself: who looks at headers alone on the way must not
// see another message than we do.
func (h *HTTP) checkModern(r *http.Request, m rpcmessage.Message, kind rpcmessage.Kind) *fault {
	versions := r.Header.Values(mcp.HeaderProtocolVersion)
	switch {
	case kind == rpcmessage.Answer:
		return faultf(rpcmessage.InvalidRequest, "the server asks nothing in this revision; answers go into inputResponses")
	case r.Header.Get(mcp.HeaderLastEventID) != "":
		return faultf(mcp.HEADER_MISMATCH, "streams cannot be taken up again in this revision; send the request anew")
	case len(versions) != 1 || versions[0] == "":
		return faultf(mcp.HEADER_MISMATCH, "the header %s must be there, once", mcp.HeaderProtocolVersion)
	case twice(r.Header) != "":
		return faultf(mcp.HEADER_MISMATCH, "the header %s may be there only once", twice(r.Header))
	case m.Version == "" && kind == rpcmessage.Notification:
		return nil // it need not say more than the header
	case m.Version == "":
		return faultf(mcp.INVALID_PARAMS, "params._meta must have %s", mcp.MetaKeyProtocolVersion)
	case m.Version != versions[0]:
		return faultf(mcp.HEADER_MISMATCH, "the header %s is not the revision of the message", mcp.HeaderProtocolVersion)
	case !mcp.IsValidProtocolVersion(m.Version):
		e := mcp.UnsupportedProtocolVersionError{Version: m.Version, Supported: mcp.ValidProtocolVersions}
		return &fault{Code: mcp.UNSUPPORTED_PROTOCOL_VERSION, Message: e.Error(), Data: e.JSONRPCError().Error.Data}
	case kind == rpcmessage.Notification:
		return nil
	}
	return h.checkHeaders(r.Header, m)
}

// checkHeaders holds Mcp-Method, Mcp-Name and Mcp-Param-* to the body.
func (h *HTTP) checkHeaders(headers http.Header, m rpcmessage.Message) *fault {
	err := mcp.ValidateStandardHeaders(headers.Get, m.Version, mcp.MCPMethod(m.Method), m.Params)
	if err == nil && m.Method == string(mcp.MethodToolsCall) {
		if t := h.door.server.GetTool(m.Name); t != nil {
			err = mcp.ValidateParamHeadersLookup(lookup(headers), &t.Tool, m.Params)
		}
	}
	if err == nil {
		return nil
	}
	var mismatch mcp.HeaderMismatchError
	if errors.As(err, &mismatch) {
		return faultf(mcp.HEADER_MISMATCH, "%s", mismatch.Error())
	}
	return faultf(mcp.INVALID_PARAMS, "%s", err.Error())
}

// twice is a header that says what is in the message, and stands there more than once: of two, one on the way may look
// at the other. Empty: there is none.
func twice(headers http.Header) string {
	for name, values := range headers {
		mirrors := name == mcp.HeaderMethod || name == mcp.HeaderName || strings.HasPrefix(name, mcp.HeaderParamPrefix)
		if mirrors && len(values) > 1 {
			return name
		}
	}
	return ""
}

func lookup(headers http.Header) func(string) (string, bool) {
	return func(name string) (string, bool) {
		values := headers.Values(name)
		return strings.Join(values, ","), len(values) > 0
	}
}

// subscribe serves a subscription: it stays open until the client goes, or the host.
func (h *HTTP) subscribe(w http.ResponseWriter, r *http.Request, m rpcmessage.Message) {
	s := listenSession(m.ID)
	v := h.newVisit(r.Context(), w, r, m, s)
	v.status, v.call.inbox = modernStatus, s.inbox
	if !v.streams {
		v.call.cancel(nil)
		refuse(w, http.StatusNotAcceptable, m.ID, faultf(rpcmessage.InvalidRequest, "Accept must list %s", eventStream))
		return
	}
	defer context.AfterFunc(h.streams, func() { v.call.cancel(errEnding) })()
	h.door.register(r.Context(), s)
	h.serve(r, v, func() { h.door.unregister(v.ctx, s) })
}

// requestSession is that of one request.
func requestSession() *session {
	s := &session{}
	s.greeted()
	return s
}

// listenSession is what mcp-go tells of changes in the name of a subscription. It hears nothing until mcp-go has noted
// what its client wants, and tells that first.
//
// Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
func listenSession(id json.RawMessage) *session {
	s := newSession("listen-" + rand.Text())
	s.filter = &mcp.SubscriptionFilter{}
	s.inbox.first = mcp.MethodNotificationSubscriptionsAcknowledged
	s.inbox.tag = func(n mcp.JSONRPCNotification) mcp.JSONRPCNotification {
		meta := make(map[string]any, len(n.Params.Meta)+1) // the map is everybody's
		maps.Copy(meta, n.Params.Meta)
		meta[mcp.MetaKeySubscriptionID] = id
		n.Params.Meta = meta
		return n
	}
	s.greeted()
	return s
}
