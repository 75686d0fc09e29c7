package sdk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// sandboxProbe says what protects the machine from the programs that run here. That is less outside of Linux,
// always; it is told, and does not make a host there degraded for ever.
func sandboxProbe(layers []sandbox.Layer) Probe {
	found, err := judgeLayers(layers)
	p := Probe{Name: "sandbox", Run: func(context.Context, Env) (string, error) { return found, err }}
	if errors.As(err, new(degraded)) {
		p.Priority = Informational
	}
	return p
}

// judgeLayers fails without a supervisor: then nothing runs on Linux, and elsewhere programs run with less
// around them. Other layers are not there on every machine; it tells of them, and that is all.
func judgeLayers(layers []sandbox.Layer) (string, error) {
	var active, missing []string
	detail := make(map[string]string) // of the layers that are missing
	for _, l := range layers {
		if l.Active {
			active = append(active, l.Name)
			continue
		}
		missing = append(missing, l.Name)
		detail[l.Name] = l.Detail
	}
	found := fmt.Sprintf("in force: %s; not in force: %s",
		cmp.Or(strings.Join(active, ", "), "nothing"), cmp.Or(strings.Join(missing, ", "), "nothing"))
	why, lacking := detail["supervisor"]
	switch {
	case !lacking:
		return found, nil
	case len(active) > 0 && active[0] == "process group": // not the Linux sandbox
		return "", Degraded(Errorf(KindExecution, "%s", found).
			Suggest("run the host on Linux (amd64 or arm64) for the layers that are missing"))
	}
	return "", Errorf(KindExecution, "no program will be run: %s", why).
		Suggest("run the host on Linux 5.3 or newer, under a seccomp filter that allows pidfd_open")
}
