package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttools"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// policyView is what is allowed, as assistants read it.
type policyView struct {
	Scope struct {
		Networks     []string `json:"networks"`
		Suffixes     []string `json:"suffixes"`
		MaxAddresses int      `json:"max_addresses"`
	} `json:"scope"`
	AllowIntrusive string                `json:"allow_intrusive"` // false, ask or true
	Rate           map[string]any        `json:"rate_limit"`
	Output         map[string]int64      `json:"output"`
	Tools          map[string]toolPolicy `json:"tools"`
}

type toolPolicy struct {
	Enabled        bool     `json:"enabled"`
	Concurrency    int      `json:"concurrency"`
	DefaultTimeout float64  `json:"default_timeout_sec"`
	MaxTimeout     float64  `json:"max_timeout_sec"`
	RateRequests   int      `json:"rate_requests"`
	RatePer        float64  `json:"rate_per_sec"`
	Gated          []string `json:"needs_a_word,omitempty"` // flags that need allow_intrusive
}

// policy is what is in force at this moment, for the client of a context.
func (h *host) policy(ctx context.Context) any {
	cfg, p := h.config(), h.force.Load().scope
	var v policyView
	for _, n := range p.Networks {
		v.Scope.Networks = append(v.Scope.Networks, n.String())
	}
	v.Scope.Suffixes, v.Scope.MaxAddresses = append([]string{}, p.Suffixes...), p.MaxAddresses
	v.AllowIntrusive = string(cfg.Security.AllowIntrusive)
	v.Rate = map[string]any{"requests": cfg.RateLimit.Requests, "per_sec": cfg.RateLimit.Per.Duration().Seconds()}
	v.Output = map[string]int64{
		"max_stdout_bytes": cfg.Limits.MaxStdoutBytes, "max_stderr_bytes": cfg.Limits.MaxStderrBytes,
		"max_text_characters": int64(cfg.MCP.MaxText),
	}
	v.Tools = make(map[string]toolPolicy)
	for _, e := range h.fleet.Catalog().Entries() {
		if !visible(ctx, e.Spec.Name) {
			continue
		}
		s := e.Settings
		v.Tools[e.Spec.Name] = toolPolicy{
			Enabled: s.Enabled, Concurrency: s.Concurrency, DefaultTimeout: s.DefaultTimeout.Seconds(),
			MaxTimeout: s.MaxTimeout.Seconds(), RateRequests: s.RateRequests, RatePer: s.RatePer.Seconds(),
			Gated: e.Spec.Facts.GatedFlags,
		}
	}
	return v
}

// scopeSentence says which targets are allowed, for the description of tools.
func (h *host) scopeSentence() string {
	return sentenceOf(h.force.Load().scope, h.config().Security.AllowIntrusive)
}

func sentenceOf(p scope.Policy, intrusive config.Intrusive) string {
	networks := make([]string, 0, len(p.Networks))
	for _, n := range p.Networks {
		networks = append(networks, n.String())
	}
	const most = 8
	if len(networks) > most {
		networks = append(networks[:most], fmt.Sprintf("%d more (resource gatehouse://policy)", len(networks)-most))
	}
	text := "Targets: IPv4 in " + strings.Join(networks, ", ")
	for _, s := range p.Suffixes {
		text += ", names below " + s
	}
	text += fmt.Sprintf("; a network of at most %d addresses.", p.MaxAddresses)
	switch intrusive {
	case config.IntrusiveAsk:
		text += " What can disturb a target is run only if the person at the client allows it."
	case config.IntrusiveNo:
		text += " What can disturb a target is refused."
	}
	return text
}

// caller is the client of a context as the host's own tools know it.
func caller(ctx context.Context) hosttools.Caller {
	v := viewer(ctx)
	id, known := auth.From(ctx)
	return hosttools.Caller{Viewer: v, MayCall: !known || id.Role != auth.Viewer}
}
