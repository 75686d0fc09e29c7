package proc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Confinement is what a plugin's process gives up. The zero value gives up nothing beyond what every plugin
// does: the host's environment, session and descriptors. What is asked for and cannot be had means no start;
// LandlockAuto alone is content with less.
type Confinement struct {
	NoNewPrivs bool     // no program that it starts can gain rights from a file
	Landlock   Landlock // "": off
	RunAs      string   // "": the host's user; else a name, or uid:gid; needs root
}

// Landlock says whether a process is kept from files. One that is reads the paths of the system, the
// directory that its file lies in and its own, and writes beneath its own alone.
type Landlock string

// The ways to use Landlock.
const (
	LandlockOff     Landlock = "off"
	LandlockAuto    Landlock = "auto"    // where the kernel has it, and NoNewPrivs or CAP_SYS_ADMIN admits to it
	LandlockRequire Landlock = "require" // a plugin does not start without; no_new_privs is set where need be
)

func (c Confinement) check() error {
	known := []Landlock{"", LandlockOff, LandlockAuto, LandlockRequire}
	if !slices.Contains(known, c.Landlock) {
		return fmt.Errorf("landlock %q is none of %q", c.Landlock, known[1:])
	}
	return nil
}

// The names of the layers, in the order of Layers.
const (
	layerSession     = "own session"
	layerBytes       = "exact bytes"
	layerEnvironment = "minimal environment"
	layerNoNewPrivs  = "no_new_privs"
	layerLandlock    = "landlock"
	layerUser        = "own user"
	layerCgroup      = "cgroup"
	layerDeath       = "death signal"
)

// Layers tells what confines this process and holds it to its host, and what does not and why. The names are
// the same for every process; the details are when the process was started under the same conditions.
func (p *Process) Layers() []tool.Layer { return slices.Clone(p.child.layers) }

// errConfined is in the chain of what a confinement failed with.
var errConfined = errors.New("not confined")

// unconfined is the error of a layer that was asked for and cannot be had.
func unconfined(name, layer string, err error) *tool.Error {
	return failed(name, "is not started, as %s cannot be had: %w", layer, fmt.Errorf("%w: %w", errConfined, err))
}

// sessionLayer and environmentLayer are the same on every system.
func sessionLayer() tool.Layer {
	return tool.Layer{Name: layerSession, Active: true,
		Detail: "no terminal can signal it, and its group is killed with it"}
}

func environmentLayer() tool.Layer {
	return tool.Layer{Name: layerEnvironment, Active: true,
		Detail: "nothing of the host's environment; stdin is a pipe that never yields anything; " +
			"no descriptor of the host's is open in it"}
}
