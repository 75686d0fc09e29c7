// Package tool is the vocabulary that host and plugin share: what a tool says about itself ([Spec],
// [Manifest]), how it is asked ([Request]), what it tells while it runs ([Event]), what it answers
// ([Result], [Plan]) and how it fails ([Error] with its [Kind]). It depends on the standard library alone.
//
// One interface, [Handler], travels the whole way from a door of the host to the tool in the plugin. A
// plugin of the sdk, the client of the wire, a process of the host and the fakes of the tests all implement
// it, so that any two ends can be joined with nothing in between:
//
//	var h tool.Handler = sdk.NewHandler(plugin)
//	m, err := h.Describe(ctx)
//	var out tool.Collector
//	res, err := h.Call(ctx, tool.Request{Tool: m.Tools[0].Name, Arguments: args}, out.Event)
//	out.Fill(&res)
package tool

import "context"

// Handler serves the tools of one plugin. All methods may be called concurrently. Every error that a method
// returns is, or wraps, an [*Error]; anything else counts as [KindUnknown].
type Handler interface {
	// Describe tells which tools are here.
	Describe(ctx context.Context) (Manifest, error)
	// Configure hands over the policy in force; it applies to calls that start afterwards.
	Configure(ctx context.Context, p Policy) error
	// Plan is the dry run of a call: the verdict and the exact argv. Nothing is executed. A request that policy
	// refuses is an answer (Plan.Verdict), not an error.
	Plan(ctx context.Context, r Request) (Plan, error)
	// Call runs a tool. Output travels in events only, in order, and emit has returned for the last time when
	// Call returns. A call that failed on its way may return what it had got together with the error.
	Call(ctx context.Context, r Request, emit func(Event)) (Result, error)
}
