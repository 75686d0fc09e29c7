package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// reload reads the configuration again and puts it into force. It is validated as a whole first: one that is
// bad changes nothing. Calls in flight keep what they started with. why is what asked for it.
//
//	read       file, environment, flags                 else: rejected
//	keep       what waits for the next start stays as it is
//	tokens     who may come in                          else: rejected
//	config     scope, settings, limits, thresholds: calls that come from now on
//	plugins    new catalog; each plugin gets its policy
func (h *host) reload(ctx context.Context, why string) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	l, err := h.reread()
	if err != nil {
		return h.rejected(why, err)
	}
	old, written := h.force.Load(), l.Config
	var waiting []string
	l.Config, waiting = config.Keep(old.Config, l.Config)
	if len(waiting) > 0 {
		h.log.Warn("some of the configuration waits for the next start", "keys", waiting)
	}
	if l.Same(old.Loaded) {
		h.force.Store(newForce(l, waiting...)) // lines may have moved
		h.log.Info("the configuration was read again and says the same", "why", why)
		h.reloaded(why, nil)
		return nil
	}
	if err := h.letIn(&l.Config, &written); err != nil {
		return h.rejected(why, err)
	}
	h.force.Store(newForce(l, waiting...))
	err = h.apply(ctx, l)
	h.log.Info("the configuration was reloaded", "why", why, "file", l.File, "sha256", configHash(&l.Config))
	h.reloaded(why, err)
	return err
}

func (h *host) rejected(why string, err error) error {
	h.metrics.Rejected()
	h.hub.Publish("config.rejected", map[string]string{"why": why, "error": err.Error()})
	h.write(audit.Entry{
		Event: audit.Admin, Actor: why, Action: "reload", Error: err.Error(), ErrorType: "validation_error",
	})
	h.log.Error("the new configuration is bad; the old one stays in force", "why", why, "error", err)
	return err
}

// apply takes a configuration that is in force to those who keep something of it. The error tells who did not
// take it.
func (h *host) apply(ctx context.Context, l config.Loaded) error {
	h.warn(l)
	cfg := &l.Config
	h.setLevel(cfg.Logging.Level)
	err := errors.Join(h.router.SetLimits(limits(cfg)), h.book.SetLimits(executionLimits(cfg)),
		h.reconfigureHealth(cfg), h.fleet.Reconfigure(ctx))
	if tell := h.changed.Load(); tell != nil {
		(*tell)() // what is said of the tools may have changed with the policy
	}
	h.warnOfUnknownNames()
	if err != nil {
		h.log.Error("not everything took the new configuration", "error", err)
	}
	return err
}

// reloaded tells of a configuration that was read again and is good. err is of those who did not take it.
func (h *host) reloaded(why string, err error) {
	sum, text := configHash(h.config()), ""
	e := audit.Entry{
		Event: audit.Admin, Actor: why, Action: "reload", Facts: map[string]string{"config_sha256": sum},
	}
	if err != nil {
		text, e.Error, e.ErrorType = err.Error(), err.Error(), tool.KindOf(err)
	}
	h.metrics.Reload(err == nil, time.Now())
	h.write(e)
	h.hub.Publish("config.reloaded", map[string]any{
		"why": why, "sha256": sum, "waiting": h.force.Load().waiting, "error": text,
	})
}

// warn logs what was clamped.
func (h *host) warn(l config.Loaded) {
	for _, w := range l.Warnings {
		h.log.Warn("configuration: " + w)
	}
}

// configHash names a configuration. Secrets count as one and the same.
func configHash(cfg *config.Config) string {
	raw, err := json.Marshal(cfg.Redacted())
	if err != nil {
		return "unknown" // a value that JSON cannot carry has not passed the validation
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// follow reloads when the operator asks or the files change, until ctx ends.
func (h *host) follow(ctx context.Context, hangups <-chan os.Signal, spawn func(func())) {
	if l := h.force.Load(); l.File != "" {
		spawn(func() {
			h.watch(ctx, l.File, l.Sum, func() { _ = h.reload(ctx, "the file changed") }) // it is logged
		})
	}
	if file := h.switches.Path(); file != "" {
		spawn(func() { h.watchSwitches(ctx, file) })
	}
	spawn(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				h.rereadSwitches()
				_ = h.reload(ctx, "SIGHUP") // it is logged
			}
		}
	})
}

func (h *host) watch(ctx context.Context, file string, seen config.Fingerprint, changed func()) {
	if err := config.Watch(ctx, file, seen, h.log, changed); err != nil && ctx.Err() == nil {
		h.log.Warn("changes of a file will not be noticed; send SIGHUP after one", "file", file, "error", err)
	}
}

// watchSwitches looks at every change of the file, also when it says again what it said before: in between this
// process may have switched something itself.
func (h *host) watchSwitches(ctx context.Context, file string) {
	if err := config.WatchEvery(ctx, file, h.log, h.rereadSwitches); err != nil && ctx.Err() == nil {
		h.log.Warn("what other processes switch will not be noticed; send SIGHUP", "file", file, "error", err)
	}
}

// rereadSwitches takes over what another host with the same state directory has switched.
func (h *host) rereadSwitches() {
	changed, err := h.switches.Reload()
	if err != nil {
		h.log.Error("the switches stay as they were", "error", err)
		return
	}
	if !changed {
		return
	}
	if err := h.fleet.Resettle(); err != nil { // a tool whose settings cannot be made anew: a mistake of ours
		h.log.Error("the switches did not reach every tool", "error", err)
	}
	h.log.Info("tools were switched by another process", "switches", h.switches.All())
}
