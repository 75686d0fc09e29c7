package compare

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// scanned is a report of a complete scan of some ports of one /24, with what is given put in its place.
func scanned(ports, hosts string, more ...string) string {
	rest := `"complete":true,"truncated":false,"scans":[{"type":"syn","protocol":"tcp","ports":` +
		fmt.Sprint(parsePorts(ports)[""].size()) + `}]`
	if len(more) > 0 {
		rest = strings.Join(more, ",")
	}
	return fmt.Sprintf(`{"nmap_version":"7.95","started":"2026-11-28T10:00:00Z","scanned_ports":%q,"hosts":[%s],%s}`,
		ports, hosts, rest)
}

// aHost is a host that is up, with members of its own.
func aHost(address string, members ...string) string {
	return fmt.Sprintf(`{"address":%q,"status":"up","reason":"arp-response",%s"scripts":[]}`, address,
		strings.Join(append(members, ""), ","))
}

func ports(list ...string) string { return `"ports":[` + strings.Join(list, ",") + `]` }

func tcp(port int, state string, members ...string) string {
	return fmt.Sprintf(`{"port":%d,"protocol":"tcp","state":%q%s}`, port, state,
		strings.Join(append([]string{""}, members...), ","))
}

func probed(name, product, version string) string {
	return fmt.Sprintf(`"service":{"name":%q,"product":%q,"version":%q,"method":"probed"}`, name, product, version)
}

func guessed(name string) string { return fmt.Sprintf(`"service":{"name":%q,"method":"table"}`, name) }

func says(id, output string) string { return fmt.Sprintf(`{"id":%q,"output":%q}`, id, output) }

func scripts(list ...string) string { return `"scripts":[` + strings.Join(list, ",") + `]` }

func summed(state string, reasons ...string) string {
	return fmt.Sprintf(`"other_ports":[{"state":%q,"count":9,"reasons":[%s]}]`, state, strings.Join(reasons, ","))
}

func scans(t testing.TB, before, after string) Diff {
	t.Helper()
	d, err := Scans(json.RawMessage(before), json.RawMessage(after))
	if err != nil {
		t.Fatalf("Scans(%s, %s) = %v", before, after, err)
	}
	return d
}

const cutShort = `"complete":false,"truncated":false,"scans":[{"type":"syn","protocol":"tcp","ports":3}]`

