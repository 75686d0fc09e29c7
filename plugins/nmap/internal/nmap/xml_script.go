package nmap

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// script reads what one script says: a text, and for many the same in parts, <elem> and <table>, which a script
// in Lua has as tables and so may have keys or not.
type script struct {
	about Script
	root  part
	open  []*part // from the root to where the reader is
	parts int
	bytes int
	cut   bool
}

// part is a text or a table.
type part struct {
	key   string
	table bool
	text  []byte
	parts []*part
}

func newScript(a attrs) *script {
	s := &script{about: Script{ID: a.text("id"), Output: sdk.Untrusted(cut(a["output"], maxScript))}}
	s.cut = len(a["output"]) > maxScript
	s.root.table = true
	s.open = []*part{&s.root}
	return s
}

// start opens a part. One that is beyond the bounds is read and forgotten.
func (s *script) start(name string, a attrs) {
	if name != "elem" && name != "table" {
		return
	}
	p := &part{key: sdk.Untrusted(cut(a["key"], maxKey)).Clean(), table: name == "table"}
	parent := s.open[len(s.open)-1]
	s.open = append(s.open, p)
	s.bytes += len(p.key)
	if !parent.table || s.parts >= maxParts || s.bytes > maxParsed || len(s.open) > maxNested {
		s.cut = true
		return
	}
	s.parts++
	parent.parts = append(parent.parts, p)
}

func (s *script) end(name string) {
	if name == "elem" || name == "table" {
		s.open = s.open[:len(s.open)-1]
	}
}

func (s *script) text(b []byte) {
	p := s.open[len(s.open)-1]
	if p.table {
		return
	}
	kept := cut(string(b), max(min(maxElem-len(p.text), maxParsed-s.bytes), 0))
	s.cut = s.cut || len(kept) < len(b)
	p.text = append(p.text, kept...)
	s.bytes += len(kept)
}

// result is what the script said, and whether there was more of it.
func (s *script) result() (Script, bool) {
	if len(s.root.parts) > 0 {
		if raw, err := json.Marshal(s.root.value()); err == nil { // texts, lists and objects always marshal
			s.about.Data = raw
		}
	}
	return s.about, s.cut
}

// value is a text, an array when nothing in a table has a key, and otherwise an object. There a part without a
// key, or with one that is taken, gets its number into the key.
func (p *part) value() any {
	if !p.table {
		return sdk.Untrusted(p.text)
	}
	if !slices.ContainsFunc(p.parts, func(x *part) bool { return x.key != "" }) {
		list := make([]any, len(p.parts))
		for i, x := range p.parts {
			list[i] = x.value()
		}
		return list
	}
	object := make(map[string]any, len(p.parts))
	for i, x := range p.parts {
		key := x.key
		for taken := key == ""; taken || object[key] != nil; taken = false {
			key += "#" + strconv.Itoa(i+1)
		}
		object[key] = x.value()
	}
	return object
}
