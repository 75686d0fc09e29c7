// Package machine lets a test put something else in the place of what the sdk finds on a machine: programs,
// answers for names, and the network. Package sdktest puts a [Machine] into the context of a plan or a call; where
// there is none, the real one is asked.
package machine

import (
	"context"
	"net"
	"path"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// Machine is what a test has instead of a machine. A field that is nil leaves it the real one.
type Machine struct {
	// Lookup answers for names.
	Lookup scope.Lookup
	// Dial connects to a literal address that has been held to the scope.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Program is what stands in for a program, by the name that a command has for it; nil: nothing does.
	Program func(name string) *Program
	// Run runs a program; handled is false for one that is to be run really.
	Run func(ctx context.Context, c sandbox.Command) (out sandbox.Outcome, handled bool, err error)
}

// Program is what a test has in the place of a program.
type Program struct {
	Path    string   // absolute, and of no file; empty: the program is not installed
	Version string   // empty: whichever is wanted
	Lacks   []string // capabilities that this machine cannot hand on to it; it has all others
}

// StandIn is what stands in for a program of this name; nil: nothing does.
func (m *Machine) StandIn(name string) *Program {
	if m == nil || m.Program == nil {
		return nil
	}
	return m.Program(name)
}

// Plays reports whether the program at this path is one that a test has put there.
func (m *Machine) Plays(file string) bool {
	p := m.StandIn(path.Base(file))
	return p != nil && p.Path == file
}

type key struct{}

// With returns a context that carries a machine.
func With(ctx context.Context, m *Machine) context.Context { return context.WithValue(ctx, key{}, m) }

// From returns the machine of a context; nil: none.
func From(ctx context.Context) *Machine {
	m, _ := ctx.Value(key{}).(*Machine)
	return m
}
