package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// trial is one run of the soak.
type trial struct {
	*site
	out      io.Writer
	listener *listener
	crowd    *crowd
	meddler  *meddler
	before   scrape // at rest, after the first part
	after    scrape // at rest, after all
	faults   []string
}

// work makes calls in two parts, ends the host, and compares what it left.
func (t *trial) work(ctx context.Context) error {
	t.crowd, t.meddler = newCrowd(t.site), newMeddler(t.site)
	begun := time.Now()
	var err error
	if t.before, err = t.part(ctx, 1, t.warm()); err != nil {
		return err
	}
	if t.after, err = t.part(ctx, 2, t.length-t.warm()); err != nil {
		return err
	}
	took := time.Since(begun)
	if err := t.stop(); err != nil {
		t.fault("the host ended badly: %v", err)
	}
	t.faults = append(t.faults, orphans()...)
	if err := t.listener.wait(); err != nil {
		return err
	}
	return t.examine(ctx, took)
}

func (t *trial) fault(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// part has calls made for a time, and waits until all is at rest.
func (t *trial) part(ctx context.Context, number uint64, length time.Duration) (scrape, error) {
	stop := make(chan struct{})
	timer := time.AfterFunc(length, func() { close(stop) })
	defer timer.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var called, meddled error
	var wg sync.WaitGroup
	wg.Go(func() { called = t.crowd.run(ctx, number, stop) })
	wg.Go(func() {
		if meddled = t.meddler.run(ctx, stop); meddled != nil {
			cancel()
		}
	})
	wg.Wait()
	if err := errors.Join(meddled, called); err != nil {
		return nil, err
	}
	return t.rest(ctx)
}

// rest waits until nothing is in flight and every plugin is back, and reads the metrics.
func (t *trial) rest(ctx context.Context) (at scrape, err error) {
	calm, last := 0, 0.0
	reloads, since := -1.0, time.Now() // a changed file is noticed a little later
	err = eventually(ctx, func() (bool, error) {
		if at, err = t.scrape(ctx); err != nil {
			return false, err
		}
		calm++
		if at.sum("go_goroutines") < last { // connections are being closed still
			calm = 0
		}
		last = at.sum("go_goroutines")
		if n := at.sum("mcp_config_reloads_total"); n != reloads {
			reloads, since = n, time.Now()
		}
		ready := at.sum("mcp_plugin_state", "state", "ready") == at.sum("mcp_plugin_state")
		quiet := time.Since(since) > noticed
		return ready && quiet && at.atRest() && calm > calmEnough && last <= t.goroutines()+someGoroutines, nil
	})
	if err != nil {
		_, health, _ := t.do(ctx, http.MethodGet, "/health", "") // as far as it can be had
		t.fault("the host does not come to rest: %v; %s", err, at.busy(health))
	}
	return at, nil
}

// noticed is how long after a change of its file a host has read it at the latest: it waits for writers to be
// done, two seconds at most.
const noticed = 4 * time.Second

// calmEnough is how many times in a row there must not be fewer goroutines than before.
const calmEnough = 10

// What the host may have more at the end than after the first part.
const (
	someGoroutines = 32
	someMemory     = 48 << 20
	someFiles      = 16
)

// goroutines are those of the host at rest, as far as that is known.
func (t *trial) goroutines() float64 {
	if t.before == nil {
		return 1e9
	}
	return t.before.sum("go_goroutines")
}

// busy says what keeps a host from its rest.
func (s scrape) busy(health []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "received %v, ended %v, active %v, queued %v, goroutines %v; plugins:",
		s.sum("mcp_tool_calls_received_total"), s.sum("mcp_tool_execution_total"),
		s.sum("mcp_tool_active_executions"), s.sum("mcp_tool_queue_depth"), s.sum("go_goroutines"))
	for _, one := range s {
		if one.name == "mcp_plugin_state" && one.value == 1 {
			fmt.Fprintf(&b, " %s %s", one.labels["plugin"], one.labels["state"])
		}
	}
	fmt.Fprintf(&b, "; health: %.600s", health)
	return b.String()
}
