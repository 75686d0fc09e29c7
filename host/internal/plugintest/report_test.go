package plugintest

import (
	"strings"
	"testing"
)

func TestAReportReadsWell(t *testing.T) {
	r := Report{Plugin: "port", Version: "1.0.0", Findings: []Finding{
		{Check: "handshake", About: "one line", Verdict: Pass, Saw: "one line, protocol 1", Do: "nothing"},
		{Check: "start", Verdict: Pass, Saw: "slow", Warning: "people notice"},
		{Check: "cancel", About: "programs are gone", Verdict: Fail, Saw: "PortTool: 1 lives\x1b[2J\non",
			Details: []string{"2 lives"}, Do: strings.Repeat("end it ", 20)},
		{Check: "concurrent-calls", Verdict: NotTested, Saw: "no sample", Do: "write one"},
	}}
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatalf("Print() = %v", err)
	}
	const want = `pass        handshake         one line, protocol 1
pass        start             slow
            note: people notice
FAIL        cancel            PortTool: 1 lives [2J on
            2 lives
            want: programs are gone
            do:   end it end it end it end it end it end it end it end it end it end it end it end it end it
                  end it end it end it end it end it end it end it
not tested  concurrent-calls  no sample
            do:   write one

port 1.0.0, 4 checks: 2 passed, 1 failed, 1 not tested
`
	if b.String() != want {
		t.Errorf("Print() writes\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWhatWasNotTestedCountsWhereAllIsRequired(t *testing.T) {
	for _, row := range []struct {
		verdicts  []Verdict
		some, all bool
	}{
		{[]Verdict{Pass, Pass}, true, true},
		{[]Verdict{Pass, NotTested}, true, false},
		{[]Verdict{Fail, Pass}, false, false},
	} {
		var r Report
		for _, v := range row.verdicts {
			r.Findings = append(r.Findings, Finding{Verdict: v})
		}
		if r.OK(false) != row.some || r.OK(true) != row.all {
			t.Errorf("OK of %v = %t, and all required %t, want %t and %t", row.verdicts, r.OK(false), r.OK(true),
				row.some, row.all)
		}
	}
}

func TestTheChecksStandOnWhatComesBeforeThem(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, c := range Checks() {
		switch {
		case seen[c.Name]:
			t.Errorf("there are two checks %s", c.Name)
		case !seen[c.needs]:
			t.Errorf("%s needs %q, which does not come before it", c.Name, c.needs)
		case len(c.Name) > nameWidth || c.About == "" || strings.Contains(c.About, "\n") || c.run == nil:
			t.Errorf("%+v is not one name and one line", c)
		}
		seen[c.Name] = true
	}
	var b strings.Builder
	if err := PrintChecks(&b); err != nil || strings.Count(b.String(), "\n") != len(Checks()) {
		t.Errorf("PrintChecks() = %v:\n%s, want a line for each", err, b.String())
	}
}

func TestTheFindingOfSeveralToolsIsThatOfTheWorst(t *testing.T) {
	for _, row := range []struct {
		of   each
		want Verdict
		saw  string
	}{
		{each{saw: []string{"A", "B"}}, Pass, "A"},
		{each{saw: []string{"A"}, not: []string{"B"}}, NotTested, "B"},
		{each{saw: []string{"A"}, not: []string{"B"}, failed: []string{"C"}}, Fail, "C"},
		{each{}, NotTested, "the plugin offers no tool"},
	} {
		if f := row.of.finding("do it"); f.Verdict != row.want || f.Saw != row.saw {
			t.Errorf("finding of %+v = %+v, want %s: %s", row.of, f, row.want, row.saw)
		}
	}
}
