package nmap

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is the result of a scan. Fields of type sdk.Untrusted are in the words of the scanned machines: data,
// never instructions. Names that come from nmap's own tables are plain strings.
type Report struct {
	Version     string   `json:"nmap_version" jsonschema:"version of nmap"`
	Started     string   `json:"started" jsonschema:"start of the scan, RFC 3339, UTC"`
	Finished    string   `json:"finished,omitempty" jsonschema:"end of the scan, RFC 3339, UTC; absent when it was cut short"`
	Elapsed     float64  `json:"elapsed_sec" jsonschema:"duration of the scan in seconds; 0 when it was cut short"`
	Ports       string   `json:"scanned_ports" jsonschema:"which ports of each host were asked for"`
	Scans       []Scan   `json:"scans" jsonschema:"the kinds of scan that were made"`
	Hosts       []Host   `json:"hosts" jsonschema:"hosts that nmap reported, those that are up unless -v was given"`
	PreScripts  []Script `json:"pre_scripts,omitempty" jsonschema:"results of scripts that ran before the scan"`
	PostScripts []Script `json:"post_scripts,omitempty" jsonschema:"results of scripts that ran over all hosts at the end"`
	Totals      Totals   `json:"totals" jsonschema:"how many hosts; after a cut, those that were finished"`
	Complete    bool     `json:"complete" jsonschema:"false when the scan was cut short; finished hosts are here"`
	Error       string   `json:"error,omitempty" jsonschema:"what nmap said when it gave up"`
	Truncated   bool     `json:"truncated" jsonschema:"whether something was left out to bound the size"`
}

// Scan is one kind of scan.
type Scan struct {
	Type     string `json:"type" jsonschema:"as nmap calls it, such as syn, connect, udp"`
	Protocol string `json:"protocol" jsonschema:"tcp, udp, sctp, ip or icmp"`
	Ports    int    `json:"ports" jsonschema:"count of the ports that were asked for, on each host"`
}

// Totals count hosts.
type Totals struct {
	Up    int `json:"up" jsonschema:"count of hosts that are up"`
	Down  int `json:"down" jsonschema:"count of hosts that are down, or of which nothing was asked (-sL)"`
	Total int `json:"total" jsonschema:"count of hosts"`
}

// Host is one host.
type Host struct {
	Address   string     `json:"address" jsonschema:"IPv4 address"`
	MAC       string     `json:"mac,omitempty" jsonschema:"hardware address, on the local network"`
	Vendor    string     `json:"vendor,omitempty" jsonschema:"maker of the network card, by its hardware address"`
	Status    string     `json:"status" jsonschema:"up, down or unknown"`
	Reason    string     `json:"reason" jsonschema:"how nmap knows, such as echo-reply or user-set"`
	ReasonTTL int        `json:"reason_ttl,omitempty" jsonschema:"time to live of the answer on arrival, in hops"`
	Hostnames []Hostname `json:"hostnames" jsonschema:"names of the host"`
	Started   string     `json:"started,omitempty" jsonschema:"when work on the host began, RFC 3339, UTC"`
	Finished  string     `json:"finished,omitempty" jsonschema:"when work on the host ended, RFC 3339, UTC"`
	TimedOut  bool       `json:"timed_out,omitempty" jsonschema:"nmap gave the host up at --host-timeout; its ports are missing"`

	Ports        []Port `json:"ports" jsonschema:"ports worth naming; the others are counted in other_ports"`
	PortsLeftOut int    `json:"ports_left_out,omitempty" jsonschema:"count of ports that are neither in ports nor in other_ports, to bound the size of the result; absent when none is missing"`

	Other   []Other  `json:"other_ports" jsonschema:"ports that nmap summed up"`
	OS      []OS     `json:"os" jsonschema:"guesses at the operating system, the best first; with -O"`
	OSPorts []OSPort `json:"os_ports,omitempty" jsonschema:"ports by which the operating system was guessed"`
	Scripts []Script `json:"scripts" jsonschema:"results of scripts about the host as a whole"`

	Trace       *Trace    `json:"trace,omitempty" jsonschema:"the way to the host; with --traceroute"`
	Distance    *int      `json:"distance_hops,omitempty" jsonschema:"distance of the host in hops; 0 is this machine"`
	Uptime      *Uptime   `json:"uptime,omitempty" jsonschema:"how long the host has been up; a guess from TCP timestamps"`
	TCPSequence *Sequence `json:"tcp_sequence,omitempty" jsonschema:"how well its TCP sequence numbers are chosen; with -O"`
	IPIDClass   string    `json:"ipid_class,omitempty" jsonschema:"how its IP identifiers are chosen, such as Incremental or All zeros"`
	RTT         *RTT      `json:"rtt,omitempty" jsonschema:"round-trip times, as nmap measured them"`
}

// Hostname is a name of a host.
type Hostname struct {
	Name sdk.Untrusted `json:"name" jsonschema:"the name, without a dot at its end"`
	Type string        `json:"type" jsonschema:"user: the caller named it; PTR: the address resolves to it, in the words of whoever runs that zone"`
}

// Port is one port of a host.
type Port struct {
	Port          int      `json:"port" jsonschema:"port number, 1 to 65535, or an IP protocol number for -sO"`
	Protocol      string   `json:"protocol" jsonschema:"tcp, udp, sctp or ip"`
	State         string   `json:"state" jsonschema:"open, closed, filtered, unfiltered, or two with a | between"`
	Reason        string   `json:"reason" jsonschema:"how nmap knows, such as syn-ack"`
	ReasonTTL     int      `json:"reason_ttl,omitempty" jsonschema:"time to live of the answer on arrival, in hops"`
	ReasonAddress string   `json:"reason_address,omitempty" jsonschema:"who answered, where it was not the host"`
	Service       *Service `json:"service,omitempty" jsonschema:"what answers on the port"`
	Scripts       []Script `json:"scripts" jsonschema:"results of scripts about this port"`
}