// TestADifferenceIsTold shows the text, without its notes, for what differs between two scans.
func TestADifferenceIsTold(t *testing.T) {
	const p = "22,80,443"
	bounded := `"complete":true,"truncated":true,"scans":[{"type":"syn","protocol":"tcp","ports":3}]`
	for name, row := range map[string]struct{ before, after, want string }{
		"a host came, with its open ports": {
			scanned(p, ""),
			scanned(p, aHost("10.0.0.9", ports(tcp(22, "open", guessed("ssh")), tcp(80, "closed")))),
			"hosts: 1 came, 0 went, 0 changed; ports: 1 came, 0 went, 0 changed\n+ 10.0.0.9\n    + 22/tcp open ssh\n",
		},
		"a host went": {
			scanned(p, aHost("10.0.0.9", ports(tcp(22, "open")))),
			scanned(p, `{"address":"10.0.0.9","status":"down"}`),
			"hosts: 0 came, 1 went, 0 changed; ports: 0 came, 1 went, 0 changed\n- 10.0.0.9\n    - 22/tcp was open\n",
		},
		"a host that is down is like one that is not told of": {
			scanned(p, `{"address":"10.0.0.9","status":"down"}`), scanned(p, ""), "no difference\n",
		},
		"a scan that was cut short may not have come to a host": {
			scanned(p, "", cutShort), scanned(p, aHost("10.0.0.9")),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n" +
				"? 10.0.0.9 (the scan before was cut short)\n",
		},
		"a report that was bounded may lack a host": {
			scanned(p, aHost("10.0.0.9", ports(tcp(22, "open")))), scanned(p, "", bounded),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 2 cannot be compared\n" +
				"? 10.0.0.9 (the report of the scan after was bounded)\n" +
				"    ? 22/tcp was open (the report of the scan after was bounded)\n",
		},
		"a list scan asks no host": {
			scanned("none", `{"address":"10.0.0.9","status":"unknown"}`, `"complete":true,"scans":[]`),
			scanned("none", aHost("10.0.0.9"), `"complete":true,"scans":[]`),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n" +
				"? 10.0.0.9 (the scan before did not ask whether it is up)\n",
		},
		"a port opened, one closed, one is filtered now": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "closed"), tcp(80, "open", guessed("http")), tcp(443, "closed")))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", guessed("ssh")), tcp(80, "closed"), tcp(443, "filtered")))),
			"hosts: 0 came, 0 went, 1 changed; ports: 1 came, 1 went, 1 changed\n~ 10.0.0.7\n" +
				"    + 22/tcp closed -> open ssh\n    - 80/tcp open http -> closed\n    ~ 443/tcp closed -> filtered\n",
		},
		"a port that was summed up is open": {
			scanned(p, aHost("10.0.0.7", ports(), summed("closed", `{"reason":"reset","protocol":"tcp","ports":"22,80,443"}`))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open"), tcp(80, "closed")))),
			"hosts: 0 came, 0 went, 1 changed; ports: 1 came, 0 went, 0 changed\n~ 10.0.0.7\n    + 22/tcp closed -> open\n",
		},
		"a summary in several parts": {
			scanned(p, aHost("10.0.0.7", ports(),
				summed("closed", `{"protocol":"tcp","ports":"80,443"}`, `{"protocol":"tcp","ports":"22"}`))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "filtered"), tcp(80, "closed")))),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 0 went, 1 changed\n~ 10.0.0.7\n" +
				"    ~ 22/tcp closed -> filtered\n",
		},
		"a summary that names no ports says what they may be": {
			scanned(p, aHost("10.0.0.7", ports(),
				`"other_ports":[{"state":"filtered","reasons":[{"protocol":"tcp"}]},{"state":"closed","reasons":[]}]`)),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open"), tcp(80, "closed")))),
			"hosts: 0 came, 0 went, 1 changed; ports: 1 came, 0 went, 0 changed\n~ 10.0.0.7\n" +
				"    + 22/tcp closed or filtered -> open\n",
		},
		"another version answers": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "OpenSSH", "8.4"))))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "OpenSSH", "9.2"))))),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 0 went, 1 changed\n~ 10.0.0.7\n" +
				"    ~ 22/tcp open ssh OpenSSH 8.4 -> open ssh OpenSSH 9.2\n",
		},
		"what was asked is not compared with a guess": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", guessed("ssh"))))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "OpenSSH", "9.2"))))),
			"no difference\n",
		},
		"another system, another network card": {
			scanned(p, aHost("10.0.0.7", `"mac":"02:00:00:00:00:01"`, `"os":[{"name":"Linux 4.15"},{"name":"x"}]`)),
			scanned(p, aHost("10.0.0.7", `"mac":"02:00:00:00:00:02"`, `"os":[{"name":"Linux 5.4"}]`)),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 0 went, 0 changed\n~ 10.0.0.7\n" +
				"    ~ mac: 02:00:00:00:00:01 -> 02:00:00:00:00:02\n    ~ os: Linux 4.15 -> Linux 5.4\n",
		},
		"a system that one scan did not guess at": {
			scanned(p, aHost("10.0.0.7", `"os":[{"name":"Linux 4.15"}]`)), scanned(p, aHost("10.0.0.7")), "no difference\n",
		},
		"scripts say other things": {
			scanned(p, aHost("10.0.0.7", ports(tcp(80, "open",
				scripts(says("http-title", "Welcome\n"), says("gone", "x"), says("same", "y")))))),
			scanned(p, aHost("10.0.0.7", ports(tcp(80, "open",
				scripts(says("http-title", "Closed\n"), says("same", "y"), says("vulners", "CVE")))))),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 0 went, 1 changed\n~ 10.0.0.7\n    ~ 80/tcp open\n" +
				"        - script gone\n        ~ script http-title: Welcome -> Closed\n        + script vulners\n",
		},
		"a port that one scan did not ask for": {
			scanned("22,80", aHost("10.0.0.7", ports(tcp(22, "open"), tcp(80, "open")))),
			scanned("22,443", aHost("10.0.0.7", ports(tcp(22, "open"), tcp(443, "open")))),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 2 cannot be compared\n~ 10.0.0.7\n" +
				"    ? 80/tcp was open (the scan after did not ask for the port)\n" +
				"    ? 443/tcp open (the scan before did not ask for the port)\n",
		},
		"a scan of fewer of the most common ports, of which one was named": {
			scanned("the 1000 most common", aHost("10.0.0.7", ports(tcp(22, "open"), tcp(8080, "open"))),
				`"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":1000}]`),
			scanned("the 100 most common", aHost("10.0.0.7", ports(), summed("closed", `{"protocol":"tcp","ports":"20-25"}`)),
				`"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":100}]`),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 1 went, 0 changed; 1 cannot be compared\n~ 10.0.0.7\n" +
				"    - 22/tcp open -> closed\n    ? 8080/tcp was open (whether the scan after asked for the port is not known)\n",
		},
		"a scan of more of the most common ports asked for all of the fewer": {
			scanned("the 100 most common", aHost("10.0.0.7", ports(tcp(22, "open"))),
				`"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":100}]`),
			scanned("the 1000 most common", aHost("10.0.0.7", ports()),
				`"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":1000}]`),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 1 went, 0 changed\n~ 10.0.0.7\n    - 22/tcp was open\n",
		},
		"ports that were excluded make the choice unknown": {
			scanned("1-100", aHost("10.0.0.7", ports(tcp(22, "open")))),
			scanned("1-100", aHost("10.0.0.7", ports()), `"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":99}]`),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n~ 10.0.0.7\n" +
				"    ? 22/tcp was open (whether the scan after asked for the port is not known)\n",
		},
		"a connect scan means the same as a SYN scan": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open")))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "closed"))),
				`"complete":true,"scans":[{"type":"connect","protocol":"tcp","ports":3}]`),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 1 went, 0 changed\n~ 10.0.0.7\n    - 22/tcp open -> closed\n",
		},
		"a FIN scan does not": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open")))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open|filtered"))),
				`"complete":true,"scans":[{"type":"fin","protocol":"tcp","ports":3}]`),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n~ 10.0.0.7\n" +
				"    ? 22/tcp open -> open|filtered (the scans are of different kinds)\n",
		},
		"a scan without ports names none of the other's": {
			scanned("none", aHost("10.0.0.7"), `"complete":true,"scans":[]`),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open"), tcp(80, "open")))),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 2 cannot be compared\n",
		},
		"a host that was given up has no ports": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open"), tcp(80, "closed")))),
			scanned(p, aHost("10.0.0.7", ports(), `"timed_out":true`)),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n~ 10.0.0.7\n" +
				"    ? 22/tcp was open (the scan after gave the host up)\n",
		},
		"ports that were left out": {
			scanned(p, aHost("10.0.0.7", ports(), `"ports_left_out":2`)),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open")))),
			"hosts: 0 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed; 1 cannot be compared\n~ 10.0.0.7\n" +
				"    ? 22/tcp open (the report of the scan before leaves out some ports of the host)\n",
		},
		"hosts are in the order of their addresses": {
			scanned(p, ""),
			scanned(p, aHost("10.0.0.10")+","+aHost("10.0.0.9")+","+aHost("odd")+","+aHost("9.0.0.1")),
			"hosts: 4 came, 0 went, 0 changed; ports: 0 came, 0 went, 0 changed\n+ 9.0.0.1\n+ 10.0.0.9\n+ 10.0.0.10\n+ odd\n",
		},
		"what a stranger wrote is on one line and cannot be taken for ours": {
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "A", "1"))))),
			scanned(p, aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "B\n+ 10.0.0.8\u202e", "\u009b31m"))))),
			"hosts: 0 came, 0 went, 1 changed; ports: 0 came, 0 went, 1 changed\n~ 10.0.0.7\n" +
				"    ~ 22/tcp open ssh A 1 -> open ssh B + 10.0.0.8\\u{202E} \\x9B31m\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := scans(t, row.before, row.after)
			text, _, _ := strings.Cut(d.Text(), "note: ")
			if text != row.want {
				t.Errorf("Text = %s\nwant   %s", text, row.want)
			}
			if doubtful := strings.Contains(text, "cannot be compared"); doubtful && d.Comparable {
				t.Error("Comparable = true, want false")
			}
			checkMirror(t, row.before, row.after)
		})
	}
}

