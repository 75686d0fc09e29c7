package ping

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// Values of each flag, the accepted ones first, then those of intrusive requests; ! is before what is refused.
var values = map[string][]string{
	"-c": {"1", "2", "99", "100", "!0", "!101", "!01", "!1.0", "!+1", "!0x1", "!1e1", "!-1", "!"},
	"-i": {"0.2", "0.200", "1", "60", "60.000", "0.25", "~0.002", "~0.199", "!0.001", "!60.001", "!61", "!.5", "!1.",
		"!0.2000", "!1e0", "!00.5", "!0", "!inf", "!nan"},
	"-s": {"0", "1", "56", "1472", "~1473", "~65507", "!65508", "!-1", "!056"},
	"-W": {"0.1", "1", "2.50", "30", "30.000", "!0", "!0.099", "!30.001", "!31", "!0x1"},
	"-w": {"1", "10", "300", "!0", "!301", "!1.5", "!-5", "!007"},
	"-t": {"1", "64", "255", "!0", "!256", "!-1"},
	"-M": {"do", "dont", "want", "!probe", "!DO", "!d", "!"},
	"-l": {"~1", "~3", "!0", "!4"},
	"-p": {"~f", "~ff00", "~" + strings.Repeat("aB", 16), "!" + strings.Repeat("a", 33), "!xyz", "!0x1"},
	"-T": {"~tsonly", "~tsandaddr", "!tsprespec", "!ts"},
	"-n": {""}, "-4": {""}, "-q": {""}, "-D": {""}, "-O": {""}, "-v": {""},
	"-f": {"~"}, "-A": {"~"}, "-R": {"~"},
}

// nextOnly take no attached value.
const nextOnly = "-M -T"

// request is a random one, and what is to become of it. It is made of at most one piece that is not accepted
// anyway, so that the piece decides.
func request(r *rand.Rand) (text string, want sdk.Verdict) {
	flags := []string{"-c", "-s", "-W", "-w", "-t", "-M", "-n", "-4", "-q", "-D", "-O", "-v", "-i", "-l", "-p", "-T",
		"-f", "-A", "-R"}
	r.Shuffle(len(flags), func(i, j int) { flags[i], flags[j] = flags[j], flags[i] })
	want = sdk.Accept
	var words []string
	for _, f := range flags[:r.IntN(8)] {
		v := values[f][r.IntN(len(values[f]))]
		kind := sdk.Accept
		if rest, ok := strings.CutPrefix(v, "~"); ok {
			v, kind = rest, sdk.Gated
		} else if rest, ok := strings.CutPrefix(v, "!"); ok {
			v, kind = rest, sdk.Reject
		}
		if kind != sdk.Accept && want != sdk.Accept {
			continue
		}
		if kind != sdk.Accept {
			want = kind
		}
		switch attach := r.IntN(2) == 0 && !strings.Contains(nextOnly, f); {
		case v == "":
			words = append(words, f)
		case attach:
			words = append(words, f+v)
		default:
			words = append(words, f, v)
		}
	}
	text = strings.Join(words, strings.Repeat(" ", 1+r.IntN(2)))
	if conflict.MatchString(text) {
		want = sdk.Reject
	}
	return text, want
}

// conflict matches what rules other than those of single flags refuse: more than 300 s, and a flood with an
// interval.
var conflict = regexp.MustCompile(`-c *(99|100).*-i *60|-i *60.*-c *(99|100)|-f.*-i|-i.*-f`)

func TestGeneratedRequests(t *testing.T) {
	g := newGetopt(t)
	off := sdktest.New(t, plugin(), sdktest.Options{})
	on := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	r := rand.New(rand.NewPCG(1, 2))
	got := make(map[sdk.Verdict]int)
	for range 3000 {
		text, want := request(r)
		args := map[string]any{"target": "10.0.0.1", "extra_args": text}
		p := off.Plan("PingTool", args)
		if got[p.Verdict]++; p.Verdict != want {
			t.Errorf("Plan(%q) = %s (%s), want %s", text, p.Verdict, p.Rule, want)
		}
		if want == sdk.Gated {
			want = sdk.Accept
		}
		p = on.Plan("PingTool", args)
		if p.Verdict != want {
			t.Errorf("Plan(%q), intrusive = %s (%s), want %s", text, p.Verdict, p.Rule, want)
		}
		if p.Verdict == sdk.Accept {
			g.check(t, p.Argv, "10.0.0.1")
		}
	}
	if got[sdk.Accept] < 300 || got[sdk.Gated] < 300 || got[sdk.Reject] < 300 {
		t.Errorf("verdicts = %v, want some hundreds of each", got)
	}
}