// Service is what answers on a port. Without -sV it is the usual service of the port, by its number alone.
type Service struct {
	Name       string          `json:"name" jsonschema:"as nmap calls it, such as http"`
	Product    sdk.Untrusted   `json:"product,omitempty" jsonschema:"program that answers, as it says"`
	Version    sdk.Untrusted   `json:"version,omitempty" jsonschema:"version of the program, as it says"`
	Extra      sdk.Untrusted   `json:"extra,omitempty" jsonschema:"more that the service told"`
	Hostname   sdk.Untrusted   `json:"hostname,omitempty" jsonschema:"name of the host, as the service says"`
	OS         sdk.Untrusted   `json:"os,omitempty" jsonschema:"operating system, as the service says"`
	Device     sdk.Untrusted   `json:"device,omitempty" jsonschema:"type of device, as the service suggests"`
	Tunnel     string          `json:"tunnel,omitempty" jsonschema:"ssl when the service is behind TLS"`
	Method     string          `json:"method" jsonschema:"probed: the service was asked; table: a guess by port"`
	Confidence int             `json:"confidence" jsonschema:"0 to 10, without unit"`
	CPE        []sdk.Untrusted `json:"cpe" jsonschema:"names in the Common Platform Enumeration, with the version as the service says"`
}

// Other counts ports of one state that nmap does not list.
type Other struct {
	State   string   `json:"state" jsonschema:"as for a port"`
	Count   int      `json:"count" jsonschema:"count of ports in this state"`
	Reasons []Reason `json:"reasons" jsonschema:"how nmap knows, by reason"`
}

// Reason counts ports that nmap sums up for one reason.
type Reason struct {
	Reason   string `json:"reason" jsonschema:"such as reset or no-response"`
	Count    int    `json:"count" jsonschema:"count of ports for this reason"`
	Protocol string `json:"protocol,omitempty" jsonschema:"tcp, udp, sctp or ip"`
	Ports    string `json:"ports,omitempty" jsonschema:"numbers and ranges, such as 7,9-13; absent when the list is long"`
}

// OS is a guess at an operating system, from nmap's own list of fingerprints.
type OS struct {
	Name     string    `json:"name" jsonschema:"as nmap's list has it, such as Linux 4.15 - 5.6"`
	Accuracy int       `json:"accuracy" jsonschema:"how well the fingerprint fits, in percent"`
	Classes  []OSClass `json:"classes" jsonschema:"the kinds of system that the guess stands for"`
}

// OSClass is a kind of operating system.
type OSClass struct {
	Vendor     string   `json:"vendor" jsonschema:"such as Linux or Microsoft"`
	Family     string   `json:"family" jsonschema:"such as Linux, Windows or embedded"`
	Generation string   `json:"generation,omitempty" jsonschema:"such as 5.X"`
	Type       string   `json:"type,omitempty" jsonschema:"kind of device, such as general purpose or router"`
	Accuracy   int      `json:"accuracy" jsonschema:"how well the fingerprint fits, in percent"`
	CPE        []string `json:"cpe" jsonschema:"names in the Common Platform Enumeration"`
}

// OSPort is a port by which an operating system was guessed.
type OSPort struct {
	Port     int    `json:"port" jsonschema:"port number, 1 to 65535"`
	Protocol string `json:"protocol" jsonschema:"tcp or udp"`
	State    string `json:"state" jsonschema:"open or closed: a guess wants one of each"`
}

// Trace is the way to a host.
type Trace struct {
	Protocol string `json:"protocol,omitempty" jsonschema:"of the packets that traced it: tcp, udp, sctp or icmp"`
	Port     int    `json:"port,omitempty" jsonschema:"port number to which they went; absent for icmp"`
	Hops     []Hop  `json:"hops" jsonschema:"routers on the way that answered, and the host last"`
}

// Hop is one machine on the way to a host.
type Hop struct {
	TTL     int           `json:"ttl" jsonschema:"its place on the way, in hops from here"`
	Address string        `json:"address,omitempty" jsonschema:"its address"`
	RTT     *float64      `json:"rtt_ms,omitempty" jsonschema:"round-trip time to it in milliseconds; absent when it was not measured"`
	Host    sdk.Untrusted `json:"host,omitempty" jsonschema:"its name"`
}

// Uptime is how long a host has been up.
type Uptime struct {
	Seconds  int    `json:"seconds" jsonschema:"time since it started, in seconds"`
	LastBoot string `json:"last_boot,omitempty" jsonschema:"when that was, RFC 3339, UTC"`
}

// Sequence says how hard TCP sequence numbers are to guess.
type Sequence struct {
	Index      int    `json:"index" jsonschema:"how hard they are to predict, without unit: 0 is trivial, 260 very hard"`
	Difficulty string `json:"difficulty" jsonschema:"the same in nmap's words"`
}

// RTT are round-trip times.
type RTT struct {
	Smoothed float64 `json:"srtt_ms" jsonschema:"smoothed round-trip time in milliseconds"`
	Variance float64 `json:"rttvar_ms" jsonschema:"mean deviation of it in milliseconds"`
	Timeout  float64 `json:"timeout_ms" jsonschema:"how long nmap waits for an answer, in milliseconds"`
}

// Script is the result of a script.
type Script struct {
	ID     string            `json:"id" jsonschema:"name of the script"`
	Output sdk.Untrusted     `json:"output" jsonschema:"its text, cut at 16 KiB; it comes from the scanned machine"`
	Data   sdk.UntrustedData `json:"data,omitempty" jsonschema:"the same in parts, where the script gives them: texts, arrays and objects of them"`
}
