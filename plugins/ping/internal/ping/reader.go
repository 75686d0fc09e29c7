package ping

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// capNetRaw is what ping needs where the kernel gives it no sockets of their own for echo requests.
const capNetRaw = "CAP_NET_RAW"

// Bounds of what is kept. Anybody who sees a request can send replies to it.
const (
	maxLine    = 4 << 10
	maxReplies = 1000 // of 100 requests; the rest are duplicates of somebody's making
	maxErrors  = 200
	maxLost    = 1000
	maxMessage = 256 // bytes of the text of an error
)

// The lines of ping with LC_ALL=C; whatever else it prints is ignored. With -v a reply has its ident.
var (
	replyRE = regexp.MustCompile(
		`\A(?:\[(\d+\.\d+)\] )?(\d+) bytes from (\S+): icmp_seq=(\d+)(?: ident=\d+)? ttl=(\d+)` +
			`(?: time=([\d.]+) ms)?((?: \([A-Z! ]+\)| \(truncated\))*)`)
	errorRE    = regexp.MustCompile(`\A(?:\[\d+\.\d+\] )?From (\S+?):? icmp_seq=(\d+) (.+)\z`)
	noAnswerRE = regexp.MustCompile(`\A(?:\[\d+\.\d+\] )?no answer yet for icmp_seq=(\d+)\z`)
	damagedRE  = regexp.MustCompile(`\Awrong data byte #\d+ should be `)
	summaryRE  = regexp.MustCompile(
		`\A(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?(?:, \+(\d+) corrupted)?` +
			`(?:, \+(\d+) errors)?, ([\d.]+)% packet loss(?:, time (\d+)ms)?\z`)
	rttRE = regexp.MustCompile(
		`\Artt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms(?:, pipe (\d+))?(?:, ipg/ewma .*)?\z`)
	pipeRE = regexp.MustCompile(`\Apipe (\d+)\z`)
)

// reader makes a Report of ping's lines while they come.
type reader struct {
	report   Report
	count    int64 // replies that ping was told to wait for
	silent   bool  // ping prints no line for a reply
	progress func(sdk.Progress)

	answered seqs
	last     int // the highest number of a request that a line was about

	complain  func(chunk []byte)
	complaint string // the first line of stderr
	lacks     string // the line that says which privilege is missing
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	r := newReader(j.Target.Literal(), progress)
	r.silent = j.Has("-q", "-f")
	if c, ok := j.Option("-c"); ok {
		r.count = c.Value.Int
	}
	return command.Reader{Stdout: command.Lines(maxLine, r.line), Stderr: r.complain, Data: r.data}
}

func newReader(address string, progress func(sdk.Progress)) *reader {
	r := &reader{report: Report{Address: address}, progress: progress}
	r.complain = command.Lines(maxLine, func(line string) {
		line = strings.TrimSpace(line)
		r.complaint = cmp.Or(r.complaint, line)
		if r.lacks == "" && strings.Contains(line, "missing cap_net_raw") {
			r.lacks = line
		}
	})
	return r
}

func (r *reader) line(line string) {
	if r.report.Complete {
		r.afterSummary(line)
	} else if m := replyRE.FindStringSubmatch(line); m != nil {
		r.reply(m)
	} else if m := noAnswerRE.FindStringSubmatch(line); m != nil {
		r.last = max(r.last, whole(m[1]))
		r.tell("no answer yet to request " + m[1])
	} else if m := errorRE.FindStringSubmatch(line); m != nil {
		r.failed(m)
	} else if m := summaryRE.FindStringSubmatch(line); m != nil {
		r.summary(m)
	} else if damagedRE.MatchString(line) && len(r.report.Replies) > 0 {
		r.report.Replies[len(r.report.Replies)-1].Corrupted = true
	}
}

func (r *reader) reply(m []string) {
	reply := Reply{
		At: moment(m[1]), Bytes: whole(m[2]), Seq: whole(m[4]), TTL: whole(m[5]), Time: decimal(m[6]),
		Duplicate: strings.Contains(m[7], "DUP!"),
		Corrupted: strings.Contains(m[7], "BAD CHECKSUM!") || strings.Contains(m[7], "truncated"),
	}
	if m[3] != r.report.Address {
		reply.From = m[3]
	}
	r.last = max(r.last, reply.Seq)
	r.answered.add(reply.Seq)
	if reply.Duplicate {
		r.report.Duplicates++
	} else {
		r.report.Received++
	}
	if len(r.report.Replies) < maxReplies {
		r.report.Replies = append(r.report.Replies, reply)
	} else {
		r.report.Truncated = true
	}
	message := "reply to request " + m[4]
	if m[6] != "" {
		message += " after " + m[6] + " ms"
	}
	r.tell(message)
}

func (r *reader) failed(m []string) {
	e := Error{From: m[1], Seq: whole(m[2]), Message: sdk.Untrusted(m[3][:min(len(m[3]), maxMessage)])}
	r.last = max(r.last, e.Seq)
	r.report.ErrorCount++
	if len(r.report.Errors) < maxErrors {
		r.report.Errors = append(r.report.Errors, e)
	} else {
		r.report.Truncated = true
	}
	r.tell(fmt.Sprintf("error to request %d", e.Seq))
}

