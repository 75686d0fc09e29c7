package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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

// fileVariable names the configuration file.
const fileVariable = "MCP_CONFIG_FILE"

func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return env
}

// environment finds the keys that the environment sets, with values of their right types. An empty variable
// sets nothing.
func (l *loader) environment(env map[string]string) map[string]any {
	set := make(map[string]any)
	for key, f := range sorted(l.root.variables()) {
		for _, name := range namesOf(key) {
			if env[name] == "" {
				continue
			}
			from := Origin{Kind: FromEnvironment, Name: name}
			place := "environment " + name + ": " + key
			v, ok := parse(env[name], f)
			if !ok {
				l.add(place, key, "%s is not %s", quote(env[name]), f.allowed())
				continue
			}
			if v, ok = l.settle(f, key, place, from, v); ok {
				set[key], l.from[key] = v, from
			}
		}
	}
	return set
}

// flags are those that were given, by key.
func (l *loader) flags(given map[string]any) map[string]any {
	set := make(map[string]any)
	all := l.root.variables()
	for key, v := range sorted(given) {
		from := Origin{Kind: FromFlag, Name: flagName(key)}
		place := "flag " + from.Name + ": " + printable(key)
		f, ok := all[key]
		if !ok {
			l.add(place, key, "is an unknown key")
			continue
		}
		if v, ok = l.settle(f, key, place, from, v); ok {
			set[key], l.from[key] = v, from
		}
	}
	return set
}

// flagName is how the command line names a key: the last part of it, but for flags that carry the name of
// the section.
func flagName(key string) string {
	names := map[string]string{
		"plugins.dirs": "plugins-dir", "logging.level": "log-level", "logging.format": "log-format",
	}
	if name, ok := names[key]; ok {
		return "--" + name
	}
	_, last, _ := cutLast(key)
	return "--" + printable(strings.ReplaceAll(last, "_", "-"))
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

// parse reads a value of the environment.
func parse(value string, f *field) (any, bool) {
	switch f.form {
	case truth:
		v, err := strconv.ParseBool(strings.ToLower(value))
		return v, err == nil
	case choice:
		if v, err := strconv.ParseBool(strings.ToLower(value)); err == nil {
			return v, true
		}
	case whole:
		v, err := strconv.ParseInt(value, 10, 64)
		return v, err == nil
	case number:
		v, err := strconv.ParseFloat(value, 64)
		return v, err == nil
	case list:
		return items(value, f.commas), utf8.ValidString(value)
	}
	return value, utf8.ValidString(value)
}

// items splits at commas and, as PATH does, at colons, unless items may hold those. Blanks around an item do
// not belong to it.
func items(value string, commas bool) []string {
	found := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ':' && !commas })
	for i := range found {
		found[i] = strings.TrimSpace(found[i])
	}
	return slices.DeleteFunc(found, func(item string) bool { return item == "" })
}
