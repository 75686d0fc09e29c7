package strictjson

import (
	"bytes"
	"hash/maphash"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	few      = 16       // names of an object that are compared one by one
	keepRoom = 64 << 10 // bytes, about, of each buffer that are kept for the next document
)

// names knows the names of all open objects by a hash of their folded forms, under a seed that no stranger
// knows. Two names that differ have one hash by an accident of 1 in 2^64; the second is then refused.
type names struct {
	list   []name
	levels []level
	folded []byte // the name at hand
}

// name is where one stands in the document, in its quotes.
type name struct {
	hash       uint64
	start, end int
}

// level is an open array or object.
type level struct {
	first int            // of its names in the list
	index map[uint64]int // hash -> place in the list; nil while there are few
}

var seed = maphash.MakeSeed()

func (n *names) open() { n.levels = append(n.levels, level{first: len(n.list)}) }

func (n *names) close() {
	last := len(n.levels) - 1
	n.list = n.list[:n.levels[last].first]
	n.levels[last].index = nil
	n.levels = n.levels[:last]
}

// reset forgets all; ok is whether what is left is small enough to be kept.
func (n *names) reset() (ok bool) {
	clear(n.levels)
	n.list, n.levels, n.folded = n.list[:0], n.levels[:0], n.folded[:0]
	return 24*cap(n.list) <= keepRoom && 16*cap(n.levels) <= keepRoom && cap(n.folded) <= keepRoom
}

// add takes the name raw[start:end] into the innermost object. If it has one that is equal but for case, add
// returns that.
func (n *names) add(raw []byte, start, end int) (other string, again bool) {
	n.folded = fold(n.folded[:0], raw[start:end])
	hash := maphash.Bytes(seed, n.folded)
	in := &n.levels[len(n.levels)-1]
	if i := n.find(in, hash); i >= 0 {
		earlier, _ := jsontext.AppendUnquote(nil, raw[n.list[i].start:n.list[i].end]) // a good string
		return string(earlier), true
	}
	n.list = append(n.list, name{hash, start, end})
	n.note(in)
	return "", false
}

// find returns the place of a name in the list; below 0: it is not there.
func (n *names) find(in *level, hash uint64) int {
	if in.index != nil {
		if i, found := in.index[hash]; found {
			return i
		}
		return -1
	}
	for i := in.first; i < len(n.list); i++ {
		if n.list[i].hash == hash {
			return i
		}
	}
	return -1
}

// note puts the last name of the list into the index of its object, which gets one when it has many names.
func (n *names) note(in *level) {
	last := len(n.list) - 1
	switch count := len(n.list) - in.first; {
	case count > few+1:
		in.index[n.list[last].hash] = last
	case count == few+1:
		in.index = make(map[uint64]int, 4*few)
		for i := in.first; i <= last; i++ {
			in.index[n.list[i].hash] = i
		}
	}
}

// fold appends what is the same for all names that are equal but for case.
func fold(dst, quoted []byte) []byte {
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') >= 0 {
		plain, _ = jsontext.AppendUnquote(nil, quoted) // a good string
	}
	for i := 0; i < len(plain); {
		if c := plain[i]; c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, width := utf8.DecodeRune(plain[i:])
		dst = utf8.AppendRune(dst, foldRune(r))
		i += width
	}
	return dst
}

// foldRune is the first of all runes that strings.EqualFold does not tell apart: of K, k and the Kelvin sign
// it is K.
func foldRune(r rune) rune {
	first := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		first = min(first, f)
	}
	return first
}
