package clientconfig

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// mask stands for what is not shown.
const mask = "********"

// view is what may be shown of a document: names, numbers, and the texts of one entry of which it is known
// what they mean. All other texts are veiled, since a file holds keys of its client and of other servers in
// places that nobody here knows; so are comments, in which entries are laid aside.
type view struct {
	servers, name string // where the entry is
	ours          bool   // it is ours: its arguments and its address are none that hide a secret
}

// veil makes the document with masks in it. It has as many lines, each in its place.
func (v view) veil(raw []byte) []byte {
	d := document{text: blank(raw)}
	patches, err := v.hidden(d.plain)
	if err != nil {
		return veiledLines(raw)
	}
	for _, c := range d.comments {
		patches = append(patches, patch{c, veiledComment(raw[c.start:c.end])})
	}
	return d.apply(patches...)
}

// hidden are the masks for the values of a document in its plain form.
func (v view) hidden(plain []byte) ([]patch, error) {
	var patches []patch
	var at place
	dec := jsontext.NewDecoder(bytes.NewReader(plain))
	for {
		switch dec.PeekKind() {
		case '"', '0', 't', 'f', 'n':
		default: // a bracket, the end, or a mistake
			bracket, err := dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return patches, nil
			}
			if err != nil {
				return nil, err
			}
			if bracket.Kind() == '[' {
				at.enter(dec.StackDepth(), "")
			}
			continue
		}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		depth := dec.StackDepth()
		if kind, n := dec.StackIndex(depth); kind == '{' && n%2 == 1 {
			name, _ := jsontext.AppendUnquote(nil, value) // the decoder took it
			at.enter(depth, string(name))
			continue
		}
		if end := int(dec.InputOffset()); at.secret(depth) || !v.shows(at.path[:depth], value) {
			patches = append(patches, patch{span{end - len(value), end}, `"` + mask + `"`})
		}
	}
}

// place is where in a document a decoder is. What is asked of it takes no longer the deeper that is.
type place struct {
	path      []string // names from the top; empty for an element of a list
	secretive int      // depth of the first name that is; 0: none
}

func (p *place) enter(depth int, name string) {
	p.path = append(p.path[:depth-1], name)
	if p.secretive >= depth {
		p.secretive = 0
	}
	if p.secretive == 0 && secretive(name) {
		p.secretive = depth
	}
}

// secret reports whether a value at a depth is one of headers or env.
func (p *place) secret(depth int) bool { return p.secretive > 0 && p.secretive <= depth }

// shows reports whether the value at a path, of which no name is secretive, may be seen.
func (v view) shows(path []string, value jsontext.Value) bool {
	if value.Kind() != '"' {
		return true
	}
	if len(path) < 3 || path[0] != v.servers || path[1] != v.name {
		return false
	}
	switch path[2] {
	case "type", "command":
		return len(path) == 3
	case "args":
		return v.ours
	case "url":
		text, err := jsontext.AppendUnquote(nil, value)
		return v.ours && err == nil && address(string(text)) == string(text)
	}
	return false
}

// secretive reports whether a member of that name holds secrets, whichever their names are.
func secretive(name string) bool {
	return strings.EqualFold(name, "headers") || strings.EqualFold(name, "env")
}

// address is a URL without what may be a secret in it: user, password, query and fragment.
func address(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
		return mask
	case u.User == nil && u.RawQuery == "" && u.Fragment == "":
		return raw
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath() + " " + mask
}

// veiledComment has as many lines as the comment.
func veiledComment(c []byte) string {
	if bytes.HasPrefix(c, []byte("//")) {
		return "// " + mask
	}
	return "/* " + mask + strings.Repeat("\n"+mask, bytes.Count(c, []byte("\n"))) + " */"
}

// veiledLines is for what cannot be understood.
func veiledLines(raw []byte) []byte {
	var b bytes.Buffer
	for _, line := range lines(raw) {
		b.WriteString(mask)
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
