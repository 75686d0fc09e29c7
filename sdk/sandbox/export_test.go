//go:build linux && (amd64 || arm64)

package sandbox

// Idle is how many supervisors wait for work.
func Idle(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// EndBurst does what a pool does some seconds after a burst, and returns how many idle supervisors stay.
func EndBurst(p *Pool) (resident int) {
	p.endBurst()
	return p.resident()
}
