package call

import "context"

// next is the rest of the way.
type next func(ctx context.Context, c *passage) error

// step is a gate in its place. A gate gets what lies below it when the router is made, and gives what the
// gate above calls.
type step struct {
	name string // in records and metrics
	gate func(next) next
	dry  bool // a plan passes it too
}

// gates is the order of the way, outermost first, each with the reason for its place.
func (r *Router) gates() []step {
	return []step{
		{"observe", r.observe, true},      // sees every call whole, refused and panicking ones too
		{"lookup", r.lookup, true},        // before anything is kept by a tool's name: invented ones cost no memory
		{"authorize", r.authorize, true},  // before the bucket: who may not call must not be able to empty it
		{"rate", r.rate, true},            // before the work that a caller can cause: validation, name resolution
		{"check", r.check, true},          // before the arguments are read for anything
		{"scope", r.scope, true},          // needs valid arguments; resolves names, which costs time
		{"consent", r.consent, false},     // pinned, so that a person sees what would be run; before the clock starts
		{"deadline", r.deadline, true},    // after the look-ups, so that a slow resolver costs the tool no time
		{"breaker", r.failFast, false},    // before the queue: nobody waits for a tool that will refuse
		{"capacity", r.capacity, false},   // a slot is held for the run alone
		{"lookup", r.again, false},        // who waited may have been overtaken by an operator,
		{"authorize", r.authorize, false}, // who may also have taken a token away,
		{"consent", r.stillAsked, false},  // or the right to ask
		{"breaker", r.breaker, false},     // an outcome is the plugin's and nobody else's
		{"trail", r.trail, false},         // innermost: what is written down as run is run
	}
}

// GateNames returns the gates that can refuse, each name once: what Record.Gate can be. A call of an unknown
// tool that is refused because its client made too many of them was refused by lookup, with rate_limited.
func GateNames() []string {
	return []string{"lookup", "authorize", "rate", "check", "scope", "consent", "deadline", "capacity", "breaker", "trail"}
}

// chain joins the gates to one way that ends in last; a dry one leaves out what a plan does not pass.
func chain(steps []step, dry bool, last next) next {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].dry || !dry {
			last = entered(steps[i].name, steps[i].gate(last))
		}
	}
	return last
}

// entered notes how far a call has come: where it is refused is the last gate that it entered.
func entered(name string, gate next) next {
	return func(ctx context.Context, c *passage) error {
		c.gate = name
		return gate(ctx, c)
	}
}
