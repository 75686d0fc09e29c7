//go:build linux && (amd64 || arm64)

package sandbox

import "syscall"

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

// Shared makes the supervisors of p stay in the PID namespace of this process, as they do where they cannot
// have one of their own.
func Shared(p *Pool) { p.shared = true }

// LandlockABI is the version of Landlock that the kernel has; 0: none.
func LandlockABI() int { return landlockABI() }

// CapabilityNames are the full names of the capabilities that the kernel has, by number.
func CapabilityNames() (names []string) {
	for n, name := range capabilityNames {
		if prctl(syscall.PR_CAPBSET_READ, uintptr(n)) >= 0 {
			names = append(names, capPrefix+name)
		}
	}
	return names
}
