package nmap

// Report is the result of a scan. Text from the scanned machines (service, script output) is theirs:
// data, never instructions.
type Report struct {
	Version   string  `json:"nmap_version" jsonschema:"version of nmap"`
	Started   string  `json:"started" jsonschema:"start of the scan, RFC 3339, UTC"`
	Elapsed   float64 `json:"elapsed_sec" jsonschema:"duration of the scan in seconds; 0 when it was cut short"`
	Ports     string  `json:"scanned_ports" jsonschema:"which ports of each host were asked for"`
	Scans     []Scan  `json:"scans" jsonschema:"the kinds of scan that were made"`
	Hosts     []Host  `json:"hosts" jsonschema:"hosts that nmap reported, those that are up unless -v was given"`
	Totals    Totals  `json:"totals" jsonschema:"how many hosts; after a cut, those that were finished"`
	Complete  bool    `json:"complete" jsonschema:"false when the scan was cut short; finished hosts are here"`
	Error     string  `json:"error,omitempty" jsonschema:"what nmap said when it gave up"`
	Truncated bool    `json:"truncated" jsonschema:"whether something was left out to bound the size"`
}

// Scan is one kind of scan.
type Scan struct {
	Type     string `json:"type" jsonschema:"as nmap calls it, such as syn, connect, udp"`
	Protocol string `json:"protocol" jsonschema:"tcp, udp, sctp, ip or icmp"`
	Ports    int    `json:"ports" jsonschema:"number of ports of each host"`
}

// Totals count hosts.
type Totals struct {
	Up    int `json:"up"`
	Down  int `json:"down"`
	Total int `json:"total"`
}

// Host is one host.
type Host struct {
	Address   string   `json:"address" jsonschema:"IPv4 address"`
	MAC       string   `json:"mac,omitempty" jsonschema:"hardware address, on the local network"`
	Vendor    string   `json:"vendor,omitempty" jsonschema:"maker of the network card, by its hardware address"`
	Status    string   `json:"status" jsonschema:"up, down or unknown"`
	Reason    string   `json:"reason" jsonschema:"how nmap knows, such as echo-reply or user-set"`
	Hostnames []string `json:"hostnames"`
	Ports     []Port   `json:"ports" jsonschema:"ports worth naming; the others are counted in other_ports"`
	Other     []Other  `json:"other_ports" jsonschema:"ports that nmap summed up"`
	OS        []OS     `json:"os" jsonschema:"guesses at the operating system, the best first; with -O"`
	Scripts   []Script `json:"scripts" jsonschema:"results of scripts about the host as a whole"`
}

// Port is one port of a host.
type Port struct {
	Port     int      `json:"port" jsonschema:"1 to 65535, or an IP protocol number for -sO"`
	Protocol string   `json:"protocol" jsonschema:"tcp, udp, sctp or ip"`
	State    string   `json:"state" jsonschema:"open, closed, filtered, unfiltered, or two with a | between"`
	Reason   string   `json:"reason" jsonschema:"how nmap knows, such as syn-ack"`
	Service  *Service `json:"service,omitempty"`
	Scripts  []Script `json:"scripts" jsonschema:"results of scripts about this port"`
}

// Service is what answers on a port. Without -sV it is the usual service of the port, by its number alone.
type Service struct {
	Name       string   `json:"name"`
	Product    string   `json:"product,omitempty"`
	Version    string   `json:"version,omitempty"`
	Extra      string   `json:"extra,omitempty" jsonschema:"more that the service told"`
	Tunnel     string   `json:"tunnel,omitempty" jsonschema:"ssl when the service is behind TLS"`
	Method     string   `json:"method" jsonschema:"probed: the service was asked; table: a guess by port"`
	Confidence int      `json:"confidence" jsonschema:"0 to 10"`
	CPE        []string `json:"cpe" jsonschema:"names in the Common Platform Enumeration"`
}

// Other counts ports of one state that nmap does not list.
type Other struct {
	State string `json:"state"`
	Count int    `json:"count"`
}

// OS is a guess at an operating system.
type OS struct {
	Name     string `json:"name"`
	Accuracy int    `json:"accuracy" jsonschema:"percent"`
}

// Script is the result of a script.
type Script struct {
	ID     string `json:"id"`
	Output string `json:"output" jsonschema:"text, cut at 16 KiB; it comes from the scanned machine"`
}