// No byte besides those of the list gets anywhere, wherever it stands; and none of the list changes who is
// pinged.
func TestEveryByteInEveryPlace(t *testing.T) {
	g := newGetopt(t)
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	const text = "-c 2 -i0.5 -M do"
	for place := range len(text) + 1 {
		for c := range 256 {
			changed := text[:place] + string([]byte{byte(c)}) + text[place:]
			p := b.Plan("PingTool", map[string]any{"target": "10.0.0.1", "extra_args": changed})
			listed := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .-", byte(c)) >= 0
			if p.Verdict == sdk.Accept && !listed {
				t.Errorf("Plan(%q) = %s, want %s", changed, p.Verdict, sdk.Reject)
			}
			if p.Verdict == sdk.Accept {
				g.check(t, p.Argv, "10.0.0.1")
			}
		}
	}
}

// Whatever letter there is, alone, in a cluster or behind another flag, only those of the table are taken.
func TestNoOtherLetter(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	for c := byte('!'); c <= '~'; c++ {
		known := strings.IndexByte(allowed, c) >= 0
		for _, form := range []string{"-%c", "-%c 1", "-%c1", "-q -%c", "-q%c", "-%cq", "--%c", "-c 1 -%c do"} {
			text := fmt.Sprintf(form, c)
			p := b.Plan("PingTool", map[string]any{"target": "10.0.0.1", "extra_args": text})
			if p.Verdict == sdk.Accept && !known {
				t.Errorf("Plan(%q) = %s, want %s", text, p.Verdict, sdk.Reject)
			}
		}
	}
}

func TestFieldsAreFlags(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for _, c := range []struct{ args, want string }{
		{`"count": 2`, "-4 -n -c 2 -i 1 -W 10 -O -w 12"},
		{`"interval_sec": 0.5, "count": 3`, "-4 -n -c 3 -i 0.5 -W 10 -O -w 12"},
		{`"size": 0, "ttl": 3, "wait_sec": 2.5`, "-4 -n -s 0 -t 3 -W 2.5 -c 4 -i 1 -O -w 7"},
	} {
		p := b.Plan("PingTool", `{"target": "10.0.0.1", `+c.args+`}`)
		if got := strings.Join(p.Argv[min(1, len(p.Argv)):], " "); got != c.want+" -- 10.0.0.1" {
			t.Errorf("Plan(%s) = %s %s (%s), want %s", c.args, p.Verdict, got, p.Rule, c.want)
		}
	}
	for _, c := range []struct {
		args string
		want sdk.Verdict
	}{
		{`"count": 2, "extra_args": "-c 2"`, sdk.Reject}, {`"count": 0`, sdk.Reject}, {`"count": 101`, sdk.Reject},
		{`"count": 2.5`, sdk.Reject}, {`"count": "2"`, sdk.Reject}, {`"interval_sec": 0.1`, sdk.Gated},
		{`"interval_sec": 0.0001`, sdk.Reject}, {`"interval_sec": 1e-1`, sdk.Gated}, {`"size": 1473`, sdk.Gated},
		{`"size": 65508`, sdk.Reject}, {`"ttl": 0`, sdk.Reject}, {`"wait_sec": 31`, sdk.Reject},
		{`"count": 100, "interval_sec": 60`, sdk.Reject}, {`"flags": "-q"`, sdk.Reject},
	} {
		if p := b.Plan("PingTool", `{"target": "10.0.0.1", `+c.args+`}`); p.Verdict != c.want {
			t.Errorf("Plan(%s) = %s (%s), want %s", c.args, p.Verdict, p.Rule, c.want)
		}
	}
}
