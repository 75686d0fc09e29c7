package clientconfig

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// patch is a piece of the document that becomes another.
type patch struct {
	span
	with string
}

// apply makes the document with the patches in it, which do not overlap.
func (d document) apply(patches ...patch) []byte {
	slices.SortStableFunc(patches, func(a, b patch) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, p := range patches {
		out = append(append(out, d.raw[at:p.start]...), p.with...)
		at = p.end
	}
	return append(out, d.raw[at:]...)
}

func insertion(at int, with string) patch { return patch{span{at, at}, with} }

// set makes v the value at a path. Objects on the way that are not there are made.
func (d document) set(v jsontext.Value, path ...string) ([]byte, error) {
	last := len(path) - 1
	o, depth, err := d.at(path[:last]...)
	if err != nil {
		return nil, err
	}
	for i := last; i > depth; i-- {
		v = encodeObject([]field{{path[i], v}})
	}
	if n := o.find(path[depth]); n >= 0 {
		return d.apply(patch{o.members[n].value, d.render(v, o.members[n])}), nil
	}
	if len(o.members) == 0 {
		return d.apply(d.fill(o, path[depth], v)), nil
	}
	return d.apply(d.add(o, path[depth], v)...), nil
}

// render writes a value in the way of the member whose value it becomes.
func (d document) render(v jsontext.Value, m member) string {
	_, own := d.indent(m.key.start)
	if own || bytes.ContainsRune(d.plain[m.value.start:m.value.end], '\n') {
		return string(indented(v, d.lineIndent(m.key.start), d.unit(), d.newline()))
	}
	return d.oneLine(v)
}

// add puts a member after the last one of an object, in a line of its own when that one has. A comment that
// stands behind the last one stays with it.
func (d document) add(o object, name string, v jsontext.Value) []patch {
	last := o.members[len(o.members)-1]
	end, comma := last.value.end, d.commaAfter(last.value.end)
	indent, own := d.indent(last.key.start)
	lead, tail := d.gap(), ""
	if own {
		lead = d.newline() + indent
	}
	patches := []patch{insertion(end, ",")}
	if comma >= 0 { // the style of trailing commas goes on
		end, tail, patches = comma+1, ",", nil
	}
	member := string(encode(name)) + ":" + d.gap() + d.oneLine(v)
	if own {
		end = d.lineEnd(end)
		member = string(encode(name)) + ": " + string(indented(v, indent, d.unit(), d.newline()))
	}
	return append(patches, insertion(end, lead+member+tail))
}

// fill puts the first member into an object, behind the comments that may stand in it.
func (d document) fill(o object, name string, v jsontext.Value) patch {
	if d.flat() {
		return insertion(o.start+1, string(encode(name))+":"+d.gap()+d.oneLine(v))
	}
	nl, outer := d.newline(), d.lineIndent(o.start)
	inner := outer + d.unit()
	member := nl + inner + string(encode(name)) + ": " + string(indented(v, inner, d.unit(), nl))
	if n := bytes.LastIndexByte(d.plain[o.start:o.end], '\n'); n >= 0 {
		at := o.start + n
		if d.plain[at-1] == '\r' {
			at--
		}
		return insertion(at, member)
	}
	return insertion(o.start+1, member+nl+outer)
}

// remove takes the member at a path out. Nothing happens when it is not there.
func (d document) remove(path ...string) ([]byte, error) {
	last := len(path) - 1
	o, depth, err := d.at(path[:last]...)
	if err != nil || depth < last {
		return d.raw, err
	}
	n := o.find(path[last])
	if n < 0 {
		return d.raw, nil
	}
	patches := d.cut(o, n)
	if len(o.members) == 1 && d.emptied(o, patches) {
		return d.apply(patch{o.span, "{}"}), nil
	}
	return d.apply(patches...), nil
}

// cut takes a member out with the comma that it leaves over, and with its line when nothing else stands
// there.
func (d document) cut(o object, n int) []patch {
	m := o.members[n]
	from, to := m.key.start, m.value.end
	var patches []patch
	if comma := d.commaAfter(to); comma >= 0 {
		if len(bytes.TrimSpace(d.raw[to:comma])) == 0 {
			to = comma + 1
		} else {
			patches = append(patches, patch{span: span{comma, comma + 1}})
		}
	} else if n > 0 {
		before := o.members[n-1].value.end
		comma := before + bytes.IndexByte(d.plain[before:from], ',')
		patches = append(patches, patch{span: span{comma, comma + 1}})
	}
	indent, own := d.indent(from)
	switch rest := d.raw[to:]; {
	case own && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r"), []byte("\n")):
		from -= len(indent) + 1
		if d.raw[from-1] == '\r' {
			from--
		}
	case !own && n > 0:
		from = len(bytes.TrimRight(d.raw[:from], " \t"))
	default:
		to = len(d.raw) - len(bytes.TrimLeft(rest, " \t"))
	}
	return append(patches, patch{span: span{from, to}})
}

// emptied reports whether nothing is left of an object, comments included.
func (d document) emptied(o object, patches []patch) bool {
	left := len(bytes.TrimSpace(d.raw[o.start+1 : o.end-1]))
	for _, p := range patches {
		left -= len(bytes.TrimSpace(d.raw[p.start:p.end]))
	}
	return left == 0
}

// commaAfter is the offset of the comma behind a value, of one too that only trails; -1: there is none.
func (d document) commaAfter(end int) int {
	next := len(d.plain) - len(bytes.TrimLeft(d.plain[end:], " \t\r\n"))
	if d.plain[next] == ',' {
		return next
	}
	if i, _ := slices.BinarySearch(d.commas, end); i < len(d.commas) && d.commas[i] < next {
		return d.commas[i]
	}
	return -1
}

// lineEnd is the offset of the line's end behind at, if nothing but space and comments comes before it; else
// at.
func (d document) lineEnd(at int) int {
	rest := bytes.TrimLeft(d.plain[at:], " \t")
	if len(rest) > 0 && (rest[0] == '\n' || rest[0] == '\r') {
		return len(d.plain) - len(rest)
	}
	return at
}

// indent is the space between the line's begin and an offset; false when anything else stands there.
func (d document) indent(at int) (string, bool) {
	begin := bytes.LastIndexByte(d.raw[:at], '\n') + 1
	indent := string(d.raw[begin:at])
	return indent, begin > 0 && strings.Trim(indent, " \t") == ""
}

// lineIndent is the space at the begin of the line that an offset lies in.
func (d document) lineIndent(at int) string {
	line := d.raw[bytes.LastIndexByte(d.raw[:at], '\n')+1 : at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// unit is one step of the document's indentation.
func (d document) unit() string {
	if len(d.top.members) > 0 {
		if indent, own := d.indent(d.top.members[0].key.start); own && indent != "" {
			return indent
		}
	}
	return "  "
}

func (d document) newline() string {
	if n := bytes.IndexByte(d.raw, '\n'); n > 0 && d.raw[n-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// flat reports whether the document, which holds something, is one line.
func (d document) flat() bool {
	return len(d.top.members) > 0 && bytes.IndexByte(d.plain[d.top.start:d.top.end], '\n') < 0
}

// gap is what stands between a name's colon and its value in one line.
func (d document) gap() string {
	if m := d.top.members; len(m) > 0 && d.plain[m[0].value.start-1] == ' ' {
		return " "
	}
	return ""
}

func (d document) oneLine(v jsontext.Value) string {
	v = v.Clone()
	spaced := d.gap() != ""
	_ = v.Format(jsontext.SpaceAfterColon(spaced), jsontext.SpaceAfterComma(spaced)) // it is valid: we made it
	return string(v)
}

// indented writes a value over several lines, of which the first has no indentation of its own.
func indented(v jsontext.Value, prefix, unit, newline string) []byte {
	v = v.Clone()
	_ = v.Format(jsontext.WithIndentPrefix(prefix), jsontext.WithIndent(unit)) // it is valid: we made it
	return bytes.ReplaceAll(v, []byte("\n"), []byte(newline))
}
