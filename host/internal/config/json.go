package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// jsonReader makes of JSON the nodes that the YAML parser would make, so that both are checked alike and
// each value knows its place.
type jsonReader struct {
	raw  []byte
	d    *jsontext.Decoder
	at   int // what next has counted
	mark position
}

func parseJSON(raw []byte) (*yaml.Node, error) {
	// Duplicate names are found later, with both places.
	d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	r := &jsonReader{raw: raw, d: d, mark: position{1, 1}}
	node, err := r.value(0)
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, r.syntax(err)
	}
	at := r.next()
	if _, err := r.d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%v: a second value begins; a configuration is one", at)
	}
	return node, nil
}

// next is where the next token begins.
func (r *jsonReader) next() position {
	at := int(r.d.InputOffset())
	for at < len(r.raw) && strings.IndexByte(" \t\r\n,:", r.raw[at]) >= 0 {
		at++
	}
	r.mark, r.at = r.mark.after(r.raw[r.at:at]), at
	return r.mark
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	at := r.next()
	if depth > maxDepth {
		return nil, fmt.Errorf("%v: is nested too deeply; at most %d levels are read", at, maxDepth)
	}
	token, err := r.d.ReadToken()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: at.line, Column: at.column}
	switch token.Kind() {
	case '{', '[':
		return r.items(node, token.Kind(), depth)
	case '"':
		node.Tag, node.Value = "!!str", token.String()
	case '0':
		node.Tag, node.Value = "!!float", token.String()
		if !strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!int"
		}
	case 't', 'f':
		node.Tag, node.Value = "!!bool", token.String()
	default:
		node.Tag = "!!null"
	}
	return node, nil
}

// items reads what is between brackets, names as values like any other.
func (r *jsonReader) items(node *yaml.Node, open jsontext.Kind, depth int) (*yaml.Node, error) {
	node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	for r.d.PeekKind() != ']' && r.d.PeekKind() != '}' {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, item)
	}
	_, err := r.d.ReadToken()
	return node, err
}

func (r *jsonReader) syntax(err error) error {
	var broken *jsontext.SyntacticError
	switch {
	case errors.As(err, &broken):
		at := offset(r.raw, min(int(broken.ByteOffset), len(r.raw)))
		return fmt.Errorf("%v: is not JSON: %s", at, strings.Map(onlyPrintable, broken.Err.Error()))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%v: is not JSON: it ends too early", offset(r.raw, len(r.raw)))
	}
	return err
}

// onlyPrintable keeps the words of a parser, which may quote the file, in one line.
func onlyPrintable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '\uFFFD'
}
