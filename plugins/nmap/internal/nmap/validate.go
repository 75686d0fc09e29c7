package nmap

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// ordered are pairs of flags of which the first must not be above the second.
var ordered = [][2]string{
	{"--min-parallelism", "--max-parallelism"},
	{"--min-hostgroup", "--max-hostgroup"},
	{"--min-rate", "--max-rate"},
	{"--scan-delay", "--max-scan-delay"},
	{"--min-rtt-timeout", "--max-rtt-timeout"},
	{"--min-rtt-timeout", "--initial-rtt-timeout"},
	{"--initial-rtt-timeout", "--max-rtt-timeout"},
}

// validate holds a request to what is about more than one flag, or about the target.
func (t *tool) validate(j *command.Job) error {
	for _, pair := range ordered {
		lo, okLo := j.Option(pair[0])
		hi, okHi := j.Option(pair[1])
		if okLo && okHi && lo.Value.Number > hi.Value.Number {
			return sdk.Errorf(sdk.KindValidation, "%s %s is above %s %s", pair[0], quantity(lo), pair[1],
				quantity(hi)).
				Suggest("make it the smaller one")
		}
	}
	for _, name := range []string{"-p", "--exclude-ports"} {
		if o, _ := j.Option(name); strings.Contains(o.Value.Text, "U:") && !j.Has("-sU") {
			return sdk.Errorf(sdk.KindValidation, "%s %s has UDP ports, but there is no -sU", name,
				o.Value.Text).
				Suggest("add -sU, or leave the U: out")
		}
	}
	if j.Has("-sC", "-A") { // --script has looked into the database already
		if _, err := t.library.current(); err != nil {
			return err
		}
	}
	if err := checkWork(j); err != nil {
		return err
	}
	if err := checkAll(j); err != nil {
		return err
	}
	return checkKinds(j)
}

// checkAll refuses an argument that switches off what -A is made of.
func checkAll(j *command.Job) error {
	for _, name := range allOf {
		if field, off := j.Off(name); off && j.Has("-A") {
			return sdk.Errorf(sdk.KindValidation, "%s is false, and -A includes %s", field, name).
				Suggest("leave out -A and name its parts, or leave out %s", field)
		}
	}
	return nil
}

// checkKinds refuses what nmap would quit over: flags that are for some kinds of scan alone.
func checkKinds(j *command.Job) error {
	plain := !j.Has(scanLetters...) && !j.Has("-sn", "-sL") // a SYN scan, the default
	if j.Has("--defeat-rst-ratelimit") && !plain && !j.Has("-sS") {
		return sdk.Errorf(sdk.KindValidation, "--defeat-rst-ratelimit is for SYN scans alone").
			Suggest("add -sS, or leave it out")
	}
	if mtu, ok := j.Option("--mtu"); ok || j.Has("-f") {
		scan := plain || j.Has("-sS", "-sA", "-sW", "-sM", "-sN", "-sF", "-sX")
		ping := j.Has("-PS", "-PA", "-PP") || j.Has("-PM") && mtu.Value.Int <= 8 ||
			j.Has("-sn") && !j.Has(discoveryFlags...)
		if j.Has("-sL") || !scan && !ping {
			return sdk.Errorf(sdk.KindValidation, "-f and --mtu are for TCP scans without connections, and "+
				"for discovery by TCP or ICMP time stamps").
				Suggest("add -sS or -PS, or leave them out")
		}
	}
	return nil
}

// scannedPorts says in words which ports a request is about.
func scannedPorts(j *command.Job) string {
	switch o, ok := j.Option("-p"); {
	case j.Has("-sn", "-sL"):
		return "none"
	case ok:
		return o.Value.Text
	case j.Has("-F"):
		return "the 100 most common"
	}
	if o, ok := j.Option("--top-ports"); ok {
		return fmt.Sprintf("the %d most common", o.Value.Int)
	}
	return fmt.Sprintf("the %d most common", defaultPorts)
}
