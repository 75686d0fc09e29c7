package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Sample is how a tool is exercised. Each of the arguments may be left out: what needs it is not tested then.
type Sample struct {
	Tool  string          `json:"tool"`
	Quick json.RawMessage `json:"quick,omitempty"` // of a call that succeeds within seconds, on loopback
	Slow  json.RawMessage `json:"slow,omitempty"`  // of a call that runs for half a minute unless it is ended
	// Flood is of a call that prints without end; false: there is none, and the tool prints little.
	Flood json.RawMessage `json:"flood,omitempty"`
}

// ReadSamples reads a file of samples, a JSON array. What stands for the port of a [Peer] is filled in.
func ReadSamples(r io.Reader, p *Peers) ([]Sample, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var all []Sample
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf("read samples: %w; wanted is "+
			`[{"tool": "NAME", "quick": {...}, "slow": {...}, "flood": {...} or false}]`, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read samples: something follows the array")
	}
	for i := range all {
		for _, args := range []*json.RawMessage{&all[i].Quick, &all[i].Slow, &all[i].Flood} {
			filled, err := p.fill(*args)
			if err != nil {
				return nil, fmt.Errorf("sample of %s: %w", all[i].Tool, err)
			}
			*args = filled
		}
	}
	return all, nil
}

// exercise is a tool with the calls that can be made of it.
type exercise struct {
	entry              *catalog.Entry
	from               string
	quick, slow, flood json.RawMessage
	little             bool // whether its author says that it prints little
}

// exercises joins the samples with the tools, one each, in the order of the manifest. A sample that no host
// would let through is an error.
func exercises(entries []*catalog.Entry, samples []Sample) ([]exercise, error) {
	byName := make(map[string]Sample, len(samples))
	for _, sm := range samples {
		if _, twice := byName[sm.Tool]; twice {
			return nil, fmt.Errorf("there are two samples of %s", sm.Tool)
		}
		byName[sm.Tool] = sm
	}
	var all []exercise
	for _, e := range entries {
		sm, ok := byName[e.Spec.Name]
		delete(byName, e.Spec.Name)
		x := exercise{entry: e, quick: sm.Quick, slow: sm.Slow, flood: sm.Flood}
		if x.little = string(sm.Flood) == "false"; x.little {
			x.flood = nil
		}
		if ok {
			x.from = "samples"
		} else if x.quick = example(e); x.quick != nil {
			x.from = "schema"
		}
		if err := x.check(); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	for name := range byName {
		return nil, fmt.Errorf("there is a sample of %q, and the plugin offers no such tool", name)
	}
	return all, nil
}

func (x exercise) check() error {
	for what, args := range map[string]json.RawMessage{"quick": x.quick, "slow": x.slow, "flood": x.flood} {
		if args == nil {
			continue
		}
		if wrong := x.entry.Input.Validate(args); len(wrong) > 0 {
			return fmt.Errorf("sample of %s: %s does not fit the input schema: %s %s", x.entry.Spec.Name, what,
				wrong[0].Pointer, wrong[0].Message)
		}
		if _, err := x.request(args); err != nil {
			return fmt.Errorf("sample of %s: %s: %w", x.entry.Spec.Name, what, err)
		}
	}
	return nil
}

// example is the first example of an input schema with which a call can be made; nil: there is none. Nobody
// has said that it is to be called here, so that it must say where it goes: a target that is pinned.
func example(e *catalog.Entry) json.RawMessage {
	var schema struct {
		Examples []json.RawMessage `json:"examples"`
	}
	_ = json.Unmarshal(e.Spec.InputSchema, &schema) // compiled before; what is no list has no examples
	for _, args := range schema.Examples {
		x := exercise{entry: e, quick: args}
		if x.check() != nil {
			continue
		}
		if r, err := x.request(args); err == nil && len(r.Targets) > 0 {
			return args
		}
	}
	return nil
}

// loopback is the only scope in which the tester makes calls.
func loopback() scope.Policy {
	return scope.Policy{Networks: []netip.Prefix{scope.Loopback()}, MaxAddresses: 1024}
}

// The caps of an ordinary call, as a host has them by default.
const (
	usualStdout = 1 << 20
	usualStderr = 256 << 10
)

// request makes the request of a host: targets are held to the scope and pinned.
func (x exercise) request(args json.RawMessage) (tool.Request, error) {
	r := tool.Request{
		ID: executionID(), Tool: x.entry.Spec.Name, Client: "plugin test", Arguments: args,
		MaxStdout: usualStdout, MaxStderr: usualStderr, Deadline: time.Now().Add(quickLimit),
	}
	var values map[string]any
	if err := json.Unmarshal(args, &values); err != nil {
		return r, fmt.Errorf("the arguments are no object: %w", err)
	}
	for _, a := range x.entry.Spec.Targets {
		text, ok := values[a.Argument].(string)
		if !ok {
			continue
		}
		form := scope.OneHost
		if a.Network {
			form = scope.OrNetwork
		}
		t, err := loopback().Pin(context.Background(), text, form, nobody)
		if err != nil {
			return r, fmt.Errorf("the target %q: %w; plugin test calls on loopback alone, such as 127.0.0.1", text,
				err)
		}
		r.Targets = append(r.Targets, tool.Target{Argument: a.Argument, Label: text, Prefix: t.Prefix})
	}
	return r, nil
}

// nobody looks names up.
func nobody(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("names are not looked up")
}
