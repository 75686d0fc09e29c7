package sdk

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// sandboxProbe says what protects the machine from the programs that run here, and as whom they run. It fails
// where the policy keeps all of them from running.
func sandboxProbe(layers []sandbox.Layer) Probe {
	return Probe{Name: "sandbox", Run: func(_ context.Context, env Env) (string, error) {
		u, err := env.User()
		if err == nil {
			err = cmp.Or(judgeUser(env.Policy.RunAs, u, layers), requireOfAny(env.Policy.Require, u, layers))
		}
		if err != nil {
			return "", err
		}
		return judgeLayers(layers, "programs run as "+runsAs(env.Policy.RunAs, u))
	}}
}

// judgeUser fails if this process cannot run programs as u.
func judgeUser(runAs string, u *sandbox.User, layers []sandbox.Layer) error {
	i := slices.IndexFunc(layers, func(l sandbox.Layer) bool { return l.Name == ownUser })
	if u == nil || i < 0 || layers[i].Active {
		return nil
	}
	return Errorf(KindExecution, "no program will be run as %s, the user of sandbox.run_as: %s", runAs,
		layers[i].Detail).
		Suggest("grant the host CAP_SETUID, CAP_SETGID and CAP_KILL, or set sandbox.run_as to auto")
}

// runsAs says who programs run as.
func runsAs(runAs string, u *sandbox.User) string {
	chosen := runAs != "" && runAs != "auto" && runAs != "none"
	switch {
	case u != nil:
		numbers := fmt.Sprintf("%d:%d", u.UID, u.GID)
		if found, err := user.LookupId(strconv.FormatUint(uint64(u.UID), 10)); err == nil {
			return fmt.Sprintf("%s (%s)", found.Username, numbers)
		}
		return numbers
	case os.Geteuid() != 0 && chosen:
		return "the user of the host (sandbox.run_as is " + runAs + ", and only a host of root's can do that)"
	case os.Geteuid() != 0:
		return "the user of the host"
	case runAs == "none":
		return "root (sandbox.run_as is none)"
	}
	return "root (the host cannot run them as another user)"
}

// judgeLayers fails without a supervisor: then nothing runs on Linux, and elsewhere programs run with less
// around them, always; that is told, and does not make a host there degraded for ever. Other layers are not
// there on every machine; it tells of them, and that is all.
func judgeLayers(layers []sandbox.Layer, who string) (string, error) {
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
	found := fmt.Sprintf("in force: %s; not in force: %s; %s",
		cmp.Or(strings.Join(active, ", "), "nothing"), cmp.Or(strings.Join(missing, ", "), "nothing"), who)
	why, lacking := detail["supervisor"]
	switch {
	case !lacking:
		return found, nil
	case len(active) > 0 && active[0] == "process group": // not the Linux sandbox
		return "", informational{Degraded(Errorf(KindExecution, "%s", found).
			Suggest("run the host on Linux (amd64 or arm64) for the layers that are missing"))}
	}
	return "", Errorf(KindExecution, "no program will be run: %s", why).
		Suggest("run the host on Linux 5.3 or newer, under a seccomp filter that allows pidfd_open")
}
