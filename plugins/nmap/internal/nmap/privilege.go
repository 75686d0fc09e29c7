package nmap

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// capNetRaw is the number of CAP_NET_RAW, capabilities(7).
const capNetRaw = 13

// Privileges are what nmap will be allowed on this machine.
type Privileges struct {
	Raw     bool // it may open raw sockets
	Ambient bool // by an ambient capability, of which nmap has to be told, and not because it is root
}

// Probe asks the kernel what a program started by this process may do.
func Probe() Privileges {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return Privileges{Raw: os.Geteuid() == 0} // not Linux
	}
	defer status.Close()
	return privileges(os.Geteuid(), bufio.NewScanner(status))
}

// privileges reads /proc/self/status. Root keeps its effective capabilities over an exec; anybody else
// only the ambient ones, since nmap's file has none.
func privileges(euid int, status *bufio.Scanner) Privileges {
	field := "CapAmb:"
	if euid == 0 {
		field = "CapEff:"
	}
	for status.Scan() {
		rest, ok := strings.CutPrefix(status.Text(), field)
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
		raw := err == nil && set&(1<<capNetRaw) != 0
		return Privileges{Raw: raw, Ambient: raw && euid != 0}
	}
	return Privileges{}
}

// fixed is what every run of nmap begins with.
func (p Privileges) fixed() []string {
	args := []string{"-n", "--stats-every", "2s", "--no-stylesheet", "-oX", "/dev/fd/3"}
	if p.Ambient {
		args = append(args, "--privileged")
	}
	return args
}

// rawFlags need raw sockets. Without, nmap quits over some of them and silently does something else for
// the others; here all are refused.
var rawFlags = []string{
	"-sS", "-sU", "-sA", "-sW", "-sM", "-sN", "-sF", "-sX", "-sO", "-sY", "-sZ", "-O", "-A", "--traceroute",
	"-PE", "-PP", "-PM", "-PU", "-PY", "-f", "--mtu", "--source-port", "--data-length", "--ttl", "--badsum",
	"--scanflags",
}

// probe tells a person what goes without raw sockets, and how to have them.
func (p Privileges) probe(context.Context, sdk.Env) (string, error) {
	if p.Raw {
		return "raw sockets: every kind of scan", nil
	}
	return "", sdk.Degraded(sdk.Errorf(sdk.KindExecution, "no raw sockets: -sS, -sU, -O and the like are refused and "+
		"scans use -sT; a host with CAP_NET_RAW hands it down (systemd: AmbientCapabilities=CAP_NET_RAW)").
		Suggest("sudo setpriv --reuid=$(id -u) --regid=$(id -g) --init-groups --inh-caps=+net_raw " +
			"--ambient-caps=+net_raw gatehouse serve"))
}

func (p Privileges) check(j *command.Job) error {
	if p.Raw {
		return nil
	}
	for _, name := range rawFlags {
		if j.Has(name) {
			return sdk.Errorf(sdk.KindValidation, "%s needs raw sockets, which this plugin is not allowed to open",
				name).
				Suggest("use -sT and -sV, or let the operator grant CAP_NET_RAW").With("needs", "CAP_NET_RAW")
		}
	}
	return nil
}
