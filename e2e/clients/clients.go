// Package clients has official clients of MCP do with the real host what people do with it: list, call, watch
// progress, be asked, cancel, and hear of a plugin that comes and goes, over stdio and HTTP.
//
//	outcomes, err := clients.Run(ctx, at, clients.Config{Runs: 20})
//	good := clients.Print(os.Stdout, outcomes)
//
// Every run has a host of its own. Whether something came, ended or came once is told by events, never by waiting
// a while: the fixture's slow tool holds a connection to the client as long as it runs.
package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/conformance/site"
)

// The things that a client does, in this order.
const (
	checkList     = "list"
	checkCall     = "call"
	checkAsk      = "ask"      // a person answers a tool's question
	checkProgress = "progress" // every step, in order, before the result
	checkCrowd    = "crowd"    // the same for ten calls at once
	checkCancel   = "cancel"   // ends the call within a second
	checkChanged  = "changed"  // one notification per change
)

// everything is what a client can do that is a library.
var everything = []string{
	checkList, checkCall, checkAsk, checkProgress, checkCrowd, checkCancel, checkChanged,
}

// The transports.
const (
	stdio     = "stdio"
	streaming = "http"
)

// seat is where a client sits for one run: with a host to launch, or one that serves.
type seat struct {
	site  *site.Site
	place *site.Place
	url   string // of the MCP endpoint; empty: launch the host
}

// kind is a client.
type kind struct {
	name   string
	checks []string
	run    func(context.Context, seat) ([]step, error)
}

// step is what came of one check.
type step struct {
	check string
	took  time.Duration
	err   error
}

// kinds are all clients.
var kinds = []kind{
	{"ts-sdk-v1", everything, node("ts1.mjs")},
	{"ts-sdk-v2", everything, node("ts2.mjs")},
	{"go-sdk", everything, goSDK("")},
	{"go-sdk-2025-11-25", everything, goSDK("2025-11-25")},
	{"inspector-cli", inspected, inspector},
}

// Outcome is how one check of one run of a client came out.
type Outcome struct {
	Client, Transport, Check string
	Run                      int // from 1
	Took                     time.Duration
	Err                      error // nil: well
}

// Config says how much is run.
type Config struct {
	Runs int    // of each client over each transport
	Only string // part of the names of the clients; empty: all
}

// patience is how long one run may take; it takes some seconds.
const patience = 2 * time.Minute

// together is how many runs go on at the same time: they wait more than they work.
const together = 2

// Run runs every client over both transports. Its error means that something could not be tried.
func Run(ctx context.Context, at *site.Site, cfg Config) ([]Outcome, error) {
	if err := unpack(at.Dir); err != nil {
		return nil, err
	}
	var (
		turn     = make(chan struct{}, together)
		wg       sync.WaitGroup
		mu       sync.Mutex // guards outcomes
		outcomes []Outcome
	)
	for n := 1; n <= cfg.Runs; n++ {
		for _, k := range kinds {
			for _, transport := range []string{stdio, streaming} {
				if !strings.Contains(k.name, cfg.Only) {
					continue
				}
				turn <- struct{}{}
				wg.Go(func() {
					defer func() { <-turn }()
					done := k.try(ctx, at, transport, n)
					mu.Lock()
					defer mu.Unlock()
					outcomes = append(outcomes, done...)
				})
			}
		}
	}
	wg.Wait()
	slices.SortStableFunc(outcomes, func(a, b Outcome) int {
		return cmp.Or(strings.Compare(a.Client, b.Client), strings.Compare(a.Transport, b.Transport), a.Run-b.Run)
	})
	return outcomes, context.Cause(ctx)
}

// try is one run: of each check, what came of it.
func (k kind) try(ctx context.Context, at *site.Site, transport string, n int) []Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the run took longer than %v", patience))
	defer cancel()
	steps, err := k.steps(ctx, at, transport, n)
	outcomes := make([]Outcome, 0, len(k.checks))
	for _, check := range k.checks {
		o := Outcome{Client: k.name, Transport: transport, Check: check, Run: n}
		if i := slices.IndexFunc(steps, func(s step) bool { return s.check == check }); i >= 0 {
			o.Took, o.Err = steps[i].took, steps[i].err
		} else {
			o.Err, err = errors.Join(errUntried, err), nil // the reason once
		}
		outcomes = append(outcomes, o)
	}
	if err != nil {
		outcomes[len(outcomes)-1].Err = errors.Join(outcomes[len(outcomes)-1].Err, err)
	}
	return outcomes
}

var errUntried = errors.New("it was not tried")

func (k kind) steps(ctx context.Context, at *site.Site, transport string, n int) ([]step, error) {
	p, err := at.Place(fmt.Sprintf("%s-%s-%d", k.name, transport, n))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	s := seat{site: at, place: p}
	if transport == streaming {
		h, err := p.Serve(ctx)
		if err != nil {
			return nil, err
		}
		defer h.Close()
		s.url = h.URL
	}
	steps, err := k.run(ctx, s)
	if err != nil {
		err = fmt.Errorf("%w; the host's log ends with:\n%s", err, p.LastWords())
	}
	return steps, err
}
