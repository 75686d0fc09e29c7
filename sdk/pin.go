package sdk

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// Pin holds a host that a tool has learned of by itself to the scope, as the host does with a target argument: a
// redirect, a name in a certificate, the next hop. text is an address or a name below an allowed suffix; a name is
// resolved once in a call, by the operator's table first, and all its addresses must be in scope. A target of the
// call keeps the address that it has. Connect to the address of the answer, or to text with [Env.DialContext]. The
// Label of the answer is text.
//
// An error is an *[Error]: out_of_scope, or validation_error for what is neither an address nor a name, for a name
// that cannot be resolved, and for the 101st name of a call.
func (e Env) Pin(ctx context.Context, text string) (Target, error) {
	if addr, ok := e.pins.find(text); ok {
		return Target{Label: text, Prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	if e.pins.full() { // and nobody is asked for another one
		return Target{}, tooMany()
	}
	t, err := e.scope().Pin(ctx, text, scope.OneHost, scope.Static(e.Policy.Hosts, e.lookup()))
	if err != nil {
		return Target{}, notPinned(err)
	}
	addr, ok := e.pins.add(text, t.Prefix.Addr())
	if !ok {
		return Target{}, tooMany()
	}
	return Target{Label: text, Prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
}

func (e Env) scope() scope.Policy {
	return scope.Policy{
		Networks: e.Policy.Networks, Suffixes: e.Policy.Suffixes, MaxAddresses: e.Policy.MaxNetworkSize,
	}
}

func (e Env) lookup() scope.Lookup {
	if e.machine != nil && e.machine.Lookup != nil {
		return e.machine.Lookup
	}
	return scope.DNS(net.DefaultResolver)
}

// holds refuses a pinned target that the policy does not allow. The host has looked, with the same rules; the
// policy may be another by now.
func (e Env) holds(t Target) error {
	if !t.Prefix.IsValid() {
		return Errorf(KindValidation, "the target in argument %s was not pinned to an address", t.Argument).
			Suggest("call the tool through a host, which holds targets to the scope and resolves them")
	}
	if err := e.scope().Admit(scope.Target{Text: t.Literal(), Prefix: t.Prefix}, scope.OrNetwork); err != nil {
		return notPinned(err)
	}
	return nil
}

func notPinned(err error) error {
	refused := (*scope.Error)(nil)
	if !errors.As(err, &refused) {
		if ctx := AsError(err); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return ctx
		}
		return Errorf(KindValidation, "%w", err).Suggest("use an address, or see whether the name server answers")
	}
	kind := KindValidation
	if refused.Reason == scope.Outside {
		kind = KindOutOfScope
	}
	return Errorf(kind, "%w", err).Suggest("%s", refused.Suggestion)
}

// maxPins bounds what is remembered of a call that follows a stranger from name to name.
const maxPins = 100

// pins are the names that one call may connect to: its targets, and what it has pinned itself. A nil one knows
// none.
type pins struct {
	mu    sync.Mutex            // guards known
	known map[string]netip.Addr // name or address, in lower case -> what it is pinned to
}

// pinned are the targets of a call that may be connected to.
func (e Env) pinned(targets []Target) *pins {
	p := &pins{known: make(map[string]netip.Addr)}
	for _, t := range targets {
		if e.holds(t) == nil && t.Prefix.IsSingleIP() {
			p.add(t.Label, t.Prefix.Addr())
		}
	}
	return p
}

func (p *pins) find(name string) (netip.Addr, bool) {
	if p == nil {
		return netip.Addr{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	addr, ok := p.known[strings.ToLower(name)]
	return addr, ok
}

// full reports whether there is no room for another name.
func (p *pins) full() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.known) >= maxPins
}

func tooMany() error {
	return Errorf(KindValidation, "%d hosts are pinned in this call; that is all there may be", maxPins).
		Suggest("ask for less at a time")
}

// add remembers the first address of a name, and returns it; false: there is no room for another name.
func (p *pins) add(name string, addr netip.Addr) (first netip.Addr, ok bool) {
	if p == nil {
		return addr, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name = strings.ToLower(name)
	if first, ok = p.known[name]; ok {
		return first, true
	}
	if len(p.known) == maxPins {
		return addr, false
	}
	p.known[name] = addr
	return addr, true
}
