package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// Grammar is the form of a flag's value. Grammars read ASCII by hand, because what programs and
// libraries take for a number (hexadecimal, exponents, other scripts' digits, blanks) is more than
// anybody means.
type Grammar struct {
	Want string // what is allowed, for people: "a whole number from 0 to 10"
	// Read understands a value, or says what is wrong with it; it must not be looser than Want.
	Read func(text string, p sdk.Policy) (Value, error)
	// Schema is the JSON Schema of a value, with a single type, for a [Field] or a [Property] that has none of
	// its own; nil: a text. It may be looser than Read, which has the better words; descriptions come from Want.
	Schema json.RawMessage
	// Bytes are what a value may consist of in a field or a property, besides Definition.Bytes: printable ASCII.
	Bytes string

	gated string // which values need allow_intrusive, and why
}

// Value is what a flag's value means.
type Value struct {
	Text     string        // canonical, as it goes into argv
	Int      int64         // of Int; for Ports and Addresses the number of ports and addresses
	Number   float64       // of Int, Decimal and Duration (in seconds)
	Duration time.Duration // of Duration
	Gated    string        // why this value needs allow_intrusive; empty: it does not
}

// check says what is wrong with a grammar, or "".
func (g Grammar) check() string {
	for i := range len(g.Bytes) {
		if g.Bytes[i] < ' ' || g.Bytes[i] > '~' {
			return fmt.Sprintf("its grammar takes the byte %q, which is not printable ASCII", g.Bytes[i])
		}
	}
	return ""
}

// GatedOutside lets numbers outside of lo..hi (seconds, for a Duration) through with allow_intrusive only.
func (g Grammar) GatedOutside(lo, hi float64, why string) Grammar {
	read := g.Read
	g.gated = fmt.Sprintf("outside of %v to %v: %s", lo, hi, why)
	g.Read = func(text string, p sdk.Policy) (Value, error) {
		v, err := read(text, p)
		if err == nil && (v.Number < lo || v.Number > hi) {
			v.Gated = why
		}
		return v, err
	}
	return g
}

// Where adds a condition that a value must fulfil; want completes "must be".
func (g Grammar) Where(want string, ok func(Value) bool) Grammar {
	read := g.Read
	g.Want += ", " + want
	g.Read = func(text string, p sdk.Policy) (Value, error) {
		v, err := read(text, p)
		if err == nil && !ok(v) {
			err = fmt.Errorf("must be %s", want)
		}
		return v, err
	}
	return g
}

// Int is a whole decimal number without sign or leading zero.
func Int(lo, hi int64) Grammar {
	return Grammar{
		Want:   fmt.Sprintf("a whole number from %d to %d", lo, hi),
		Schema: schemaOf(map[string]any{"type": "integer", "minimum": lo, "maximum": hi}),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			n, err := number(text)
			if err == nil && (n < lo || n > hi) {
				err = errors.New("out of range")
			}
			return Value{Text: text, Int: n, Number: float64(n)}, err
		},
	}
}

// number reads digits; 18 of them fit into an int64.
func number(text string) (int64, error) {
	if text == "" || len(text) > 18 || len(text) > 1 && text[0] == '0' {
		return 0, errors.New("not a whole number in plain digits, without leading zeros")
	}
	n := int64(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, errors.New("not a whole number in plain digits")
		}
		n = 10*n + int64(text[i]-'0')
	}
	return n, nil
}

// Decimal is a number with at most three decimals. It is written without needless zeros.
func Decimal(lo, hi float64) Grammar {
	return Grammar{
		Want:   fmt.Sprintf("a number from %v to %v with at most three decimals", lo, hi),
		Schema: schemaOf(map[string]any{"type": "number", "minimum": lo, "maximum": hi}),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			whole, fraction, point := strings.Cut(text, ".")
			n, err := number(whole)
			if err != nil {
				return Value{}, err
			}
			if point && (len(fraction) < 1 || len(fraction) > 3 || strings.Trim(fraction, "0123456789") != "") {
				return Value{}, errors.New("not a number with at most three decimals")
			}
			thousandths, _ := strconv.ParseInt((fraction + "000")[:3], 10, 64) // three digits by now
			v := float64(n) + float64(thousandths)/1000
			if v < lo || v > hi {
				return Value{}, errors.New("out of range")
			}
			return Value{Text: strconv.FormatFloat(v, 'f', -1, 64), Int: n, Number: v}, nil
		},
	}
}

// Duration is a whole number with one of the units ms, s, m and h; without one it means seconds.
func Duration(lo, hi time.Duration) Grammar {
	units := []struct {
		suffix string
		unit   time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
	return Grammar{
		Want:   fmt.Sprintf("a time from %s to %s, such as %s", brief(lo), brief(hi), times(lo, hi)),
		Schema: schemaOf(map[string]any{"type": "string", "pattern": "^([0-9]{1,6}(ms|s|m|h)?)?$"}),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			digits, suffix, unit := text, "s", time.Second
			for _, u := range units {
				if rest, ok := strings.CutSuffix(text, u.suffix); ok {
					digits, suffix, unit = rest, u.suffix, u.unit
					break
				}
			}
			n, err := number(digits)
			if err != nil || n == 0 || len(digits) > 6 {
				return Value{}, errors.New("not a whole number above zero with a unit of ms, s, m or h")
			}
			d := time.Duration(n) * unit
			if d < lo || d > hi {
				return Value{}, errors.New("out of range")
			}
			return Value{Text: digits + suffix, Duration: d, Number: d.Seconds()}, nil
		},
	}
}

// times are examples of times in a range.
func times(lo, hi time.Duration) string {
	var in []string
	for _, d := range []time.Duration{
		500 * time.Millisecond, 5 * time.Second, 30 * time.Second, 5 * time.Minute, time.Hour,
	} {
		if lo <= d && d <= hi {
			in = append(in, brief(d))
		}
	}
	if len(in) == 0 {
		in = []string{brief(lo)}
	}
	return either(in)
}

// brief writes a time as the grammar of times takes it, in its largest whole unit.
func brief(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}

// Enum is one of some words.
func Enum(words ...string) Grammar {
	return Grammar{
		Want:   strings.Join(words, "|"),
		Schema: schemaOf(map[string]any{"type": "string", "enum": words}),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			if !slices.Contains(words, text) {
				return Value{}, errors.New("not one of the words")
			}
			return Value{Text: text}, nil
		},
	}
}

// Hex is one to most hexadecimal digits.
func Hex(most int) Grammar {
	return Grammar{
		Want:   fmt.Sprintf("1 to %d hexadecimal digits", most),
		Schema: texts("0123456789ABCDEFabcdef", most),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			if text == "" || len(text) > most || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
				return Value{}, errors.New("not hexadecimal digits, or too many")
			}
			return Value{Text: text}, nil
		},
	}
}

// errEmptyItem is what is wrong with a list that has a comma too many.
var errEmptyItem = errors.New("an empty item; there is a comma too many")

// Addresses is a list of 1 to most addresses or networks, each of them in scope and no larger than a target
// may be.
func Addresses(most int) Grammar {
	return Grammar{
		Want:   fmt.Sprintf("1 to %d addresses or networks in scope, separated by commas", most),
		Schema: texts("0123456789./,", most*len("255.255.255.255/32,")),
		Read: func(text string, p sdk.Policy) (Value, error) {
			items := strings.Split(text, ",")
			if len(items) > most {
				return Value{}, fmt.Errorf("%d items; allowed are %d", len(items), most)
			}
			var v Value
			for i, item := range items {
				x, err := address(item, p, scope.OrNetwork)
				if err != nil {
					return Value{}, err
				}
				v.Int += int64(scope.Addresses(x))
				if !x.IsSingleIP() || strings.Contains(item, "/") { // otherwise it is canonical already
					items[i] = sdk.Target{Prefix: x}.Literal()
				}
			}
			v.Text = strings.Join(items, ",")
			return v, nil
		},
	}
}

// Address is one address in scope, for what a program connects to besides its target.
func Address() Grammar {
	return Grammar{
		Want:   "one IPv4 address in scope",
		Schema: texts("0123456789.", len("255.255.255.255")),
		Read: func(text string, p sdk.Policy) (Value, error) {
			x, err := address(text, p, scope.OneHost)
			if err != nil {
				return Value{}, err
			}
			return Value{Text: x.Addr().String(), Int: 1}, nil
		},
	}
}

func address(item string, p sdk.Policy, form scope.Form) (netip.Prefix, error) {
	if item == "" {
		return netip.Prefix{}, errEmptyItem
	}
	t, err := scope.Parse(item)
	switch {
	case err == nil && t.Name != "" && form == scope.OneHost:
		return netip.Prefix{}, errors.New("an address is wanted, no name")
	case err == nil && t.Name != "":
		return netip.Prefix{}, errors.New("an address or a network is wanted, no name")
	}
	if err == nil {
		err = scope.Policy{Networks: p.Networks, MaxAddresses: p.MaxNetworkSize}.Admit(t, form)
	}
	return t.Prefix, refusedAddress(err)
}

// refusedAddress puts what the scope says of targets in the words of a list of addresses.
func refusedAddress(err error) error {
	var refused *scope.Error
	if !errors.As(err, &refused) {
		return err
	}
	kind, todo := sdk.KindValidation, refused.Suggestion
	switch {
	case refused.Reason == scope.Outside:
		kind = sdk.KindOutOfScope
	case refused.Reason == scope.TooLarge:
		todo = fmt.Sprintf("use a prefix of /%v or longer, for example %v",
			refused.Metadata["suggested_prefix"], refused.Metadata["example"])
	case strings.Contains(todo, "name"): // which is not taken here
		todo = "give an IPv4 address (10.0.3.7) or a network (10.0.3.0/24)"
	}
	e := sdk.Errorf(kind, "%s",
		strings.Replace(refused.Message, "is not a target", "is neither an address nor a network", 1)).
		Suggest("%s", todo)
	e.Metadata = refused.Metadata
	return e
}
