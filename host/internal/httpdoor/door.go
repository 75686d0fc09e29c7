// Package httpdoor is the door for programs: REST routes over HTTP, and the place where the MCP endpoint is
// mounted. It checks what any HTTP server must check before a caller is believed (host, origin, credential,
// media type, size) and then hands a request to the [Caller]; what a tool may do is decided behind it.
//
//	door, err := httpdoor.New(httpdoor.Config{Caller: router, Catalog: fleet.Catalog, Tokens: tokens, ...})
//	err = door.Serve(ctx, listener)
//
//	GET  /                      what this is
//	GET  /livez /readyz         for orchestrators; open
//	GET  /health                200 healthy, 207 degraded, 503 unhealthy; details only with a token
//	GET  /tools, /tools/{name}
//	POST /tools/{name}/execute, /tools/{name}/plan
//	GET  /metrics               Prometheus text
//	ANY  /mcp                   MCP Streamable HTTP
package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
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
	Breaker           string  `json:"state"` // CLOSED, OPEN or HALF_OPEN
	Failures          int     `json:"consecutive_failures"`
	RetryAfterSeconds float64 `json:"retry_after,omitempty"`
	Active            int     `json:"-"`
	Queued            int     `json:"-"`
}

// Config is what the door needs. All fields are required unless said otherwise.
type Config struct {
	Version   string
	Caller    Caller
	Catalog   func() *catalog.Catalog
	State     func(tool string) ToolState
	Health    func() health.Report
	Ready     func() bool
	Limits    Limits
	Transport string

	Tokens *auth.Tokens // nil: no credential is asked for, and clients are their addresses
	Hosts  Hosts

	MCP     http.Handler // nil: no /mcp
	Metrics http.Handler // nil: no /metrics

	Logger  *slog.Logger
	Closing func()                                       // called when the door stops taking requests, to end streams that would stay open; nil: nobody
	Request func(endpoint string, elapsed time.Duration) // called after each request; nil: nobody
}

// Limits are shown with every tool.
type Limits struct {
	MaxStdoutBytes int64 `json:"max_stdout_bytes"`
	MaxStderrBytes int64 `json:"max_stderr_bytes"`
	MaxMemoryMB    int   `json:"max_memory_mb"`
	MaxOpenFiles   int   `json:"max_file_descriptors"`
	MaxArgsLength  int   `json:"max_args_length"`
	MaxNetworkSize int   `json:"max_network_size"`
}

// Door is the HTTP door.
type Door struct {
	cfg     Config
	handler http.Handler
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
	d := &Door{cfg: cfg}
	d.handler = d.routes()
	return d, nil
}

// ServeHTTP serves one request through all checks.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

func (d *Door) routes() http.Handler {
	const name = "/tools/{name:[A-Za-z0-9_-]{1,64}}"
	m := mux.NewRouter().UseEncodedPath()
	m.Use(noteRoute)
	open := func(h http.HandlerFunc) http.Handler { return d.identify(h) }
	locked := func(h http.HandlerFunc) http.Handler { return d.authenticate(h) }

	// A route's name is its label in metrics.
	route := func(name, path, method string, h http.Handler) { m.Handle(path, d.only(method, h)).Name(name) }
	route("/livez", "/livez", http.MethodGet, open(d.livez))
	route("/readyz", "/readyz", http.MethodGet, open(d.readyz))
	route("/health", "/health", http.MethodGet, open(d.health))
	route("/", "/", http.MethodGet, locked(d.index))
	route("/tools", "/tools", http.MethodGet, locked(d.listTools))
	route("/tools/{name}", name, http.MethodGet, locked(d.getTool))
	route("/tools/{name}/execute", name+"/execute", http.MethodPost, locked(d.execute))
	route("/tools/{name}/plan", name+"/plan", http.MethodPost, locked(d.plan))
	if d.cfg.Metrics != nil {
		route("/metrics", "/metrics", http.MethodGet, d.authenticate(quick(d.cfg.Metrics)))
	}
	if d.cfg.MCP != nil {
		m.Handle("/mcp", d.authenticate(d.limitBody(d.cfg.MCP, maxMCPBody))).Name("/mcp")
	}
	m.NotFoundHandler = d.authenticate(http.HandlerFunc(d.notFound))

	// In order: what a request cost is counted whatever became of it; no body is waited for without end; a page
	// of a foreign site is sent away before anything of its request is looked at; then the routes, each with
	// its own lock.
	return d.observe(timely(d.recoverPanics(d.sameOrigin(d.knownHost(m)))))
}

// only lets one method through; HEAD goes with GET.
func (d *Door) only(method string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", method)
		d.refuse(w, r, http.StatusMethodNotAllowed, tool.Errorf(
			tool.KindValidation, "%s is not allowed here", r.Method).Suggest("use %s", method))
	})
}

func (d *Door) notFound(w http.ResponseWriter, r *http.Request) {
	d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindValidation, "there is no such route").
		Suggest("GET / lists the routes; a tool's name has 1 to 64 characters of [A-Za-z0-9_-]"))
}

// observe counts requests by route; what a caller invents is never a label.
func (d *Door) observe(next http.Handler) http.Handler {
	if d.cfg.Request == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		endpoint := "other" // until a route is found
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), endpointKey{}, &endpoint)))
		d.cfg.Request(endpoint, time.Since(start))
	})
}

type endpointKey struct{}

// noteRoute tells observe which route it was.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if endpoint, ok := r.Context().Value(endpointKey{}).(*string); ok {
			*endpoint = mux.CurrentRoute(r).GetName()
		}
		next.ServeHTTP(w, r)
	})
}

func (d *Door) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the identity is the contract
				panic(p)
			}
			d.cfg.Logger.ErrorContext(r.Context(), "panic in a handler", "panic", fmt.Sprint(p))
			d.refuse(w, r, http.StatusInternalServerError, tool.Errorf(tool.KindUnknown, "internal error").
				Suggest("look into the log of the host; it is a bug"))
		}()
		next.ServeHTTP(w, r)
	})
}
