package nmap

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// The most items of lists.
const (
	maxPortItems = 100
	maxPingItems = 16
	maxExclude   = 32
)

// Why a flag is gated.
const (
	evades  = "it is made to get past filters"
	unusual = "an unusual scan that old devices may not survive"
)

// flags is the whole table; whatever is not in it is refused.
func (t *tool) flags() []command.Flag {
	var all []command.Flag
	for _, part := range [][]command.Flag{
		scanTypes(), ports(), discovery(), services(t.library), timing(), output(), evasion(),
		refused(),
	} {
		all = append(all, part...)
	}
	return all
}

func scanTypes() []command.Flag {
	const tcp = "TCP scan type" // nmap takes one of these, and any of the others with it
	noScan := slices.Concat(portFlags, []string{"--exclude-ports", "-O", "-A", "-sV"}, scanLetters)
	return []command.Flag{
		{Name: "-sS", Group: tcp, About: "TCP SYN scan"},
		{Name: "-sT", Group: tcp, About: "TCP connect scan"},
		{Name: "-sU", About: "UDP scan"},
		{Name: "-sV", About: "service and version detection"},
		{Name: "-sC", About: "default scripts, those that are safe"},
		{Name: "-sn", Conflicts: slices.Concat(noScan, []string{"-sL"}), About: "host discovery alone, no ports"},
		{Name: "-sL", Conflicts: slices.Concat(noScan, []string{"-sC", "--script"}),
			About: "list the targets, send nothing"},
		{Name: "-sA", Group: tcp, Gated: unusual, About: "TCP ACK scan"},
		{Name: "-sW", Group: tcp, Gated: unusual, About: "TCP window scan"},
		{Name: "-sM", Group: tcp, Gated: unusual, About: "TCP Maimon scan"},
		{Name: "-sN", Group: tcp, Gated: unusual, About: "TCP null scan"},
		{Name: "-sF", Group: tcp, Gated: unusual, About: "TCP FIN scan"},
		{Name: "-sX", Group: tcp, Gated: unusual, About: "TCP Xmas scan"},
		{
			Name: "-sO", Gated: unusual, About: "IP protocol scan",
			Conflicts: []string{
				"-p", "-F", "--top-ports", "--exclude-ports", "-sS", "-sT", "-sU", "-sV", "-sC", "-sA",
				"-sW", "-sM", "-sN", "-sF", "-sX", "-sY", "-sZ", "-A",
			},
		},
		{Name: "-sY", Gated: unusual, About: "SCTP INIT scan"},
		{Name: "-sZ", Gated: unusual, About: "SCTP COOKIE ECHO scan"},
	}
}

func ports() []command.Flag {
	const selection = "choice of ports"
	list := command.Ports(maxPortItems, "T:", "U:")
	return []command.Flag{
		{Name: "-p", Value: list, Group: selection, About: "ports to scan; -p- is all"},
		{Name: "-F", Group: selection, About: "the 100 most common ports"},
		{Name: "--top-ports", Value: command.Int(1, 65535), Group: selection,
			About: "so many of the most common ports"},
		{Name: "--exclude-ports", Value: notAll(list), About: "ports to leave out"},
		{Name: "-r", About: "ports in order"},
	}
}

// notAll is a list of ports where "-", all ports, would make no sense.
func notAll(list command.Grammar) command.Grammar {
	read := list.Read
	list.Read = func(text string, p sdk.Policy) (command.Value, error) {
		if text == "-" {
			return command.Value{}, errors.New("all ports cannot be meant here")
		}
		return read(text, p)
	}
	return list
}

func discovery() []command.Flag {
	list := notAll(command.Ports(maxPingItems))
	return []command.Flag{
		{Name: "-Pn", Conflicts: discoveryFlags[1:], About: "take every target for up"},
		{Name: "-PE", About: "ICMP echo"},
		{Name: "-PP", About: "ICMP time stamp"},
		{Name: "-PM", About: "ICMP address mask"},
		{Name: "-PS", Value: list, Optional: true, About: "TCP SYN to ports"},
		{Name: "-PA", Value: list, Optional: true, About: "TCP ACK to ports"},
		{Name: "-PU", Value: list, Optional: true, About: "UDP to ports"},
		{Name: "-PY", Value: list, Optional: true, About: "SCTP INIT to ports"},
		{Name: "--disable-arp-ping", About: "no ARP on the local network"},
		{Name: "--traceroute", About: "path to each host"},
		{Name: "--exclude", Value: command.Addresses(maxExclude), About: "hosts and networks to leave out"},
		{Name: "--randomize-hosts", About: "hosts in random order"},
		{Name: "-n", Implied: true, About: "no reverse DNS, always on"},
		{Name: "-4", Implied: true, About: "IPv4, always on"},
	}
}

