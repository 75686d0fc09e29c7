package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// split cuts extra_args at runs of U+0020, and refuses whatever is not on the list of bytes.
func (t *Tool) split(text string, policy sdk.Policy) ([]string, error) {
	limit := policy.MaxArgsLength
	if t.def.MaxArgsLength > 0 {
		limit = min(limit, t.def.MaxArgsLength)
	}
	if len(text) > limit {
		return nil, sdk.Errorf(sdk.KindValidation, "%s has %d bytes; allowed are %d", argExtra, len(text), limit).
			Suggest("use fewer flags, or shorter lists")
	}
	allowed := t.def.Bytes
	if allowed == "" {
		allowed = defaultBytes
	}
	for i := range len(text) {
		if c := text[i]; c != ' ' && strings.IndexByte(allowed, c) < 0 {
			return nil, sdk.Errorf(sdk.KindValidation, "%s: byte %d (%q) is not allowed", argExtra, i+1, text[i:i+1]).
				Suggest("there are no quotes, escapes or shell characters here; separate flags with blanks")
		}
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }), nil
}

// parser reads words by a table. It goes on after a mistake, so that a plan has a verdict on every piece.
type parser struct {
	table  *table
	policy sdk.Policy

	words    []string // not yet read
	options  []Option
	tokens   []sdk.Token
	rejected error // the first
	gated    error // the first
}

func (p *parser) parse(words []string) {
	p.words = words
	for len(p.words) > 0 {
		p.word()
	}
}

// word reads the next flag, with its value.
func (p *parser) word() {
	word := p.words[0]
	p.words = p.words[1:]
	if len(word) < 2 || word[0] != '-' || word == "--" {
		p.reject(word, sdk.Errorf(sdk.KindValidation, "%q is no flag; %s takes flags alone", word, argExtra).
			Suggest("the target has an argument of its own; a flag's value stands right behind it"))
		return
	}
	if flags := p.table.letters(word); flags != nil {
		for _, f := range flags {
			p.flag(f, word, "", false)
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
		p.reject(word, sdk.Errorf(sdk.KindValidation, "%s is not allowed: %s", f.Name, f.Refused).
			Suggest("leave it out"))
	case equals && (len(name) == 2 || f.forms()&Equals == 0 || f.Value.Read == nil):
		p.reject(word, sdk.Errorf(sdk.KindValidation, "%s cannot be written with an equals sign", name).
			Suggest("write %s", f.usage()))
	case equals || value != "":
		p.flag(f, word, value, true)
	case f.Value.Read == nil || f.Optional:
		p.flag(f, word, "", false)
	default:
		p.next(f, word)
	}
}

// next takes the word behind a flag for its value.
func (p *parser) next(f *Flag, word string) {
	if f.forms()&Next == 0 || len(p.words) == 0 || p.words[0][0] == '-' {
		p.reject(word, sdk.Errorf(sdk.KindValidation, "%s has no value", word).
			Suggest("write %s: %s", f.usage(), f.Value.Want))
		return
	}
	value := p.words[0]
	p.words = p.words[1:]
	p.flag(f, word+" "+value, value, true)
}

// flag takes a flag that is in the table.
func (p *parser) flag(f *Flag, text, value string, hasValue bool) {
	o := Option{Flag: f}
	if hasValue {
		var err error
		if o.Value, err = f.Value.Read(value, p.policy); err != nil {
			p.reject(text, badValue(f, value, err))
			return
		}
	}
	if have := (&Job{options: p.options}).clash(o); have != nil {
		p.reject(text, twice(f, have.Flag))
		return
	}
	p.options = append(p.options, o)
	p.judge(f, o, text)
}

// judge writes the verdict on a flag that is understood.
func (p *parser) judge(f *Flag, o Option, text string) {
	why := f.Gated
	if why == "" {
		why = o.Value.Gated
	}
	token := sdk.Token{Text: text, Verdict: sdk.Accept, Why: about(f)}
	switch {
	case why != "" && p.policy.AllowIntrusive:
		token.Why += "; allow_intrusive is on"
	case why != "":
		token.Verdict, token.Why = sdk.Gated, why
		if p.gated == nil {
			p.gated = sdk.Errorf(sdk.KindIntrusiveDenied, "%s needs allow_intrusive, which is off: %s", text, why).
				Suggest("leave it out, or ask the operator to set security.allow_intrusive")
		}
	}
	p.tokens = append(p.tokens, token)
}

func (p *parser) unknown(word string) {
	err := sdk.Errorf(sdk.KindValidation, "unknown flag %q", word)
	if near := p.table.near(word); near != "" {
		err.Suggest("write %s in full; flags are neither abbreviated nor written with one hyphen", near)
	} else {
		allowed, _ := p.table.usages()
		err.Suggest("allowed are %s", strings.Join(allowed, " "))
	}
	p.reject(word, err)
}

func (p *parser) reject(text string, err *sdk.Error) {
	p.tokens = append(p.tokens, sdk.Token{Text: text, Verdict: sdk.Reject, Why: err.Message})
	if p.rejected == nil {
		p.rejected = err
	}
}

func badValue(f *Flag, value string, err error) *sdk.Error {
	if own := (*sdk.Error)(nil); errors.As(err, &own) {
		return own
	}
	if f.Value.Want == "" {
		return sdk.Errorf(sdk.KindValidation, "%s takes no value, has %q", f.Name, value).Suggest("write %s",
			f.Name)
	}
	return sdk.Errorf(sdk.KindValidation, "%s: %q: %w", f.Name, value, err).Suggest("allowed is %s",
		f.Value.Want)
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
