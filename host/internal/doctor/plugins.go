package doctor

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Directories judges the plugin directories by what a scan of them found.
func Directories(dirs []string, found discover.Result) []Finding {
	const area = "plugin directory"
	var all []Finding
	for _, r := range found.Missing {
		all = append(all, Finding{area, Fail, r.Path + ": " + r.Reason, r.Fix})
	}
	for _, r := range found.Refusals {
		all = append(all, Finding{area, Fail, r.Path + " is not used: " + r.Reason, r.Fix})
	}
	for _, dir := range dirs {
		at := resolved(dir)
		about := func(r discover.Refusal) bool { return r.Path == dir || r.Path == at }
		if slices.ContainsFunc(found.Missing, about) || slices.ContainsFunc(found.Refusals, about) {
			continue
		}
		n := 0
		for _, c := range found.Candidates {
			if rel, err := filepath.Rel(at, c.Path); err == nil && filepath.IsLocal(rel) {
				n++
			}
		}
		f := Finding{area, OK, fmt.Sprintf("%s: %d plugins", dir, n), ""}
		if n == 0 {
			f.Status, f.Fix = Warn, "put compiled plugins into "+dir+"; make build makes those that come with Gatehouse"
		}
		all = append(all, f)
	}
	return all
}

// resolved is a directory as a scan names what lies in it: absolute, without links.
func resolved(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}

// Plugin is what became of one plugin that was started.
type Plugin struct {
	Name, Version, Path string
	State               string // "ready" when all is well; "stopped" when there is nothing that it could offer
	Error, Fix          string
	Tools               []string
}

// Plugins judges how the plugins started. Without any there is nothing to serve.
func Plugins(plugins []Plugin) []Finding {
	if len(plugins) == 0 {
		return []Finding{{"plugins", Fail, "there is none, and so no tool",
			"put a compiled plugin into one of the plugin directories"}}
	}
	var all []Finding
	for _, p := range plugins {
		f := Finding{"plugin " + p.Name, OK, p.Version + " started, offers " + strings.Join(p.Tools, ", "), ""}
		switch {
		case p.State == "stopped" && p.Error == "", p.State == "ready" && len(p.Tools) == 0:
			f.Status, f.Message = Warn, p.Version+" is not kept running: none of its tools is offered"
			f.Fix = "look at tool.include and tool.exclude: gatehouse config print"
		case p.State != "ready":
			f.Status, f.Message, f.Fix = Fail, fmt.Sprintf("%s is %s: %s", p.Path, p.State, p.Error), p.Fix
		}
		all = append(all, f)
	}
	return all
}

// Clash judges a tool that is not served because another has its name.
func Clash(path, name, reason, fix string) Finding {
	return Finding{"tool " + name, Fail, fmt.Sprintf("that of %s is not served: %s", path, reason), fix}
}

// Checks judges what plugins say of their own needs, plugin name -> checks.
func Checks(checks map[string][]tool.HealthCheck) []Finding {
	var all []Finding
	for _, plugin := range slices.Sorted(maps.Keys(checks)) {
		for _, c := range checks[plugin] {
			f := Finding{"plugin " + plugin, OK, c.Name + ": " + c.Message, c.Fix}
			if c.Tool != "" {
				f.Area = "tool " + c.Tool
			}
			switch {
			case c.Status == tool.Unhealthy && c.Priority == tool.Important:
				f.Status = Fail
			case c.Status != tool.Healthy:
				f.Status = Warn
			}
			all = append(all, f)
		}
	}
	return all
}

// Layers says what protects the machine from the programs that plugins run. One that is not in force is a
// failure where the operator requires it: no program is run then. Elsewhere it is a fact of the machine.
func Layers(plugins []string, layers []tool.Layer, required []string) []Finding {
	if len(layers) == 0 { // they run no program, or are older than this report
		return nil
	}
	var all []Finding
	area := "sandbox of " + strings.Join(plugins, ", ")
	for _, l := range layers {
		f := Finding{area, OK, l.Name + ", in force: " + l.Detail, ""}
		if !l.Active {
			f.Message = l.Name + ", not in force: " + l.Detail
			if slices.Contains(required, l.Name) {
				f.Status, f.Fix = Fail, "take it out of sandbox.require, or give the host what it needs"
			}
		}
		all = append(all, f)
	}
	for _, name := range required {
		if !slices.ContainsFunc(layers, func(l tool.Layer) bool { return l.Name == name }) {
			all = append(all, Finding{area, Fail, "there is no layer " + name, "correct sandbox.require"})
		}
	}
	return all
}
