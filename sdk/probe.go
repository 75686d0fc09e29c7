package sdk

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Probe is one thing that a plugin looks at when the host asks for its health, every half minute or so and
// never on the way of a call: whether signatures are fresh, a database answers, a license lasts.
//
//	sdk.Probe{Name: "signatures", Run: func(ctx context.Context, _ sdk.Env) (string, error) {
//		age, err := signatureAge()
//		if err != nil {
//			return "", err // unhealthy
//		}
//		if age > 30*24*time.Hour {
//			return "", sdk.Degraded(sdk.Errorf(sdk.KindExecution, "they are %v old", age).Suggest("freshsigs"))
//		}
//		return fmt.Sprintf("they are %v old", age), nil
//	}}
type Probe struct {
	Name     string         // [A-Za-z0-9_.:-], 1 to 64 characters, once in a plugin and once in each tool
	Tool     string         // that it is about; empty: the plugin, or the tool that brings it
	Priority HealthPriority // zero: Important

	// Run looks, now. Without an error the check is healthy, and found says in one line what was found. An error
	// makes it unhealthy, or degraded if it was made by [Degraded]; the suggestion of an [*Error] is what a
	// person can do about it. A panic is an error as well. Return soon when ctx ends: a probe that does not is
	// reported as hanging, and not started again until it has come back.
	Run func(ctx context.Context, env Env) (found string, err error)
}

// Prober is implemented by a tool that brings probes along. [NewHandler] asks it once. A tool of package
// command does, for everything that it needs on the machine.
type Prober interface {
	Probes() []Probe
}

// Degraded marks the error of a probe: something is not as it should be, and the tool works nevertheless. It
// returns nil for nil.
func Degraded(err error) error {
	if err == nil {
		return nil
	}
	return degraded{err}
}

type degraded struct{ error }

func (d degraded) Unwrap() error { return d.error }

// informational marks what is told, and counts for less than the probe otherwise does.
type informational struct{ error }

func (i informational) Unwrap() error { return i.error }

// addProbes takes in the plugin's own probes, those of its tools, and one of the sandbox where programs run.
func (h *Handler) addProbes(p Plugin) error {
	all := slices.Clone(p.Probes)
	for _, t := range p.Tools {
		if b, ok := t.(Prober); ok {
			for _, own := range b.Probes() {
				own.Tool = cmp.Or(own.Tool, t.Spec().Name)
				all = append(all, own)
			}
		}
	}
	if h.runsPrograms() {
		all = append(all, sandboxProbe(layers()))
	}
	for _, one := range all {
		if err := h.addProbe(one); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) addProbe(p Probe) error {
	p.Priority = cmp.Or(p.Priority, Important)
	switch {
	case !tool.ValidHealthName(p.Name):
		return fmt.Errorf("probe %q: a name has 1 to 64 characters of [A-Za-z0-9_.:-]", p.Name)
	case p.Run == nil:
		return fmt.Errorf("probe %s: the function Run is missing", p.Name)
	case p.Tool != "" && h.tools[p.Tool] == nil:
		return fmt.Errorf("probe %s: the plugin has no tool %q", p.Name, p.Tool)
	case p.Priority != Important && p.Priority != Informational:
		return fmt.Errorf("probe %s: priority %q: allowed are %s and %s", p.Name, p.Priority, Important, Informational)
	}
	for _, other := range h.probes {
		if other.Name == p.Name && other.Tool == p.Tool {
			return fmt.Errorf("probe %s is declared twice", p.Name)
		}
	}
	h.probes = append(h.probes, &probe{Probe: p})
	return nil
}
