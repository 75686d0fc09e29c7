package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var argumentChecks = []Check{
	{"bad-arguments", "what no host would let through is refused by Call and Plan, as an error of the caller's",
		"configure", checkBadArguments},
	{"panic", "no request ends the process, fails in gRPC, or comes back as an error of the kind unknown",
		"configure", checkPanic},
}

// hostileRequest is one that no host makes.
type hostileRequest struct {
	what    string
	request tool.Request
	free    bool // whether it may be answered as well
}

// What strings are huge, and nesting deep.
const (
	hugeString  = 1 << 20
	deepNesting = 100_000
)

// hostileRequests are those for one tool.
func (x exercise) hostileRequests() (all []hostileRequest) {
	deep := strings.Repeat("[", deepNesting) + strings.Repeat("]", deepNesting)
	huge := strings.Repeat("A", hugeString)
	target := "target"
	if len(x.entry.Spec.Targets) > 0 {
		target = x.entry.Spec.Targets[0].Argument
	}
	for _, row := range [][2]string{
		{"an array", `[]`}, {"null", `null`}, {"a string", `"x"`}, {"a number", `7`}, {"an unclosed object", `{`},
		{"text after the object", `{} {}`}, {"bytes that are no JSON", "\x00\x01"},
		{"an unknown argument", `{"no_such_argument": 1}`}, {"a number as a target", fmt.Sprintf(`{%q: 7}`,
			target)},
		{"an object as a target", fmt.Sprintf(`{%q: {"a": []}}`, target)},
		{"null as a target", fmt.Sprintf(`{%q: null}`, target)},
		{"arrays nested 100,000 deep", fmt.Sprintf(`{"no_such_argument": %s}`, deep)},
		{"a target nested 100,000 deep", fmt.Sprintf(`{%q: %s}`, target, deep)},
		{"a key twice", fmt.Sprintf(`{%q: "127.0.0.1", %[1]q: 7}`, target)},
		{"an unknown string of 1 MiB", fmt.Sprintf(`{"no_such_argument": %q}`, huge)},
		{"a target of 1 MiB", fmt.Sprintf(`{%q: %q}`, target, huge)},
		{"a name of 1 MiB", fmt.Sprintf(`{%q: 1}`, huge)},
		{"invalid UTF-8", "{\"no_such_argument\": \"\xff\xfe\"}"},
		{"a target in invalid UTF-8", fmt.Sprintf("{%q: \"\xff\xfe\"}", target)},
	} {
		all = append(all, x.hostileRequest(row[0], row[1]))
	}
	if x.quick != nil && len(x.entry.Spec.Targets) > 0 {
		all = append(all, hostileRequest{what: "a target that the host has not pinned", request: tool.Request{
			Tool: x.entry.Spec.Name, Arguments: x.quick, MaxStdout: usualStdout, MaxStderr: usualStderr,
		}})
	}
	return all
}

// hostileRequest must be refused unless a host would let it through: a tool may take any argument there is.
func (x exercise) hostileRequest(what, arguments string) hostileRequest {
	h := hostileRequest{what: what, request: tool.Request{
		Tool: x.entry.Spec.Name, Arguments: json.RawMessage(arguments), MaxStdout: usualStdout,
		MaxStderr: usualStderr,
	}}
	unpinned := len(x.entry.Spec.Targets) > 0 && slices.ContainsFunc(x.entry.Spec.Targets,
		func(t tool.TargetArgument) bool { return strings.Contains(arguments, `"`+t.Argument+`"`) })
	h.free = !unpinned && json.Valid([]byte(arguments)) && len(x.entry.Input.Validate(h.request.Arguments)) == 0
	return h
}

// reception is how a plugin took the hostile requests.
type reception struct {
	made     int      // requests, of both methods
	late     int      // requests that were not answered in time
	accepted []string // what was not refused, or not as the caller's fault
	broken   []string // what broke the plugin
}

// callersKinds are those of a request that is at fault.
var callersKinds = []tool.Kind{
	tool.KindValidation, tool.KindOutOfScope, tool.KindIntrusiveDenied, tool.KindToolNotFound,
}

// brokenKinds are those of a plugin that is at fault, or gone.
var brokenKinds = []tool.Kind{tool.KindUnknown, tool.KindUnavailable}

// maxRestarts is how often a plugin that died is started again to go on.
const maxRestarts = 3

// maxLate is how many requests need not be answered before no more are made.
const maxLate = 3

