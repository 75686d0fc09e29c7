//go:build !linux

package proc

import (
	"errors"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var errLinux = errors.New("it takes Linux")

// confine confines nothing, and fails where that was asked for.
func (c *child) confine() ([]tool.Layer, error) {
	var wanted string
	switch {
	case c.confinement.NoNewPrivs:
		wanted = layerNoNewPrivs
	case c.confinement.Landlock == LandlockRequire:
		wanted = layerLandlock
	}
	if wanted != "" {
		return nil, unconfined(c.name, wanted, errLinux).Suggest("switch it off for this machine")
	}
	return []tool.Layer{missing(layerNoNewPrivs), missing(layerLandlock), missing(layerUser)}, nil
}

func missing(layer string) tool.Layer { return tool.Layer{Name: layer, Detail: errLinux.Error()} }

// account is a user that a process runs as; none can be, here.
type account struct{ name string }

func runAs(cfg Config) (*account, error) {
	if cfg.Confine.RunAs == "" {
		return nil, nil
	}
	return nil, unconfined(cfg.Name, layerUser, errLinux).Suggest("leave run_as empty on this machine")
}

func (a *account) own(string) error            { return nil }
func (a *account) become(*syscall.SysProcAttr) {}

func onMainThread() bool { return false }

func deathLayer() tool.Layer {
	return tool.Layer{Name: layerDeath,
		Detail: "a plugin that does not watch its stdin outlives a host that is killed"}
}
