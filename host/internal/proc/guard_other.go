//go:build !linux

package proc

import "io"

// Guard is a process that looks after what a killed host leaves. There is none here.
type Guard struct{}

// StartGuard does nothing here.
func StartGuard(*Cgroup, string) (*Guard, error) { return nil, nil }

// Close does nothing here.
func (g *Guard) Close() error { return nil }

// GuardMain is the program of a guard.
func GuardMain([]string, io.Reader) int { return 1 }
