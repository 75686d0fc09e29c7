// Package httpdoor is the door for programs: REST routes over HTTP, and the place where the MCP endpoint is
// mounted. It checks what any HTTP server must check before a caller is believed (host, origin, credential,
// role, media type, size) and then hands a request to the [Caller]; what a tool may do is decided behind it.
//
// Each route is one row of the table (table.go), from which both the mux and the OpenAPI document are made.
//
//	door, err := httpdoor.New(httpdoor.Config{Caller: router, Catalog: fleet.Catalog, Clients: clients, ...})
//	err = door.Serve(ctx, listener, grace)
//
//	GET  /                      what this is
//	GET  /livez /readyz         for orchestrators; open
//	GET  /health                200 healthy, 207 degraded, 503 unhealthy; details only with a token
//	GET  /tools, /tools/{name}
//	POST /tools/{name}/execute, /tools/{name}/plan
//	POST /tools/{name}/enable, /disable, /breaker/open, /breaker/close
//	GET  /plugins, /plugins/{name}
//	POST /plugins/{name}/restart, /stop, /start, /plugins/pin, /plugins/verify
//	GET  /config                what is in force, secrets redacted
//	GET  /metrics               Prometheus text, or JSON
//	GET  /events                server-sent events
//	POST /executions            run a tool that goes on without its caller; GET lists executions
//	GET  /executions/{id}, /events, /stdout, /stderr, /data behind it; DELETE cancels or forgets
//	GET  /tokens, POST /tokens, /tokens/{name}/rotate, DELETE /tokens/{name}
//	GET  /openapi.json
//	GET  /.well-known/oauth-protected-resource, and the same with /mcp behind it
//	ANY  /mcp                   MCP Streamable HTTP
package httpdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/conns"
	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Caller runs tools behind all gates.
type Caller interface {
	Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error)
	Plan(ctx context.Context, r tool.Request) (tool.Plan, error)
}

// ToolState is what a tool is doing now.
type ToolState struct {
	Breaker           string  `json:"state" jsonschema:"CLOSED, OPEN or HALF_OPEN"`
	Failures          int     `json:"consecutive_failures" jsonschema:"of those that count"`
	RetryAfterSeconds float64 `json:"retry_after,omitempty" jsonschema:"seconds until a trial is let through"`
	Forced            bool    `json:"forced" jsonschema:"whether an operator opened or closed it by hand"`
	Active            int     `json:"-"`
	Queued            int     `json:"-"`
	Calls             uint64  `json:"-"` // that ended, since the start
	Errors            uint64  `json:"-"` // of them, those that ended with an error
}

// Config is what the door needs. All fields are required unless said otherwise. A route whose field is nil is
// not there.
type Config struct {
	Version   string
	Caller    Caller
	Catalog   func() *catalog.Catalog
	State     func(tool string) ToolState
	Health    func() health.Report // on the way of a request: it answers at once, from what is known
	Ready     func() bool
	Limits    func() Limits // shown with every tool; nil: zeros are
	Transport string

	Clients  *auth.Clients // nil: no credential is asked for, clients are their addresses, and everybody is admin
	Failures Failures      // nil: credentials that are not good are looked at however many there are
	Issuer   string        // whose tokens Clients takes besides its own; empty: nobody's

	Hosts   Hosts
	Origins []string // of pages besides the door's own, lower case, exact; nothing: none
	// Proxy reports whether an address is that of a proxy whose word on its clients is believed; nil: nobody's.
	Proxy func(netip.Addr) bool
	// BehindTLSProxy says that clients speak TLS to a proxy in front, also where it does not say so itself.
	BehindTLSProxy bool
	TLS            *tls.Config // nil: none
	// Peer recognises the process at the other end of a connection; nil: nobody does, as on a network.
	Peer   func(net.Conn) (auth.Identity, bool)
	Budget Budget

	MCP http.Handler // nil: no /mcp
	// Session reports whether the session that a request of /mcp names is its client's; nil: any is.
	Session     func(*http.Request) bool
	Store       TokenStore   // nil: no /tokens
	Metrics     http.Handler // Prometheus text; nil: JSON only
	MetricsJSON http.Handler // nil: no JSON; with Metrics nil too: no /metrics

	// SetEnabled switches a tool; nil: no /enable and /disable. Errors are *tool.Error; reason is what the
	// operator wrote, one line, perhaps empty.
	SetEnabled func(ctx context.Context, tool string, on bool, reason string) error
	// SetBreaker opens or closes a breaker by hand; nil: no /breaker.
	SetBreaker func(ctx context.Context, tool string, open bool, reason string) error
	// Plugins is what /plugins shows and acts on; nil: no /plugins.
	Plugins Plugins
	// Configuration gives what is in force, secrets redacted, as a value that becomes a JSON object; nil: no
	// /config.
	Configuration func() any

	// Executions are those that the client of a context may see: its own, an administrator all; nil: no
	// /executions.
	Executions func(ctx context.Context) Executions
	// Detach begins a call of the client of a context that goes on without it, and returns when it has passed all
	// gates and runs or waits for a slot. With an error the execution has at most its ids. The error is as that of
	// Caller; nil: no POST /executions.
	Detach func(ctx context.Context, r tool.Request) (executions.Execution, error)

	// Events is what /events streams; nil: no /events.
	Events *events.Hub
	// Heartbeat is how often a stream without events shows that it lives; zero: 15 s.
	Heartbeat time.Duration

	Logger *slog.Logger
	// Closing is called when the door stops taking requests, to end streams that would stay open; nil: nobody
	// is.
	Closing func()
	// Refused is told of each request that never became a call; nil: nobody is.
	Refused func(Refusal)
	// Request is called after each request; nil: nobody is.
	Request func(endpoint string, elapsed time.Duration)
}

