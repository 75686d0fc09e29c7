package ping

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

const (
	answered = `PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.
64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.040 ms
[1795374000.123456] 64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.050 ms
64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.061 ms (DUP!)

--- 127.0.0.1 ping statistics ---
2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 1001ms
rtt min/avg/max/mdev = 0.040/0.050/0.061/0.008 ms
`
	unreachable = `PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.
From 10.0.0.1 icmp_seq=1 Destination Host Unreachable
no answer yet for icmp_seq=2

--- 10.0.0.9 ping statistics ---
3 packets transmitted, 0 received, +1 errors, 100% packet loss, time 2030ms
pipe 3
`
)

func parse(t testing.TB, text string, chunk int) Report {
	t.Helper()
	r := &reader{report: Report{Address: "127.0.0.1"}, count: 2, progress: func(sdk.Progress) {}}
	write := command.Lines(maxLine, r.line)
	for len(text) > 0 {
		n := min(chunk, len(text))
		write([]byte(text[:n]))
		text = text[n:]
	}
	v, err := r.data(sandbox.Outcome{})
	if err != nil {
		t.Fatalf("data() = %v", err)
	}
	return v.(Report)
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Report
	}{
		{"replies, one of them twice", answered, Report{
			Address: "127.0.0.1", Transmitted: 2, Received: 2, Duplicates: 1, Complete: true,
			RTT: &RTT{Min: 0.04, Avg: 0.05, Max: 0.061, Mdev: 0.008},
			Replies: []Reply{
				{Seq: 1, TTL: 64, Time: 0.04, Bytes: 64},
				{Seq: 2, TTL: 64, Time: 0.05, Bytes: 64},
				{Seq: 2, TTL: 64, Time: 0.061, Bytes: 64, Duplicate: true},
			},
		}},
		{"nobody answers", unreachable, Report{
			Address: "127.0.0.1", Transmitted: 3, LossPercent: 100, Complete: true,
			Errors: []Error{{From: "10.0.0.1", Seq: 1, Message: "Destination Host Unreachable"}},
		}},
		{"cut short", answered[:strings.Index(answered, "[179")], Report{
			Address: "127.0.0.1", Transmitted: 1, Received: 1,
			Replies: []Reply{{Seq: 1, TTL: 64, Time: 0.04, Bytes: 64}},
		}},
	} {
		for _, chunk := range []int{1, 7, 1 << 20} {
			if got := parse(t, c.text, chunk); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, in chunks of %d: report = %+v, want %+v", c.name, chunk, got, c.want)
			}
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add(answered)
	f.Add(unreachable)
	f.Fuzz(func(t *testing.T, text string) {
		r := parse(t, text, 13)
		if len(r.Replies) > maxReplies || len(r.Errors) > maxErrors || math.IsNaN(r.LossPercent) {
			t.Errorf("report has %d replies, %d errors, loss %v", len(r.Replies), len(r.Errors), r.LossPercent)
		}
		raw, err := json.Marshal(r)
		if err != nil || len(raw) > 3<<20 {
			t.Errorf("Marshal() = %d bytes, %v", len(raw), err)
		}
	})
}
