package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// live prints a call's output as it comes, and on a terminal how far it is.
type live struct {
	stdout, stderr io.Writer
	progress       bool
	drawn          bool // a progress line stands on the terminal
}

func (l *live) event(ev tool.Event) {
	if o := ev.Output; o != nil {
		l.end()
		w := l.stdout
		if o.Stream == tool.Stderr {
			w = l.stderr
		}
		_, _ = io.WriteString(w, plain(string(o.Data))) // a closed terminal stops no scan
	}
	if p := ev.Progress; p != nil && l.progress {
		fmt.Fprintf(l.stderr, "\r\x1b[K%s", plain(progressText(*p)))
		l.drawn = true
	}
}

// end takes the progress line away.
func (l *live) end() {
	if l.drawn {
		fmt.Fprint(l.stderr, "\r\x1b[K")
		l.drawn = false
	}
}

func progressText(p tool.Progress) string {
	if p.Message != "" {
		return strings.ReplaceAll(p.Message, "\n", " ")
	}
	text := p.Task
	if p.Percent >= 0 {
		text += fmt.Sprintf(" %.0f%%", p.Percent)
	}
	if p.Total > 0 {
		text += fmt.Sprintf(" (%d of %d)", p.Done, p.Total)
	}
	return text
}

// plain takes everything out of foreign text that a terminal would obey: control characters other than line
// ends and tabs, and characters that turn the direction of writing around.
func plain(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n") // as HTTP ends its lines
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// line is foreign text in one line of ours.
func line(s string) string { return strings.ReplaceAll(plain(s), "\n", "\uFFFD") }

func printPlan(out io.Writer, p tool.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "verdict\t%s\n", p.Verdict)
	fmt.Fprintf(w, "rule\t%s\n", plain(p.Rule))
	if p.Error != nil {
		fmt.Fprintf(w, "refused as\t%s\n", p.Error.Kind)
		fmt.Fprintf(w, "what to do\t%s\n", plain(p.Error.Suggestion))
	}
	for _, t := range p.Targets {
		fmt.Fprintf(w, "%s\t%s -> %s\n", t.Argument, plain(t.Label), t.Literal())
	}
	if p.TimeoutSec > 0 {
		fmt.Fprintf(w, "timeout\t%g s\n", p.TimeoutSec)
	}
	if p.Program != "" {
		fmt.Fprintf(w, "program\t%s\n", plain(p.Program))
	}
	for i, arg := range p.Argv {
		fmt.Fprintf(w, "argv[%d]\t%s\n", i, plain(arg))
	}
	for _, t := range p.Tokens {
		fmt.Fprintf(w, "%s\t%s: %s\n", brief(plain(t.Text)), t.Verdict, plain(t.Why))
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "note\t%s\n", plain(n))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// brief keeps a long token, which stands whole in argv, from pushing everything else out of sight.
func brief(s string) string {
	const most = 32
	if r := []rune(s); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return s
}

// printProblems tells a person what keeps plugins and tools from being there.
func (h *host) printProblems(w io.Writer) {
	for _, p := range h.fleet.Problems() {
		fmt.Fprintf(w, "not used: %s\n", line(problemText(p)))
	}
	for _, s := range h.fleet.Status() {
		if s.State != fleet.Ready && s.Error != "" {
			fmt.Fprintf(w, "plugin %s is %s: %s\n", line(s.Name), s.State, line(s.Error))
			if s.Fix != "" {
				fmt.Fprintf(w, "  %s\n", line(s.Fix))
			}
		}
	}
}

func isTerminalWriter(w any) bool {
	f, ok := w.(*os.File)
	return ok && isTerminal(f)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != "null"
}