// Budget is how much of the door its clients may take.
type Budget struct {
	Connections          int // at a time; required by Serve
	ConnectionsPerClient int // of one address, over which something is served; 0: as many as there are in all
	StreamsPerClient     int // that stay open; 0: any number
}

// Failures counts credentials that were not good, by address.
type Failures interface {
	// Blocked reports whether an address has failed too often, and how long it has to wait.
	Blocked(address string) (wait time.Duration, blocked bool)
	// Fail notes one more failure.
	Fail(address string) (wait time.Duration, ok bool)
}

// Limits are shown with every tool.
type Limits struct {
	MaxStdoutBytes int64 `json:"max_stdout_bytes" jsonschema:"bytes of stdout that are kept"`
	MaxStderrBytes int64 `json:"max_stderr_bytes" jsonschema:"bytes of stderr that are kept"`
	MaxMemoryMB    int   `json:"max_memory_mb" jsonschema:"MiB of address space of the tool's process"`
	MaxOpenFiles   int   `json:"max_file_descriptors" jsonschema:"open files of the tool's process"`
	MaxArgsLength  int   `json:"max_args_length" jsonschema:"bytes of extra_args"`
	MaxNetworkSize int   `json:"max_network_size" jsonschema:"addresses of one target network"`
}

const defaultHeartbeat = 15 * time.Second

// Door is the HTTP door.
type Door struct {
	cfg      Config
	rows     []route
	handler  http.Handler
	conns    *conns.Conns
	streams  *streams
	large    chan struct{} // holds one for each large message of MCP that is being read; never closed
	familiar *lru.Cache[familiar, struct{}]
	apart    bool                     // the routes of administrators are at another address
	document atomic.Pointer[document] // of the catalog that was last asked for
}

var _ http.Handler = (*Door)(nil)

// New makes a door.
func New(cfg Config) (*Door, error) {
	if cfg.Caller == nil || cfg.Catalog == nil || cfg.State == nil || cfg.Health == nil || cfg.Ready == nil {
		return nil, errors.New("httpdoor: Caller, Catalog, State, Health and Ready are required")
	}
	if cfg.Logger == nil {
		return nil, errors.New("httpdoor: Logger is required")
	}
	if cfg.Limits == nil {
		cfg.Limits = func() Limits { return Limits{} }
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = defaultHeartbeat
	}
	return newDoorOf(cfg, func(route) bool { return true }), nil
}

// newDoorOf makes a door of those routes that are wanted.
func newDoorOf(cfg Config, wanted func(route) bool) *Door {
	d := &Door{cfg: cfg, conns: newConns(cfg), streams: &streams{most: cfg.Budget.StreamsPerClient, open: make(map[string]int)}}
	d.large = make(chan struct{}, maxLargeMCP)
	d.familiar, _ = lru.New[familiar, struct{}](maxFamiliar) // an error is of a size below 1
	for _, r := range d.table() {
		if !r.off && wanted(r) {
			d.rows = append(d.rows, r)
		}
	}
	d.handler = d.routes()
	return d
}

func newConns(cfg Config) *conns.Conns {
	return conns.New(conns.Config{
		Max: cfg.Budget.Connections, MaxPerClient: cfg.Budget.ConnectionsPerClient, Exempt: cfg.Proxy,
		Grace: headerGrace,
	})
}

// Connections counts those that the door has.
func (d *Door) Connections() conns.Stats { return d.conns.Stats() }

// Side is a part of the door that listens for itself.
type Side struct {
	Hosts Hosts
	TLS   *tls.Config
	// Peer is as in [Config]. Where it recognises somebody, no other credential is asked of him.
	Peer func(net.Conn) (auth.Identity, bool)
}

// MetricsOnly is the same door with the routes /metrics and /livez alone, and the same guards.
func (d *Door) MetricsOnly(s Side) *Door {
	return d.side(s, func(r route) bool { return r.path == "/metrics" || r.path == "/livez" })
}

// AdminOnly is the same door for administrators: what they switch and look at, without the calls of tools.
func (d *Door) AdminOnly(s Side) *Door {
	return d.side(s, func(r route) bool { return r.role != auth.Caller && r.path != mcpPath && !r.stays })
}

// WithoutAdmin is the same door for everybody else.
func (d *Door) WithoutAdmin() *Door {
	side := Side{Hosts: d.cfg.Hosts, TLS: d.cfg.TLS, Peer: d.cfg.Peer}
	without := d.side(side, func(r route) bool { return r.role != auth.Admin })
	without.cfg.Closing, without.apart = d.cfg.Closing, true
	return without
}

func (d *Door) side(s Side, wanted func(route) bool) *Door {
	cfg := d.cfg
	cfg.Closing = nil // there are no streams to end
	cfg.Hosts, cfg.TLS, cfg.Peer = s.Hosts, s.TLS, s.Peer
	return newDoorOf(cfg, wanted)
}

// ServeHTTP serves one request through all checks.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }
