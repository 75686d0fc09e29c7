package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/metrics"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// host is everything behind the doors, wired together.
type host struct {
	cfg     config.Config
	log     *slog.Logger
	fleet   *fleet.Fleet
	router  *call.Router
	metrics *metrics.Metrics
	tokens  *auth.Tokens // nil: nobody needs one

	// changed is what a door wants to be told when the catalog changed.
	changed atomic.Pointer[func()]
}

// load reads the configuration.
func (a *app) load() (config.Config, error) {
	cfg, err := config.Load(config.Source{File: a.configFile, Environ: a.environ, Flags: a.flags})
	if err != nil {
		return cfg, &exitError{code: exitUsage, err: err}
	}
	if len(cfg.Plugins.Dirs) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return cfg, &exitError{code: exitFailure, err: fmt.Errorf("find the plugins: %w", err)}
		}
		cfg.Plugins.Dirs = []string{filepath.Join(filepath.Dir(exe), "plugins")}
	}
	if cfg.Server.StateDir == "" {
		cfg.Server.StateDir = a.defaultStateDir()
	}
	return cfg, nil
}

// defaultStateDir follows the XDG base directory specification; systemd's STATE_DIRECTORY comes first.
func (a *app) defaultStateDir() string {
	if dir := a.getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if dir := a.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gatehouse")
	}
	home := a.getenv("HOME")
	if home == "" {
		home = "/root"
	}
	return filepath.Join(home, ".local", "state", "gatehouse")
}

func (a *app) getenv(name string) string {
	for _, e := range a.environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// newLogger logs to w, which is never the stream of a protocol.
func newLogger(cfg config.Logging, w io.Writer) *slog.Logger {
	levels := map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
		"ERROR": slog.LevelError,
	}
	opts := &slog.HandlerOptions{Level: levels[strings.ToUpper(cfg.Level)]}
	if cfg.Format == "simple" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// newHost wires everything behind the doors. Nothing is started yet.
func newHost(cfg config.Config, log *slog.Logger) (*host, error) {
	h := &host{cfg: cfg, log: log, metrics: metrics.New()}
	var err error
	h.fleet, err = fleet.New(fleet.Config{
		Dirs:         cfg.Plugins.Dirs,
		Policy:       cfg.PluginPolicy,
		Settings:     cfg.Settings,
		Include:      cfg.Tool.Include,
		Exclude:      cfg.Tool.Exclude,
		StartTimeout: cfg.Plugins.StartTimeout.Duration(),
		Logger:       log,
		Changed:      h.catalogChanged,
	})
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	credentials, err := configuredTokens(cfg.Auth)
	if err != nil {
		return nil, err
	}
	if h.tokens, err = auth.New(credentials); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	policy := cfg.ScopePolicy()
	h.router, err = call.New(call.Config{
		Catalog:        h.fleet.Catalog,
		Authorize:      h.authorize,
		Scope:          func() scope.Policy { return policy },
		Lookup:         scope.Static(cfg.Hosts(), scope.DNS(net.DefaultResolver)),
		MaxClients:     cfg.RateLimit.MaxClients,
		MaxTimeout:     config.MaxTimeout,
		MaxStdout:      cfg.Limits.MaxStdoutBytes,
		MaxStderr:      cfg.Limits.MaxStderrBytes,
		Started:        h.metrics.Started,
		Finished:       h.finished,
		BreakerChanged: h.breakerChanged,
	})
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	return h, nil
}

// authorize asks the credentials of the moment: a generated one comes after the router was made.
func (h *host) authorize(ctx context.Context, client, tool string) error {
	return h.tokens.Authorize(ctx, client, tool)
}

func configuredTokens(cfg config.Auth) ([]auth.Token, error) {
	var list []auth.Token
	for _, t := range cfg.Tokens {
		sum, err := auth.ParseHash(t.SHA256)
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", t.Name, err)
		}
		role := auth.Caller
		if t.Role != "" {
			role = auth.Role(t.Role)
		}
		list = append(list, auth.Token{Name: t.Name, SHA256: sum, Role: role, Tools: t.Tools})
	}
	return list, nil
}

// catalogChanged tells the door, when there is one. A breaker is shown from the moment on that there is a
// tool for it.
func (h *host) catalogChanged() {
	for _, name := range h.fleet.Catalog().Names() {
		h.metrics.Breaker(name, gauge[h.router.State(name).Breaker])
	}
	if tell := h.changed.Load(); tell != nil {
		(*tell)()
	}
}

// readyPatience is how long a door waits for the plugins before it opens: one that hangs in its start must
// not keep the others from serving, and is told of when it comes.
const readyPatience = 3 * time.Second

// start runs the fleet until stop is called. It waits until every plugin has been tried once, or there is
// enough, or patience ends.
func (h *host) start(ctx context.Context, patience time.Duration, enough func() bool) (stop func() error) {
	changed := make(chan struct{}, 1) // closed by nobody
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	h.changed.Store(&tell)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1) // closed by nobody; holds the one result of Run
	go func() { ended <- h.fleet.Run(ctx) }()
	h.await(patience, changed, enough)
	return func() error {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("end the plugins: %w", err)
		}
		return nil
	}
}

func (h *host) await(patience time.Duration, changed <-chan struct{}, enough func() bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-h.fleet.Ready():
			return
		case <-changed:
			if enough() {
				return
			}
		case <-timer.C:
			h.log.Warn("a plugin takes long to start; serving without it until it is there")
			return
		}
	}
}

// everything is for doors that want all plugins.
func everything() bool { return false }

// finished is told of every call: it counts and logs it.
func (h *host) finished(r call.Record) {
	name := r.Tool
	if name == "" {
		name = metrics.Unknown
	}
	if !r.Plan {
		h.metrics.Finished(name, r.Kind, r.Elapsed, r.Ran)
	}
	level, message := slog.LevelInfo, "call"
	if r.Plan {
		message = "plan"
	}
	if r.Panic != "" {
		level = slog.LevelError
	}
	h.log.LogAttrs(context.Background(), level, message, attributes(r)...)
}

func attributes(r call.Record) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("execution_id", r.ExecutionID), slog.String("correlation_id", r.CorrelationID),
		slog.String("client", r.Client), slog.String("tool", r.Asked), slog.String("target", r.Target),
		slog.Float64("seconds", r.Elapsed.Seconds()), slog.Int("returncode", r.ReturnCode),
	}
	for _, t := range r.Targets {
		attrs = append(attrs, slog.String("pinned_"+t.Argument, t.Prefix.String()))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error_type", string(r.Kind)), slog.String("error", r.Err.Message))
	}
	if r.Panic != "" {
		attrs = append(attrs, slog.String("panic", r.Panic))
	}
	return attrs
}

var gauge = map[call.BreakerState]int{call.Closed: 0, call.Open: 1, call.HalfOpen: 2}

func (h *host) breakerChanged(name string, state call.BreakerState) {
	h.metrics.Breaker(name, gauge[state])
	h.log.Warn("circuit breaker changed", "tool", name, "state", string(state))
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
