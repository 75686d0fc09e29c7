package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/oidc"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// openClients makes what knows who may come in over HTTP.
func (h *host) openClients(cfg *config.Config) error {
	store, err := auth.OpenStore(auth.StoreConfig{
		Dir: cfg.Server.StateDir, Changed: h.tokensChanged, Problem: h.tokensBroken,
		Taken: func(name string) bool { return configured(*h.config(), name) },
	})
	if err != nil {
		return err
	}
	list, err := configuredTokens(cfg.Auth)
	if err != nil {
		return err
	}
	if h.tokens, err = auth.NewTokens(list, store); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	h.store = store
	h.failures = auth.NewFailures(cfg.Auth.MaxFailures, cfg.Auth.FailuresPer.Duration(), maxFailing)
	known := auth.Config{
		Tokens: h.tokens, Certificates: func() []auth.Certificate { return h.force.Load().certificates },
	}
	if cfg.OIDC.Issuer != "" {
		if known.Issuer, err = h.issuer(cfg.OIDC); err != nil {
			return err
		}
	}
	h.clients = auth.NewClients(known)
	return nil
}

// maxFailing is how many addresses are remembered that showed credentials that were not good.
const maxFailing = 4096

// issuer recognises the tokens of an issuer, which need not be up yet.
func (h *host) issuer(cfg config.OIDC) (func(context.Context, string) (auth.Identity, error), error) {
	role := auth.Role(cfg.DefaultRole)
	if cfg.DefaultRole == "none" {
		role = ""
	}
	i, err := oidc.New(oidc.Config{
		Issuer: cfg.Issuer, Audience: cfg.Audience, NameClaim: cfg.NameClaim, RoleClaim: cfg.RoleClaim,
		Admins: cfg.Admins, Callers: cfg.Callers, Viewers: cfg.Viewers, DefaultRole: role, CAFile: cfg.CAFile,
		Logger: h.log,
	})
	if err != nil {
		return nil, err
	}
	i.Prepare()
	h.endIssuer = i.Close
	return func(ctx context.Context, bearer string) (auth.Identity, error) {
		id, err := i.Authenticate(ctx, bearer)
		switch {
		case errors.Is(err, oidc.ErrUnavailable):
			err = fmt.Errorf("%w: %w", auth.ErrUnavailable, err)
		case errors.Is(err, oidc.ErrNoRole):
			err = fmt.Errorf("%w: %w", auth.ErrForbidden, err)
		}
		return id, err
	}, nil
}

// letIn puts the credentials of a configuration into force. Where it names none, a token is generated, when there is
// none at all. written is the configuration as it stands in the file, where some may wait for the next start: who is
// named there is named. On an error nothing has changed.
func (h *host) letIn(cfg, written *config.Config) error {
	list, err := configuredTokens(cfg.Auth)
	if err != nil {
		return err
	}
	named := namesClients(*cfg) || namesClients(*written)
	if !named {
		if err := h.generate(cfg); err != nil {
			return err
		}
	}
	err = h.tokens.Set(auth.TokensInForce{List: list, Reserved: certificateNames(cfg.Auth), Generated: !named})
	if err != nil {
		return err
	}
	for _, name := range h.tokens.Shadowed() {
		h.log.Warn("a token of the state directory does not come in: the configuration has a client of its name",
			"name", name)
	}
	return nil
}

// generate makes the first token, for a door at which it will be asked for.
func (h *host) generate(cfg *config.Config) error {
	noDoor := cfg.Server.Transport != "http" && cfg.Metrics.PrometheusPort == 0
	if noDoor || cfg.Auth.Mode == config.AuthNone {
		return nil
	}
	if all, err := h.store.List(); err != nil || len(all) > 0 { // those that have run out were meant to
		return err
	}
	_, created, err := h.store.Ensure()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if created {
		h.log.Info("a token was generated; print it with: gatehouse token show", "state_dir", cfg.Server.StateDir)
	}
	return nil
}

func certificateNames(cfg config.Auth) []string {
	var names []string
	for _, c := range cfg.Certificates {
		names = append(names, c.Name)
	}
	return names
}

func configuredTokens(cfg config.Auth) ([]auth.Token, error) {
	var list []auth.Token
	for _, t := range cfg.Tokens {
		sum, err := auth.ParseHash(string(t.SHA256))
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", t.Name, err)
		}
		list = append(list, auth.Token{
			Name: t.Name, SHA256: sum, Role: role(t.Role), Tools: t.Tools,
			Rate: auth.Rate{Requests: t.RateRequests, Per: t.RatePer.Duration()}, Expires: t.ExpiresAt(),
		})
	}
	return list, nil
}

func configuredCertificates(cfg config.Auth) []auth.Certificate {
	var list []auth.Certificate
	for _, c := range cfg.Certificates {
		list = append(list, auth.Certificate{
			Name: c.Name, Subject: c.Subject, Role: role(c.Role), Tools: c.Tools,
			Rate: auth.Rate{Requests: c.RateRequests, Per: c.RatePer.Duration()},
		})
	}
	return list
}

// role is that of a client for whom none is named: it may call.
func role(name string) auth.Role {
	if name == "" {
		return auth.Caller
	}
	return auth.Role(name)
}

// tokensChanged tells of what another process did to the tokens: gatehouse token, as a rule.
func (h *host) tokensChanged(changes []auth.Change) {
	for _, c := range changes {
		h.log.Info("a token was changed by another process", "name", c.Name, "action", string(c.Action))
		h.write(audit.Entry{
			Event: audit.Admin, Actor: "the state directory", Action: "token." + string(c.Action),
			Facts: map[string]string{"token": c.Name},
		})
	}
}

func (h *host) tokensBroken(err error) {
	h.log.Error("the tokens of the state directory", "error", err)
}

// tokenStore is what /tokens acts on; each act stands in log and trail.
type tokenStore struct{ *host }

func (t tokenStore) List() ([]auth.Stored, error) { return t.store.List() }

func (t tokenStore) Create(ctx context.Context, w auth.Wanted) (string, error) {
	secret, err := t.store.Create(w)
	t.administeredToken(ctx, "token.create", w.Name, map[string]string{"role": string(w.Role)}, err)
	return secret, err
}

func (t tokenStore) Rotate(ctx context.Context, name string, overlap time.Duration) (string, error) {
	secret, err := t.store.Rotate(name, overlap)
	t.administeredToken(ctx, "token.rotate", name, map[string]string{"overlap": overlap.String()}, err)
	return secret, err
}

func (t tokenStore) Revoke(ctx context.Context, name string) error {
	err := t.store.Revoke(name)
	t.administeredToken(ctx, "token.revoke", name, map[string]string{}, err)
	return err
}

func (h *host) administeredToken(ctx context.Context, action, name string, facts map[string]string, err error) {
	from := origin.From(ctx)
	facts["token"] = name
	e := audit.Entry{Event: audit.Admin, Origin: from, Actor: from.Client, Action: action, Facts: facts}
	if err != nil {
		e.ErrorType, e.Error = tool.KindOf(err), err.Error()
	}
	h.write(e)
	h.log.Info("administered", "action", action, "token", name, "client", from.Client, "remote", from.Remote,
		"done", err == nil)
}

// proxies says of which addresses the word on their clients is believed; nil: of none.
func proxies(cfg *config.Config) func(netip.Addr) bool {
	trusted := cfg.Proxies()
	if len(trusted) == 0 {
		return nil
	}
	return func(addr netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
	}
}
