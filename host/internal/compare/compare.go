// Package compare tells what changed between two scans of nmap: which hosts and ports came, went or changed.
// It reads the parsed results (data) of two executions, and tells a change of the network from a difference
// of what was asked: a port that the other scan did not ask for did not go away.
//
//	diff, err := compare.Scans(before, after)
//	if !diff.Empty() {
//		fmt.Print(diff.Text())
//	}
//
// [Scans] is the whole of it: it decodes what it needs of a report, and no more, so that reports of older
// and newer plugins compare.
package compare

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of a [Diff].
const (
	MaxChanges = 500 // hosts, ports, facts and scripts together; the others are counted
	maxText    = 200 // bytes of one text from a report
	maxNotes   = 16
)

// Kind is what became of something.
type Kind string

// The kinds.
const (
	Came             Kind = "came"               // a host that is up and was not; a port that opened
	Went             Kind = "went"               // the other way round
	Changed          Kind = "changed"            // anything else
	NotScannedBefore Kind = "not_scanned_before" // the first scan did not ask for the port
	NotScannedAfter  Kind = "not_scanned_after"  // the second did not
)

// Diff is what two scans differ in.
type Diff struct {
	Comparable bool     `json:"comparable" jsonschema:"true when both scans asked the same and told all; false: see notes, and comparable of each difference"`
	Notes      []string `json:"notes" jsonschema:"what cannot be compared, and why"`
	Before     Side     `json:"before" jsonschema:"the first scan"`
	After      Side     `json:"after" jsonschema:"the second scan"`
	Counts     Counts   `json:"counts" jsonschema:"counts of the differences, also of those that are left out of hosts"`
	Hosts      []Host   `json:"hosts" jsonschema:"hosts with a difference, by address"`
	LeftOut    int      `json:"left_out" jsonschema:"count of differences that are left out to bound the size; those that cannot be compared are left out first"`
}

// Side is what is to be known of one of the scans.
type Side struct {
	Started  tool.Untrusted   `json:"started,omitempty" jsonschema:"start of the scan, RFC 3339, UTC"`
	Ports    tool.Untrusted   `json:"scanned_ports" jsonschema:"which ports of each host were asked for"`
	Scans    []tool.Untrusted `json:"scans" jsonschema:"kinds of scan and protocols, such as syn/tcp"`
	Up       int              `json:"up" jsonschema:"count of hosts in the report that are up"`
	Complete bool             `json:"complete" jsonschema:"false when the scan was cut short, or something was left out of its report"`
}

// Counts are counts of differences. Those of the network are those that can be compared.
type Counts struct {
	HostsCame     int `json:"hosts_came" jsonschema:"hosts that are up and were not"`
	HostsWent     int `json:"hosts_went" jsonschema:"hosts that were up and are not"`
	HostsChanged  int `json:"hosts_changed" jsonschema:"hosts that were and are up, with a difference that can be compared"`
	PortsCame     int `json:"ports_came" jsonschema:"ports that are open and were not, those of hosts that came too"`
	PortsWent     int `json:"ports_went" jsonschema:"ports that were open and are not, those of hosts that went too"`
	PortsChanged  int `json:"ports_changed" jsonschema:"ports with another difference"`
	NotComparable int `json:"not_comparable" jsonschema:"differences of hosts and ports that may be no change of the network"`
}

// Host is a host with a difference.
type Host struct {
	Address    tool.Untrusted `json:"address" jsonschema:"its address"`
	Change     Kind           `json:"change" jsonschema:"came, went or changed"`
	Comparable bool           `json:"comparable" jsonschema:"false when the difference of the host itself may be no change: see why"`
	Why        string         `json:"why,omitempty" jsonschema:"why it cannot be compared"`
	Before     tool.Untrusted `json:"status_before" jsonschema:"up, down or unknown; empty: the report does not have the host"`
	After      tool.Untrusted `json:"status_after" jsonschema:"likewise"`
	Ports      []Port         `json:"ports" jsonschema:"ports with a difference; of a host that came or went, the open ones"`
	Facts      []Fact         `json:"facts" jsonschema:"other differences of the host"`
	Scripts    []Script       `json:"scripts" jsonschema:"differences in what scripts found out about the host as a whole"`
}