func TestNotesSayWhatCannotBeCompared(t *testing.T) {
	plain := scanned("22", aHost("10.0.0.7", ports(tcp(22, "open"))))
	for name, row := range map[string]struct {
		before, after string
		want          []string
	}{
		"alike":     {plain, plain, nil},
		"cut short": {scanned("22", "", cutShort), plain, []string{"the scan before was cut short", "different ports"}[:1]},
		"bounded": {plain, scanned("22", "", `"complete":true,"truncated":true,"scans":[{"type":"syn","protocol":"tcp"}]`),
			[]string{"the report of the scan after was bounded"}},
		"other ports": {plain, scanned("23", "", `"complete":true,"scans":[{"type":"syn","protocol":"tcp","ports":1}]`),
			[]string{`different ports: before "22", after "23"`}},
		"other kinds": {plain, scanned("22", "", `"complete":true,"scans":[{"type":"udp","protocol":"udp","ports":1}]`),
			[]string{`different kinds: before "syn/tcp", after "udp/udp"`}},
		"no versions": {plain, scanned("22", aHost("10.0.0.7", ports(tcp(22, "open", probed("ssh", "OpenSSH", "9"))))),
			[]string{"only the scan after asked for the versions"}},
		"no scripts": {scanned("22", aHost("10.0.0.7", ports(tcp(22, "open", scripts(says("banner", "x")))))), plain,
			[]string{"only the scan before has results of scripts"}},
		"no system": {plain, scanned("22", aHost("10.0.0.7", ports(tcp(22, "open")), `"os":[{"name":"Linux"}]`)),
			[]string{"only the scan after guessed at operating systems"}},
		"scripts of one side": {
			scanned("22", aHost("10.0.0.7", ports(tcp(22, "open", scripts(says("a", "x")))))),
			scanned("22", aHost("10.0.0.7", ports(tcp(22, "open", scripts(says("b", "x")))))),
			[]string{"which scripts were run is not told"}},
		"another protocol": {
			scanned("22", aHost("10.0.0.7", ports(tcp(22, "open")))),
			scanned("22", aHost("10.0.0.7", ports()), `"complete":true,"scans":[{"type":"udp","protocol":"udp","ports":1}]`),
			[]string{"different kinds", "the scan after did not ask for tcp ports at all"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := scans(t, row.before, row.after)
			if len(d.Notes) != len(row.want) || d.Comparable != (len(row.want) == 0) {
				t.Fatalf("Notes = %q, comparable %v; want %d", d.Notes, d.Comparable, len(row.want))
			}
			for i, want := range row.want {
				if !strings.Contains(d.Notes[i], want) || !strings.Contains(d.Text(), "note: "+d.Notes[i]) {
					t.Errorf("note %q, want %q in it, and it in the text", d.Notes[i], want)
				}
			}
			checkMirror(t, row.before, row.after)
		})
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	good := scanned("22", "")
	for _, bad := range []string{
		``, `null`, `[]`, `7`, `{`, `{}`, `{"hosts":[]}`, `{"sent":1,"received":1}`, `{"hosts":7,"scanned_ports":""}`,
		`{"hosts":[7],"scanned_ports":""}`, `{"hosts":[],"scanned_ports":7}`,
	} {
		for which, pair := range map[string][2]string{"before": {bad, good}, "after": {good, bad}} {
			_, err := Scans(json.RawMessage(pair[0]), json.RawMessage(pair[1]))
			e := tool.AsError(err)
			if tool.KindOf(err) != tool.KindValidation || e.Metadata["which"] != which || e.Suggestion == "" {
				t.Errorf("Scans with %s = %s: %v, want a refusal of it", which, bad, err)
			}
		}
	}
}

func TestADifferenceIsBounded(t *testing.T) {
	var many, doubtful []string
	for i := range 300 {
		many = append(many, aHost(fmt.Sprintf("10.0.1.%d", i), ports(tcp(22, "open"), tcp(80, "open"))))
		doubtful = append(doubtful, tcp(1000+i, "open"))
	}
	before := scanned("22,80", aHost("10.0.0.1", ports()))
	after := scanned("22,80,1000-1299", aHost("10.0.0.1", ports(doubtful...))+","+strings.Join(many, ","))
	d := scans(t, before, after)
	shown := 0
	for i := range d.Hosts {
		n, certain := d.Hosts[i].weigh()
		shown += n
		if n != certain {
			t.Errorf("%s has differences that cannot be compared, want these left out first", d.Hosts[i].Address)
		}
	}
	if shown != MaxChanges || shown+d.LeftOut != 300+900 || d.Counts.HostsCame != 300 || d.Counts.PortsCame != 600 {
		t.Errorf("%d shown, %d left out, %+v; want %d and the rest", shown, d.LeftOut, d.Counts, MaxChanges)
	}
	if text := d.Text(); strings.Count(text, "\n") > maxLines+20 || !strings.Contains(text, "and more") {
		t.Errorf("Text has %d lines, want %d and that there are more", strings.Count(text, "\n"), maxLines)
	}
	checkMirror(t, before, after)
}

func TestTheReportsOfThePluginCompare(t *testing.T) {
	files, err := filepath.Glob("../../../plugins/nmap/internal/nmap/testdata/xml/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("reports of the plugin: %v, %v", files, err)
	}
	var all []string
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	for i, a := range all {
		if d := scans(t, a, a); !d.Empty() {
			t.Errorf("%s with itself = %s", files[i], d.Text())
		}
		for _, b := range all {
			checkMirror(t, a, b)
		}
	}
}

func TestADiffIsWhatItsSchemaSays(t *testing.T) {
	raw, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type, Description string
			Items             struct {
				Properties map[string]map[string]any
			}
		}
		Required []string
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	d := scans(t, scanned("22", ""), scanned("22", aHost("10.0.0.7", ports(tcp(22, "open")))))
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(out, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		p, ok := schema.Properties[name]
		if !ok || p.Description == "" || p.Type == "array" && value[0] != '[' {
			t.Errorf("member %s = %s, want it as described: %+v", name, value, p)
		}
	}
	if len(schema.Required) != len(members) || strings.Contains(string(out), "null") {
		t.Errorf("JSON = %s, want all of %v, and nothing null", out, schema.Required)
	}
	if got := schema.Properties["hosts"].Items.Properties["address"]["x-untrusted"]; got != true {
		t.Errorf("x-untrusted of an address = %v, want true", got)
	}
}

