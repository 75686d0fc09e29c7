package excerpt

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// measure is how the characters of a text are counted.
type measure bool

const (
	plain  measure = false // as they are shown
	quoted measure = true  // as they stand in a JSON string
)

// chars is how many characters a unit is shown with. A unit is what is never parted: a character, a line end
// of Windows, or what a mark begins with.
func (m measure) chars(unit string) int {
	c := unit[0]
	switch {
	case asIs[c] && len(unit) == 1:
		return 1
	case asIs[c]:
		return m.escaped(utf8.RuneCountInString(marks.Replace(unit)))
	case c == '\n', c == '\t', c == '"', c == '\\', len(unit) == 2 && c == '\r':
		return m.escaped(1)
	case c < utf8.RuneSelf:
		return m.escaped(len(`\x1B`))
	}
	if n := utf8.RuneCountInString(Clean(unit)); n > 1 {
		return m.escaped(n)
	}
	return 1
}

// escaped is how many characters n are of which one has to be escaped by JSON.
func (m measure) escaped(n int) int {
	if m == quoted {
		return n + 1
	}
	return n
}

// first is how many bytes the first unit of s has.
func first(s string) int {
	switch {
	case s[0] == '\r' && strings.HasPrefix(s, "\r\n"):
		return 2
	case s[0] == '[' && (strings.HasPrefix(s, mark) || strings.HasPrefix(s, likeMark)):
		return len(mark)
	case s[0] < utf8.RuneSelf:
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// last is how many bytes the last unit of s has.
func last(s string) int {
	switch {
	case strings.HasSuffix(s, "\r\n"):
		return 2
	case strings.HasSuffix(s, mark), strings.HasSuffix(s, likeMark):
		return len(mark)
	}
	_, n := utf8.DecodeLastRuneInString(s)
	return n
}

// need is how many characters s takes; more than limit are not counted.
func (m measure) need(s string, limit int) int {
	n := 0
	for i := 0; i < len(s) && n <= limit; {
		size := first(s[i:])
		n += m.chars(s[i : i+size])
		i += size
	}
	return n
}

// ours is how many characters a text of the host's takes.
func (m measure) ours(s string) int {
	if m == quoted {
		return CountJSON(s)
	}
	return utf8.RuneCountInString(s)
}

// head is where the part of s that takes at most room characters from its beginning ends: at the end of a
// line if there is one in its last quarter.
func (m measure) head(s string, room int) int {
	end, line, used := 0, 0, 0
	for end < len(s) {
		size := first(s[end:])
		n := m.chars(s[end : end+size])
		if used+n > room {
			break
		}
		end, used = end+size, used+n
		if s[end-1] == '\n' && 4*used >= 3*room {
			line = end
		}
	}
	if line > 0 && end < len(s) {
		return line
	}
	return end
}

// tail is where the part of s that takes at most room characters to its end begins: at the beginning of a
// line if there is one in its first quarter.
func (m measure) tail(s string, room int) int {
	start, line, used := len(s), 0, 0
	for start > 0 {
		size := last(s[:start])
		n := m.chars(s[start-size : start])
		if used+n > room {
			break
		}
		start, used = start-size, used+n
		if start > 0 && s[start-1] == '\n' && 4*used >= 3*room {
			line = start
		}
	}
	if line > 0 && start > 0 {
		return line
	}
	return start
}

// beginning is the head of s, clean, of one unit at least, and its bytes in s.
func (m measure) beginning(s string, limit int) (text string, size int) {
	size = m.head(s, limit)
	if size == 0 && s != "" {
		size = first(s)
	}
	return legible(s[:size]), size
}

// mark is what the host's line begins with that stands for what is left out, and likeMark what looks the
// same. Both have one size.
const (
	mark     = "[..."
	likeMark = "[…"
)

// marks takes from a foreign text what could be taken for the host's word.
var marks = strings.NewReplacer(mark, `\x5B...`, likeMark, `\x5B…`)

func unmark(s string) string {
	if strings.Contains(s, mark) || strings.Contains(s, likeMark) {
		return marks.Replace(s)
	}
	return s
}

// legible is a foreign text as it is shown where there may be marks.
func legible(s string) string { return unmark(Clean(s)) }

// gap is what is left out of a text.
type gap struct {
	from                     int // byte offset
	bytes, characters, lines int
}

func gapOf(s string, from, to int) gap {
	left := s[from:to]
	g := gap{from: from, bytes: len(left), characters: utf8.RuneCountInString(left)}
	g.lines = strings.Count(left, "\n")
	if left != "" && !strings.HasSuffix(left, "\n") {
		g.lines++
	}
	return g
}

// bareMark stands for what is left out where there is no way to read it.
func bareMark(g gap) string {
	return fmt.Sprintf(mark+" %d characters in %d lines left out here by the host ...]", g.characters, g.lines)
}

// excerpt keeps of a text that does not fit two thirds of the room at its beginning and one third at its end,
// with a line between. Where not even that line fits nothing is kept.
func (m measure) excerpt(s string, room int, line func(gap) string) (shown, gap) {
	all := gapOf(s, 0, len(s))
	widest := all
	widest.from = len(s)
	room -= m.ours("\n" + line(widest) + "\n")
	if room <= 0 {
		return shown{}, all
	}
	end := m.head(s, room*2/3)
	start := end + m.tail(s[end:], room-room*2/3)
	g := gapOf(s, end, start)
	return shown{head: s[:end], mark: line(g), tail: s[start:]}, g
}

// short is s, legible, in at most limit characters.
func (m measure) short(s string, limit int) string {
	text, _ := m.shorten(s, limit)
	return text
}

// shorten is s, legible, in at most limit characters, and what is left out of it.
func (m measure) shorten(s string, limit int) (string, gap) {
	if m.need(s, limit) <= limit {
		return legible(s), gap{}
	}
	kept, g := m.excerpt(s, limit, bareMark)
	if kept == (shown{}) {
		kept.head = s[:m.head(s, limit)]
		g = gapOf(s, len(kept.head), len(s))
	}
	return kept.text(), g
}

// shown is what is shown of a text: all of it in head, or its two ends with a line of the host's between.
type shown struct{ head, mark, tail string }

// between is the host's line with the line ends that it needs.
func (s shown) between() string {
	switch {
	case s.mark == "":
		return ""
	case s.head == "" || strings.HasSuffix(s.head, "\n"):
		return s.mark + "\n"
	}
	return "\n" + s.mark + "\n"
}

func (s shown) text() string {
	if s.mark == "" {
		return legible(s.head)
	}
	return legible(s.head) + s.between() + legible(s.tail)
}

// append writes the text as a JSON string.
func (s shown) append(b []byte) []byte {
	b = appendText(append(b, '"'), unmark(s.head))
	if s.mark != "" {
		b = appendText(appendText(b, s.between()), unmark(s.tail))
	}
	return append(b, '"')
}