func services(l *library) []command.Flag {
	return []command.Flag{
		{Name: "--version-intensity", Value: command.Int(0, 9), About: "how many probes for versions"},
		{Name: "--version-light", About: "few probes"},
		{Name: "--version-all", About: "every probe"},
		{Name: "-O", About: "operating system detection"},
		{Name: "--osscan-limit", About: "only promising hosts"},
		{Name: "--osscan-guess", About: "guess harder"},
		{Name: "--max-os-tries", Value: command.Int(1, 5), About: "tries at the operating system"},
		{Name: "--script", Value: l.scripts(), About: "scripts to run"},
		{Name: "--script-timeout", Value: command.Duration(time.Second, 10*time.Minute),
			About: "time of one script"},
		{
			Name: "-A", Gated: "operating system, versions, scripts and traceroute at once",
			About: "everything at once",
		},
		{Name: "--allports", Gated: "it makes printers print", About: "version detection on all ports"},
	}
}

func timing() []command.Flag {
	second, minute := time.Second, time.Minute
	rtt := command.Duration(5*time.Millisecond, 10*second)
	delay := command.Duration(time.Millisecond, 60*second)
	rate := command.Int(1, 10000).GatedOutside(1, 1000, "more than 1000 packets a second")
	parallelism, hostgroup := command.Int(1, 100), command.Int(1, 256) // 256 open files carry no more than 100
	return []command.Flag{
		{
			Name: "-T", Value: command.Enum("0", "1", "2", "3", "4", "5"), Write: command.Attached,
			About: "timing template, 0 slow to 5 fast",
		},
		{Name: "--min-rate", Value: rate, About: "packets a second at least"},
		{Name: "--max-rate", Value: rate, About: "packets a second at most"},
		{Name: "--min-parallelism", Value: parallelism, About: "probes at a time at least"},
		{Name: "--max-parallelism", Value: parallelism, About: "probes at a time at most"},
		{Name: "--min-hostgroup", Value: hostgroup, About: "hosts at a time at least"},
		{Name: "--max-hostgroup", Value: hostgroup, About: "hosts at a time at most"},
		{Name: "--max-retries", Value: command.Int(0, 10), About: "repeats of a probe"},
		{Name: "--host-timeout", Value: command.Duration(second, 60*minute), About: "time for one host"},
		{Name: "--scan-delay", Value: delay, About: "pause between probes at least"},
		{Name: "--max-scan-delay", Value: delay, About: "pause between probes at most"},
		{Name: "--min-rtt-timeout", Value: rtt, About: "wait for an answer at least"},
		{Name: "--max-rtt-timeout", Value: rtt, About: "wait for an answer at most"},
		{Name: "--initial-rtt-timeout", Value: rtt, About: "wait for an answer at first"},
	}
}

func output() []command.Flag {
	const verbosity = "verbosity"
	return []command.Flag{
		{Name: "-v", Group: verbosity, About: "more text"},
		{Name: "-vv", Group: verbosity, About: "still more text"},
		{Name: "--open", About: "open ports only"},
		{Name: "--reason", About: "why a port has its state"},
	}
}

func evasion() []command.Flag {
	multiple := func(v command.Value) bool { return v.Int%8 == 0 }
	return []command.Flag{
		{Name: "-f", Gated: evades, About: "fragments"},
		{Name: "--mtu", Value: command.Int(8, 1400).Where("a multiple of 8", multiple), Gated: evades,
			About: "fragment size"},
		{
			Name: "--source-port", Aliases: []string{"-g"}, Value: command.Int(1, 65535), Gated: evades,
			Write: command.Next | command.Equals | command.Attached, About: "port that probes come from",
		},
		{Name: "--data-length", Value: command.Int(1, 1400), Gated: evades, About: "random bytes in probes"},
		{Name: "--ttl", Value: command.Int(1, 255), Gated: evades, About: "time to live"},
		{Name: "--badsum", Gated: evades, About: "wrong checksums"},
		{Name: "--scanflags", Value: tcpFlags(), Gated: evades, About: "TCP flags of the probes"},
		{Name: "--defeat-rst-ratelimit", Gated: unusual, About: "do not wait for slow resets"},
		{Name: "--defeat-icmp-ratelimit", Gated: unusual, Requires: []string{"-sU"},
			About: "do not wait for slow ICMP"},
	}
}

// tcpFlags is what --scanflags takes: a number, or names without anything between them.
func tcpFlags() command.Grammar {
	byNumber := command.Int(0, 255)
	names := []string{"URG", "ACK", "PSH", "RST", "SYN", "FIN", "ECE", "CWR"}
	return command.Grammar{
		Want: "a number from 0 to 255, or names such as SYNFIN",
		Read: func(text string, p sdk.Policy) (command.Value, error) {
			if v, err := byNumber.Read(text, p); err == nil {
				return v, nil
			}
			rest := text
			for _, name := range names {
				rest = strings.Replace(rest, name, strings.Repeat(" ", len(name)), 1)
			}
			if text == "" || strings.TrimLeft(rest, " ") != "" {
				return command.Value{}, errors.New("neither a number nor names of TCP flags, each once")
			}
			return command.Value{Text: text}, nil
		},
	}
}

// quantity is the value of a flag as a number, for messages.
func quantity(o command.Option) string {
	if o.Value.Duration > 0 {
		return o.Value.Duration.String()
	}
	return strconv.FormatInt(o.Value.Int, 10)
}
