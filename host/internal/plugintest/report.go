package plugintest

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
	NotTested Verdict = "not tested"
)

// Finding is what a check found.
type Finding struct {
	Check        string   `json:"check"`
	About        string   `json:"about"` // what the contract wants
	Verdict      Verdict  `json:"verdict"`
	Saw          string   `json:"saw"`               // what was seen; of what was not tested: why
	Details      []string `json:"details,omitempty"` // more of it, one thing each
	Warning      string   `json:"warning,omitempty"` // what is no breach, and should be looked at
	Do           string   `json:"do,omitempty"`      // what the author does about it
	Milliseconds int64    `json:"milliseconds"`      // that the check took
}

func passed(format string, args ...any) Finding {
	return Finding{Verdict: Pass, Saw: fmt.Sprintf(format, args...)}
}

func failed(do, format string, args ...any) Finding {
	return Finding{Verdict: Fail, Saw: fmt.Sprintf(format, args...), Do: do}
}

func notTested(why, do string, args ...any) Finding {
	return Finding{Verdict: NotTested, Saw: why, Do: fmt.Sprintf(do, args...)}
}

func (f Finding) warn(format string, args ...any) Finding {
	f.Warning = fmt.Sprintf(format, args...)
	return f
}

// Source says where the calls of a tool came from.
type Source struct {
	Tool  string `json:"tool"`
	From  string `json:"from"` // "samples" or "schema"; "": there are none
	Quick bool   `json:"quick"`
	Slow  bool   `json:"slow"`
	Flood bool   `json:"flood"`
}

// Report is all that was found.
type Report struct {
	Path     string    `json:"path"`
	Plugin   string    `json:"plugin,omitempty"`
	Version  string    `json:"version,omitempty"`
	Samples  []Source  `json:"samples,omitempty"`
	Findings []Finding `json:"checks"`
}

// Count is how many findings have a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// OK reports whether nothing failed; where all of it is required, whether everything was tested as well.
func (r Report) OK(all bool) bool {
	return r.Count(Fail) == 0 && (!all || r.Count(NotTested) == 0)
}

const (
	nameWidth    = len("concurrent-calls")
	verdictWidth = len(NotTested)
	lineWidth    = 110
)

var marks = map[Verdict]string{Pass: "pass", Fail: "FAIL", NotTested: "not tested"}

// Print writes a finding for people: one line, and below it what there is to do.
func (f Finding) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %-*s  %s\n", verdictWidth, marks[f.Verdict], nameWidth, f.Check, plain(f.Saw))
	for _, d := range f.Details {
		fold(&b, "", d)
	}
	if f.Warning != "" {
		fold(&b, "note: ", f.Warning)
	}
	if f.Verdict == Fail {
		fold(&b, "want: ", f.About)
	}
	if f.Do != "" && f.Verdict != Pass {
		fold(&b, "do:   ", f.Do)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fold writes a text beneath a finding, in lines that fit a terminal.
func fold(b *strings.Builder, label, text string) {
	indent := strings.Repeat(" ", verdictWidth+2)
	line := indent + label
	width := lineWidth - len(indent)
	begin := true
	for _, word := range strings.Fields(plain(text)) {
		if !begin && len(line)+1+len(word) > width+len(indent) {
			b.WriteString(line + "\n")
			line, begin = indent+strings.Repeat(" ", len(label)), true
		}
		if !begin {
			line += " "
		}
		line, begin = line+word, false
	}
	b.WriteString(line + "\n")
}

// Summary is the last line of a report.
func (r Report) Summary() string {
	text := fmt.Sprintf("%d checks: %d passed, %d failed, %d not tested", len(r.Findings), r.Count(Pass),
		r.Count(Fail), r.Count(NotTested))
	if r.Plugin != "" {
		text = fmt.Sprintf("%s %s, %s", plain(r.Plugin), plain(r.Version), text)
	}
	return text
}

// Print writes the whole report for people.
func (r Report) Print(w io.Writer) error {
	for _, f := range r.Findings {
		if err := f.Print(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Summary())
	return err
}

// plain takes out of foreign text what a terminal would obey, and line ends.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// clip bounds a foreign text that stands in a message of ours.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
