package health

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// searchPath is where programs are looked for, as the tools do: the environment of whoever started the host
// has no say.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// DependenciesProbe is "dependency:NAME" for each name of a list that is asked for at each run: an absolute
// path must be there, a plain name must be a program in one of the system's directories.
func DependenciesProbe(names func() []string) Probe {
	return Probe{Name: "dependencies", Run: func(context.Context) map[string]Check {
		checks := make(map[string]Check)
		for _, name := range names() {
			checks["dependency:"+name] = dependency(name)
		}
		return checks
	}}
}

func dependency(name string) Check {
	if filepath.IsAbs(name) {
		if _, err := os.Stat(name); err != nil {
			return Check{Status: Unhealthy, Priority: Important, Message: err.Error(),
				Fix: "put it there, or take it out of health.dependencies"}
		}
		return Check{Status: Healthy, Priority: Important, Message: "it is there"}
	}
	for _, dir := range searchPath {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return Check{Status: Healthy, Priority: Important, Message: path}
		}
	}
	return Check{Status: Unhealthy, Priority: Important,
		Message: "no such program in " + strings.Join(searchPath, ", "),
		Fix:     "install it, or take it out of health.dependencies"}
}

// PluginsProbe is "check:PLUGIN/NAME" and "check:PLUGIN/TOOL/NAME" for the checks that plugins bring along.
func PluginsProbe(ask func(context.Context) map[string][]tool.HealthCheck) Probe {
	return Probe{Name: "checks of plugins", Run: func(ctx context.Context) map[string]Check {
		checks := make(map[string]Check)
		for plugin, own := range ask(ctx) {
			for _, c := range own {
				checks[PluginCheckName(plugin, c)] = Check{
					Status: Status(c.Status), Priority: Priority(c.Priority), Message: c.Message, Fix: c.Fix,
				}
			}
		}
		return checks
	}}
}

// PluginCheckName is the name of a plugin's check in a report.
func PluginCheckName(plugin string, c tool.HealthCheck) string {
	if c.Tool != "" {
		plugin += "/" + c.Tool
	}
	return "check:" + plugin + "/" + c.Name
}

// About reports whether a check, by its name in a report, is about a tool: its own, its plugin's, those that
// the plugin brings for it or for all of its tools.
func About(check, plugin, tool string) bool {
	switch check {
	case "plugin:" + plugin, "breaker:" + tool, "tool:" + tool:
		return true
	}
	own, ok := strings.CutPrefix(check, "check:"+plugin+"/")
	if !ok {
		return false
	}
	of, _, hasTool := strings.Cut(own, "/")
	return !hasTool || of == tool
}
