package nmap

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// capNetRaw is what raw sockets take.
const capNetRaw = "CAP_NET_RAW"

// Privileges are what nmap will be allowed on this machine.
type Privileges struct {
	Raw bool // it may open raw sockets
}

// Probe asks the sandbox what a program that it starts may do.
func Probe() Privileges { return Privileges{Raw: sandbox.Available(capNetRaw)} }

// fixed is what every run of nmap begins with. nmap judges by its user whether it may open raw sockets, and
// is wrong both ways: a user may have the capability, and root in a container may lack it. So it is told.
func (p Privileges) fixed() []string {
	privileged := "--unprivileged"
	if p.Raw {
		privileged = "--privileged"
	}
	return []string{"-n", "--stats-every", "2s", "--no-stylesheet", "-oX", "/dev/fd/3", privileged}
}

// rawFlags need raw sockets. Without, nmap quits over some of them and silently does something else for
// the others; here all are refused.
var rawFlags = []string{
	"-sS", "-sU", "-sA", "-sW", "-sM", "-sN", "-sF", "-sX", "-sO", "-sY", "-sZ", "-O", "-A", "--traceroute",
	"-PE", "-PP", "-PM", "-PA", "-PU", "-PY", "-f", "--mtu", "--source-port", "--data-length", "--ttl",
	"--badsum", "--scanflags", "--defeat-rst-ratelimit",
}

// instead is what comes near to a flag without raw sockets.
var instead = map[string]string{
	"-sS": "use -sT, which finds the same ports",
	"-PE": "use -PS, which connects", "-PP": "use -PS, which connects", "-PM": "use -PS, which connects",
	"-PA": "use -PS, which connects",
}

// probe tells a person what goes without raw sockets, and how to have them.
func (p Privileges) probe(context.Context, sdk.Env) (string, error) {
	if p.Raw {
		return "raw sockets: every kind of scan", nil
	}
	return "", sdk.Degraded(sdk.Errorf(sdk.KindNeedsPrivilege, "no raw sockets: -sS, -sU, -O and the like "+
		"are refused and scans use -sT; a host with %s hands it down (systemd: AmbientCapabilities=%s)",
		capNetRaw, capNetRaw).
		Suggest("sudo setpriv --reuid=$(id -u) --regid=$(id -g) --init-groups --inh-caps=+net_raw " +
			"--ambient-caps=+net_raw gatehouse serve"))
}

// check refuses what this machine does not allow. A scan of another kind than was asked for is never made.
func (p Privileges) check(j *command.Job) error {
	if p.Raw {
		return nil
	}
	for _, name := range rawFlags {
		if !j.Has(name) {
			continue
		}
		hint := instead[name]
		if hint == "" {
			hint = "leave it out"
		}
		return sdk.Errorf(sdk.KindNeedsPrivilege,
			"%s needs raw sockets, which nmap may not open on this machine", name).
			Suggest("%s; or let the operator start the host with %s (systemd: AmbientCapabilities=%s)", hint,
				capNetRaw, capNetRaw).
			With("needs", capNetRaw).With("flag", name)
	}
	return nil
}