// mirrored is a difference with its sides exchanged.
func mirrored(t testing.TB, d Diff) Diff {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var m Diff
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	other := map[Kind]Kind{
		Came: Went, Went: Came, Changed: Changed,
		NotScannedBefore: NotScannedAfter, NotScannedAfter: NotScannedBefore,
	}
	exchange := strings.NewReplacer("scan before", "scan after", "scan after", "scan before").Replace
	turn := func(s []Script) {
		for i := range s {
			s[i].Change, s[i].Before, s[i].After = other[s[i].Change], s[i].After, s[i].Before
		}
	}
	m.Before, m.After, m.Notes = m.After, m.Before, nil
	n := &m.Counts
	n.HostsCame, n.HostsWent, n.PortsCame, n.PortsWent = n.HostsWent, n.HostsCame, n.PortsWent, n.PortsCame
	for i := range m.Hosts {
		h := &m.Hosts[i]
		h.Change, h.Before, h.After, h.Why = other[h.Change], h.After, h.Before, exchange(h.Why)
		for k := range h.Ports {
			p := &h.Ports[k]
			p.Change, p.Why = other[p.Change], exchange(p.Why)
			p.Before, p.After, p.WasService, p.Service = p.After, p.Before, p.Service, p.WasService
			turn(p.Scripts)
		}
		for k, f := range h.Facts {
			h.Facts[k].Before, h.Facts[k].After = f.After, f.Before
		}
		turn(h.Scripts)
	}
	return m
}

