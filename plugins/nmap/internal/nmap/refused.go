package nmap

import "github.com/gatehouse-mcp/gatehouse/sdk/command"

// refusals are the options of nmap's that nobody may use, with the reason. What is neither here nor in the
// rest of the table is no option, or another spelling of one.
var refusals = []struct {
	why   string
	names []string
}{
	{"output belongs to the host", []string{
		"-oN", "-oX", "-oG", "-oA", "-oS", "-oM", "-oH", "-o", "-m", "--oN", "--oX", "--oG", "--oA", "--oS",
		"--oM", "--oH", "--append-output", "--resume", "--stylesheet", "--no-stylesheet", "--webxml",
		"--stats-every", "--noninteractive", "--log-errors", "--deprecated-xml-osclass",
	}},
	{"it reads or writes files of the host", []string{
		"-iL", "-i", "--iL", "--excludefile", "--datadir", "--servicedb", "--versiondb", "--script-args-file",
		"--script-updatedb",
	}},
	{"it chooses targets that nobody named", []string{"-iR", "--iR"}},
	{"arguments of scripts are not taken from callers",
		[]string{"--script-args", "--script-trace"}},
	{"it involves third parties or forges addresses", []string{
		"-sI", "--sI", "-b", "-D", "-S", "--spoof-mac", "--proxies", "--proxy", "--ip-options", "--data",
		"--data-string",
	}},
	{"it belongs to the host", []string{
		"-e", "--send-eth", "--send-ip", "--privileged", "--unprivileged", "--nsock-engine", "--route-dst",
		"--release-memory",
	}},
	{"names are resolved by the host, once",
		[]string{"-R", "--dns-servers", "--system-dns", "--resolve-all", "--unique"}},
	{"only IPv4 is in scope", []string{"-6"}},
	{"it shows memory and traffic of the host",
		[]string{"-d", "--debug", "--packet-trace", "--version-trace", "--iflist"}},
	{"it prints something and does nothing",
		[]string{"-h", "--help", "-V", "--version", "--thc", "--script-help"}},
	{"nmap no longer does anything with it", []string{"-I", "-q"}},
	{"nmap would not slow down when packets get lost", []string{"--nogcc"}},
	{"it is another name of -A", []string{"--yoloscan", "-y"}},
	{"write -Pn", []string{"-P", "-P0", "-PN", "-PD"}},
	{"write -PE", []string{"-PI"}},
	{"write -PS or -PA", []string{"-PT", "-PB"}},
	{"write -sn", []string{"-sP"}},
	{"write -sV", []string{"-sR"}},
	{"write the letter of a scan, such as -sT or -sV", []string{"-s"}},
	{"write --max-parallelism", []string{"-M"}},
	{"write -T", []string{"--timing"}},
	{"write -v", []string{"--verbose"}},
	{"write -vv", []string{"--vv"}},
	{"write -f or --mtu", []string{"--ff", "-ff"}},
	{"write --randomize-hosts", []string{"--rH", "-rH"}},
	{"write --osscan-guess", []string{"--fuzzy"}},
	{"it passes over answers of hosts that are up", []string{"--discovery-ignore-rst"}},
	{"it makes SCTP checksums that hosts of today drop", []string{"--adler32"}},
	{"choose ports with -p, -F or --top-ports", []string{"--port-ratio"}},
	{"a ping by IP protocol needs a list of protocols; write -PE, -PS, -PU or -PY", []string{"-PO"}},
}

func refused() []command.Flag {
	var flags []command.Flag
	for _, r := range refusals {
		for _, name := range r.names {
			flags = append(flags, command.Flag{Name: name, Refused: r.why})
		}
	}
	return flags
}
