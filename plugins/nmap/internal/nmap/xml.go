package nmap

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// document reads nmap's XML token by token, while it flows, and makes the report of it. Only what has
// been closed is in the report, so that it can be cut at any place.
//
//	read          the tokens, each of bounded size
//	start, end    by where an element stands:
//	  outside     the scan itself, its progress and its totals
//	  inHost      a host, its operating system and the way to it
//	  inPort      a port of it, and its service
//	  script      what a script says, of a port, a host or the whole scan
//	budget        what has been closed goes into the report while there is room
type document struct {
	report     Report
	progress   func(sdk.Progress)
	excluding  bool        // --exclude is given
	complaints *complaints // nil: nobody listens to stderr
	total      int64       // addresses of the target
	budget     budget

	begun  bool // <nmaprun> was there
	ended  bool // <runstats> was there
	phase  string
	host   *Host
	port   *Port
	script *script
	cpe    *[]byte // where character data goes: inside of <cpe>
	depth  int
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	d := &document{
		progress: progress, complaints: newComplaints(), total: int64(1) << (32 - j.Target.Prefix.Bits()),
	}
	d.report.Ports, d.excluding = scannedPorts(j), j.Has("--exclude")
	return command.Reader{Stderr: d.complaints.chunk, Report: d.read, Data: d.data}
}

// read reads up to the end. A document that ends too early is no error: nmap was ended, or crashed, and
// that is told elsewhere.
func (d *document) read(in io.Reader) error {
	b := newBounded(in)
	dec := xml.NewDecoder(b)
	for {
		b.token = maxToken
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
		switch {
		case d.script != nil:
			d.script.text(tok)
		case d.cpe != nil:
			*d.cpe = append(*d.cpe, tok[:min(len(tok), maxText-len(*d.cpe))]...)
		}
	}
	return nil
}

// start dispatches on the element, and on where it stands.
func (d *document) start(name string, a attrs) {
	switch {
	case d.script != nil:
		d.script.start(name, a)
	case name == "script":
		d.script = newScript(a)
	case name == "cpe":
		d.cpe = new([]byte)
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
		d.begun, r.Version, r.Started = true, a.text("version"), a.time("start")
		d.tell("nmap", -1, "nmap has started") // nothing else may come for a while
	case "scaninfo":
		if len(r.Scans) < maxList {
			r.Scans = append(r.Scans,
				Scan{Type: a.text("type"), Protocol: a.text("protocol"), Ports: a.number("numservices")})
		}
	case "taskbegin": // with -v alone
		d.tell(a.text("task"), 0, "")
	case "taskprogress":
		d.tell(a.text("task"), a.decimal("percent", 100), remaining(a))
	case "taskend":
		d.tell(a.text("task"), 100, a.text("extrainfo"))
	case "prescript", "postscript":
		d.phase = name
	case "host":
		d.budget.openHost(d.total)
		d.host = &Host{
			Status: "unknown", Started: a.time("starttime"), Finished: a.time("endtime"),
			TimedOut: a["timedout"] == "true",
		}
	case "finished":
		r.Elapsed, r.Error = a.decimal("elapsed", 1e9), a.text("errormsg")
		r.Complete, r.Finished = a["exit"] == "success", a.time("time")
	case "hosts":
		d.ended = true
		r.Totals = Totals{Up: a.number("up"), Down: a.number("down"), Total: a.number("total")}
		d.tell("hosts", 100, "")
	}
}

func (d *document) end(name string) {
	switch {
	case d.script != nil && name != "script":
		d.script.end(name)
	case d.script != nil:
		d.endScript()
	case name == "cpe" && d.cpe != nil:
		d.endCPE(cut(string(*d.cpe), maxText))
		d.cpe = nil
	case name == "port" && d.port != nil:
		d.endPort()
	case name == "host" && d.host != nil:
		d.endHost()
	case name == d.phase:
		d.phase = ""
	}
}

// endScript puts the result of a script to what it is about.
func (d *document) endScript() {
	s, truncated := d.script.result()
	d.script = nil
	r := &d.report
	r.Truncated = r.Truncated || truncated
	list, most := (*[]Script)(nil), perHost
	switch {
	case d.port != nil:
		list, most = &d.port.Scripts, perPort
	case d.host != nil:
		list = &d.host.Scripts
	case d.phase == "prescript":
		list = &r.PreScripts
	case d.phase == "postscript":
		list = &r.PostScripts
	default:
		return
	}
	if len(*list) >= most || !d.hasRoom(s) {
		r.Truncated = true
		return
	}
	*list = append(*list, s)
}

// hasRoom counts the result of a script in; one of a port is counted with that.
func (d *document) hasRoom(s Script) bool {
	switch {
	case d.port != nil:
		return true
	case d.host != nil:
		return d.budget.take(s)
	}
	return d.budget.spend(s, d.budget.free(d.total))
}

// endPort puts a port to its host: without the results of scripts, or not at all, once the host has had its
// share of the report.
func (d *document) endPort() {
	p := *d.port
	d.port = nil
	if !d.budget.take(p) {
		d.report.Truncated = true
		if p.Scripts = nil; !d.budget.take(p) {
			d.host.PortsLeftOut++
			return
		}
	}
	d.host.Ports = append(d.host.Ports, p)
}

func (d *document) endHost() {
	h := *d.host
	d.host = nil
	d.budget.closeHost()
	h.lastBoot()
	if !d.ended {
		d.report.Totals.Total++
		if h.Status == "up" {
			d.report.Totals.Up++
		} else {
			d.report.Totals.Down++
		}
	}
	d.keep(h)
	d.tell("hosts", -1, "")
}

// tell reports progress. nmap's percentages are of a task and a group of hosts, not of the whole; hosts that
// are down count when it ends, for nmap does not name them before.
func (d *document) tell(task string, percent float64, more string) {
	done := int64(d.report.Totals.Total)
	p := sdk.Progress{Task: task, Percent: percent, Done: done, Total: max(d.total, done)}
	p.Message = fmt.Sprintf("%d of %d hosts finished", done, p.Total)
	if more != "" {
		p.Message = more + "; " + p.Message
	}
	if percent >= 0 && !d.ended {
		p.Message = fmt.Sprintf("%s: %.0f%%, %s", cmp.Or(task, "scan"), percent, p.Message)
	}
	d.progress(p)
}

// remaining is how long nmap thinks that its task will take; empty where it has no idea yet.
func remaining(a attrs) string {
	const longest = 7 * 24 * 3600 // seconds; what is more is no estimate
	left := time.Duration(a.decimal("remaining", longest)) * time.Second
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("about %v left", left)
}

// lastBoot says when a host started, from when it was looked at. nmap says so too, but in the time of some
// zone.
func (h *Host) lastBoot() {
	end, err := time.Parse(time.RFC3339, h.Finished)
	if h.Uptime == nil || err != nil || h.Uptime.Seconds > 1e9 {
		return
	}
	h.Uptime.LastBoot = end.Add(-time.Duration(h.Uptime.Seconds) * time.Second).Format(time.RFC3339)
}
