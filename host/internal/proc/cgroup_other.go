//go:build !linux

package proc

import (
	"errors"
	"syscall"
)

// NewCgroup fails: cgroups are Linux's. What it returns besides says so as a layer.
func NewCgroup() (*Cgroup, error) {
	g := &Cgroup{why: errors.New("cgroups take Linux")}
	return g, g.why
}

// Close does nothing.
func (g *Cgroup) Close() error { return nil }

// cell is the cgroup of one process; there is none here.
type cell struct{}

func (g *Cgroup) cell(string) (*cell, error) { return nil, g.missing() }
func (c *cell) hold(*syscall.SysProcAttr)    {}
func (c *cell) end() error                   { return nil }
