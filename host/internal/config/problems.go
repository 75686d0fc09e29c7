package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problems are all that is wrong with a configuration, one line each.
type Problems []string

// Error is one problem in each line.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// maxProblems is how many are told at once: a file of garbage shall not fill the log.
const maxProblems = 100

// origins knows where the values in force come from, while they are being collected.
type origins struct {
	from  map[string]Origin   // key -> where its value in force comes from
	marks map[string]position // key of the file, elements and sections too -> where it stands
	file  string
}

type position struct{ line, column int }

// place is what a problem with a key begins with.
func (o *origins) place(key string) string {
	shown := printable(key)
	base := key
	if i := strings.LastIndexByte(key, '['); i > 0 && strings.HasSuffix(key, "]") {
		base = key[:i] // an element of a list
	}
	switch from := o.from[base]; from.Kind {
	case FromEnvironment:
		return "environment " + from.Name + ": " + shown
	case FromFlag:
		return "flag " + from.Name + ": " + shown
	}
	for at := key; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
		if mark, ok := o.marks[at]; ok {
			return o.at(mark) + ": " + shown
		}
	}
	return shown
}

func (o *origins) at(p position) string {
	return fmt.Sprintf("%s:%d:%d", printable(o.file), p.line, p.column)
}

// report collects what is wrong, and what was changed.
type report struct {
	found    Problems
	seen     map[string]bool // keys that something is wrong with
	more     int
	warnings []warning
}

// warning is about a value of one origin; it is told when that is in force.
type warning struct {
	key, text string
	from      Origin
}

// add notes a problem with a key. What follows from a problem with the same key is no news.
func (r *report) add(place, key, format string, args ...any) {
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	r.seen[key] = true
	if len(r.found) == maxProblems {
		r.more++
		return
	}
	r.found = append(r.found, place+": "+fmt.Sprintf(format, args...))
}

func (r *report) warn(key string, from Origin, format string, args ...any) {
	r.warnings = append(r.warnings, warning{key: key, text: fmt.Sprintf(format, args...), from: from})
}

// err is all that was found; nil: nothing.
func (r *report) err() error {
	if len(r.found) == 0 {
		return nil
	}
	if r.more > 0 {
		return append(slices.Clip(r.found), fmt.Sprintf("and %d problems more", r.more))
	}
	return r.found
}

// printable is foreign text as it may stand in a line of ours: quoted, if anything in it could be taken for
// something else.
func printable(s string) string {
	ordinary := func(r rune) bool {
		return r != utf8.RuneError && r != ' ' && r != '"' && r != ':' && unicode.IsPrint(r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !ordinary(r) }) {
		return short(s)
	}
	return quote(s)
}

// quote is foreign text in quotes, cut when it is long.
func quote(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