// summary takes ping's own counts, which are of more than it prints lines about.
func (r *reader) summary(m []string) {
	p := &r.report
	p.Complete = true
	p.Transmitted, p.Received, p.Duplicates = whole(m[1]), whole(m[2]), whole(m[3])
	p.Corrupted, p.ErrorCount = whole(m[4]), whole(m[5])
	p.LossPercent, p.Elapsed = min(decimal(m[6]), 100), float64(whole(m[7]))
}

func (r *reader) afterSummary(line string) {
	if m := rttRE.FindStringSubmatch(line); m != nil {
		r.report.RTT = &RTT{Min: decimal(m[1]), Avg: decimal(m[2]), Max: decimal(m[3]), Mdev: decimal(m[4])}
		r.report.Pipe = whole(m[5])
	} else if m := pipeRE.FindStringSubmatch(line); m != nil {
		r.report.Pipe = whole(m[1])
	}
}

func (r *reader) tell(message string) {
	done := int64(r.report.Received)
	percent := -1.0
	if r.count > 0 {
		percent = min(100*float64(done)/float64(r.count), 100)
	}
	r.progress(sdk.Progress{
		Task: "ping", Percent: percent, Done: done, Total: max(r.count, done),
		Message: fmt.Sprintf("%s (%d of %d answered)", message, done, max(r.count, done)),
	})
}

// data is the report; when ping could not print its summary, the counts are those of the lines that came.
func (r *reader) data(o sandbox.Outcome) (any, error) {
	p := &r.report
	if err := r.failure(o); err != nil {
		return nil, err
	}
	if !p.Complete {
		p.Transmitted = max(r.last, p.Received)
		if p.Transmitted > 0 {
			p.LossPercent = 100 * float64(p.Transmitted-p.Received) / float64(p.Transmitted)
		}
		for _, reply := range p.Replies {
			if reply.Corrupted {
				p.Corrupted++
			}
		}
	}
	if !r.silent {
		r.lost()
	}
	return *p, nil
}

// failure is the error of a ping that never began. One that did has its replies or its summary, whatever it
// ended with: that nobody replies, and that nothing can be sent, are results.
func (r *reader) failure(o sandbox.Outcome) error {
	ended := !o.TimedOut && !o.Cancelled && o.Signal == 0
	began := r.report.Complete || r.last > 0
	if o.ExitCode <= 1 || !ended || began {
		return nil
	}
	r.complain([]byte("\n")) // the last line may have no end
	if r.lacks != "" {
		return sdk.Errorf(sdk.KindNeedsPrivilege, "ping may not send echo requests on this machine: %s",
			quotable(r.lacks)).With("needs", capNetRaw).
			Suggest("the operator can start the host with %[1]s (systemd: AmbientCapabilities=%[1]s), or let "+
				"the group of the tool open sockets for echo requests (sysctl net.ipv4.ping_group_range)",
				capNetRaw)
	}
	return sdk.Errorf(sdk.KindExecution, "ping ended with %d before it sent anything: %s", o.ExitCode,
		cmp.Or(quotable(r.complaint), "it does not say why")).
		Suggest("stderr has all that it said; plan shows the command that ran; \"Network is unreachable\" " +
			"means that this machine has no route to the target")
}

// quotable is a line of ping's as part of a message: bounded, and with all that cannot be seen written out.
func quotable(line string) string {
	const most = 300 // bytes
	line = sdk.Untrusted(line).Clean()
	return strings.ToValidUTF8(line[:min(len(line), most)], "")
}

// lost names the requests without a reply. Numbers of requests have 16 bits, so that beyond them nobody can say.
func (r *reader) lost() {
	r.report.Lost = nil
	if r.report.Transmitted > maxSeq {
		r.report.Truncated = true
		return
	}
	for seq := 1; seq <= r.report.Transmitted; seq++ {
		switch {
		case r.answered.has(seq):
		case len(r.report.Lost) >= maxLost:
			r.report.Truncated = true
			return
		default:
			r.report.Lost = append(r.report.Lost, seq)
		}
	}
}

const maxSeq = 1<<16 - 1

// seqs is a set of numbers of requests.
type seqs [(maxSeq + 1) / 64]uint64

func (s *seqs) add(seq int) {
	if 0 <= seq && seq <= maxSeq {
		s[seq/64] |= 1 << (seq % 64)
	}
}

func (s *seqs) has(seq int) bool { return s[seq/64]&(1<<(seq%64)) != 0 }

// moment is a time of -D, in seconds since 1970.
func moment(s string) string {
	seconds, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	micro, errMicro := strconv.ParseInt(fraction, 10, 64)
	if err != nil || errMicro != nil || sec > 1<<34 || len(fraction) != 6 {
		return ""
	}
	return time.Unix(sec, micro*1000).UTC().Format(time.RFC3339Nano)
}

// whole and decimal read what a pattern has matched; a number too large to be one becomes 0.
func whole(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n > 1<<31 {
		return 0
	}
	return n
}

func decimal(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return min(f, 1e9)
}
