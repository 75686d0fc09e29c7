package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// subject is the plugin under test, and what is known of it so far. One check is made at a time.
type subject struct {
	cfg    Config
	dir    string // for sockets
	script bool   // an interpreter runs it
	family *family
	idle   map[string]bool // command lines of the plugin's own processes, where their files are not to be seen

	manifest  tool.Manifest // once it has described itself
	exercises []exercise    // one for each tool that it offers
	refused   error         // what is wrong with the samples
	hostile   *reception    // how it took the hostile requests; nil: none was made
}

func newSubject(cfg Config) (*subject, error) {
	s := &subject{cfg: cfg, idle: make(map[string]bool)}
	var err error
	if s.script, err = isScript(cfg.Path); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "gatehouse-test-"); err != nil {
		return nil, fmt.Errorf("make a directory for sockets: %w", err)
	}
	if s.family, err = newFamily(); err != nil {
		_ = os.RemoveAll(s.dir) // made a moment ago
		return nil, err
	}
	return s, nil
}

func (s *subject) close() error { return errors.Join(s.family.close(), os.RemoveAll(s.dir)) }

// isScript reports whether a file begins as a script does.
func isScript(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // only read
	var head [2]byte
	_, err = io.ReadFull(f, head[:])
	return string(head[:]) == "#!", err
}

// sources says where the calls of the tools came from.
func (s *subject) sources() (all []Source) {
	for _, x := range s.exercises {
		all = append(all, Source{
			Tool: x.entry.Spec.Name, From: x.from, Quick: x.quick != nil, Slow: x.slow != nil, Flood: x.flood != nil,
		})
	}
	return all
}

// learn keeps a manifest that has been found good.
func (s *subject) learn(m tool.Manifest) error {
	entries, err := catalog.Compile(m, nil, func(tool.Spec) catalog.Settings {
		return catalog.Settings{DefaultTimeout: 5 * time.Minute, MaxTimeout: time.Hour}
	})
	if err != nil {
		return err
	}
	s.manifest = m
	s.exercises, s.refused = exercises(entries, s.cfg.Samples)
	return nil
}

// policy is what the plugin is told: the host's, with nothing in scope but loopback.
func (s *subject) policy() tool.Policy {
	p := s.cfg.Policy(s.manifest.Name)
	p.AllowIntrusive = false
	p.Networks, p.Suffixes, p.Hosts = []netip.Prefix{scope.Loopback()}, nil, nil
	return p
}

// hosted is a plugin that runs as in a host: confined, without the host's environment, and known by what it
// logs.
type hosted struct {
	*proc.Process
	log *words
}

// host starts the plugin as a host does, and configures it once it has described itself. Close it.
func (s *subject) host(ctx context.Context, env ...string) (*hosted, error) {
	log := &words{}
	p, err := proc.Start(ctx, proc.Config{
		Path: s.cfg.Path, RuntimeDir: s.dir, StartTimeout: startLimit, Grace: time.Second,
		Env:     append(proc.DefaultEnv(), env...),
		Logger:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Confine: proc.Confinement{Landlock: proc.LandlockAuto, NoNewPrivs: s.withoutNewPrivileges()},
	})
	if err != nil {
		return nil, fmt.Errorf("start it as a host does: %w", err)
	}
	h := &hosted{Process: p, log: log}
	if s.manifest.Name == "" {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if err := h.Configure(ctx, s.policy()); err != nil {
		h.close()
		return nil, fmt.Errorf("configure it: %w", err)
	}
	return h, nil
}

// withoutNewPrivileges is what a host decides by default: what a tool needs a capability for may gain it
// from a file, where the host is not root.
func (s *subject) withoutNewPrivileges() bool {
	return os.Geteuid() == 0 || !slices.ContainsFunc(s.manifest.Tools, func(t tool.Spec) bool {
		return slices.ContainsFunc(t.Needs, func(n tool.Need) bool {
			return n.Kind == tool.NeedCapability && !n.Optional
		})
	})
}

func (h *hosted) close() { _ = h.Process.Close() } // what it leaves is swept, and is another check's affair

// alive says why the plugin is not there any more; nil: it serves.
func (h *hosted) alive(ctx context.Context) error {
	if err := h.Err(); err != nil {
		return fmt.Errorf("the process has ended: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := h.Describe(ctx)
	return err
}

// running is a call under way.
type running struct {
	done   chan struct{} // closed when it has ended
	result tool.Result
	err    error
	cancel context.CancelFunc

	began time.Time
}

// caller makes calls: a process of a host's, or a raw one.
type caller interface {
	Call(context.Context, tool.Request, func(tool.Event)) (tool.Result, error)
}

// begin makes a call that the caller does not wait for; it is cancelled with limit at the latest. Wait for
// its end.
func begin(ctx context.Context, c caller, r tool.Request, limit time.Duration,
	emit func(tool.Event)) *running {
	ctx, cancel := context.WithTimeout(ctx, limit)
	run := &running{done: make(chan struct{}), cancel: cancel, began: time.Now()}
	go func() {
		defer close(run.done)
		defer cancel()
		run.result, run.err = call(ctx, c, r, limit, emit)
	}()
	return run
}

// stop cancels the call and waits for it.
func (r *running) stop() {
	r.cancel()
	<-r.done
}

// over reports whether the call has ended.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// call makes a call and waits for it, for a limit at most.
func call(ctx context.Context, c caller, r tool.Request, limit time.Duration,
	emit func(tool.Event)) (tool.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if emit == nil {
		emit = func(tool.Event) {}
	}
	return c.Call(ctx, r, emit)
}

// words keep the beginning of a log.
type words struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements [io.Writer]; it never fails.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if room := 1<<20 - w.text.Len(); room > 0 {
		w.text.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func executionID() string {
	id, err := uuid.NewV7()
	if err != nil { // no randomness: any number does
		return uuid.Nil.String()
	}
	return id.String()
}
