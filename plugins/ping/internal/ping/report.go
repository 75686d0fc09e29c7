package ping

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

const (
	maxLine    = 4 << 10
	maxReplies = 1000 // of 100 requests; the rest are duplicates of somebody's making
	maxErrors  = 200
)

// Report is the result of a ping.
type Report struct {
	Address     string  `json:"address" jsonschema:"the IPv4 address that was pinged"`
	Transmitted int     `json:"transmitted" jsonschema:"requests sent"`
	Received    int     `json:"received" jsonschema:"replies received, duplicates not counted"`
	Duplicates  int     `json:"duplicates" jsonschema:"replies to a request that had been answered before"`
	LossPercent float64 `json:"loss_percent" jsonschema:"share of requests without a reply, in percent"`
	RTT         *RTT    `json:"rtt,omitempty" jsonschema:"round-trip times; absent when nothing came back"`
	Replies     []Reply `json:"replies" jsonschema:"the replies in the order in which they came; empty with -q"`
	Errors      []Error `json:"errors" jsonschema:"what other machines answered in place of a reply"`
	Complete    bool    `json:"complete" jsonschema:"false when ping was ended before its summary"`
}

// RTT are round-trip times in milliseconds.
type RTT struct {
	Min  float64 `json:"min_ms" jsonschema:"shortest, in milliseconds"`
	Avg  float64 `json:"avg_ms" jsonschema:"mean, in milliseconds"`
	Max  float64 `json:"max_ms" jsonschema:"longest, in milliseconds"`
	Mdev float64 `json:"mdev_ms" jsonschema:"standard deviation, in milliseconds"`
}

// Reply is one echo reply.
type Reply struct {
	Seq       int     `json:"seq" jsonschema:"icmp_seq, from 1"`
	TTL       int     `json:"ttl" jsonschema:"time to live on arrival, in hops"`
	Time      float64 `json:"time_ms" jsonschema:"round-trip time in milliseconds; 0: not measured"`
	Bytes     int     `json:"bytes" jsonschema:"size of the ICMP message in bytes"`
	Duplicate bool    `json:"duplicate" jsonschema:"whether the request had been answered before"`
}

// Error is an ICMP error that came in place of a reply.
type Error struct {
	From    string `json:"from" jsonschema:"address of the machine that said so"`
	Seq     int    `json:"seq" jsonschema:"icmp_seq of the request"`
	Message string `json:"message" jsonschema:"what it said, such as Destination Host Unreachable"`
}

// The lines of ping with LC_ALL=C, and whatever else it prints is ignored.
var (
	replyRE = regexp.MustCompile(
		`\A(?:\[\d+\.\d+\] )?(\d+) bytes from (\S+): icmp_seq=(\d+) ttl=(\d+)(?: time=([\d.]+) ms)?( \(DUP!\))?`)
	errorRE   = regexp.MustCompile(`\A(?:\[\d+\.\d+\] )?From (\S+):? icmp_seq=(\d+) (.+)\z`)
	summaryRE = regexp.MustCompile(
		`\A(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?(?:, \+\d+ corrupted)?` +
			`(?:, \+\d+ errors)?, ([\d.]+)% packet loss`)
	rttRE = regexp.MustCompile(`\Artt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms`)
)

// reader makes a Report of ping's lines while they come.
type reader struct {
	report   Report
	count    int64 // requests that ping was told to send
	progress func(sdk.Progress)
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	r := &reader{report: Report{Address: j.Target.Literal()}, progress: progress}
	if c, ok := j.Option("-c"); ok {
		r.count = c.Value.Int
	}
	return command.Reader{Stdout: command.Lines(maxLine, r.line), Data: r.data}
}

func (r *reader) line(line string) {
	if m := replyRE.FindStringSubmatch(line); m != nil {
		r.reply(m)
	} else if m := errorRE.FindStringSubmatch(line); m != nil {
		if len(r.report.Errors) < maxErrors {
			message := strings.ToValidUTF8(m[3], "\uFFFD")
			r.report.Errors = append(r.report.Errors, Error{From: m[1], Seq: whole(m[2]), Message: message})
		}
	} else if m := summaryRE.FindStringSubmatch(line); m != nil {
		r.report.Complete = true
		r.report.Transmitted, r.report.Received, r.report.Duplicates = whole(m[1]), whole(m[2]), whole(m[3])
		r.report.LossPercent = decimal(m[4])
	} else if m := rttRE.FindStringSubmatch(line); m != nil {
		r.report.RTT = &RTT{Min: decimal(m[1]), Avg: decimal(m[2]), Max: decimal(m[3]), Mdev: decimal(m[4])}
	}
}

func (r *reader) reply(m []string) {
	reply := Reply{
		Bytes: whole(m[1]), Seq: whole(m[3]), TTL: whole(m[4]), Time: decimal(m[5]), Duplicate: m[6] != "",
	}
	if reply.Duplicate {
		r.report.Duplicates++
	} else {
		r.report.Received++
	}
	if len(r.report.Replies) < maxReplies {
		r.report.Replies = append(r.report.Replies, reply)
	}
	r.progress(sdk.Progress{
		Task: "ping", Percent: percent(r.report.Received, r.count), Done: int64(r.report.Received), Total: r.count,
		Message: "reply " + m[3] + " after " + m[5] + " ms",
	})
}

// data is the report; when ping could not print its summary, the counts are those of the lines that came.
func (r *reader) data(o sandbox.Outcome) (any, error) {
	if o.ExitCode == 2 && !r.report.Complete {
		return nil, nil // it never began; stderr says why
	}
	if !r.report.Complete {
		for _, reply := range r.report.Replies {
			r.report.Transmitted = max(r.report.Transmitted, reply.Seq)
		}
		for _, e := range r.report.Errors {
			r.report.Transmitted = max(r.report.Transmitted, e.Seq)
		}
		if sent := r.report.Transmitted; sent > 0 {
			r.report.LossPercent = 100 * float64(max(sent-r.report.Received, 0)) / float64(sent)
		}
	}
	return r.report, nil
}

func percent(done int, total int64) float64 {
	if total <= 0 {
		return -1
	}
	return min(100*float64(done)/float64(total), 100)
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
