package dig

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Bounds of what is kept. One message of 64 KiB becomes 256 KiB of text when nothing in it is printable.
const (
	maxLine    = 512 << 10
	maxData    = 8 << 10   // bytes of the data of one record
	maxText    = 320 << 10 // bytes of all records; JSON makes at most six of one
	maxRecords = 2000
	maxRemarks = 16
	maxOptions = 16
	maxRemark  = 256     // bytes
	maxName    = 4 * 255 // bytes, when none is printable
)

// The lines of dig. A record begins with its name, in which dig writes a blank, a semicolon and whatever is
// not printable with a backslash; so a line that begins with a semicolon is dig's own, and no record has two
// lines.
var (
	headerRE = regexp.MustCompile(`\A;; ->>HEADER<<- opcode: \S+, status: (\S{1,32}), id: \d+\z`)
	flagsRE  = regexp.MustCompile(
		`\A;; flags:([ a-z]{0,32})(?:; MBZ: \S+)?; QUERY: \d+, ANSWER: (\d+), AUTHORITY: (\d+), ADDITIONAL: (\d+)\z`)
	sectionRE = regexp.MustCompile(`\A;; ([A-Z0-9]+) (?:SECTION|PSEUDOSECTION):\z`)
	ednsRE    = regexp.MustCompile(`\A; EDNS: version: (\d+), flags:([ a-z]{0,16})(?:; MBZ: \S+)?[;,] udp: (\d+)\z`)
	errorRE   = regexp.MustCompile(`\A; EDE: (\d+)(?: \(([^()]*)\))?(?:: \((.*)\))?\z`)
	recordRE  = regexp.MustCompile(`\A([^\s;]\S*)\s+(\d+)\s+([A-Z0-9-]{1,20})\s+([A-Z0-9-]{1,20})(?:\s+(.*))?\z`)
	timeRE    = regexp.MustCompile(`\A;; Query time: (\d+) usec\z`)
	serverRE  = regexp.MustCompile(`\A;; SERVER: \S+ \((UDP|TCP)\)\z`)
	sizeRE    = regexp.MustCompile(`\A;; MSG SIZE  rcvd: (\d+)\z`)
	silentRE  = regexp.MustCompile(`\A;; (?:Got answer:|no servers could be reached|WHEN: .*|global options: .*|\(\d+ servers? found\))\z`)
)

// reader makes a Report of dig's lines.
type reader struct {
	report   Report
	manner   manner
	progress func(sdk.Progress)

	section   string // of the answer, in which the next line is; "": in none
	text      int    // bytes of records so far
	records   int
	complain  func(chunk []byte)
	complaint string // the first line of stderr
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	m, _ := mannerOf(j) // validate has seen the error
	r := newReader(m, progress)
	r.report.Server = j.Target.Literal()
	port, _ := j.Option("-p") // there, by default
	r.report.Port = int(port.Value.Int)
	if x, ok := j.Option("-x"); ok {
		r.report.Name, r.report.Type = reverseName(x.Value.Text), "PTR"
	} else {
		name, _ := j.Option("-q")
		kind, _ := j.Option("-t")
		r.report.Name, r.report.Type = name.Value.Text, kind.Value.Text
	}
	r.tell(0, fmt.Sprintf("asking %s for %s %s", r.report.Server, r.report.Name, r.report.Type))
	return command.Reader{Stdout: command.Lines(maxLine, r.line), Stderr: r.complain, Data: r.data}
}

func newReader(m manner, progress func(sdk.Progress)) *reader {
	r := &reader{manner: m, progress: progress}
	p := &r.report // lists that stay empty are lists
	p.Flags, p.Remarks = []string{}, []sdk.Untrusted{}
	p.Answers, p.Authority, p.Additional = []Record{}, []Record{}, []Record{}
	r.complain = command.Lines(maxRemark, func(line string) {
		r.complaint = cmp.Or(r.complaint, strings.TrimSpace(line))
	})
	return r
}

// reverseName is the name of an address, as -x makes it.
func reverseName(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is4() {
		return ""
	}
	b := a.As4()
	return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa.", b[3], b[2], b[1], b[0])
}

func (r *reader) tell(done int64, message string) {
	r.progress(sdk.Progress{Task: "dig", Percent: -1, Done: done, Total: 1, Message: message})
}

func (r *reader) line(line string) {
	if line == "" {
		r.section = ""
		return
	}
	if m := sectionRE.FindStringSubmatch(line); m != nil {
		r.section = m[1]
		return
	}
	switch r.section {
	case "OPT":
		r.option(line)
	case "ANSWER":
		r.record(&r.report.Answers, line)
	case "AUTHORITY":
		r.record(&r.report.Authority, line)
	case "ADDITIONAL":
		r.record(&r.report.Additional, line)
	case "":
		r.outside(line)
	}
}

