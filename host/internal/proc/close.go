package proc

import (
	"fmt"
	"os"
	"time"
)

// killTime is how long a killed process may take to be gone, and go-plugin to notice: both are a matter of
// milliseconds unless the machine is drowning.
const killTime = 5 * time.Second

// end asks the process to end, kills it when the grace is over, and waits, bounded at each step: go-plugin's
// own Kill has no deadline and stays in its shutdown call while the process is frozen.
func (p *Process) end() error {
	defer os.RemoveAll(p.dir) // best effort: what stays is an empty socket in a private directory
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.client.Kill()
	}()
	if !p.child.running() {
		return p.waitFor(asked, "its connection to be closed")
	}
	grace := time.NewTimer(p.grace)
	defer grace.Stop()
	select {
	case <-p.child.done:
	case <-grace.C:
		_ = p.child.kill() // fails on some systems when the last of the group is dying already
		if err := p.waitFor(p.child.done, "its end"); err != nil {
			return err
		}
	}
	return p.waitFor(asked, "its connection to be closed")
}

func (p *Process) waitFor(event <-chan struct{}, what string) error {
	t := time.NewTimer(killTime)
	defer t.Stop()
	select {
	case <-event:
		return nil
	case <-t.C:
		return fmt.Errorf("plugin %s (process %d): waited %s for %s in vain", p.name, p.child.pid, killTime, what)
	}
}
