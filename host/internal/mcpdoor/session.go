package mcpdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// Bounds of one session.
const (
	maxInFlight      = 256 // requests
	maxSubscriptions = 64  // resources
	maxURI           = 2 << 10
)

// defaultLevel is the least level of log messages for a client that never set one: the protocol leaves it to the
// server.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/logging#setting-log-level
const defaultLevel = mcp.LoggingLevelInfo

// session is a client as mcp-go sees it: over both transports the one that began with initialize, and in the stateless
// revision one of its own for each request, so that nothing of one is known to another.
type session struct {
	id    string
	inbox *inbox // nil: it is told nothing but answers
	ready atomic.Bool

	info    atomic.Pointer[mcp.Implementation]
	can     atomic.Pointer[mcp.ClientCapabilities]
	version atomic.Pointer[string]
	level   atomic.Pointer[mcp.LoggingLevel]

	mu         sync.Mutex              // guards what follows
	calls      map[string]*call        // key of the id -> request under way
	asks       map[string]inquiry      // key of our id -> question that is open
	lastAsk    int64                   // the id of our last question
	over       bool                    // nothing can be asked any more
	subscribed []string                // URIs of resources
	filter     *mcp.SubscriptionFilter // of a subscription; nil: there is none
}

var (
	_ server.ClientSession                       = (*session)(nil)
	_ server.SessionWithLogging                  = (*session)(nil)
	_ server.SessionWithClientInfo               = (*session)(nil)
	_ server.SessionWithElicitation              = (*session)(nil)
	_ server.SessionWithProtocolVersion          = (*session)(nil)
	_ server.SessionWithSubscriptionFilter       = (*session)(nil)
	_ server.SessionWithResourceSubscriptionsErr = (*session)(nil)
)

// newSession is one of a client that is told what changes.
func newSession(id string) *session {
	s := &session{id: id, inbox: newInbox()}
	s.inbox.wanted = func(n mcp.JSONRPCNotification) bool {
		uri, _ := n.Params.AdditionalFields["uri"].(string)
		return n.Method != mcp.MethodNotificationResourceUpdated || s.IsSubscribedToResource(uri)
	}
	return s
}

// register makes a session known to mcp-go, which tells it of changes from now on.
func (d *Door) register(ctx context.Context, s *session) {
	if err := d.server.RegisterSession(ctx, s); err != nil { // of an id that is there already: no two are alike
		d.cfg.Logger.ErrorContext(ctx, "a session of MCP is not told of changes", "error", err)
	}
}

func (d *Door) unregister(ctx context.Context, s *session) {
	d.server.UnregisterSession(context.WithoutCancel(ctx), s.id)
}

// SessionID implements [server.ClientSession].
func (s *session) SessionID() string { return s.id }

// Initialize implements [server.ClientSession]. mcp-go calls it before the answer is written, see greeted.
func (s *session) Initialize() {}

// greeted notes that the answer to initialize is on its way: now the client may be told things.
func (s *session) greeted() { s.ready.Store(true) }

// Initialized implements [server.ClientSession].
func (s *session) Initialized() bool { return s.ready.Load() }

// NotificationChannel implements [server.ClientSession].
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification {
	if s.inbox == nil {
		return nil
	}
	return s.inbox.channel()
}

// SetLogLevel implements [server.SessionWithLogging].
func (s *session) SetLogLevel(l mcp.LoggingLevel) { s.level.Store(&l) }

// GetLogLevel implements [server.SessionWithLogging].
func (s *session) GetLogLevel() mcp.LoggingLevel {
	if l := s.level.Load(); l != nil {
		return *l
	}
	return defaultLevel
}

// SetClientInfo implements [server.SessionWithClientInfo]. What is kept of a client's words is short.
func (s *session) SetClientInfo(i mcp.Implementation) {
	s.info.Store(&mcp.Implementation{Name: clipped(i.Name), Version: clipped(i.Version)})
}

