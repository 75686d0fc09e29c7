package clientconfig

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Entry is what a client is told of a server: a program to start, or an address.
type Entry struct {
	Command string   // absolute path of the program; empty when there is a URL
	Args    []string // its arguments
	Env     []Var    // its environment, beside what the client gives it

	URL   string // of a server that runs already
	Token string // shown to it as a bearer token; empty: none
}

// Var is an environment variable. Names are unique within an entry.
type Var struct{ Name, Value string }

// Secret reports whether the entry holds what others should not read.
func (e Entry) Secret() bool { return e.Token != "" || len(e.Env) > 0 }

// field is a member of an entry.
type field struct {
	name  string
	value jsontext.Value
}

// managed are the members of an entry that are ours to set. Others, such as a user's own timeout, are kept.
var managed = []string{"type", "command", "args", "env", "url", "headers"}

// fields are the members that the client wants, in the order in which they are written.
func (c Client) fields(e Entry) []field {
	if e.URL != "" {
		all := kind(c.http)
		all = append(all, field{"url", encode(e.URL)})
		if e.Token != "" {
			all = append(all, field{"headers", encodeVars([]Var{{"Authorization", "Bearer " + e.Token}})})
		}
		return all
	}
	args := append([]string{}, e.Args...) // never null
	all := append(kind(c.stdio), field{"command", encode(e.Command)}, field{"args", encode(args)})
	if len(e.Env) > 0 {
		all = append(all, field{"env", encodeVars(e.Env)})
	}
	return all
}

func kind(name string) []field {
	if name == "" {
		return nil
	}
	return []field{{"type", encode(name)}}
}

// encode never fails: strings and lists of them have a form in JSON, once what is no UTF-8 has been replaced.
func encode(v any) jsontext.Value {
	raw, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err)
	}
	return raw
}

func encodeVars(all []Var) jsontext.Value {
	fields := make([]field, len(all))
	for i, v := range all {
		fields[i] = field{v.Name, encode(v.Value)}
	}
	return encodeObject(fields)
}

func encodeObject(all []field) jsontext.Value {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(f.name))
		b.WriteByte(':')
		b.Write(f.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Snippet is what a person adds to the file by hand. The values of env and headers are veiled.
func (c Client) Snippet(name string, e Entry) string {
	servers := encodeObject([]field{{name, encodeObject(c.fields(e))}})
	whole := encodeObject([]field{{c.servers, servers}})
	whole = view{servers: c.servers, name: name, ours: true}.veil(whole)
	return string(indented(whole, "", "  ", "\n")) + "\n"
}

// Found is an entry that stands in a file.
type Found struct {
	Name    string
	Command string // empty when it has none
	URL     string // likewise
}

// Ours reports whether an entry was, as far as can be seen, written by Install: its program is called
// gatehouse, or is the program at self; or it has an address, and a name that begins with gatehouse.
func (f Found) Ours(self string) bool {
	if f.Command == "" {
		return f.URL != "" && strings.HasPrefix(f.Name, "gatehouse")
	}
	if filepath.Base(f.Command) == "gatehouse" {
		return true
	}
	own, err := os.Stat(self)
	if err != nil {
		return false
	}
	other, err := os.Stat(f.Command)
	return err == nil && os.SameFile(own, other)
}

// String says what the entry starts, or where it leads: without what in an address may be a secret.
func (f Found) String() string {
	switch {
	case f.Command != "":
		return f.Command
	case f.URL != "":
		return address(f.URL)
	}
	return "neither a command nor a url"
}