// outside reads the lines around the sections.
func (r *reader) outside(line string) {
	p := &r.report
	if m := headerRE.FindStringSubmatch(line); m != nil {
		if p.Status == "" {
			p.Status = m[1]
			r.tell(1, "answered with "+p.Status)
		}
	} else if m := flagsRE.FindStringSubmatch(line); m != nil {
		p.Flags = strings.Fields(m[1])
		p.Counts = Counts{Answer: whole(m[2]), Authority: whole(m[3]), Additional: whole(m[4])}
	} else if m := timeRE.FindStringSubmatch(line); m != nil {
		p.QueryTime = float64(whole(m[1])) / 1000
	} else if m := serverRE.FindStringSubmatch(line); m != nil {
		p.Transport = m[1]
	} else if m := sizeRE.FindStringSubmatch(line); m != nil {
		p.Size = whole(m[1])
	} else if strings.HasPrefix(line, ";") && !silentRE.MatchString(line) {
		r.remark(line)
	}
}

func (r *reader) option(line string) {
	if r.report.EDNS == nil {
		r.report.EDNS = &EDNS{Flags: []string{}, Errors: []Extended{}, Options: []sdk.Untrusted{}}
	}
	e := r.report.EDNS
	if m := ednsRE.FindStringSubmatch(line); m != nil {
		e.Version, e.Flags, e.UDP = whole(m[1]), strings.Fields(m[2]), whole(m[3])
		return
	}
	if len(e.Errors)+len(e.Options) >= maxOptions {
		r.report.Truncated = true
		return
	}
	if m := errorRE.FindStringSubmatch(line); m != nil {
		e.Errors = append(e.Errors, Extended{
			Code: whole(m[1]), Meaning: sdk.Untrusted(r.clip(m[2])), Text: sdk.Untrusted(r.clip(m[3])),
		})
		return
	}
	e.Options = append(e.Options, sdk.Untrusted(r.clip(strings.TrimPrefix(line, "; "))))
}

// clip bounds a text of an option.
func (r *reader) clip(text string) string {
	if len(text) > maxRemark {
		r.report.Truncated = true
	}
	return text[:min(len(text), maxRemark)]
}

func (r *reader) record(to *[]Record, line string) {
	m := recordRE.FindStringSubmatch(line)
	if m == nil {
		r.remark(line)
		return
	}
	name, data := m[1], m[5]
	if len(data) > maxData {
		data, r.report.Truncated = data[:maxData], true
	}
	r.records++
	r.text += len(name) + len(data)
	if r.records > maxRecords || r.text > maxText || len(name) > maxName {
		r.report.Truncated = true
		return
	}
	*to = append(*to, Record{
		Name: sdk.Untrusted(name), TTL: seconds(m[2]), Class: m[3], Type: m[4], Data: sdk.Untrusted(data),
	})
}

// remark keeps what dig says besides. dig begins such lines with semicolons, one of them even twice.
func (r *reader) remark(line string) {
	line = strings.TrimSpace(strings.TrimLeft(line, "; "))
	r.report.Retried = r.report.Retried || strings.HasPrefix(line, "Truncated, retrying in TCP")
	if line == "" || len(r.report.Remarks) >= maxRemarks {
		return
	}
	r.report.Remarks = append(r.report.Remarks, sdk.Untrusted(line[:min(len(line), maxRemark)]))
}

// The codes with which dig ends, besides 0.
const noReply = 9

// data is the report of an answer, or of why there is none.
func (r *reader) data(o sandbox.Outcome) (any, error) {
	p := &r.report
	ended := !o.TimedOut && !o.Cancelled && o.Signal == 0
	if p.Status == "" && ended {
		if o.ExitCode != 0 && o.ExitCode != noReply {
			return nil, r.broken(o.ExitCode)
		}
		p.Failure = r.failure()
	}
	return *p, nil
}

// causes are the remarks that say why there is no answer, and what they mean. A later one is the consequence
// of an earlier one.
var causes = []struct{ remark, means string }{
	{"Got bad packet", "what came back could not be read as DNS"},
	{"Question section mismatch", "what came back answers another question"},
	{"ID mismatch", "what came back does not belong to the question"},
	{"short (< header size)", "what came back is too short for DNS"},
	{"connection refused", "nothing listens on that port of the server, or a firewall refuses"},
	{"unreachable", "there is no way to the server"},
	{"permission denied", "this machine does not let dig send there"},
	{"end of file", "the server closed the connection without an answer"},
	{"connection reset", "the server broke the connection off"},
	{"timed out", "no answer came in time"},
}

func (r *reader) failure() string {
	for _, c := range causes {
		for _, remark := range r.report.Remarks {
			if strings.Contains(string(remark), c.remark) {
				if c.remark == "timed out" {
					return fmt.Sprintf("%s: %d tries of %d s; the server may be down, drop packets, or not be a "+
						"name server", c.means, r.manner.Tries, r.manner.Wait)
				}
				return c.means
			}
		}
	}
	return "no answer came, and dig does not say why"
}

// broken is the error of a dig that could not do its work.
func (r *reader) broken(code int) error {
	r.complain([]byte("\n")) // the last line may have no end
	said := sdk.Untrusted(r.complaint).Clean()
	if said == "" && len(r.report.Remarks) > 0 {
		said = r.report.Remarks[0].Clean()
	}
	return sdk.Errorf(sdk.KindExecution, "dig ended with %d and no answer: %s", code,
		cmp.Or(said, "it does not say why")).
		Suggest("stderr has all that it said; plan shows the command that ran")
}

// whole reads what a pattern has matched; a number too large to be one becomes 0.
func whole(s string) int {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// seconds reads a TTL, which has 32 bits.
func seconds(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return int64(n)
}
