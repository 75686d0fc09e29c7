package command

import "strings"

// fault is what getopt finds wrong with an option.
type fault int

const (
	noFault fault = iota
	unknownName
	ambiguous // several long options begin with what was written
	lacksValue
	hasValue // where none is taken
)

// found is an option as getopt reads it.
type found struct {
	name   string   // the program's, with hyphens, where there is one
	same   string   // which option that is
	value  string   // in the word, or the next
	valued bool     // there is one, be it empty
	fault  fault    // noFault: it is an option
	among  []string // the long options that an ambiguous one may mean
}

// scan reads words as getopt does: it is a reading of the GNU C library's, and tested against it.
type scan struct {
	*getopt
	words    []string
	at       int    // index of the next word
	rest     string // letters of a word that is not read to its end
	operands []string
}

// next is the next option; false: there is none, and all operands are known.
func (s *scan) next() (found, bool) {
	for s.rest == "" {
		if s.at == len(s.words) {
			return found{}, false
		}
		word := s.words[s.at]
		switch {
		case word == "--":
			return s.end(s.at + 1)
		case len(word) >= 2 && word[0] == '-':
			return s.option(word), true
		case s.ordered:
			return s.end(s.at)
		}
		s.operands = append(s.operands, word)
		s.at++
	}
	return s.letter(), true
}

// end takes all words that are left for operands.
func (s *scan) end(from int) (found, bool) {
	s.operands = append(s.operands, s.words[from:]...)
	s.at = len(s.words)
	return found{}, false
}

// option reads a word that begins with a hyphen. With getopt_long_only(3) it is a long option rather than
// letters, unless it is one letter that there is.
func (s *scan) option(word string) found {
	if s.isLong && word[1] == '-' {
		o, _ := s.longName(word[2:], true)
		return o
	}
	if s.longOnly && (len(word) > 2 || !s.listed[word[1]]) {
		if o, ok := s.longName(word[1:], !s.listed[word[1]]); ok {
			return o
		}
	}
	s.rest = word[1:]
	return s.letter()
}

// longName reads a long option, with what stands behind an equals sign. false: there is none of that name,
// and it need not be one.
func (s *scan) longName(text string, must bool) (found, bool) {
	name, value, equals := strings.Cut(text, "=")
	option, among := s.lookUp(name)
	if option == nil && len(among) == 0 && !must {
		return found{}, false
	}
	s.at++
	switch {
	case len(among) > 0:
		return found{fault: ambiguous, among: among}, true
	case option == nil:
		return found{fault: unknownName}, true
	}
	o := found{name: "--" + option.name, same: option.same}
	switch {
	case equals && option.takes == takesNone:
		o.fault = hasValue
	case equals:
		o.value, o.valued = value, true
	case option.takes == takesValue:
		s.nextWord(&o)
	}
	return o, true
}

// lookUp finds a long option by its name, or by the beginning of its name, or says among which ones it cannot
// decide.
func (s *scan) lookUp(name string) (option *longOption, among []string) {
	differ := false
	for i := range s.long {
		o := &s.long[i]
		switch {
		case o.name == name:
			return o, nil
		case !strings.HasPrefix(o.name, name):
			continue
		case option == nil:
			option = o
		case s.longOnly || option.takes != o.takes || option.same != o.same:
			differ = true
		}
		among = append(among, "--"+o.name)
	}
	if differ {
		return nil, among
	}
	return option, nil
}

// letter reads the next letter of a word.
func (s *scan) letter() found {
	c := s.rest[0]
	s.rest = s.rest[1:]
	if s.rest == "" {
		s.at++
	}
	name := "-" + string([]byte{c})
	o := found{name: name, same: name}
	switch t := s.short[c]; {
	case t == unknownOption:
		o.fault = unknownName
	case t == takesNone:
	case s.rest != "":
		o.value, o.valued, s.rest = s.rest, true, ""
		s.at++
	case t == takesValue:
		s.nextWord(&o)
	}
	return o
}

// nextWord takes the next word for a value, whatever it is.
func (s *scan) nextWord(o *found) {
	if s.at == len(s.words) {
		o.fault = lacksValue
		return
	}
	o.value, o.valued = s.words[s.at], true
	s.at++
}
