package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// Source is where a configuration comes from.
type Source struct {
	File    string         // YAML or JSON; empty: MCP_CONFIG_FILE of the environment, else none
	Environ []string       // "NAME=value"
	Flags   map[string]any // dotted key -> value, such as "server.port" -> 8081
}

// aliases are the names of the environment that do not follow MCP_<SECTION>_<KEY>, kept from the Python
// server.
var aliases = map[string]string{
	"MCP_MAX_ARGS_LEN":         "security.max_args_length",
	"MCP_DEFAULT_TIMEOUT_SEC":  "tool.default_timeout",
	"MCP_DEFAULT_CONCURRENCY":  "tool.default_concurrency",
	"MCP_MAX_STDOUT_BYTES":     "limits.max_stdout_bytes",
	"MCP_MAX_STDERR_BYTES":     "limits.max_stderr_bytes",
	"MCP_MAX_MEMORY_MB":        "limits.max_memory_mb",
	"MCP_MAX_FILE_DESCRIPTORS": "limits.max_file_descriptors",
	"MCP_PLUGINS_DIR":          "plugins.dirs",
	"TOOL_INCLUDE":             "tool.include",
	"TOOL_EXCLUDE":             "tool.exclude",
	"LOG_LEVEL":                "logging.level",
	"LOG_FORMAT":               "logging.format",
}

// Load reads, merges and validates. Unknown keys, wrong types and impossible values are errors, never
// ignored.
func Load(s Source) (Config, error) {
	env := environment(s.Environ)
	k := koanf.New(".")
	if s.File == "" {
		s.File = env["MCP_CONFIG_FILE"]
	}
	if s.File != "" {
		if err := loadFile(k, s.File); err != nil {
			return Config{}, err
		}
	}
	fromEnv, err := fromEnvironment(env)
	if err != nil {
		return Config{}, err
	}
	for _, layer := range []map[string]any{fromEnv, s.Flags} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return Config{}, fmt.Errorf("merge configuration: %w", err)
		}
	}
	cfg, err := decode(k)
	if err != nil {
		return Config{}, err
	}
	return cfg, cfg.validate()
}

func loadFile(k *koanf.Koanf, name string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if err := k.Load(rawbytes.Provider(raw), parser{yaml.Parser()}); err != nil {
		return fmt.Errorf("configuration %s: %w", name, err)
	}
	return nil
}

// parser reads YAML, in which a key without a value says nothing, as an empty variable does: a section of
// which every line is a comment leaves the defaults alone.
type parser struct{ *yaml.YAML }

func (p parser) Unmarshal(raw []byte) (map[string]any, error) {
	doc, err := p.YAML.Unmarshal(raw)
	dropEmpty(doc)
	return doc, err
}

func dropEmpty(doc map[string]any) {
	for key, value := range doc {
		switch v := value.(type) {
		case nil:
			delete(doc, key)
		case map[string]any:
			dropEmpty(v)
		}
	}
}

// decode lays what was said over the defaults. Types are not converted: a "false" in quotes is an error and
// not a true.
func decode(k *koanf.Koanf) (Config, error) {
	cfg := Default()
	err := k.UnmarshalWithConf("", &cfg, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", ErrorUnused: true, ZeroFields: true, DecodeHook: wholeNumber,
	}})
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %s", oneLine(err))
	}
	return cfg, nil
}

// oneLine puts what the decoder found, which it writes as a list, into one line.
func oneLine(err error) string {
	_, list, ok := strings.Cut(err.Error(), "error(s):")
	if !ok {
		return err.Error()
	}
	found := strings.FieldsFunc(list, func(r rune) bool { return r == '\n' })
	for i, line := range found {
		found[i] = strings.TrimSpace(line)
	}
	return strings.Join(found, "; ")
}

// wholeNumber refuses a fraction where a whole number is wanted; mapstructure would cut it off.
func wholeNumber(_, to reflect.Type, value any) (any, error) {
	f, ok := value.(float64)
	if ok && (to.Kind() == reflect.Int || to.Kind() == reflect.Int64) && f != math.Trunc(f) { // NaN too
		return nil, fmt.Errorf("%v is not a whole number", f)
	}
	return value, nil
}

func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return env
}

// fromEnvironment finds the keys that the environment sets, with values of their right types. An empty
// variable sets nothing.
func fromEnvironment(env map[string]string) (map[string]any, error) {
	set := make(map[string]any)
	for key, typ := range keys(reflect.TypeFor[Config](), "") {
		for _, name := range namesOf(key) {
			if env[name] == "" {
				continue
			}
			value, err := parse(env[name], typ)
			if err != nil {
				return nil, fmt.Errorf("environment %s: %q is not %w", name, env[name], err)
			}
			set[key] = value
		}
	}
	return set, nil
}

// UnknownVariables returns the names of an environment that look like keys of the configuration and are
// none, sorted. They are no error: other programs have variables that begin so, and those of the Python
// server are kept.
func UnknownVariables(environ []string) []string {
	known := map[string]bool{"MCP_CONFIG_FILE": true}
	sections := make(map[string]bool)
	for key := range keys(reflect.TypeFor[Config](), "") {
		for _, name := range namesOf(key) {
			known[name] = true
		}
		section, _, _ := strings.Cut(key, ".")
		sections["MCP_"+strings.ToUpper(section)+"_"] = true
	}
	var unknown []string
	for name := range environment(environ) {
		for prefix := range sections {
			if strings.HasPrefix(name, prefix) && !known[name] {
				unknown = append(unknown, name)
			}
		}
	}
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// namesOf returns the names of the environment for a key; the last one set wins.
func namesOf(key string) []string {
	var names []string
	for alias, k := range aliases {
		if k == key {
			names = append(names, alias)
		}
	}
	slices.Sort(names)
	return append(names, "MCP_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
}

// keys lists the dotted keys of a struct that one variable can hold, with their types.
func keys(t reflect.Type, prefix string) map[string]reflect.Type {
	found := make(map[string]reflect.Type)
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("koanf")
		switch f.Type.Kind() {
		case reflect.Struct:
			for k, typ := range keys(f.Type, key+".") {
				found[k] = typ
			}
		case reflect.Map:
		case reflect.Slice:
			if f.Type.Elem().Kind() == reflect.String {
				found[key] = f.Type
			}
		default:
			found[key] = f.Type
		}
	}
	return found
}

// parse reads a value; its error completes "is not".
func parse(value string, t reflect.Type) (any, error) {
	switch t.Kind() {
	case reflect.Bool:
		if v, err := strconv.ParseBool(strings.ToLower(value)); err == nil {
			return v, nil
		}
		return nil, errors.New("true or false")
	case reflect.Int, reflect.Int64:
		if v, err := strconv.Atoi(value); err == nil {
			return v, nil
		}
		return nil, errors.New("a whole number")
	case reflect.Float64:
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			return v, nil
		}
		return nil, errors.New("a number")
	case reflect.Slice:
		return list(value), nil
	default:
		return value, nil
	}
}

// list splits at commas and, as PATH does, at colons. Blanks around an item do not belong to it.
func list(value string) []string {
	items := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ':' })
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return slices.DeleteFunc(items, func(item string) bool { return item == "" })
}
