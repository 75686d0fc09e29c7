package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Alphanumeric are the ASCII letters and digits, for the lists of bytes that [Text] and [Definition] take.
const Alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Text is 1 to most of some bytes, all of them printable ASCII. It never begins with a hyphen, and with a
// blank it neither begins nor ends. Bytes that extra_args cannot have, such as a blank, a caller can write in
// a [Field] or a [Property].
//
//	command.Text(command.Alphanumeric+"._-", 64)
func Text(bytes string, most int) Grammar {
	set := newByteSet(bytes)
	return Grammar{
		Want:   fmt.Sprintf("a text of 1 to %d of the characters %s", most, ranges(bytes)),
		Bytes:  bytes,
		Schema: texts(bytes, most),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			if text == "" || len(text) > most {
				return Value{}, fmt.Errorf("it has %d characters; allowed are 1 to %d", len(text), most)
			}
			for i := range len(text) {
				if !set[text[i]] {
					return Value{}, fmt.Errorf("%q is not among its characters", text[i])
				}
			}
			if err := checkEdges(text); err != nil {
				return Value{}, err
			}
			return Value{Text: text}, nil
		},
	}
}

// checkEdges refuses a text that could be taken for an option, or that somebody may trim.
func checkEdges(text string) error {
	switch {
	case text[0] == '-':
		return errors.New("it begins with a hyphen, as flags do")
	case text[0] == ' ' || text[len(text)-1] == ' ':
		return errors.New("there is a blank around it")
	}
	return nil
}

// ranges names characters for people: runs of letters and digits by their ends.
func ranges(bytes string) string {
	blank := ""
	if strings.Contains(bytes, " ") {
		blank = " and blank"
		bytes = strings.ReplaceAll(bytes, " ", "")
	}
	for _, run := range []struct{ all, short string }{
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A-Z "}, {"abcdefghijklmnopqrstuvwxyz", "a-z "}, {"0123456789", "0-9 "},
	} {
		bytes = strings.ReplaceAll(bytes, run.all, run.short)
	}
	return strings.TrimSpace(bytes) + blank
}

// texts is the schema of a text of some bytes. An empty one says nothing, as in every field.
func texts(bytes string, most int) json.RawMessage {
	return schemaOf(map[string]any{
		"type": "string", "maxLength": most, "pattern": "^[" + class(bytes) + "]*$",
	})
}

// class writes bytes for a regular expression's brackets.
func class(bytes string) string {
	bytes = regexp.QuoteMeta(bytes)
	bytes = strings.ReplaceAll(bytes, "-", `\-`)
	for run, short := range map[string]string{
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ": "A-Z", "abcdefghijklmnopqrstuvwxyz": "a-z", "0123456789": "0-9",
	} {
		bytes = strings.ReplaceAll(bytes, run, short)
	}
	return bytes
}

// schemaOf writes keywords of a JSON Schema.
func schemaOf(keywords map[string]any) json.RawMessage {
	raw, err := json.Marshal(keywords)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return raw
}

// tokenBytes are what the name of a header consists of (RFC 9110, 5.6.2).
const tokenBytes = Alphanumeric + "!#$%&'*+-.^_`|~"

// Header is a header of HTTP, "Name: value", of at most most bytes: a name of RFC 9110, and a value of
// printable ASCII. In argv it stands with one blank behind the colon. As it has blanks, a caller writes it in
// a [Field]; a Repeatable flag with an array makes one header of each item.
func Header(most int) Grammar {
	printable := printableASCII()
	names := newByteSet(tokenBytes)
	return Grammar{
		Want:   fmt.Sprintf("a header such as Accept: text/html, at most %d bytes", most),
		Bytes:  printable,
		Schema: texts(printable, most),
		Read: func(text string, _ sdk.Policy) (Value, error) {
			name, value, colon := strings.Cut(text, ":")
			if value = strings.Trim(value, " "); !colon || name == "" || value == "" || len(text) > most {
				return Value{}, fmt.Errorf("not a name, a colon and a value in at most %d bytes", most)
			}
			for i := range len(name) {
				if !names[name[i]] {
					return Value{}, fmt.Errorf("%q is not part of a header's name", name[i])
				}
			}
			for i := range len(value) {
				if value[i] < ' ' || value[i] > '~' {
					return Value{}, fmt.Errorf("%q is not printable ASCII", value[i])
				}
			}
			if err := checkEdges(name); err != nil {
				return Value{}, err
			}
			return Value{Text: name + ": " + value}, nil
		},
	}
}

func printableASCII() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}