// checkMirror holds two comparisons of the same reports to each other.
func checkMirror(t testing.TB, before, after string) {
	t.Helper()
	d := scans(t, before, after)
	got, want := mirrored(t, scans(t, after, before)), mirrored(t, mirrored(t, d))
	if len(d.Notes) != len(scans(t, after, before).Notes) {
		t.Errorf("%d notes in one direction, %q in the other", len(d.Notes), scans(t, after, before).Notes)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the other way round = %+v\nwant              %+v", got, want)
	}
}

func TestPortsAreReadAsNmapDoes(t *testing.T) {
	for text, want := range map[string]string{
		"22":              "map[:[{22 22}]]",
		"80,22,23-25":     "map[:[{22 25} {80 80}]]",
		"-":               "map[:[{1 65535}]]",
		"-100":            "map[:[{1 100}]]",
		"60000-":          "map[:[{60000 65535}]]",
		"U:53,111,T:1-10": "map[tcp:[{1 10}] udp:[{53 53} {111 111}]]",
		"1-5,3-9,10":      "map[:[{1 10}]]",
		"":                "map[]", "http": "map[]", "http*,22": "map[]", "[1-10]": "map[]", "22,": "map[]",
		"9-1": "map[]", "65536": "map[]", "-1-5": "map[]", "1-99999": "map[]", "X:1": "map[]", "the 100 most common": "map[]",
	} {
		if got := fmt.Sprint(parsePorts(text)); got != want {
			t.Errorf("parsePorts(%q) = %s, want %s", text, got, want)
		}
	}
	r := parsePorts("10-20,30")[""]
	for port, want := range map[int]bool{9: false, 10: true, 15: true, 20: true, 21: false, 30: true, 31: false, -1: false} {
		if got := r.has(port); got != want {
			t.Errorf("10-20,30 has %d = %v, want %v", port, got, want)
		}
	}
}

