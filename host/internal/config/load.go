package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source is where a configuration comes from.
type Source struct {
	File    string         // YAML or JSON; empty: MCP_CONFIG_FILE of the environment, else none
	Environ []string       // "NAME=value"
	Flags   map[string]any // dotted key -> value, such as "server.port" -> 8081
}

// Loaded is a configuration together with what an operator wants to know of it.
type Loaded struct {
	Config   Config
	Warnings []string          // what was changed because it lay beyond a range, and what has no effect
	Origins  map[string]Origin // dotted key of each value -> where it comes from
	File     string            // the file that was read; empty: none
	Sum      Fingerprint       // of that file
}

// Kind is a kind of origin.
type Kind string

// The kinds, each stronger than those before it.
const (
	FromDefault     Kind = "default"
	FromFile        Kind = "file"
	FromEnvironment Kind = "environment"
	FromFlag        Kind = "flag"
)

// Origin is where a value comes from.
type Origin struct {
	Kind Kind   // empty: FromDefault
	File string // of FromFile
	Line int    // in that file
	Name string // of the variable or the flag
}

// String is an origin as people look for it: default, FILE:LINE, MCP_SERVER_PORT, --port.
func (o Origin) String() string {
	switch o.Kind {
	case FromFile:
		return fmt.Sprintf("%s:%d", printable(o.File), o.Line)
	case FromEnvironment, FromFlag:
		return o.Name
	}
	return string(FromDefault)
}

// MarshalText is String.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Load is [Read] for those who want the values alone.
func Load(s Source) (Config, error) {
	l, err := Read(s)
	return l.Config, err
}

// Read reads, merges and validates. Unknown keys, wrong types and impossible values are errors, never
// ignored; all of them are reported at once, as [Problems].
func Read(s Source) (Loaded, error) {
	env := environment(s.Environ)
	l := &loader{root: tree(), origins: origins{
		from: make(map[string]Origin), marks: make(map[string]position), file: cmp.Or(s.File, env[fileVariable]),
	}}
	layers := []map[string]any{l.read(), l.environment(env), l.flags(s.Flags)}
	cfg, err := merge(layers)
	if err != nil {
		return Loaded{}, Problems{err.Error()} // a mistake of ours: each layer was checked
	}
	l.check(cfg)
	if err := l.err(); err != nil {
		return Loaded{}, err
	}
	l.defaults(cfg)
	return Loaded{Config: cfg, Warnings: l.inForce(), Origins: l.from, File: l.file, Sum: l.sum}, nil
}

// loader collects the layers of one configuration.
type loader struct {
	root *field
	origins
	report
	sum Fingerprint // of the file
}

// read returns the layer of the file.
func (l *loader) read() map[string]any {
	if l.file == "" {
		return nil
	}
	raw, sum, err := readFile(l.file)
	l.sum = sum
	if err != nil {
		l.found = append(l.found, err.Error())
		return nil
	}
	node, err := parseFile(l.file, raw)
	if err != nil {
		l.found = append(l.found, err.Error())
		return nil
	}
	if node == nil {
		return nil
	}
	layer, _ := l.node(node, l.root, "")
	values, _ := layer.(map[string]any)
	return values
}

// merge lays the layers over each other and over the defaults.
func merge(layers []map[string]any) (Config, error) {
	k := koanf.New(".")
	for i, layer := range layers {
		delimiter := "."
		if i == 0 {
			delimiter = "" // names in the file may hold dots
		}
		if err := k.Load(confmap.Provider(layer, delimiter), nil); err != nil {
			return Config{}, fmt.Errorf("merge configuration: %w", err)
		}
	}
	cfg := Default()
	err := k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", ErrorUnused: true, ZeroFields: true,
	}})
	if err != nil {
		return Config{}, fmt.Errorf("decode configuration: %s", strings.Map(onlyPrintable, err.Error()))
	}
	return cfg, nil
}

// defaults notes the keys that nobody spoke of.
func (l *loader) defaults(cfg Config) {
	values := leafValues(reflect.ValueOf(cfg))
	for _, f := range l.root.leaves() {
		v, ours := values[f.key]
		if _, known := l.from[f.key]; !ours || known || (f.form == named || f.form == sections) && v.Len() > 0 {
			continue
		}
		l.from[f.key] = Origin{Kind: FromDefault}
	}
}

// inForce are the warnings of values that no stronger source replaced.
func (l *loader) inForce() []string {
	told := []string{}
	for _, w := range l.warnings {
		if from := l.from[w.key]; from.Kind == w.from.Kind && from.Name == w.from.Name {
			told = append(told, w.text)
		}
	}
	return told
}

// sorted walks a map in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
