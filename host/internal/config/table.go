package config

import (
	"fmt"
	"strings"
)

// Table is the Markdown table of all keys that the documentation shows.
func Table() string {
	var t strings.Builder
	t.WriteString("| key | default | allowed | environment | reload | meaning |\n|---|---|---|---|---|---|\n")
	for _, k := range Keys() {
		reload, names := "yes", "file only"
		if !k.Reload {
			reload = "no"
		}
		if len(k.Environment) > 0 {
			names = "`" + strings.Join(k.Environment, "`, `") + "`"
		}
		preset := ""
		if k.Default != "" {
			preset = "`" + k.Default + "`"
		}
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s | %s | %s |\n", k.Name, preset, k.Allowed, names, reload, k.About)
	}
	return t.String()
}
