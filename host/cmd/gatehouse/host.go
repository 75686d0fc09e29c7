package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/detach"
	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/manifests"
	"github.com/gatehouse-mcp/gatehouse/host/internal/metrics"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/host/internal/switches"
	"github.com/gatehouse-mcp/gatehouse/host/internal/tlscert"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// host is everything behind the doors, wired together.
type host struct {
	reread   func() (config.Loaded, error) // the configuration, from where it came from
	force    atomic.Pointer[force]
	log      *slog.Logger
	setLevel func(string) // of the log

	fleet    *fleet.Fleet
	router   *call.Router
	metrics  *metrics.Metrics
	hub      *events.Hub
	switches *switches.Switches
	tokens   *auth.Tokens
	store    *auth.Store
	clients  *auth.Clients
	failures *auth.Failures
	// endIssuer waits for what is fetched from the issuer of tokens; nil: there is none.
	endIssuer func() error
	tls       *tls.Config                   // nil: none
	keeper    *tlscert.Keeper               // of the certificate; nil: there is none
	open      atomic.Pointer[doors]         // nil: until they are
	scraped   atomic.Pointer[httpdoor.Door] // on the port of the metrics; nil: there is none
	cgroup    *proc.Cgroup                  // nil: plugins get none of their own
	trail     *audit.Trail                  // nil: none is kept
	book      *executions.Book              // nil: what runs is not kept, as for a single call
	runner    *detach.Runner                // nil with book
	booked    atomic.Bool                   // both have been closed
	checker   *health.Checker               // nil: until it serves

	// changed is what a door wants to be told when the catalog changed.
	changed atomic.Pointer[func()]

	reloading sync.Mutex // held during a reload of the configuration
}

// force is a configuration in force, with what is made of it once and asked for by every call.
type force struct {
	config.Loaded
	waiting []string // keys whose new values wait for the next start
	scope   scope.Policy
	lookup  scope.Lookup

	certificates []auth.Certificate
}

func newForce(l config.Loaded, waiting ...string) *force {
	return &force{
		Loaded: l, waiting: waiting, scope: l.Config.ScopePolicy(),
		lookup:       scope.Static(l.Config.Hosts(), scope.DNS(net.DefaultResolver)),
		certificates: configuredCertificates(l.Config.Auth),
	}
}

// config is the configuration in force.
func (h *host) config() *config.Config { return &h.force.Load().Config }

// read reads the configuration, and fills in what depends on this machine.
func (a *app) read() (config.Loaded, error) {
	l, err := config.Read(config.Source{File: a.configFile, Environ: a.environ, Flags: a.flags})
	if err != nil {
		return l, &exitError{code: exitUsage, err: err}
	}
	if len(l.Config.Plugins.Dirs) == 0 {
		if l.Config.Plugins.Dirs, err = defaultPluginDirs(); err != nil {
			return l, &exitError{code: exitFailure, err: fmt.Errorf("find the plugins: %w", err)}
		}
	}
	if l.Config.Server.StateDir == "" {
		l.Config.Server.StateDir = a.defaultStateDir()
	}
	return l, nil
}

// systemPluginDirs are where packages and administrators put plugins, in this order.
var systemPluginDirs = []string{"/usr/local/lib/gatehouse/plugins", "/usr/lib/gatehouse/plugins"}

// defaultPluginDirs are plugins/ beside the program and those of the system, as far as they are there; without
// any, the first.
func defaultPluginDirs() ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	own := filepath.Join(filepath.Dir(exe), "plugins")
	var dirs []string
	for _, dir := range append([]string{own}, systemPluginDirs...) {
		if _, err := os.Lstat(dir); err == nil {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		dirs = []string{own}
	}
	return dirs, nil
}