// Port is a port with a difference.
type Port struct {
	Port       int            `json:"port" jsonschema:"port number, or an IP protocol number"`
	Protocol   tool.Untrusted `json:"protocol" jsonschema:"tcp, udp, sctp or ip"`
	Change     Kind           `json:"change" jsonschema:"came: it is open and was not; went: it was open and is not; changed: another difference; not_scanned_before, not_scanned_after: that scan did not ask for it"`
	Comparable bool           `json:"comparable" jsonschema:"false when the difference may be no change: see why"`
	Why        string         `json:"why,omitempty" jsonschema:"why it cannot be compared"`
	Before     tool.Untrusted `json:"state_before" jsonschema:"state in the first scan; empty: not told"`
	After      tool.Untrusted `json:"state_after" jsonschema:"state in the second scan; empty: not told"`
	WasService tool.Untrusted `json:"service_before,omitempty" jsonschema:"name, product and version, as the service said"`
	Service    tool.Untrusted `json:"service_after,omitempty" jsonschema:"likewise in the second scan"`
	Scripts    []Script       `json:"scripts" jsonschema:"differences in what scripts found out about the port"`
}

// Fact is a difference of a host that is none of its ports.
type Fact struct {
	Name   string         `json:"name" jsonschema:"os: the best guess at the system; mac: the hardware address"`
	Before tool.Untrusted `json:"before" jsonschema:"in the first scan"`
	After  tool.Untrusted `json:"after" jsonschema:"in the second scan"`
}

// Script is a difference in what a script found out.
type Script struct {
	ID     tool.Untrusted `json:"id" jsonschema:"name of the script"`
	Change Kind           `json:"change" jsonschema:"came, went or changed"`
	Before tool.Untrusted `json:"before,omitempty" jsonschema:"the first line that differs, in the first scan"`
	After  tool.Untrusted `json:"after,omitempty" jsonschema:"likewise in the second scan"`
}

// Empty reports whether there is no difference at all.
func (d Diff) Empty() bool { return len(d.Hosts) == 0 && d.LeftOut == 0 }

// Scans compares the results of two scans, each a JSON object as the plugin nmap makes it. An error is of
// kind validation_error and says which of them is none.
func Scans(before, after json.RawMessage) (Diff, error) {
	var sides [2]*report
	for i, raw := range []json.RawMessage{before, after} {
		r, err := read(raw)
		if err != nil {
			bad := tool.Errorf(tool.KindValidation, "the %s execution has no result of a port scan: %w",
				ordinals[i], err)
			return Diff{}, bad.Suggest("compare two executions of NmapTool that have data").With("which", sideNames[i])
		}
		sides[i] = r
	}
	c := &comparison{sides: sides}
	c.overall()
	c.hosts()
	return c.diff(), nil
}

var (
	sideNames = [2]string{"before", "after"}
	ordinals  = [2]string{"first", "second"}
)

// Schema is the JSON Schema of a [Diff].
func Schema() (json.RawMessage, error) {
	s, err := jsonschema.For[Diff](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[tool.Untrusted](): {Type: "string", Extra: map[string]any{"x-untrusted": true}},
		reflect.TypeFor[Kind](): {
			Type: "string", Enum: []any{Came, Went, Changed, NotScannedBefore, NotScannedAfter},
		},
	}})
	if err != nil {
		return nil, fmt.Errorf("the schema of a difference: %w", err)
	}
	plainArrays(s)
	return json.Marshal(s)
}

// plainArrays corrects what reflection says too loosely: no list of ours is null.
func plainArrays(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Type, s.Types = "array", nil
	}
	for _, p := range s.Properties {
		plainArrays(p)
	}
	plainArrays(s.Items)
}
