package config

import (
	"maps"
	"slices"
	"strings"
)

// prefix is what names of the environment begin with, those of aliases apart.
const prefix = "MCP_"

// UnknownVariables returns the names of an environment that look like keys of the configuration and are
// none, sorted, each with what was probably meant, if that can be told. They are no error: other programs
// have variables that begin so, and those of the Python server are kept.
//
// A name looks like a key when it begins with MCP_ and a section, or when it is a slip or two away from the
// name of a variable that is read.
func UnknownVariables(environ []string) []string {
	known, sections := variableNames(), tree().names()
	ours := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !strings.HasPrefix(k, prefix) })
	var unknown []string
	for name, value := range environment(environ) {
		meant, near := slip(name, known, ours)
		switch {
		case slices.Contains(known, name):
		case name == "TOOLS_PACKAGE" && value != "":
			unknown = append(unknown, name+" (the place of plugins is said with MCP_PLUGINS_DIR)")
		case near:
			unknown = append(unknown, name+" (did you mean "+meant+"?)")
		case strings.HasPrefix(name, "MCP_TOOLS_"):
			unknown = append(unknown, name+" (settings of one tool are said in the file only)")
		case beginsLike(name, sections):
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// variableNames are those that are read, sorted.
func variableNames() []string {
	names := []string{fileVariable}
	for key := range tree().variables() {
		names = append(names, namesOf(key)...)
	}
	slices.Sort(names)
	return names
}

func beginsLike(name string, sections []string) bool {
	return slices.ContainsFunc(sections, func(section string) bool {
		return strings.HasPrefix(name, prefix+strings.ToUpper(section)+"_")
	})
}

// slip finds the variable that was meant by a name with a slip or two. The allowance is narrower than that of
// keys, since most variables are not for us; and those without MCP_ in front are too ordinary for a guess,
// unless somebody put it there.
func slip(name string, known, ours []string) (string, bool) {
	upper := strings.ToUpper(name)
	if bare, ok := strings.CutPrefix(upper, prefix); ok && slices.Contains(known, bare) {
		return bare, true
	}
	return within(upper, ours, min(3, (len(name)-len(prefix))/5))
}

// UnknownPlugins returns the names in plugins.config that are none of the given ones, sorted.
func (c Config) UnknownPlugins(names []string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.Plugins.Config)), func(name string) bool {
		return slices.Contains(names, name)
	})
}
