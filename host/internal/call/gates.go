package call

import "context"

// next is the rest of the way.
type next func(ctx context.Context, c *passage) error

// step is a gate in its place. A gate gets what lies below it when the router is made, and gives what the
// gate above calls.
type step struct {
	gate func(next) next
	dry  bool // a plan passes it too
}

// gates is the order of the way, outermost first, each with the reason for its place.
func (r *Router) gates() []step {
	return []step{
		{r.observe, true},   // sees every call whole, refused and panicking ones too
		{r.lookup, true},    // before anything is kept by the name of a tool: invented names cost no memory
		{r.authorize, true}, // before the bucket: who may not call must not be able to empty it
		{r.rate, true},      // before the work that a caller can cause: validation, name resolution
		{r.check, true},     // before the arguments are read for anything
		{r.scope, true},     // needs valid arguments; resolves names, which costs time
		{r.deadline, true},  // after the look-ups, so that a slow resolver costs the tool no time
		{r.failFast, false}, // before the queue: nobody waits for a tool that will refuse
		{r.capacity, false}, // a slot is held for the run alone
		{r.breaker, false},  // innermost: an outcome is the plugin's and nobody else's
	}
}

// chain joins the gates to one way that ends in last; a dry one leaves out what a plan does not pass.
func chain(steps []step, dry bool, last next) next {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].dry || !dry {
			last = steps[i].gate(last)
		}
	}
	return last
}
