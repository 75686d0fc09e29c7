package config

import (
	"path"
	"slices"
)

// Wanted reports whether a tool is to be offered: tool.include is empty or names it, and tool.exclude does
// not.
func (c Config) Wanted(name string) bool {
	included := len(c.Tool.Include) == 0 || matches(c.Tool.Include, name)
	return included && !matches(c.Tool.Exclude, name)
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name) // validated
		return ok
	})
}
