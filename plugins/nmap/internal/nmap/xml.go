package nmap

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Bounds of what is read and kept. Scanned machines choose much of these bytes.
const (
	maxXML    = 64 << 20
	maxDepth  = 32        // nmap's own documents have 8
	maxData   = 5 << 19   // 2.5 MiB of JSON; package command carries 3 MiB
	maxScript = 16 << 10  // bytes of the output of one script
	maxText   = 512       // bytes of any other text
	maxList   = 64        // hostnames, scans, operating systems, CPEs
	perHost   = 200       // scripts of one host
	perPort   = 50        // scripts of one port
	unnamed   = "unknown" // a service without a name
)

// document reads nmap's XML token by token, while it flows, and makes the report of it. Only what has
// been closed is in the report, so that it can be cut at any place.
type document struct {
	report   Report
	progress func(sdk.Progress)
	total    int64 // addresses of the target
	size     int   // bytes of JSON that the report has by now, but for its frame

	begun bool // <nmaprun> was there
	ended bool // <runstats> was there
	host  *Host
	port  *Port
	text  *string // where character data goes: inside of <cpe>
	depth int
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	d := &document{progress: progress, total: int64(1) << (32 - j.Target.Prefix.Bits())}
	d.report.Ports = scannedPorts(j)
	return command.Reader{Report: d.read, Data: d.data}
}

// read reads up to the end. A document that ends too early is no error: nmap was ended, or crashed, and
// that is told elsewhere.
func (d *document) read(in io.Reader) error {
	dec := xml.NewDecoder(io.LimitReader(in, maxXML))
	for {
		tok, err := dec.Token()
		var syntax *xml.SyntaxError
		switch {
		case err == io.EOF, errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
			return nil
		case err != nil:
			return fmt.Errorf("read the XML: %w", err)
		}
		if err := d.token(tok); err != nil {
			return err
		}
	}
}

func (d *document) token(tok xml.Token) error {
	switch tok := tok.(type) {
	case xml.StartElement:
		if d.depth++; d.depth > maxDepth {
			return errors.New("read the XML: it is nested too deeply")
		}
		d.start(tok.Name.Local, attributes(tok.Attr))
	case xml.EndElement:
		d.depth--
		d.end(tok.Name.Local)
	case xml.CharData:
		if d.text != nil && len(*d.text) < maxText {
			*d.text += string(tok)
		}
	}
	return nil
}

// start dispatches on the element, and on where it stands: in a port, in a host, or outside.
func (d *document) start(name string, a attrs) {
	switch {
	case d.port != nil:
		d.inPort(name, a)
	case d.host != nil:
		d.inHost(name, a)
	default:
		d.outside(name, a)
	}
}

func (d *document) outside(name string, a attrs) {
	r := &d.report
	switch name {
	case "nmaprun":
		d.begun, r.Version = true, a.text("version")
		if sec := a.number("start"); sec > 0 {
			r.Started = time.Unix(int64(sec), 0).UTC().Format(time.RFC3339)
		}
	case "scaninfo":
		if len(r.Scans) < maxList {
			r.Scans = append(r.Scans,
				Scan{Type: a.text("type"), Protocol: a.text("protocol"), Ports: a.number("numservices")})
		}
	case "taskprogress":
		d.tell(a.text("task"), a.decimal("percent", 100))
	case "host":
		d.host = &Host{Status: "unknown"}
	case "finished":
		r.Elapsed, r.Error = a.decimal("elapsed", 1e9), a.text("errormsg")
		r.Complete = a["exit"] == "success"
	case "hosts":
		d.ended = true
		r.Totals = Totals{Up: a.number("up"), Down: a.number("down"), Total: a.number("total")}
	}
}

func (d *document) inHost(name string, a attrs) {
	h := d.host
	switch name {
	case "status":
		h.Status, h.Reason = a.text("state"), a.text("reason")
	case "address":
		if a["addrtype"] == "mac" {
			h.MAC, h.Vendor = a.text("addr"), a.text("vendor")
		} else {
			h.Address = a.text("addr")
		}
	case "hostname":
		if len(h.Hostnames) < maxList {
			h.Hostnames = append(h.Hostnames, a.text("name"))
		}
	case "port":
		d.port = &Port{Port: a.number("portid"), Protocol: a.text("protocol"), State: "unknown"}
	case "extraports":
		if len(h.Other) < maxList {
			h.Other = append(h.Other, Other{State: a.text("state"), Count: a.number("count")})
		}
	case "osmatch":
		if len(h.OS) < maxList {
			h.OS = append(h.OS, OS{Name: a.text("name"), Accuracy: a.number("accuracy")})
		}
	case "script":
		h.Scripts = d.script(h.Scripts, a, perHost)
	}
}

