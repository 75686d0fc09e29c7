package sdk

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/sdk/internal/machine"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// Limits that hold until a host has said something else, and wherever it says zero.
const (
	defaultNetworkSize = 1024
	defaultPortRanges  = 100
	defaultArgsLength  = 2048
	defaultMemory      = 512 << 20
	defaultOpenFiles   = 256
)

// Env is what the plugin lends to a tool for one plan or one call.
type Env struct {
	// Policy is what was in force when the call started; a reload does not change it under way. AllowIntrusive is
	// true as well when a person has allowed this one request (Request.Grant): then do exactly that, or refuse.
	Policy Policy

	user    func() (*sandbox.User, error) // nil: nobody in particular
	pool    *pool
	machine *machine.Machine // nil: this one
	pins    *pins            // nil: of no request
}

// of is the env of one request: a person may have allowed what the policy does not. The tool sees to it that
// nothing else is done than what the person saw.
func (e Env) of(r Request) Env {
	e.Policy.AllowIntrusive = e.Policy.AllowIntrusive || r.Grant != nil
	e.pins = e.pinned(r.Targets)
	return e
}

// Run runs a program in the plugin's sandbox: under limits, as the user that the policy says, and dead with
// all its children when Run returns. It is not run where a layer of the sandbox is missing that the policy
// requires.
func (e Env) Run(ctx context.Context, c sandbox.Command) (sandbox.Outcome, error) {
	c, err := e.Confine(c)
	if err != nil {
		return sandbox.Outcome{}, err
	}
	if e.machine != nil && e.machine.Run != nil {
		if out, handled, err := e.machine.Run(ctx, c); handled {
			return out, err
		}
	}
	p, err := e.pool.open()
	if err != nil {
		return sandbox.Outcome{}, err
	}
	out, err := p.Run(ctx, c)
	if errors.Is(err, sandbox.ErrNoNamespace) { // a limit of the machine, which it had not reached before
		err = missingLayer(pidNamespace, err.Error())
	}
	return out, err
}

// Confine is c as Run runs it, with the user that the policy says, or the error that Run would refuse it with.
// It is for who has to know before; Run does it anyway.
func (e Env) Confine(c sandbox.Command) (_ sandbox.Command, err error) {
	if c.RunAs == nil {
		if c.RunAs, err = e.User(); err != nil {
			return c, err
		}
	}
	if len(e.Policy.Require) > 0 {
		err = require(e.Policy.Require, c, e.layers(c.Path))
	}
	if slices.Contains(e.Policy.Require, pidNamespace) {
		c.RequireNamespace = true // what the machine can have in general, this run may not get
	}
	return c, err
}

// layers are those that a run of this program can have. One that a test plays needs nothing of this machine: there
// the command is held to what it asks for.
func (e Env) layers(path string) []sandbox.Layer {
	all := layers()
	if !e.machine.Plays(path) {
		return all
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].Active = true
	}
	return all
}

// Find looks for a program in the system's directories, and not in PATH, as the tools of package command do for
// theirs; name is that of its file. In a test it is what stands in for the program, if something does. It is for
// tools that are written by hand, and run it with [Env.Run].
func (e Env) Find(name string) (path string, ok bool) { return e.machine.Find(name) }

// StandIn is for package command: what a test has put in the place of a program; nil, and always nil outside of
// tests: nothing.
func (e Env) StandIn(name string) *machine.Program { return e.machine.StandIn(name) }

// DefaultPolicy is the policy of a fresh Gatehouse. It holds until the host configures the plugin.
func DefaultPolicy() Policy {
	s := scope.Default()
	return completed(Policy{Networks: s.Networks, Suffixes: s.Suffixes})
}

// completed fills in the numbers that a host left at zero: no limit of ours can be switched off by
// forgetting it.
func completed(p Policy) Policy {
	orInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	orInt(&p.MaxNetworkSize, defaultNetworkSize)
	orInt(&p.MaxPortRanges, defaultPortRanges)
	orInt(&p.MaxArgsLength, defaultArgsLength)
	if p.MaxMemory == 0 {
		p.MaxMemory = defaultMemory
	}
	if p.MaxOpenFiles == 0 {
		p.MaxOpenFiles = defaultOpenFiles
	}
	return p
}

// pool is the plugin's one sandbox, made when the first program runs: a plugin without programs pays
// nothing.
type pool struct {
	mu     sync.Mutex // guards what follows
	box    *sandbox.Pool
	closed bool
}

func (p *pool) open() (*sandbox.Pool, error) {
	if p == nil {
		return nil, errors.New("sdk: an Env that no handler made cannot run programs")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, Errorf(KindCancelled, "the plugin is ending")
	}
	if p.box == nil {
		p.box = sandbox.New(sandbox.Config{})
	}
	return p.box, nil
}

// close ends every program that runs, and waits for it.
func (p *pool) close() error {
	p.mu.Lock()
	box := p.box
	p.closed, p.box = true, nil
	p.mu.Unlock()
	if box == nil {
		return nil
	}
	return box.Close()
}