// load is read for who does not care where a value came from.
func (a *app) load() (config.Config, error) {
	l, err := a.read()
	return l.Config, err
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

// newHost wires everything behind the doors, for a host that serves or for a single call. Nothing is started
// yet. cgroup may be nil.
func (a *app) newHost(l config.Loaded, log *slog.Logger, serves bool, cgroup *proc.Cgroup) (*host, error) {
	h := &host{reread: a.read, log: log, setLevel: func(string) {}, cgroup: cgroup}
	h.force.Store(newForce(l))
	cfg := &l.Config
	var err error
	if h.switches, err = switches.Open(cfg.Server.StateDir); err != nil {
		return nil, err
	}
	h.hub = events.New(events.Config{History: cfg.Events.History, MaxStreams: cfg.Events.MaxStreams})
	h.metrics = metrics.New(metrics.Config{
		Version: version, Revision: revision(), Known: h.offers, Sources: h.sources(),
	})
	h.metrics.Loaded(time.Now())
	plugins := h.fleetConfig(serves)
	if a.adjust != nil {
		a.adjust(h, &plugins)
	}
	if h.fleet, err = fleet.New(plugins); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	h.clients = auth.NewClients(auth.Config{}) // who calls from this process needs no credential
	if serves {
		if err := h.openClients(cfg); err != nil {
			return nil, err
		}
	}
	if h.router, err = h.newRouter(cfg); err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	if serves {
		err = h.openRunner(cfg)
	}
	return h, err
}

// offers reports whether there is a tool of this name now.
func (h *host) offers(name string) bool {
	_, ok := h.fleet.Catalog().Lookup(name)
	return ok
}

// revision is the commit that the program was built from, as far as the build noted it.
func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// fleetConfig says how plugins are kept. A host that serves follows what happens in the directories; one that
// is started for a single call does not.
func (h *host) fleetConfig(serves bool) fleet.Config {
	cfg := h.config()
	fc := fleet.Config{
		Dirs:         cfg.Plugins.Dirs,
		Policy:       func(plugin string) tool.Policy { return h.config().PluginPolicy(plugin) },
		Settings:     h.settings,
		Wanted:       func(name string) bool { return h.config().Wanted(name) },
		Launch:       fleet.Eager,
		Trust:        fleet.Trust(cfg.Plugins.Trust),
		Confine:      proc.Confinement{Landlock: proc.Landlock(cfg.Plugins.Landlock), RunAs: cfg.Plugins.RunAs},
		NoNewPrivs:   fleet.NoNewPrivs(cfg.Plugins.NoNewPrivs),
		Rescan:       -1,
		StartTimeout: cfg.Plugins.StartTimeout.Duration(),
		Logger:       h.log,
		Changed:      h.catalogChanged,
		StateChanged: h.pluginChanged,
	}
	if serves {
		fc.Manifests = h.remembered()
		fc.Launch, fc.IdleTimeout = fleet.Launch(cfg.Plugins.Launch), cfg.Plugins.IdleTimeout.Duration()
		fc.Rescan, fc.Settle = cfg.Plugins.RescanInterval.Duration(), settle
		fc.MaxRSS = func() int64 { return int64(h.config().Plugins.MaxRSS) << 20 }
		fc.AdoptOrphans, fc.Guard, fc.Cgroup = true, true, h.cgroup
	}
	return fc
}

// remembered opens the cache of manifests. A host does without one that cannot be used.
func (h *host) remembered() *manifests.Cache {
	cache, err := manifests.Open(filepath.Join(h.config().Server.StateDir, "manifests"))
	if err != nil {
		h.log.Warn("what plugins offer is not remembered from one start to the next", "error", err)
		return nil
	}
	return cache
}

// settle is how long a change of the catalog waits for others, so that clients hear of both at once.
const settle = 100 * time.Millisecond

// settings are the numbers in force of a tool. What an operator switched holds over the configuration.
func (h *host) settings(spec tool.Spec) catalog.Settings {
	s := h.force.Load().Settings(spec)
	if on, said := h.switches.Get(spec.Name); said {
		s.Enabled = on
	}
	return s
}

func (h *host) newRouter(cfg *config.Config) (*call.Router, error) {
	return call.New(call.Config{
		Catalog:            h.fleet.Catalog,
		Authorize:          h.clients.Authorize,
		Rate:               h.clients.Rate,
		Unknown:            h.unknownRate,
		MaxQueuedPerClient: func() int { return h.config().Tool.MaxQueuedPerClient },
		Scope:              func() scope.Policy { return h.force.Load().scope },
		Lookup:             h.lookup,
		Limits:             limits(cfg),
		MaxTimeout:         config.MaxTimeout,
		AskIntrusive:       func() bool { return h.config().Security.AllowIntrusive == config.IntrusiveAsk },
		Enlist:             h.enlist,
		Event:              h.told,
		Received:           h.received,
		Admit:              h.admit,
		Executing:          h.executing,
		Progress:           h.progress,
		Finished:           h.finished,
		BreakerChanged:     h.breakerChanged,
	})
}

// unknownRate is how often a client may ask for tools that are not there.
func (h *host) unknownRate() (requests int, per time.Duration) {
	r := h.config().RateLimit
	return r.Requests, r.Per.Duration()
}

func limits(cfg *config.Config) call.Limits {
	return call.Limits{
		MaxClients: cfg.RateLimit.MaxClients,
		MaxStdout:  cfg.Limits.MaxStdoutBytes, MaxStderr: cfg.Limits.MaxStderrBytes,
	}
}

// lookup resolves names by the table of the configuration in force, then by DNS.
func (h *host) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return h.force.Load().lookup(ctx, name)
}