func (d *document) inPort(name string, a attrs) {
	p := d.port
	switch name {
	case "state":
		p.State, p.Reason = a.text("state"), a.text("reason")
	case "service":
		p.Service = &Service{
			Name: a.text("name"), Product: a.text("product"), Version: a.text("version"), Extra: a.text("extrainfo"),
			Tunnel: a.text("tunnel"), Method: a.text("method"), Confidence: a.number("conf"),
		}
		if p.Service.Name == "" {
			p.Service.Name = unnamed
		}
	case "cpe":
		if s := p.Service; s != nil && len(s.CPE) < maxList {
			s.CPE = append(s.CPE, "")
			d.text = &s.CPE[len(s.CPE)-1]
		}
	case "script":
		p.Scripts = d.script(p.Scripts, a, perPort)
	}
}

func (d *document) script(list []Script, a attrs, most int) []Script {
	if len(list) >= most {
		d.report.Truncated = true
		return list
	}
	output := a["output"]
	if len(output) > maxScript {
		d.report.Truncated = true
	}
	return append(list, Script{ID: a.text("id"), Output: cut(output, maxScript)})
}

func (d *document) end(name string) {
	switch {
	case name == "cpe":
		d.text = nil
	case name == "port" && d.port != nil:
		bare := *d.port
		bare.Scripts = nil
		if d.fits(d.port) {
			d.host.Ports = append(d.host.Ports, *d.port)
		} else if d.fits(bare) {
			d.host.Ports = append(d.host.Ports, bare)
		}
		d.port = nil
	case name == "host" && d.host != nil:
		d.endHost()
	}
}

func (d *document) endHost() {
	h := *d.host
	d.host = nil
	if !d.ended {
		d.report.Totals.Total++
		if h.Status == "up" {
			d.report.Totals.Up++
		} else {
			d.report.Totals.Down++
		}
	}
	frame := h
	frame.Ports = nil // counted already
	if !d.fits(frame) {
		frame.Scripts, h.Scripts = nil, nil
		if !d.fits(frame) {
			return
		}
	}
	d.report.Hosts = append(d.report.Hosts, h)
	d.tell("hosts", -1)
}

// fits counts a piece in, unless it makes the report too large.
func (d *document) fits(v any) bool {
	raw, err := json.Marshal(v)
	const separators = 64 // commas, and nulls that become arrays
	if err != nil || d.size+len(raw)+separators > maxData {
		d.report.Truncated = true
		return false
	}
	d.size += len(raw) + separators
	return true
}

// tell reports progress. nmap's percentages are of a task and a group of hosts, not of the whole.
func (d *document) tell(task string, percent float64) {
	done := int64(d.report.Totals.Total)
	p := sdk.Progress{Task: task, Percent: percent, Done: done, Total: d.total}
	if percent >= 0 {
		p.Message = fmt.Sprintf("%s: %.0f%% (%d of %d hosts finished)", task, percent, done, d.total)
	} else {
		p.Message = fmt.Sprintf("%d of %d hosts finished", done, d.total)
	}
	d.progress(p)
}

// data is what has come. A scan that nmap calls a success and that scanned nobody is none.
func (d *document) data(sandbox.Outcome) (any, error) {
	if !d.begun {
		return nil, nil
	}
	if d.ended && d.report.Complete && d.report.Totals.Total == 0 {
		return d.report, sdk.Errorf(sdk.KindExecution, "nmap scanned no host at all").
			Suggest("see stderr for its reason; --exclude may leave nothing")
	}
	return d.report, nil
}

// attrs are the attributes of an element, name -> value.
type attrs map[string]string

func attributes(list []xml.Attr) attrs {
	a := make(attrs, len(list))
	for _, x := range list {
		a[x.Name.Local] = x.Value
	}
	return a
}

func (a attrs) text(name string) string { return cut(a[name], maxText) }

// number is a count; what is none is 0.
func (a attrs) number(name string) int {
	n, err := strconv.ParseInt(a[name], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}

func (a attrs) decimal(name string, most float64) float64 {
	f, err := strconv.ParseFloat(a[name], 64)
	if err != nil || !(f >= 0) { // false for NaN too
		return 0
	}
	return min(f, most)
}

// cut is the beginning of a text, without a character cut in two.
func cut(s string, most int) string {
	if len(s) <= most {
		return strings.Clone(s) // the decoder's buffer may be larger
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
