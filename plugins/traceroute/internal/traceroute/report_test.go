package traceroute

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

const head = "traceroute to 10.9.3.2 (10.9.3.2), 30 hops max, 60 byte packets\n"

const strange = head + ` 1  10.9.0.2  0.162 ms 10.9.0.3  0.015 ms * 10.9.0.2  1.5 ms
 2  * * *
 3  10.9.2.2 <MPLS:L=16,E=0,S=1,T=1>  0.023 ms !H *  0.011 ms !F-600
 4  10.9.2.9 <1:1/4>  0.023 ms !<13> 10.9.2.2  7.000 ms !
10  10.9.3.2  0.039 ms !X  0.018 ms
`

func parse(t testing.TB, text string, chunk int, o sandbox.Outcome) (Report, []sdk.Progress, error) {
	t.Helper()
	var told []sdk.Progress
	r := newReader("10.9.3.2", func(p sdk.Progress) { told = append(told, p) })
	r.report.MaxHops = 30
	for len(text) > 0 {
		n := min(chunk, len(text))
		r.lines([]byte(text[:n]))
		text = text[n:]
	}
	v, err := r.data(o)
	p, _ := v.(Report)
	return p, told, err
}

func TestReport(t *testing.T) {
	lost := Probe{Lost: true}
	hops := []Hop{
		{1, []Probe{{Address: "10.9.0.2", RTT: 0.162}, {Address: "10.9.0.3", RTT: 0.015}, lost, {Address: "10.9.0.2", RTT: 1.5}}},
		{2, []Probe{lost, lost, lost}},
		{3, []Probe{
			{Address: "10.9.2.2", RTT: 0.023, Annotation: "!H", Extensions: "<MPLS:L=16,E=0,S=1,T=1>"}, lost,
			{Address: "10.9.2.2", RTT: 0.011, Annotation: "!F-600", Extensions: "<MPLS:L=16,E=0,S=1,T=1>"},
		}},
		{4, []Probe{
			{Address: "10.9.2.9", RTT: 0.023, Annotation: "!<13>", Extensions: "<1:1/4>"},
			{Address: "10.9.2.2", RTT: 7, Annotation: "!"},
		}},
		{10, []Probe{{Address: "10.9.3.2", RTT: 0.039, Annotation: "!X"}, {Address: "10.9.3.2", RTT: 0.018}}},
	}
	base := Report{Address: "10.9.3.2", MaxHops: 30, Packet: 60, Complete: true, Hops: []Hop{}}
	with := func(change func(*Report)) Report {
		r := base
		change(&r)
		return r
	}
	for _, c := range []struct {
		name, text string
		o          sandbox.Outcome
		want       Report
	}{
		{"all there can be", strange, sandbox.Outcome{}, with(func(r *Report) {
			r.Hops, r.Reached, r.Distance = hops, true, 10
		})},
		{"ended at the deadline, within a line", strange[:strings.Index(strange, " 0.011")],
			sandbox.Outcome{ExitCode: 124, TimedOut: true}, with(func(r *Report) {
				r.Hops = append(append([]Hop{}, hops[:2]...), Hop{3, hops[2].Probes[:2]})
				r.Complete = false
			})},
		{"a hop twice", head + " 1  * *\n 1  10.9.3.2  1.0 ms\n", sandbox.Outcome{}, with(func(r *Report) {
			r.Hops, r.Truncated = []Hop{{1, []Probe{lost, lost}}}, true
		})},
		{"a hop beyond all", head + "65  *\n 0  *\n", sandbox.Outcome{}, with(func(r *Report) { r.Truncated = true })},
		{"what is said of no answer", head + " 1  * !H !N\n 2  !X 10.9.0.2 ms\n", sandbox.Outcome{}, with(func(r *Report) {
			r.Hops = []Hop{{1, []Probe{lost}}, {2, []Probe{}}}
		})},
		{"no head", " 1  10.9.3.2  1.0 ms\n", sandbox.Outcome{}, with(func(r *Report) { r.Packet = 0 })},
		{"other lines", head + "what 1\n\n  x\n1000  *\n", sandbox.Outcome{}, base},
	} {
		for _, chunk := range []int{1, 7, 1 << 20} {
			if got, _, err := parse(t, c.text, chunk, c.o); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, in chunks of %d: report = %+v, %v; want %+v", c.name, chunk, got, err, c.want)
			}
		}
	}
}

