package sdk

import (
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Names of layers on which something here depends.
const (
	ownUser      = "own user"
	pidNamespace = "PID namespace"
)

// layers are those of this machine and this process. They do not change while it runs.
var layers = sync.OnceValue(sandbox.Layers)

func active(name string) bool {
	return slices.ContainsFunc(layers(), func(l sandbox.Layer) bool { return l.Name == name && l.Active })
}

// require refuses a run that would be without a layer of the sandbox on which the policy insists.
func require(names []string, c sandbox.Command, have []sandbox.Layer) error {
	for _, name := range names {
		i := slices.IndexFunc(have, func(l sandbox.Layer) bool { return l.Name == name })
		if i < 0 {
			return Errorf(KindExecution, "the policy requires the layer %q of the sandbox, which there is not",
				name).
				Suggest("set sandbox.require to some of %s", layerNames(have))
		}
		if why := lacks(name, c, have[i]); why != "" {
			return missingLayer(name, why)
		}
	}
	return nil
}

func missingLayer(name, why string) *Error {
	return Errorf(KindExecution,
		"the policy requires the layer %q of the sandbox, which is not in force: %s", name, why).
		Suggest("%s, or let the operator take it off sandbox.require", obtain(name, why)).
		With("layer", name)
}

// requireOfAny refuses what no run can have, whatever its program: one that is confined in every way and runs
// as u.
func requireOfAny(names []string, u *sandbox.User, have []sandbox.Layer) error {
	return require(names, sandbox.Command{RunAs: u, NoNewPrivileges: true, Files: &sandbox.Files{}}, have)
}

// byItsFile is why a program is without the layers that keep it from gaining anything.
const byItsFile = "the program has its rights from its own file (setcap), and would lose them"

// lacks says why a layer is not in force for a run, or "". Some depend on the command.
func lacks(name string, c sandbox.Command, l sandbox.Layer) string {
	switch {
	case name == ownUser && (c.RunAs != nil || os.Geteuid() != 0):
		return ""
	case name == ownUser:
		return "the program would run as root"
	case !l.Active:
		return l.Detail
	case name == "no new privileges" && !c.NoNewPrivileges:
		return byItsFile
	case name == "landlock" && c.Files == nil && !c.NoNewPrivileges:
		return byItsFile
	case name == "landlock" && c.Files == nil:
		return "the tool does not say which files its program needs"
	}
	return ""
}

// obtain says how a machine gets a layer.
func obtain(name, why string) string {
	const handDown = "hand the capability down to the host (systemd: AmbientCapabilities=), so that no file " +
		"has to give it"
	if why == byItsFile {
		return handDown
	}
	switch name {
	case "cgroup":
		return "no machine has it with this release"
	case ownUser:
		return "set sandbox.run_as to auto, or start the host as an ordinary user"
	case "landlock":
		return "run the host on Linux 5.13 or newer, with landlock among the security modules (lsm= at boot)"
	case "no new privileges", "capabilities":
		return handDown
	case pidNamespace:
		return "give the host CAP_SYS_ADMIN, and let user.max_pid_namespaces (sysctl) allow enough"
	}
	return "run the host on Linux 5.3 or newer (amd64 or arm64)"
}

func layerNames(have []sandbox.Layer) string {
	var names []string
	for _, l := range have {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}
