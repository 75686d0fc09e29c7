package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/schema"
)

// Func makes a tool of a Go function. The JSON Schemas follow from the types: In must be a struct, Out
// a struct or a map (or struct{}: no data); a field without omitempty is required, its tag `jsonschema`
// is its description. Arguments that do not fit are refused before fn is called.
//
// The context of a call ends at its deadline and when the caller goes away. An error that fn returns
// keeps its kind if it is an [*Error]; because of the deadline it is a timeout, and any other is an
// execution_error. What fn returns together with an error is kept as partial data. Mistakes in the
// declaration are reported by [NewHandler].
func Func[In, Out any](def Definition, fn func(ctx context.Context, c *Call, in In) (Out, error)) Tool {
	t := &funcTool[In, Out]{spec: def, fn: fn}
	t.err = t.derive()
	return t
}

// Gate is implemented by the input type of a [Func] when some of its values are intrusive: such a call needs
// allow_intrusive, or a person who allows it, and is refused before the function is called. Set Intrusive in the
// definition of such a tool.
type Gate interface {
	// Intrusive says why these arguments are; empty: they are not.
	Intrusive() (why string)
}

type funcTool[In, Out any] struct {
	spec    Spec
	fn      func(context.Context, *Call, In) (Out, error)
	in, out *schema.Checker // out is nil for a tool without data
	err     error           // in the declaration
}

var (
	_ Tool    = (*funcTool[struct{}, struct{}])(nil)
	_ Checker = (*funcTool[struct{}, struct{}])(nil)
)

func (t *funcTool[In, Out]) derive() (err error) {
	if t.fn == nil {
		return errors.New("the function is nil")
	}
	if t.in, err = schema.Of(reflect.TypeFor[In]()); err != nil {
		return fmt.Errorf("input type: %w", err)
	}
	if !t.in.IsObject() {
		return fmt.Errorf("input type %v: must be a struct", reflect.TypeFor[In]())
	}
	for _, name := range hostArguments {
		if slices.Contains(t.in.Properties(), name) {
			return fmt.Errorf("input type: %s is an argument of the host's; choose another name", name)
		}
	}
	t.spec.InputSchema = t.in.JSON
	if reflect.TypeFor[Out]() == reflect.TypeFor[struct{}]() {
		return nil
	}
	if t.out, err = schema.Of(reflect.TypeFor[Out]()); err != nil {
		return fmt.Errorf("output type: %w", err)
	}
	if !t.out.IsObject() {
		return fmt.Errorf("output type %v: must be a struct or a map", reflect.TypeFor[Out]())
	}
	t.spec.OutputSchema = t.out.JSON
	return nil
}

func (t *funcTool[In, Out]) Check() error {
	if t.err != nil {
		return fmt.Errorf("tool %s: %w", t.spec.Name, t.err)
	}
	return nil
}

func (t *funcTool[In, Out]) Spec() Spec { return t.spec }

func (t *funcTool[In, Out]) Plan(_ context.Context, env Env, r Request) (Plan, error) {
	if _, err := t.decode(env, r); err != nil {
		return Plan{}, err
	}
	return Plan{Verdict: Accept, Rule: "the arguments fit the tool's schema; it runs no program"}, nil
}

func (t *funcTool[In, Out]) Call(ctx context.Context, env Env, r Request, emit func(Event)) (Result, error) {
	in, err := t.decode(env, r)
	if err != nil {
		return Result{}, err
	}
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	c := &Call{env: env, request: r, emit: emit}
	out, err := t.fn(ctx, c, in)
	if asking := (*Asking)(nil); errors.As(err, &asking) {
		return asking.result()
	}
	res, encodeErr := t.result(out)
	res.Content = c.content()
	if err != nil {
		return t.failed(ctx, res, err)
	}
	return res, encodeErr
}

// decode reads the arguments, and holds them to the policy.
func (t *funcTool[In, Out]) decode(env Env, r Request) (in In, err error) {
	if in, err = t.read(env, r); err != nil {
		return in, err
	}
	if g := r.Grant; g != nil && (g.Program != "" || len(g.Argv) > 0) {
		return in, Errorf(KindIntrusiveDenied, "what a person allowed was the command %q, and %s runs none", g.Program,
			t.spec.Name).Suggest("call again, and let the person decide about this call")
	}
	if gate, ok := any(&in).(Gate); ok && !env.Policy.AllowIntrusive {
		if why := gate.Intrusive(); why != "" {
			return in, Errorf(KindIntrusiveDenied, "%s needs allow_intrusive, which is off: %s", t.spec.Name, why).
				Suggest("leave that out, or ask the operator to set security.allow_intrusive")
		}
	}
	return in, nil
}

func (t *funcTool[In, Out]) read(env Env, r Request) (in In, err error) {
	refuse := func(err error) error {
		return Errorf(KindValidation, "%w", err).Suggest("send arguments that fit the input schema of %s",
			t.spec.Name)
	}
	for _, arg := range t.spec.Targets {
		target, ok := r.Target(arg.Argument)
		if !ok && !hasArgument(r.Arguments, arg.Argument) {
			continue
		}
		target.Argument = arg.Argument
		if err := env.holds(target); err != nil {
			return in, err
		}
	}
	if err := t.in.Check(r.Arguments); err != nil {
		return in, refuse(err)
	}
	dec := json.NewDecoder(bytes.NewReader(r.Arguments))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, refuse(err)
	}
	return in, nil
}

func hasArgument(raw json.RawMessage, name string) bool {
	var args map[string]json.RawMessage
	return json.Unmarshal(raw, &args) == nil && args[name] != nil
}

func (t *funcTool[In, Out]) result(out Out) (Result, error) {
	if t.out == nil {
		return Result{}, nil
	}
	raw, err := json.Marshal(out)
	if err == nil {
		raw, err = t.out.Fill(raw)
	}
	if err != nil {
		return Result{}, Errorf(KindUnknown, "the result of %s cannot be written as JSON: %w", t.spec.Name, err)
	}
	return Result{Data: raw}, nil
}

// failed finds the kind of an error that fn returned.
func (t *funcTool[In, Out]) failed(ctx context.Context, res Result, err error) (Result, error) {
	res.ReturnCode = 1
	var own *Error
	switch {
	case errors.As(err, &own):
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		res.TimedOut, res.ReturnCode = true, ReturnCodeTimeout
		err = Errorf(KindTimeout, "%s ran past its deadline: %w", t.spec.Name, err).
			Suggest("ask for less at a time, or for a longer timeout_sec")
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = Errorf(KindCancelled, "the call was cancelled: %w", err)
	default:
		err = Errorf(KindExecution, "%w", err)
	}
	return res, err
}