func TestProgressIsToldOfEachHop(t *testing.T) {
	_, told, _ := parse(t, strange, 9, sandbox.Outcome{})
	var messages []string
	for _, p := range told {
		messages = append(messages, fmt.Sprintf("%d of %d: %s", p.Done, p.Total, p.Message))
	}
	want := []string{
		"1 of 30: hop 1: 10.9.0.2 after 0.162 ms", "2 of 30: hop 2: no answer", "3 of 30: hop 3: 10.9.2.2 after 0.023 ms",
		"4 of 30: hop 4: 10.9.2.9 after 0.023 ms", "10 of 30: hop 10: 10.9.3.2 after 0.039 ms",
	}
	if !reflect.DeepEqual(messages, want) {
		t.Errorf("progress = %q, want %q", messages, want)
	}
}

func TestATracerouteThatNeverBeganIsAnError(t *testing.T) {
	for said, want := range map[string]struct {
		kind sdk.Kind
		says string
	}{
		"You do not have enough privileges to use this traceroute method.\nsocket: Operation not permitted\n": {
			sdk.KindNeedsPrivilege, "socket: Operation not permitted",
		},
		"\nconnect: Network is unreachable": {sdk.KindExecution, ": connect: Network is unreachable"},
		"":                                  {sdk.KindExecution, "it does not say why"},
		"a\x1b\xff\u202eb\n" + strings.Repeat("é", 1<<20): {sdk.KindExecution, `a\x1B\xFF\u{202E}b`},
	} {
		r := newReader("10.9.3.2", func(sdk.Progress) {})
		for _, b := range []byte(said) {
			r.complain([]byte{b})
		}
		v, err := r.data(sandbox.Outcome{ExitCode: 1})
		if v != nil || sdk.KindOf(err) != want.kind || !strings.Contains(err.Error(), want.says) ||
			len(err.Error()) > 500 || sdk.AsError(err).Suggestion == "" {
			t.Errorf("data() after %.60q = %v, %v; want a %s with %q", said, v, err, want.kind, want.says)
		}
	}
	for name, o := range map[string]sandbox.Outcome{
		"its deadline": {ExitCode: 124, TimedOut: true}, "a cancel": {ExitCode: 130, Cancelled: true},
		"a signal": {ExitCode: 137, Signal: 9},
	} {
		if p, _, err := parse(t, head, 1, o); err != nil || p.Complete {
			t.Errorf("ended by %s: data() = %+v, %v; want what came", name, p, err)
		}
	}
}

func bounded(t testing.TB, p Report) {
	t.Helper()
	for i, h := range p.Hops {
		if len(h.Probes) > maxProbes || h.TTL < 1 || h.TTL > maxHops || i > 0 && h.TTL <= p.Hops[i-1].TTL {
			t.Errorf("hop %d is %d with %d probes", i, h.TTL, len(h.Probes))
		}
		for _, x := range h.Probes {
			if len(x.Extensions) > maxExtension || len(x.Annotation) > 16 || x.Lost && x.Address+x.Annotation != "" {
				t.Errorf("hop %d has %+v", h.TTL, x)
			}
		}
	}
	if p.Reached != (p.Distance > 0) {
		t.Errorf("reached %t at %d", p.Reached, p.Distance)
	}
}

func TestListsAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"probes":     " 1 " + strings.Repeat(" *", maxProbes+1),
		"hops":       strings.Repeat(" 1  *\n", 1000),
		"a line":     " 1  10.0.0.1 <" + strings.Repeat("x", 1<<20) + ">  1.0 ms\n 1  *\n",
		"extensions": " 1  10.0.0.1 <" + strings.Repeat("\x1b", 2*maxExtension) + ">  1.000 ms" + strings.Repeat(" *", maxProbes),
	} {
		p, _, err := parse(t, head+text, 1<<20, sandbox.Outcome{})
		bounded(t, p)
		if err != nil || !p.Truncated || len(p.Hops) != 1 {
			t.Errorf("%s: %d hops, truncated %t, %v; want one, and bounds", name, len(p.Hops), p.Truncated, err)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add(strange, 13)
	f.Add(strange[:len(strange)/2], 1)
	f.Add(head+" 1  10.0.0.1 <\x1b>  1.000 ms !H\n", 5)
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		p, _, err := parse(t, text, 1<<20, sandbox.Outcome{})
		if err != nil {
			t.Fatal(err)
		}
		again, _, _ := parse(t, text, 1+min(max(chunk, 0), 1<<10), sandbox.Outcome{})
		if !reflect.DeepEqual(again, p) {
			t.Errorf("in chunks of %d: report = %+v, want %+v", chunk, again, p)
		}
		bounded(t, p)
		raw, err := json.Marshal(p)
		if err != nil || len(raw) > 3<<20 {
			t.Errorf("Marshal() = %d bytes, %v", len(raw), err)
		}
		if err := sdktest.New(t, plugin(), sdktest.Options{}).CheckData("TracerouteTool", raw); err != nil {
			t.Errorf("CheckData(%s) = %v", raw, err)
		}
	})
}
