package traceroute

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Bounds of what is asked for, and of what is kept.
const (
	maxHops      = 64
	maxProbes    = 10
	maxLine      = 8 << 10
	maxExtension = 256 // bytes
	maxComplaint = 300 // bytes
)

// The lines of traceroute with LC_ALL=C; whatever else it prints is ignored.
var (
	headRE       = regexp.MustCompile(`\Atraceroute to \S+ \(\S+\), \d+ hops max, (\d+) byte packets\z`)
	hopRE        = regexp.MustCompile(`\A {0,2}(\d{1,3})  ?(.*)\z`)
	annotationRE = regexp.MustCompile(`\A!(?:[A-Z](?:-\d{1,5})?|<\d{1,3}>|)\z`)
	timeRE       = regexp.MustCompile(`\A\d{1,9}\.\d{1,3}\z`)
)

// reader makes a Report of traceroute's lines while they come.
type reader struct {
	report   Report
	progress func(sdk.Progress)
	lines    func(chunk []byte)

	complain  func(chunk []byte)
	complaint []string // the first lines of stderr
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	r := newReader(j.Target.Literal(), progress)
	r.report.Method, r.report.MaxHops = methodOf(j), int(number(j, "-m"))
	return command.Reader{Stdout: r.lines, Stderr: r.complain, Data: r.data}
}

func newReader(address string, progress func(sdk.Progress)) *reader {
	r := &reader{report: Report{Address: address, MaxHops: maxHops, Hops: []Hop{}}, progress: progress}
	r.lines = command.Lines(maxLine, r.line)
	r.complain = command.Lines(maxLine, func(line string) {
		if line = strings.TrimSpace(line); line != "" && len(r.complaint) < 3 {
			r.complaint = append(r.complaint, line)
		}
	})
	return r
}

func (r *reader) line(line string) {
	if m := headRE.FindStringSubmatch(line); m != nil {
		r.report.Packet = whole(m[1])
		return
	}
	m := hopRE.FindStringSubmatch(line)
	if m == nil || r.report.Packet == 0 {
		return
	}
	p := &r.report
	h := Hop{TTL: whole(m[1]), Probes: []Probe{}}
	if len(p.Hops) > 0 && h.TTL <= p.Hops[len(p.Hops)-1].TTL || h.TTL < 1 || h.TTL > maxHops {
		p.Truncated = true
		return
	}
	r.probes(&h, strings.Fields(m[2]))
	if slices.ContainsFunc(h.Probes, func(x Probe) bool { return x.Address == p.Address }) && !p.Reached {
		p.Reached, p.Distance = true, h.TTL
	}
	p.Hops = append(p.Hops, h)
	r.tell(h)
}

// probes reads the words of one hop: an address is said once for the probes that it answers, in a row or with
// lost ones between, with extensions right behind it; then come the time of each and what its answer says
// besides.
func (r *reader) probes(h *Hop, words []string) {
	var address string
	var extensions sdk.Untrusted
	for i, word := range words {
		last := len(h.Probes) - 1
		switch {
		case word == "*":
			r.add(h, Probe{Lost: true})
		case word == "ms":
		case timeRE.MatchString(word) && i+1 < len(words) && words[i+1] == "ms":
			r.add(h, Probe{Address: address, RTT: decimal(word), Extensions: extensions})
		case annotationRE.MatchString(word):
			if last >= 0 && !h.Probes[last].Lost {
				h.Probes[last].Annotation = word
			}
		case word[0] == '<':
			extensions = sdk.Untrusted(word[:min(len(word), maxExtension)])
		default:
			if a, err := netip.ParseAddr(word); err == nil && a.Is4() {
				address, extensions = a.String(), ""
			}
		}
	}
}

func (r *reader) add(h *Hop, p Probe) {
	if len(h.Probes) >= maxProbes {
		r.report.Truncated = true
		return
	}
	h.Probes = append(h.Probes, p)
}

func (r *reader) tell(h Hop) {
	who := "no answer"
	for _, p := range h.Probes {
		if !p.Lost {
			who = fmt.Sprintf("%s after %g ms", cmp.Or(p.Address, "an answer"), p.RTT)
			break
		}
	}
	r.progress(sdk.Progress{
		Task: "traceroute", Percent: -1, Done: int64(h.TTL), Total: int64(max(r.report.MaxHops, h.TTL)),
		Message: fmt.Sprintf("hop %d: %s", h.TTL, who),
	})
}

// data is the report of what came, be it cut short.
func (r *reader) data(o sandbox.Outcome) (any, error) {
	r.lines([]byte("\n")) // the last line may have no end
	p := &r.report
	ended := !o.TimedOut && !o.Cancelled && o.Signal == 0
	if ended && o.ExitCode != 0 && len(p.Hops) == 0 {
		return nil, r.failure(o.ExitCode)
	}
	p.Complete = ended && o.ExitCode == 0
	return *p, nil
}

// failure is the error of a traceroute that never began.
func (r *reader) failure(code int) error {
	r.complain([]byte("\n")) // the last line may have no end
	said := sdk.Untrusted(strings.Join(r.complaint, "; ")).Clean()
	said = strings.ToValidUTF8(said[:min(len(said), maxComplaint)], "")
	if strings.Contains(said, "enough privileges") || strings.Contains(said, "Operation not permitted") {
		return needsPrivilege("traceroute may not use method " + r.report.Method + " on this machine: " + said)
	}
	return sdk.Errorf(sdk.KindExecution, "traceroute ended with %d before it sent anything: %s", code,
		cmp.Or(said, "it does not say why")).
		Suggest("stderr has all that it said; plan shows the command that ran; \"Network is unreachable\" " +
			"means that this machine has no route to the target")
}

// whole and decimal read what a pattern has matched; a number too large to be one becomes 0.
func whole(s string) int {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

func decimal(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}
