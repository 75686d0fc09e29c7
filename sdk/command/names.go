package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// NameRule lets a [Name] be more than the name of a host.
type NameRule int

// The rules of names.
const (
	Underscores NameRule = iota // as in _dmarc.example.test, which is a name in the DNS and no host's
	FinalDot                    // a dot at the end may stand there, and alone it is the root
)

const (
	maxName  = 253 // RFC 1035, 2.3.4, less the root
	maxLabel = 63
)

// Name is the name of a host (RFC 1123, 2.1): labels of letters, digits and hyphens, separated by dots, 253
// bytes at most. In argv it stands in lower case. What a program could take for an address, such as 10.1 or
// 0x7f.1, is none. It is a name to be spoken of, and is held to no scope: what the program connects to is a
// target.
func Name(also ...NameRule) Grammar {
	underscores, dot := slices.Contains(also, Underscores), slices.Contains(also, FinalDot)
	want, letters := "a name of letters, digits, hyphens and dots", Alphanumeric+"-."
	if underscores {
		want, letters = "a name of letters, digits, hyphens, underscores and dots", letters+"_"
	}
	return Grammar{
		Want:   want + fmt.Sprintf(", at most %d bytes", maxName),
		Schema: texts(letters, maxName+1),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			bare := text
			if dot && text == "." {
				return Value{Text: text}, nil
			}
			if dot {
				bare = strings.TrimSuffix(text, ".")
			}
			if err := checkName(bare, underscores); err != nil {
				return Value{}, err
			}
			return Value{Text: strings.ToLower(text)}, nil
		},
	}
}

// checkName says what is wrong with a name that has no dot at its end.
func checkName(name string, underscores bool) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a name has 1 to %d bytes", maxName)
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label, underscores); err != nil {
			return err
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x") {
		return errors.New("a name does not end with a number; programs take it for an address")
	}
	return nil
}

func checkLabel(label string, underscores bool) error {
	switch {
	case label == "":
		return errors.New("there is a dot too many")
	case len(label) > maxLabel:
		return fmt.Errorf("what stands between two dots has at most %d bytes", maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("what stands between two dots neither begins nor ends with a hyphen")
	}
	for i := range len(label) {
		switch c := label[i]; {
		case strings.IndexByte(Alphanumeric+"-", c) >= 0 || c == '_' && underscores:
		case c >= 0x80:
			return errors.New("write names in ASCII (xn--...)")
		default:
			return fmt.Errorf("%q is not part of a name", c)
		}
	}
	return nil
}