func FuzzScans(f *testing.F) {
	files, _ := filepath.Glob("../../../plugins/nmap/internal/nmap/testdata/xml/*.json") // none: fewer seeds
	seeds := []string{
		`{}`, scanned("22", ""), scanned("T:1-5,U:9", aHost("10.0.0.7", ports(tcp(22, "open", probed("a", "b", "c"))))),
		scanned("the 5 most common", aHost("10.0.0.7", ports(tcp(1, "open")), summed("closed", `{"ports":"1-5"}`))),
		scanned("22", aHost("10.0.0.7", ports(tcp(22, "open", scripts(says("a", "x\ny"), says("a", "z")))))),
		scanned("none", `{"address":"1.2.3.4","status":"unknown"},{"address":"1.2.3.4","status":"up"}`, cutShort),
	}
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil && len(raw) < 8<<10 {
			seeds = append(seeds, string(raw))
		}
	}
	for _, a := range seeds {
		for _, b := range seeds {
			f.Add([]byte(a), []byte(b))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d, err := Scans(a, b)
		if err != nil {
			if tool.KindOf(err) != tool.KindValidation {
				t.Fatalf("Scans = %v, want a refusal", err)
			}
			return
		}
		checkMirror(t, string(a), string(b))
		for _, raw := range [][]byte{a, b} {
			if same := scans(t, string(raw), string(raw)); !same.Empty() {
				t.Errorf("Scans of %q with itself = %s", raw, same.Text())
			}
		}
		again, _ := Scans(a, b)
		if !reflect.DeepEqual(d, again) || d.Text() != again.Text() {
			t.Errorf("Scans twice: %+v, and %+v", d, again)
		}
		raw, err := json.Marshal(d)
		if err != nil || !utf8.ValidString(d.Text()) || slices.Contains(raw, 0x1b) {
			t.Errorf("JSON %s, %v, text %q", raw, err, d.Text())
		}
	})
}
