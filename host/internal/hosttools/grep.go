package hosttools

import (
	"context"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
)

// Bounds of a search. The time that RE2 takes grows with the size of the pattern and that of the text
// alone; one piece of a line takes at most about 0.1 s.
const (
	maxSearch   = 2 * time.Second
	maxSearches = 2         // at a time, of all clients: each may take a core
	maxWaiting  = 3         // of one client, for the one of its searches that runs
	maxSteps    = 1000      // parts of a pattern, a repeated one as often as it is repeated
	maxLine     = 8 << 10   // bytes that are matched at once; a longer line is matched piece by piece
	maxShown    = 400       // characters of a line that are shown
	searchChunk = 256 << 10 // bytes that are read at once
)

// match is a line that matches.
type match struct {
	Line   int   `json:"line"`   // from 1
	Offset int64 `json:"offset"` // of the match, in bytes
}

// compile makes what lines are held to.
func compile(a readArgs) (*regexp.Regexp, error) {
	text := a.Grep
	if a.Fixed {
		text = regexp.QuoteMeta(text)
	}
	if a.IgnoreCase {
		text = "(?i)" + text
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, refuse("/grep", "is no regular expression of RE2: %v", err).
			Suggest("correct it, or set fixed to true to search for plain text")
	}
	if n := steps(parsed); n > maxSteps {
		return nil, refuse("/grep", "is too complex: it has %d steps, allowed are %d", n, maxSteps).
			Suggest("repeat less in it: {n,m} counts m times")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, refuse("/grep", "is no regular expression of RE2: %v", err)
	}
	return re, nil
}

// steps is about how many instructions a pattern has, before it is compiled to so many.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// search fills in the lines that match, from an offset on.
func (h *host) search(ctx context.Context, t turn, a readArgs, p *passage) error {
	re, err := compile(a)
	if err != nil {
		return err
	}
	leave, err := h.searches.enter(ctx, t.Viewer.Client)
	if err != nil {
		return err
	}
	defer leave()
	in := &lines{read: func(at int64) (executions.Chunk, error) {
		return t.book.Read(p.ID, p.Part, at, searchChunk)
	}}
	s := &searching{
		pattern: re, from: p.Offset, around: int(a.Context), room: int(a.MaxChars), most: int(a.MaxMatches),
		matches: []match{},
	}
	late, err := s.run(ctx, in)
	if err != nil {
		return err
	}
	if late {
		p.Advice = fmt.Sprintf("the search took more than %v: go on from next_offset", maxSearch)
	}
	p.Total, p.Complete = in.total, in.complete
	p.Text, p.Matches = s.out.String(), s.matches
	p.goOn(s.goOn(in.at))
	return nil
}

// searching is a search on its way.
type searching struct {
	pattern *regexp.Regexp
	from    int64 // lines that end before are not looked at
	around  int   // lines of context
	room    int   // characters that may still be shown
	most    int   // matches

	out     strings.Builder
	matches []match
	before  []line // that were not shown, around at most
	after   int    // lines of context to show yet
	last    int64  // where the line ends that was shown last
	full    bool
	resume  int64 // what was not shown, or looked at, any more, when full
}

// run looks at lines until there are enough, or no more, or it is late.
func (s *searching) run(ctx context.Context, in *lines) (late bool, err error) {
	end := time.Now().Add(maxSearch)
	for !s.full {
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case time.Now().After(end):
			return true, nil
		}
		l, ok, err := in.next()
		if err != nil || !ok {
			return false, err
		}
		s.take(l)
	}
	return false, nil
}

// take looks at a line.
func (s *searching) take(l line) {
	if l.end <= s.from {
		return
	}
	at := s.pattern.FindIndex(l.text)
	switch {
	case len(s.matches) == s.most && (at != nil || s.after == 0):
		s.stop(l.offset)
	case at != nil:
		s.show(l, at[0])
	case s.after > 0:
		s.after--
		s.print(l.offset, l.end, render(l, '-', 0))
	case s.around > 0:
		if len(s.before) == s.around {
			s.before = s.before[1:]
		}
		s.before = append(s.before, l)
	}
}

func (s *searching) stop(resume int64) { s.full, s.resume = true, resume }

// show prints a match with what stands before it: all of that, or nothing.
func (s *searching) show(l line, at int) {
	begin, shown := l.offset, ""
	for i, b := range s.before {
		if i == 0 {
			begin = b.offset
		}
		shown += render(b, '-', 0)
	}
	if s.around > 0 && s.last > 0 && s.last < begin {
		shown = "--\n" + shown
	}
	whole := render(l, ':', at)
	if s.out.Len() == 0 && excerpt.CountJSON(shown+whole) > s.room {
		shown = "" // better the match alone than nothing
	}
	s.before, s.after = nil, s.around
	if s.print(begin, l.end, shown+whole) {
		s.matches = append(s.matches, match{Line: l.number, Offset: l.offset + int64(at)})
	}
}

// print shows lines, if there is room. The first are shown in any case, so that who goes on gets further.
func (s *searching) print(begin, end int64, shown string) bool {
	n := excerpt.CountJSON(shown)
	if n > s.room && s.out.Len() > 0 {
		s.stop(begin)
		return false
	}
	s.room, s.last = s.room-n, end
	s.out.WriteString(shown)
	return true
}

// render is a line as it is shown. Of a long one it is the part where the match is.
func render(l line, mark byte, at int) string {
	const lead = maxShown / 4 // bytes before the match
	from := 0
	if len(l.text) > maxShown && at > lead {
		for from = at - lead; from < at && !utf8.RuneStart(l.text[from]); from++ {
		}
	}
	text, size := excerpt.Head(string(l.text[from:]), maxShown)
	dots := [2]string{}
	if from > 0 {
		dots[0] = "[...] "
	}
	if from+size < len(l.text) {
		dots[1] = " [...]"
	}
	return fmt.Sprintf("%d%c%s%s%s\n", l.number, mark, dots[0], text, dots[1])
}

// goOn is where to search on, when so much was read.
func (s *searching) goOn(at int64) int64 {
	if s.full {
		return s.resume
	}
	return max(at, s.from)
}
