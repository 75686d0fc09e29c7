package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Record is what is to be known of a call after it: for the log, the metrics and the audit trail.
type Record struct {
	ExecutionID, CorrelationID string
	Origin                     origin.Origin // its Client is the request's
	// Tool is a tool of the catalog, or empty when there was none of the name that the caller gave. Asked
	// is that name, clipped to what a name may have; it must not become a label of a metric.
	Tool, Asked     string
	Plugin, Version string // who offers the tool

	Arguments json.RawMessage // as the caller gave them, nil when too large; read only
	Target    string          // the first, as the caller wrote it
	Targets   []tool.Target   // all of them, pinned; empty when the call was refused before

	Plan    bool         // a dry run
	Verdict tool.Verdict // of a dry run that reached the plugin
	Ran     bool         // every gate was passed
	Gate    string       // the gate that refused, one of GateNames; empty: none did
	Rule    string       // of a dry run that reached the plugin: the rule that decided
	Exec    []tool.Exec  // what the plugin executes by its own word, or would in a dry run; the first few; read only

	Begun   time.Time
	Elapsed time.Duration // of the whole call
	Queued  time.Duration // of it, waiting for a slot
	Timeout time.Duration // granted; zero when the call was refused before

	// Consent is what became of the question that was put to a person: ConsentGranted and so on; empty: there was
	// none. Question is what the person was asked; read only.
	Consent  string
	Question *consent.Question

	Result                           tool.Result // what there is of it; read only
	Kind                             tool.Kind   // empty: no error
	Err                              *tool.Error // what the caller gets; read only
	ReturnCode                       int
	TimedOut                         bool
	Stdout, Stderr                   string // as kept
	TruncatedStdout, TruncatedStderr bool
	Panic                            string // value and stack; for the log, never for the caller
}

// errUnfinished is the error of a way that was left by neither return nor panic, as runtime.Goexit does.
var errUnfinished = errors.New("the call was abandoned")

var correlationRE = regexp.MustCompile(`\A[A-Za-z0-9._:-]{1,64}\z`)

// observe names the call, catches what falls, completes result and error, and hands out the record.
func (r *Router) observe(inner next) next {
	return func(ctx context.Context, c *passage) (err error) {
		r.begin(ctx, c)
		r.cfg.Received(c.record(nil))
		err = errUnfinished
		defer func() {
			if p := recover(); p != nil {
				c.crash = fmt.Sprintf("%v\n%s", p, debug.Stack())
				err = tool.Errorf(tool.KindUnknown, "internal error: the call panicked").With("panic", true)
			}
			c.result.ExecutionID, c.result.CorrelationID = c.req.ID, c.req.CorrelationID
			c.result.Elapsed = time.Since(c.begun)
			e := c.complete(err)
			c.count(e)
			r.cfg.Finished(c.record(e))
			if err = nil; e != nil {
				err = e
			}
		}()
		return inner(ctx, c)
	}
}

// begin finds the tool in the catalog of this moment, which the call keeps to its end, and takes the
// arguments apart, which is early: a refused call, too, is to be found by its correlation id. The id in the
// arguments beats the one that came with the request.
func (r *Router) begin(ctx context.Context, c *passage) {
	c.begun, c.origin = time.Now(), origin.From(ctx)
	c.origin.Client = c.req.Client
	c.catalog = r.cfg.Catalog()
	c.entry, _ = c.catalog.Lookup(c.req.Tool)
	c.req.ID = r.cfg.NewID()
	l := r.limits.Load()
	c.req.MaxStdout, c.req.MaxStderr = l.MaxStdout, l.MaxStderr
	c.args, c.bad = parseArguments(c.given)
	if id, _ := c.args.text(catalog.CorrelationArgument); correlationRE.MatchString(id) {
		c.req.CorrelationID = id
	}
	if id := c.req.CorrelationID; id != "" && !correlationRE.MatchString(id) {
		c.req.CorrelationID = ""
		c.bad = append(c.bad, catalog.Violation{
			Pointer: "/" + catalog.CorrelationArgument,
			Message: "the correlation id of the request must be 1 to 64 characters of [A-Za-z0-9._:-]",
		})
	}
	c.req.CorrelationID = cmp.Or(c.req.CorrelationID, c.req.ID) // who gave none can still find the call
}

// complete is the error as the caller gets it: it names tool and target, and says what to do next.
func (c *passage) complete(err error) *tool.Error {
	if err == nil {
		return nil
	}
	e := tool.AsError(err).About(c.asked, c.target())
	if e.Kind == tool.KindTimeout {
		c.result.TimedOut, c.result.ReturnCode = true, tool.ReturnCodeTimeout
	}
	if c.result.ReturnCode == 0 && !mayHaveExited(e.Kind) {
		c.result.ReturnCode = noReturnCode
	}
	if e.Suggestion == "" {
		e.Suggestion = suggestions[e.Kind]
	}
	return e
}

// noReturnCode stands where no program returned one, so that nobody takes a refusal for success.
const noReturnCode = -1

// mayHaveExited reports whether a program can have ended by itself, with 0, in a call of this outcome.
func mayHaveExited(k tool.Kind) bool {
	return k == tool.KindTimeout || k == tool.KindExecution || k == tool.KindResourceExhausted
}

// count counts a call of a tool that there is, refused ones too.
func (c *passage) count(e *tool.Error) {
	if c.state == nil || c.dry {
		return
	}
	c.state.counts.calls.Add(1)
	if e != nil {
		c.state.counts.errors.Add(1)
	}
}

func (c *passage) record(e *tool.Error) Record {
	rec := Record{
		ExecutionID: c.req.ID, CorrelationID: c.req.CorrelationID, Origin: c.origin,
		Tool: c.tool(), Asked: c.asked, Target: c.target(), Targets: c.req.Targets,
		Plan: c.dry, Verdict: c.planned.Verdict, Ran: c.ran, Exec: c.exec, Consent: c.consent, Question: c.question, Result: c.result,
		Begun: c.begun, Elapsed: c.result.Elapsed, Queued: c.queued, Timeout: c.timeout,
		Err: e, ReturnCode: c.result.ReturnCode, TimedOut: c.result.TimedOut,
		Stdout: c.result.Stdout, Stderr: c.result.Stderr,
		TruncatedStdout: c.result.TruncatedStdout, TruncatedStderr: c.result.TruncatedStderr, Panic: c.crash,
	}
	if len(c.given) <= maxArguments {
		rec.Arguments = c.given
	}
	if e != nil {
		rec.Kind = e.Kind
		if !c.ran {
			rec.Gate = c.gate
		}
	}
	if c.planned.Program != "" {
		rec.Exec = []tool.Exec{{Program: c.planned.Program, Argv: c.planned.Argv}}
	}
	rec.Rule = c.planned.Rule
	if c.entry != nil {
		rec.Plugin, rec.Version = c.entry.Plugin, c.entry.Version
	}
	return rec
}