// openTrail opens the audit trail that the configuration wants.
func (h *host) openTrail() error {
	cfg := h.config().Audit
	if !cfg.Enabled {
		return nil
	}
	var err error
	h.trail, err = audit.New(audit.Config{
		Dir: h.config().AuditDir(), MaxFileSize: cfg.MaxFileSize, MaxFiles: cfg.MaxFiles, Sync: audit.Sync(cfg.Sync),
		Continue: cfg.OnFailure == config.AuditContinue, Changed: h.trailChanged,
	})
	if err != nil {
		return fmt.Errorf("%w; mend it, choose another place with audit.dir, or do without: audit.enabled", err)
	}
	return nil
}

func (h *host) trailChanged(err error) {
	if err != nil {
		h.log.Error("the audit trail cannot be written", "error", err, "calls", h.config().Audit.OnFailure)
	} else {
		h.log.Info("the audit trail can be written again")
	}
	h.kick()
}

// closeTrail ends the trail, when there is one.
func (h *host) closeTrail() error {
	if h.trail == nil {
		return nil
	}
	return h.trail.Close()
}

// catalogChanged tells who shows the catalog. A breaker is shown from the moment on that there is a tool for
// it.
func (h *host) catalogChanged() {
	names := h.fleet.Catalog().Names()
	h.metrics.Tools(names)
	for _, name := range names {
		h.metrics.Breaker(name, gauge[h.router.State(name).Breaker])
	}
	enabled := make([]string, 0, len(names))
	for _, e := range h.fleet.Catalog().Entries() {
		if e.Settings.Enabled {
			enabled = append(enabled, e.Spec.Name)
		}
	}
	h.hub.Publish("catalog", map[string]any{"tools": names, "enabled": enabled})
	h.kick()
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

var gauge = map[call.BreakerState]int{call.Closed: 0, call.Open: 1, call.HalfOpen: 2}

func (h *host) breakerChanged(name string, state call.BreakerState) {
	forced := h.router.State(name).Forced
	h.metrics.Breaker(name, gauge[state])
	h.hub.Publish("breaker", map[string]any{"tool": name, "state": string(state), "forced": forced})
	h.log.Warn("circuit breaker changed", "tool", name, "state", string(state), "by_hand", forced)
	h.kick()
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
