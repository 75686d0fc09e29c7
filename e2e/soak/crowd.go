package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// answer is what callers are told, in whatever form.
type answer struct {
	ExecutionID   string  `json:"execution_id"`
	CorrelationID string  `json:"correlation_id"`
	ErrorType     *string `json:"error_type"`
}

func (a answer) kind() string {
	if a.ErrorType == nil {
		return ""
	}
	return *a.ErrorType
}

// errLeft is the result of a caller who did not wait.
var errLeft = errors.New("the caller left")

// caller makes calls through one door.
type caller interface {
	call(ctx context.Context, q request, correlation string) (answer, error)
	plans() bool // whether this door offers dry runs
	close()
}

// doors are the ways in, and each caller uses one. Most come through REST.
var doors = []func(context.Context, *site) (caller, error){
	openMCP, openREST, openREST, openREST, openREST, openREST, openREST, openREST,
}

// crowd is all callers, and what they were told.
type crowd struct {
	site *site

	mu     sync.Mutex // guards what follows
	told   *ledger    // received: calls made; started: answers
	got    []reply
	made   int
	faults []string
}

// reply is an answer, and the call that it was to.
type reply struct {
	answer
	tool, correlation string
	plan              bool
}

func newCrowd(s *site) *crowd { return &crowd{site: s, told: newLedger("the callers")} }

// run has all callers call until stop is closed, and waits for their last answers.
func (c *crowd) run(ctx context.Context, part uint64, stop <-chan struct{}) error {
	var wg sync.WaitGroup
	failed := make(chan error, c.site.concurrency) // closed by nobody; room for one of each caller
	for i := range c.site.concurrency {
		wg.Go(func() {
			by, err := doors[i%len(doors)](ctx, c.site)
			if err != nil {
				failed <- err
				return
			}
			defer by.close()
			c.keepCalling(ctx, by, rand.New(rand.NewPCG(c.site.seed, part<<32|uint64(i))), stop)
		})
	}
	wg.Wait()
	c.site.client.CloseIdleConnections()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// thinking is the most that a caller waits between two calls: the host is to be busy, not drowned.
const thinking = 40 * time.Millisecond

func (c *crowd) keepCalling(ctx context.Context, by caller, r *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(r.Int64N(int64(thinking)))):
		}
		q := anyCall(r)
		q.plan = q.plan && by.plans()
		c.one(ctx, by, q)
	}
}

// one makes a call and writes down what came of it.
func (c *crowd) one(ctx context.Context, by caller, q request) {
	c.mu.Lock()
	c.made++
	correlation := fmt.Sprintf("soak-%d", c.made)
	c.mu.Unlock()
	if q.leave > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, q.leave, errLeft)
		defer cancel()
	}
	a, err := by.call(ctx, q, correlation)
	c.note(q, correlation, a, err, ctx.Err() != nil)
}

func (c *crowd) note(q request, correlation string, a answer, err error, left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !q.plan {
		c.told.of(q.tool).received++
	}
	switch {
	case err != nil && left:
		if !q.plan {
			c.told.of(q.tool).outcomes["nobody waited"]++
		}
	case err != nil:
		c.faults = append(c.faults, fmt.Sprintf("a call of %s (%s) got no answer: %v", q.tool, correlation, err))
	default:
		if !q.plan {
			c.told.of(q.tool).started++
			c.told.of(q.tool).outcomes[a.kind()]++
		}
		c.got = append(c.got, reply{a, q.tool, correlation, q.plan})
	}
}

// parseAnswer reads a report, a plan or a problem.
func parseAnswer(raw []byte) (answer, error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("the answer %.300s: %w", raw, err)
	}
	if a.ExecutionID == "" {
		return a, fmt.Errorf("the answer %.300s has no execution_id", raw)
	}
	return a, nil
}
