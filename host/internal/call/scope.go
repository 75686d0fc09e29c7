package call

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	lookupTimeout = 5 * time.Second // of all names of a call together; a resolver's usual first try
	maxTargetText = 256             // bytes of a target that are repeated: a DNS name has at most 253
)

// scope holds every target argument to the scope and pins it: the plugin gets the address that was checked
// here.
func (r *Router) scope(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if len(c.entry.Spec.Targets) > 0 {
			if err := r.pin(ctx, c); err != nil {
				return err
			}
		}
		return inner(ctx, c)
	}
}

func (r *Router) pin(ctx context.Context, c *passage) error {
	policy, lookup := r.cfg.Scope(), r.lookupUntil(time.Now().Add(lookupTimeout))
	for _, arg := range c.entry.Spec.Targets {
		text, err := targetText(c.args, arg.Argument)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		form := scope.OneHost
		if arg.Network {
			form = scope.OrNetwork
		}
		pinned, err := policy.Pin(ctx, text, form, lookup)
		if err != nil {
			return outside(ctx, arg.Argument, text, err)
		}
		c.req.Targets = append(c.req.Targets,
			tool.Target{Argument: arg.Argument, Label: text, Prefix: pinned.Prefix})
	}
	return nil
}

// lookupUntil is the look-up with an end. The context is made when there is a name, which there seldom is.
func (r *Router) lookupUntil(end time.Time) scope.Lookup {
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		ctx, stop := context.WithDeadline(ctx, end)
		defer stop()
		return r.cfg.Lookup(ctx, name)
	}
}

// targetText is what the caller wrote for a target; "" when nothing. Whatever could be a target for the
// plugin and is none for the host is refused, whether the schema allows it or not: a list, an object, a
// name in other letters.
func targetText(args arguments, name string) (string, error) {
	if other, found := args.lookalike(name); found {
		other = clip(other, maxPointer)
		return "", tool.Errorf(tool.KindValidation, "/%s is the target %s in other letters", other, name).
			Suggest("write %s", name).With("argument", name)
	}
	text, ok := args.text(name)
	if v := args.get(name); !ok && v != nil && v.Kind() != jsontext.KindNull {
		return "", tool.Errorf(tool.KindValidation, "/%s must be a string: one target", name).
			Suggest("give one address, network or name; make one call for each").With("argument", name)
	}
	return text, nil
}

// outside turns a refused target into the caller's error.
func outside(ctx context.Context, argument, text string, err error) error {
	text = clip(text, maxTargetText)
	var refused *scope.Error
	if !errors.As(err, &refused) {
		return unresolved(ctx, argument, text, err)
	}
	kind := tool.KindValidation
	if refused.Reason == scope.Outside {
		kind = tool.KindOutOfScope
	}
	e := tool.Errorf(kind, "%w", refused).Suggest("%s", refused.Suggestion)
	e.Metadata = maps.Clone(refused.Metadata)
	return e.With("argument", argument).About("", text)
}

// unresolved is the error of a look-up that failed. It is the caller's to mend, who can always give an
// address.
func unresolved(ctx context.Context, argument, text string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return cancelled(ctx)
	}
	return tool.Errorf(tool.KindValidation, "the name %s cannot be resolved: %s", text, whyUnresolved(err)).
		Suggest("check the name, or give the IPv4 address in its place").
		With("argument", argument).With("reason", "unresolvable").About("", text)
}

// whyUnresolved says what a resolver said, without its address: that is the operator's, and no business of a
// caller's.
func whyUnresolved(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such host"
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return "the resolver did not answer in time"
	}
	return "the look-up failed"
}