// GetClientInfo implements [server.SessionWithClientInfo].
func (s *session) GetClientInfo() mcp.Implementation {
	if i := s.info.Load(); i != nil {
		return *i
	}
	return mcp.Implementation{}
}

// SetClientCapabilities implements [server.SessionWithClientInfo]. Those that the protocol does not know are not kept.
func (s *session) SetClientCapabilities(c mcp.ClientCapabilities) {
	c.Experimental, c.Extensions, c.Tasks = nil, nil, nil
	s.can.Store(&c)
}

// GetClientCapabilities implements [server.SessionWithClientInfo].
func (s *session) GetClientCapabilities() mcp.ClientCapabilities {
	if c := s.can.Load(); c != nil {
		return *c
	}
	return mcp.ClientCapabilities{}
}

// SetProtocolVersion is how mcp-go says which revision was agreed on.
func (s *session) SetProtocolVersion(v string) { s.version.Store(&v) }

// ProtocolVersion implements [server.SessionWithProtocolVersion].
func (s *session) ProtocolVersion() string {
	if v := s.version.Load(); v != nil {
		return *v
	}
	return ""
}

// Why a request is not begun.
var (
	errInUse   = faultf(rpcmessage.InvalidRequest, "the id is one of a request that is under way; use a new one for each")
	errTooMany = faultf(unavailable, "too many requests in flight: %d; wait for an answer first", maxInFlight)

	errHostEnds = faultf(unavailable, "the host ends")
)

// unavailable is the first of the codes that JSON-RPC leaves to servers.
const unavailable = -32000

// begin notes a request that is under way, until end.
func (s *session) begin(c *call) *fault {
	key := rpcmessage.Key(c.message.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.calls[key] != nil:
		return errInUse
	case len(s.calls) >= maxInFlight:
		return errTooMany
	case s.calls == nil:
		s.calls = make(map[string]*call)
	}
	s.calls[key] = c
	return nil
}

func (s *session) end(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, rpcmessage.Key(c.message.ID))
}

// cancel withdraws a request, if one of the id is under way: else it is answered already, or never was one.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation#behavior-requirements
func (s *session) cancel(id json.RawMessage) {
	s.mu.Lock()
	c := s.calls[rpcmessage.Key(id)]
	s.mu.Unlock()
	if c != nil {
		c.withdraw()
	}
}

// SetSubscriptionFilter implements [server.SessionWithSubscriptionFilter].
func (s *session) SetSubscriptionFilter(f mcp.SubscriptionFilter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filter != nil {
		s.filter = &f
	}
}

// SubscriptionFilter implements [server.SessionWithSubscriptionFilter].
func (s *session) SubscriptionFilter() (mcp.SubscriptionFilter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filter == nil {
		return mcp.SubscriptionFilter{}, false
	}
	return *s.filter, true
}

// SubscribeToResource implements [server.SessionWithResourceSubscriptions].
func (s *session) SubscribeToResource(uri string) { _ = s.SubscribeToResourceErr(uri) }

// SubscribeToResourceErr implements [server.SessionWithResourceSubscriptionsErr].
func (s *session) SubscribeToResourceErr(uri string) error {
	if len(uri) > maxURI {
		return fmt.Errorf("a URI has at most %d bytes", maxURI)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.subscribed, uri) {
		return nil
	}
	if len(s.subscribed) >= maxSubscriptions {
		return fmt.Errorf("%d resources are subscribed to already; end another subscription first", maxSubscriptions)
	}
	s.subscribed = append(s.subscribed, uri)
	return nil
}

// UnsubscribeFromResource implements [server.SessionWithResourceSubscriptions].
func (s *session) UnsubscribeFromResource(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribed = slices.DeleteFunc(s.subscribed, func(u string) bool { return u == uri })
}

// SubscribedResources implements [server.SessionWithResourceSubscriptions].
func (s *session) SubscribedResources() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.subscribed)
}

// IsSubscribedToResource implements [server.SessionWithResourceSubscriptions].
func (s *session) IsSubscribedToResource(uri string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.subscribed, uri)
}