// receive makes the hostile requests, once for both checks.
func (s *subject) receive(ctx context.Context) (*reception, error) {
	if s.hostile != nil {
		return s.hostile, nil
	}
	var all []hostileRequest
	for _, x := range s.exercises {
		all = append(all, x.hostileRequests()...)
	}
	all = append(all, hostileRequest{what: "a tool that is not there",
		request: tool.Request{Tool: "No-Such-Tool", Arguments: json.RawMessage(`{}`)}})
	got := &reception{}
	h, err := s.host(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { h.close() }()
	for restarts := 0; len(all) > 0 && got.late < maxLate; all = all[1:] {
		got.try(ctx, h, all[0])
		dead := h.alive(ctx)
		if dead == nil {
			continue
		}
		got.broken = append(got.broken, fmt.Sprintf("%s: it does not serve any more: %v", all[0], dead))
		if restarts++; restarts > maxRestarts {
			break
		}
		h.close()
		if h, err = s.host(ctx); err != nil {
			return nil, err
		}
	}
	s.hostile = got
	return got, nil
}

func (h hostileRequest) String() string { return h.request.Tool + ": " + h.what }

// try makes one request, of both methods.
func (g *reception) try(ctx context.Context, h *hosted, q hostileRequest) {
	q.request.ID, q.request.Deadline = executionID(), time.Now().Add(deadline+deadlineLate)
	_, err := call(ctx, h, q.request, askLimit, nil)
	g.judge("Call", q, "it was run", err)
	if h.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	plan, err := h.Plan(ctx, q.request)
	if err == nil && plan.Verdict != tool.Accept {
		g.made++
		return // a verdict is the answer that is wanted
	}
	g.judge("Plan", q, "the verdict is "+string(plan.Verdict), err)
}

func (g *reception) judge(method string, q hostileRequest, accepted string, err error) {
	g.made++
	kind := tool.KindOf(err)
	if kind == tool.KindTimeout {
		g.late++
	}
	switch {
	case slices.Contains(callersKinds, kind), q.free && !slices.Contains(brokenKinds, kind):
	case err == nil:
		g.accepted = append(g.accepted, fmt.Sprintf("%s, %s: %s", method, q, accepted))
	case garbled(err): // which the check of the texts finds
	case slices.Contains(brokenKinds, kind):
		g.broken = append(g.broken, fmt.Sprintf("%s, %s: %s: %s", method, q, kind, clip(err.Error(), 200)))
	default:
		g.accepted = append(g.accepted, fmt.Sprintf("%s, %s: %s (%s), which is no fault of a caller's", method, q,
			kind, clip(err.Error(), 200)))
	}
}

// garbled reports whether a message came that cannot be read, or could not be written, because of its texts.
// gRPC says so, in its own words, and package wire what that means; what a plugin says of UTF-8 in an error
// of its own has come in good order.
func garbled(err error) bool {
	if tool.KindOf(err) != tool.KindUnknown {
		return false
	}
	words, transport := strings.CutPrefix(tool.AsError(err).Message, "the plugin failed: ")
	return transport && (strings.Contains(words, "field contains invalid UTF-8") ||
		strings.Contains(words, "error unmarshalling"))
}

func checkBadArguments(ctx context.Context, s *subject) Finding {
	const do = "hold the arguments to the tool's own schema before anything is done, and answer with an error " +
		"of kind validation_error that says what is wrong and what is allowed; a target that is not pinned is " +
		"never used"
	got, err := s.receive(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	if len(got.accepted) == 0 {
		return passed("%d bad requests, none accepted", got.made)
	}
	return failedEach(do, got.accepted, got.made)
}

func checkPanic(ctx context.Context, s *subject) Finding {
	const do = "catch what can go wrong around each call, and answer with a result that has an error; of the " +
		"kind unknown are bugs alone"
	got, err := s.receive(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	if len(got.broken) == 0 {
		return passed("%d bad requests, and it still serves", got.made)
	}
	return failedEach(do, got.broken, got.made)
}

// maxDetails is how many examples of a failure are told.
const maxDetails = 5

// failedEach is a failure with examples.
func failedEach(do string, what []string, of int) Finding {
	f := failed(do, "%d of %d", len(what), of)
	f.Details = what[:min(len(what), maxDetails)]
	if more := len(what) - len(f.Details); more > 0 {
		f.Details = append(slices.Clone(f.Details), fmt.Sprintf("and %d more", more))
	}
	return f
}
