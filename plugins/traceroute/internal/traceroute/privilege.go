package traceroute

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// capNetRaw is what raw sockets take. Those of ICMP can do without, where the kernel gives the group of the
// tool sockets for echo requests.
const capNetRaw = "CAP_NET_RAW"

// available asks the sandbox what a program that it starts may do; tests ask somebody else.
var available = sandbox.Available

// able refuses the method that this machine surely does not allow.
func able(j *command.Job) error {
	if methodOf(j) != "tcp" || available(capNetRaw) {
		return nil
	}
	return needsPrivilege("method tcp needs raw sockets, which traceroute may not open on this machine")
}

func needsPrivilege(message string) *sdk.Error {
	return sdk.Errorf(sdk.KindNeedsPrivilege, "%s", message).
		Suggest("use method default, which needs no right; or let the operator start the host with %[1]s "+
			"(systemd: AmbientCapabilities=%[1]s)", capNetRaw).
		With("needs", capNetRaw)
}

// probe tells a person what goes without raw sockets, and how to have them.
func probe(context.Context, sdk.Env) (string, error) {
	if available(capNetRaw) {
		return "raw sockets: every method", nil
	}
	return "", sdk.Degraded(sdk.Errorf(sdk.KindNeedsPrivilege, "no raw sockets: method tcp is refused, and icmp "+
		"needs net.ipv4.ping_group_range; default and udp work. A host with %[1]s hands it down (systemd: "+
		"AmbientCapabilities=%[1]s)", capNetRaw).
		Suggest("sudo setpriv --reuid=$(id -u) --regid=$(id -g) --init-groups --inh-caps=+net_raw " +
			"--ambient-caps=+net_raw gatehouse serve"))
}

// methodOf is the method of a request, by the name that -M has for it.
func methodOf(j *command.Job) string {
	for flag, name := range map[string]string{"-I": "icmp", "-T": "tcp", "-U": "udp"} {
		if j.Has(flag) {
			return name
		}
	}
	if o, ok := j.Option("-M"); ok {
		return o.Value.Text
	}
	return "default"
}
