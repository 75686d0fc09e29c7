package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	errNotFinite = errors.New("is not a finite number")
	errTooLarge  = errors.New("is too large a number")
)

var octalRE = regexp.MustCompile(`^[-+]?0[0-9]+$`)

// scalar reads one plain value: a text, a bool, an int64, a float64, or nil.
func scalar(n *yaml.Node) (any, error) {
	digits := strings.ReplaceAll(n.Value, "_", "")
	if tag := n.ShortTag(); (tag == "!!int" || tag == "!!float") && octalRE.MatchString(digits) {
		return nil, fmt.Errorf("%s begins with a zero, which YAML may take for an octal number; leave the zero out",
			short(n.Value))
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!str":
		return n.Value, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int":
		v, err := strconv.ParseInt(digits, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%s %w", short(n.Value), errTooLarge)
		}
		return v, nil
	case "!!float":
		return float(digits)
	case "!!timestamp":
		return nil, errors.New("is a date; put it in quotes if it is meant as a text")
	}
	return nil, errors.New("is of a kind that is not read; write a text, a number, true or false")
}

func float(digits string) (any, error) {
	v, err := strconv.ParseFloat(strings.Replace(strings.ToLower(digits), ".inf", "inf", 1), 64)
	switch {
	case strings.EqualFold(digits, ".nan"):
		return math.NaN(), nil
	case err != nil:
		return nil, fmt.Errorf("%s %w", short(digits), errTooLarge)
	}
	return v, nil
}

// describe says what a node is. A secret is not shown, even where it has the wrong form.
func describe(n *yaml.Node, f *field) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return words[free]
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	v, err := scalar(n)
	if err != nil {
		return "no plain value"
	}
	return describeValue(v, f)
}

func describeValue(v any, f *field) string {
	hidden := f.typ == reflect.TypeFor[Secret]() || f.form < list || f.form == free // a token, put too high
	switch v := v.(type) {
	case string:
		if hidden {
			return words[text]
		}
		return "the text " + quote(v)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		return words[list]
	}
	if hidden {
		return words[number]
	}
	return fmt.Sprintf("the number %v", v)
}

// settle makes of a value what a key takes, or says why it cannot be. Types are not converted: a "false" in
// quotes is an error and not a true. A choice keeps a boolean as a
// word.
func (l *loader) settle(f *field, key, place string, from Origin, v any) (any, bool) {
	if i, ok := v.(int); ok {
		v = int64(i)
	}
	switch v := v.(type) {
	case string:
		if f.form == text || f.form == choice && !isTruth(v) {
			return l.word(f, key, place, v)
		}
	case bool:
		switch f.form {
		case truth:
			return v, true
		case choice:
			return l.word(f, key, place, strconv.FormatBool(v))
		}
	case int64:
		if f.form == whole || f.form == number {
			return l.number(f, key, place, from, float64(v))
		}
	case float64:
		if f.form == number || f.form == whole && v == math.Trunc(v) {
			return l.number(f, key, place, from, v)
		}
	case []string:
		if f.form == list {
			return v, true
		}
	}
	l.add(place, key, "is %s; allowed: %s%s", describeValue(v, f), f.allowed(), unquoted(f, v))
	return nil, false
}

// unquoted tells of quotes that make a text of what would be right without them.
func unquoted(f *field, v any) string {
	s, ok := v.(string)
	if _, err := strconv.ParseFloat(s, 64); !ok || err != nil && !isTruth(s) || f.form == text {
		return ""
	}
	return "; write it without quotes"
}

// isTruth reports whether a text is a boolean without its quotes.
func isTruth(s string) bool { return s == "true" || s == "false" }

// word checks a text against the values that are allowed, if only some are.
func (l *loader) word(f *field, key, place, v string) (any, bool) {
	if len(f.enum) == 0 || v == "" && f.form == text && strings.Contains(f.key, "[]") {
		return v, true
	}
	for _, e := range f.enum {
		if e == v || f.letters && strings.EqualFold(e, v) {
			return e, true
		}
	}
	meant := ""
	if near, ok := nearest(v, f.enum); ok {
		meant = fmt.Sprintf("; did you mean %s?", f.literal(near))
	}
	l.add(place, key, "%s is unknown; allowed: %s%s", quote(v), f.allowed(), meant)
	return nil, false
}

// literal is a value of the enum as a file has it where it must not be taken for something else.
func (f *field) literal(e string) string {
	if f.form == choice && isTruth(e) {
		return e
	}
	return strconv.Quote(e)
}

// number holds a number to its bounds.
func (l *loader) number(f *field, key, place string, from Origin, v float64) (any, bool) {
	var err error
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		err = errNotFinite
	case math.Abs(v) >= 1<<63:
		err = errTooLarge
	}
	if err != nil {
		l.add(place, key, "%s %v; allowed: %s", plainNumber(v), err, f.allowed())
		return nil, false
	}
	if b := f.bounds; b != nil {
		beyond := v < b.least || v > b.most
		if v < 0 && b.least >= 0 || v == 0 && b.least > 0 || beyond && !b.clamp {
			l.add(place, key, "%s is out of range; allowed: %s", plainNumber(v), f.allowed())
			return nil, false
		}
		if beyond {
			what, bound := "above the most", b.most
			if v < b.least {
				what, bound = "below the least", b.least
			}
			l.warn(key, from, "%s: %s is %s allowed, %s is used (from %v)", printable(key), plainNumber(v), what,
				plainNumber(bound), from)
			v = bound
		}
	}
	if f.form == whole {
		return int64(v), true
	}
	return v, true
}

// plainNumber is a number as a person writes it.
func plainNumber(v float64) string {
	if math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
