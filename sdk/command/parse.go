package command

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// maxExplained is how many pieces of extra_args a plan has before it is brief about unknown flags.
const maxExplained = 8

// split cuts extra_args at runs of U+0020, and refuses whatever is not on the list of bytes.
func (t *Tool) split(text string, policy sdk.Policy) ([]string, error) {
	if err := t.checkBytes(argExtra, text, "", policy); err != nil {
		return nil, err
	}
	return fields(text), nil
}

// fields cuts a text at runs of blanks, and nowhere else.
func fields(text string) []string {
	words := make([]string, 0, 1+strings.Count(text, " "))
	for text != "" {
		var word string
		if word, text, _ = strings.Cut(text, " "); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// byteSet is a set of bytes.
type byteSet [256]bool

func newByteSet(bytes string) (s byteSet) {
	for i := range len(bytes) {
		s[bytes[i]] = true
	}
	return s
}

// checkBytes holds the text of an argument to the length and the bytes of extra_args, and to some further
// bytes.
func (t *Tool) checkBytes(name, text, further string, policy sdk.Policy) *sdk.Error {
	limit := policy.MaxArgsLength
	if t.def.MaxArgsLength > 0 {
		limit = min(limit, t.def.MaxArgsLength)
	}
	if len(text) > limit {
		return sdk.Errorf(sdk.KindValidation, "%s has %d bytes; allowed are %d", name, len(text), limit).
			Suggest("use less of it, or shorter lists")
	}
	for i := range len(text) {
		if c := text[i]; c != ' ' && !t.bytes[c] && strings.IndexByte(further, c) < 0 {
			_, size := utf8.DecodeRuneInString(text[i:]) // half a letter says nothing to a reader
			err := sdk.Errorf(sdk.KindValidation, "%s: byte %d (%q) is not allowed", name, i+1,
				text[i:i+size])
			return err.Suggest("there are no quotes, escapes or shell characters here; separate flags with " +
				"blanks")
		}
	}
	return nil
}

// parser reads words by a table. One that tells goes on after a mistake, so that a plan has a verdict on
// every piece; any other has done its work then.
type parser struct {
	table  *table
	policy sdk.Policy
	from   source // of what is read
	// telling is whether it makes the tokens.
	telling bool
	as      string // what the word at hand was read as, where it does not say so itself

	words    []string // not yet read
	options  []Option
	tokens   []sdk.Token
	rejected error   // the first
	last     written // what was read, if all went well so far
}

// written is a flag as it was written, with its value.
type written struct {
	flag     *Flag
	value    string
	hasValue bool
}

func (p *parser) parse(words []string) {
	p.words = words
	p.options = make([]Option, 0, min(len(words), len(p.table.flags))+8) // and defaults come
	for len(p.words) > 0 && (p.telling || p.rejected == nil) {
		p.word()
	}
}

// word reads the next flag, with its value.
func (p *parser) word() {
	word := p.words[0]
	flag := len(word) >= 2 && word[0] == '-' && word != "--"
	if flag && p.table.getopt != nil {
		p.resolve(word)
		return
	}
	p.words = p.words[1:]
	if !flag {
		p.reject(word, p.stray(word))
		return
	}
	if flags := p.table.letters(word); flags != nil {
		for _, f := range flags {
			p.flag(f, word, "", "", false)
		}
		return
	}
	name, value, equals := strings.Cut(word, "=")
	f := p.table.byName[name]
	if f == nil && !equals {
		f, value = p.table.attached(word)
	}
	switch {
	case f == nil:
		p.unknown(word)
	case f.Refused != "":
		p.reject(word, refused(f))
	case equals && (len(name) == 2 || f.forms()&Equals == 0 || f.Value.Read == nil):
		p.reject(word, sdk.Errorf(sdk.KindValidation, "%s cannot be written with an equals sign", name).
			Suggest("write %s", f.instead(value, p.policy)))
	case equals || value != "":
		p.flag(f, word, "", value, true)
	case f.Value.Read == nil || f.Optional:
		p.flag(f, word, "", "", false)
	default:
		p.next(f, word)
	}
}

// next takes the word behind a flag for its value.
func (p *parser) next(f *Flag, word string) {
	if f.forms()&Next == 0 || len(p.words) == 0 || p.words[0][0] == '-' {
		p.reject(word, p.without(f, word))
		return
	}
	value := p.words[0]
	p.words = p.words[1:]
	p.flag(f, word, value, value, true)
}

// flag takes a flag that is in the table. It was written as word and, perhaps, next.
func (p *parser) flag(f *Flag, word, next, value string, hasValue bool) {
	o := Option{Flag: f, from: p.from, as: p.as}
	if hasValue {
		var err error
		if o.Value, err = f.Value.Read(value, p.policy); err != nil {
			p.reject(spaced(word, next), badValue(f.Name, value, err, f.Value))
			return
		}
	}
	p.last = written{f, value, hasValue}
	if have := clash(p.options, o); have != nil {
		p.reject(spaced(word, next), twice(f, have.Flag))
		return
	}
	p.options = append(p.options, o)
	if p.telling {
		p.tokens = append(p.tokens, o.token(spaced(word, next), p.policy))
	}
}

func spaced(word, next string) string {
	if next == "" {
		return word
	}
	return word + " " + next
}

// unknown refuses a word that is no flag. What may have been meant is said of the first ones: nobody reads
// more, and it costs something.
func (p *parser) unknown(word string) {
	if p.rejected != nil && len(p.tokens) >= maxExplained {
		p.tokens = append(p.tokens, sdk.Token{Text: word, Verdict: sdk.Reject, Why: "unknown flag"})
		return
	}
	p.reject(word, p.table.unknown(word))
}

// stray is the error of a word that neither is a flag nor belongs to one, though it may have been meant for
// the one before it.
func (p *parser) stray(word string) *sdk.Error {
	err := sdk.Errorf(sdk.KindValidation, "%s is no flag; %s takes flags alone", quoted(word), argExtra).
		Suggest("the target has an argument of its own; a flag's value stands right behind it")
	f, last := p.last.flag, p.last
	switch {
	case p.rejected != nil || f == nil || word[0] == '-':
	case f.Value.Read == nil && digits(word):
		return p.table.valueless(f, word)
	case f.Value.Read == nil:
	case !last.hasValue && f.reads(word, p.policy):
		err.Suggest("write %s: the value of %s is attached to it", f.with(word), f.Name)
	case last.hasValue && f.reads(last.value+","+word, p.policy):
		err.Suggest("write %s: the items of a list are separated by commas alone",
			clipped(f.with(last.value+","+word)))
	}
	return err
}

// without is the error of a flag that has no value, where the next word is none, or may not be one.
func (p *parser) without(f *Flag, word string) *sdk.Error {
	if len(p.words) == 0 {
		return sdk.Errorf(sdk.KindValidation, "%s has no value", word).Suggest("write %s", f.usage())
	}
	next := p.words[0]
	switch {
	case f.forms()&Attached != 0 && f.reads(next, p.policy):
		return sdk.Errorf(sdk.KindValidation, "%s has no value: %s is written without a blank", word,
			word+clipped(next)).
			Suggest("write %s", word+clipped(next))
	case next[0] == '-' && digits(next[1:]):
		return sdk.Errorf(sdk.KindValidation, "%s has no value: %s begins with a hyphen, as flags do", word,
			quoted(next)).
			Suggest("write %s", f.usage())
	}
	return sdk.Errorf(sdk.KindValidation, "%s has no value", word).Suggest("write %s", f.usage())
}

// reads reports whether a text is a value of the flag.
func (f *Flag) reads(value string, p sdk.Policy) bool {
	_, err := f.Value.Read(value, p)
	return err == nil
}

// instead is how to write a flag that was written with a value in a wrong way.
func (f *Flag) instead(value string, p sdk.Policy) string {
	if f.Value.Read != nil && f.reads(value, p) {
		return f.with(clipped(value))
	}
	return f.usage()
}

func (p *parser) reject(text string, err *sdk.Error) {
	if p.telling {
		p.tokens = append(p.tokens, sdk.Token{Text: text, Verdict: sdk.Reject, Why: err.Message})
	}
	if p.rejected == nil {
		p.rejected = err
	}
}

// refused is the error of a flag that is never taken. A reason that says what to write is what to do as well.
func refused(f *Flag) *sdk.Error {
	err := sdk.Errorf(sdk.KindValidation, "%s is not allowed: %s", f.Name, f.Refused)
	if strings.HasPrefix(f.Refused, "write ") {
		return err.Suggest("%s", f.Refused)
	}
	return err.Suggest("leave it out")
}

// badValue is the error of a value that a grammar does not read. It is called by the name under which
// the caller knows it.
func badValue(name, value string, err error, g Grammar) *sdk.Error {
	if own := (*sdk.Error)(nil); errors.As(err, &own) {
		named := own.About("", "")
		named.Message = name + ": " + own.Message
		return named
	}
	return sdk.Errorf(sdk.KindValidation, "%s: %s: %w", name, quoted(value), err).
		Suggest("allowed is %s", g.Want)
}

func twice(f, have *Flag) *sdk.Error {
	if f == have {
		return sdk.Errorf(sdk.KindValidation, "%s is given twice", f.Name).Suggest("give it once")
	}
	return sdk.Errorf(sdk.KindValidation, "%s and %s exclude each other: only one %s can be given",
		have.Name, f.Name, f.Group).Suggest("choose one of them")
}

func about(f *Flag) string {
	if f.About != "" {
		return f.About
	}
	return fmt.Sprintf("%s is in the table", f.Name)
}
