package fleet

import (
	"context"
	"fmt"
	"time"
)

// tolerated is how many health probes in a row a process may miss. One may get lost on a machine under load.
const tolerated = 1

// watch returns when a process has ended or must be, with the reason, or when ctx ends.
func (m *member) watch(ctx context.Context, g *generation) error {
	probe := time.NewTimer(m.fleet.cfg.ProbeInterval)
	defer probe.Stop()
	for misses := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-g.done:
			return fmt.Errorf("the process ended: %w", g.Err())
		case err := <-g.evicted:
			return err
		case <-probe.C:
		}
		err := m.probe(ctx, g)
		if err == nil {
			misses = 0
			m.become(Ready, nil)
			probe.Reset(m.fleet.cfg.ProbeInterval)
			continue
		}
		if misses++; misses > tolerated {
			return fmt.Errorf("it missed %d health probes: %w", misses, err)
		}
		m.become(Unhealthy, err)
		probe.Reset(min(m.fleet.cfg.ProbeTimeout, m.fleet.cfg.ProbeInterval))
	}
}

func (m *member) probe(ctx context.Context, g *generation) error {
	ctx, cancel := context.WithTimeout(ctx, m.fleet.cfg.ProbeTimeout)
	defer cancel()
	return g.Ping(ctx)
}
