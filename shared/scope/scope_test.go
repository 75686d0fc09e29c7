package scope

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"testing"
)

// corpusLine is a line of testdata/target.jsonl. "gated" lines are in scope only with loopback.
type corpusLine struct {
	Target   string   `json:"target"`
	Verdict  string   `json:"verdict"`
	Why      string   `json:"why"`
	Tool     string   `json:"tool"`
	Resolves []string `json:"resolves"`
}

func corpus(t testing.TB) []corpusLine {
	t.Helper()
	f, err := os.Open("testdata/target.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []corpusLine
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l corpusLine
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", sc.Bytes(), err)
		}
		lines = append(lines, l)
	}
	return lines
}

// fake answers for one name and fails the test when asked for anything that has no answer.
func (l corpusLine) lookup(t *testing.T) Lookup {
	return func(_ context.Context, name string) ([]netip.Addr, error) {
		if l.Resolves == nil {
			t.Errorf("Pin(%q) looked up %q; no look-up may happen", l.Target, name)
			return nil, errors.New("no such host")
		}
		var addrs []netip.Addr
		for _, r := range l.Resolves {
			addrs = append(addrs, netip.MustParseAddr(r))
		}
		return addrs, nil
	}
}

func TestCorpusVerdicts(t *testing.T) {
	closed := Default()
	closed.Networks = RFC1918()
	lines := corpus(t)
	if len(lines) < 100 {
		t.Fatalf("corpus has %d lines, want at least 100", len(lines))
	}
	for _, l := range lines {
		form := OrNetwork
		if l.Tool == "ping" {
			form = OneHost
		}
		for _, c := range []struct {
			policy Policy
			name   string
			want   bool
		}{
			{closed, "without loopback", l.Verdict == "accept"},
			{Default(), "with loopback", l.Verdict != "reject"},
		} {
			_, err := c.policy.Pin(t.Context(), l.Target, form, l.lookup(t))
			if got := err == nil; got != c.want {
				t.Errorf("Pin(%q) %s = %v, want accepted: %v (%s)", l.Target, c.name, err, c.want, l.Why)
			}
		}
	}
}

func TestReasonOfRefusal(t *testing.T) {
	for _, c := range []struct {
		target string
		want   Reason
	}{
		{"8.8.8.8", Outside},
		{"10.0.0.0/7", Outside},
		{"0.0.0.0/0", Outside},
		{"169.254.169.254", Outside},
		{"example.com", Outside},
		{"::1", Outside},
		{"10.0.0.0/8", TooLarge},
		{"10.0.0.1\n", Syntax},
		{"010.0.0.1", Syntax},
		{"134744072", Syntax},
		{"10.0.0.1-5", Syntax},
		{"http://10.0.0.1/", Syntax},
		{"", Syntax},
	} {
		_, err := Default().Pin(t.Context(), c.target, OrNetwork, nil)
		var e *Error
		if !errors.As(err, &e) || e.Reason != c.want || e.Suggestion == "" {
			t.Errorf("Pin(%q) = %#v, want reason %d and a suggestion", c.target, err, c.want)
		}
	}
}

func TestOneHostTakesNoPrefixLength(t *testing.T) {
	for _, target := range []string{"10.0.0.0/24", "10.0.0.1/32"} {
		if _, err := Default().Pin(t.Context(), target, OneHost, nil); err == nil {
			t.Errorf("Pin(%q, OneHost) is accepted", target)
		}
	}
}

func TestTooLargeTeachesWhatFits(t *testing.T) {
	_, err := Default().Pin(t.Context(), "10.0.0.0/16", OrNetwork, nil)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Pin = %v, want *Error", err)
	}
	if e.Metadata["suggested_prefix"] != 22 || e.Metadata["example"] != "10.0.0.0/22" {
		t.Errorf("metadata = %v, want suggested_prefix 22 and example 10.0.0.0/22", e.Metadata)
	}
	if _, err := Default().Pin(t.Context(), e.Metadata["example"].(string), OrNetwork, nil); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
}

func TestPinTakesTheFirstAnswerAndKeepsTheName(t *testing.T) {
	hosts := map[string][]netip.Addr{"db.lab.internal": {netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("10.1.2.4")}}
	got, err := Default().Pin(t.Context(), "DB.lab.internal", OneHost, Static(hosts, nil))
	if err != nil || got.Prefix.String() != "10.1.2.3/32" || got.Text != "DB.lab.internal" {
		t.Errorf("Pin = %+v, %v", got, err)
	}
}
