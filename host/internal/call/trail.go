package call

import (
	"context"
	"errors"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// trail has the call written down before it runs: one that leaves no trace does not run.
func (r *Router) trail(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if err := r.cfg.Admit(c.record(nil)); err != nil {
			return tool.Errorf(tool.KindUnavailable, "%w", noTrail{err}).
				Suggest("tell the operator: the audit trail of this host cannot be written, see its health report")
		}
		return inner(ctx, c)
	}
}

// errNoTrail is in the chain of a refusal because the call could not be written down. It says nothing about
// the tool.
var errNoTrail = errors.New("the call cannot be written down in the audit trail")

// noTrail keeps why that is so, which is the operator's business: the message does not tell it to a caller.
type noTrail struct{ why error }

func (e noTrail) Error() string   { return errNoTrail.Error() }
func (e noTrail) Unwrap() []error { return []error{errNoTrail, e.why} }
