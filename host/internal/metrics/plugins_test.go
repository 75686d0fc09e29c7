package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestChangesOfAPluginAreCountedByState(t *testing.T) {
	m := New(Config{})
	lackLines(t, m, "mcp_plugin_transitions_total")
	m.PluginChanged("nmap", "starting")
	m.PluginChanged("nmap", "ready")
	m.PluginChanged("nmap", "ready")
	wantLines(t, m,
		`mcp_plugin_transitions_total{plugin="nmap",state="starting"} 1`,
		`mcp_plugin_transitions_total{plugin="nmap",state="ready"} 2`,
		`mcp_plugin_transitions_total{plugin="nmap",state="quarantined"} 0`)
}

func TestOldProcessesOfAPluginAreShown(t *testing.T) {
	m := withPlugins(PluginSample{Name: "nmap", Draining: 2}, PluginSample{Name: "ping"})
	wantLines(t, m, `mcp_plugin_draining{plugin="nmap"} 2`, `mcp_plugin_draining{plugin="ping"} 0`)
}

// A directory may have any number of files, of any names.
func TestChangesOfPluginsHaveBounds(t *testing.T) {
	m := New(Config{})
	m.PluginChanged("nmap", "invented")
	m.PluginChanged("a\xff\n\"", "ready")
	m.PluginChanged("a\xfe\n\"", "ready")
	for i := range 2 * maxPlugins {
		m.PluginChanged(fmt.Sprintf("plugin%d", i), "ready")
	}
	m.PluginChanged("nmap", "ready")
	wantLines(t, m,
		`mcp_plugin_transitions_total{plugin="nmap",state="unknown"} 1`,
		`mcp_plugin_transitions_total{plugin="nmap",state="ready"} 1`,
		`mcp_plugin_transitions_total{plugin="a`+"\uFFFD"+`\n\"",state="ready"} 2`,
		fmt.Sprintf(`mcp_plugin_transitions_total{plugin="other",state="ready"} %d`, maxPlugins+2))
	lackLines(t, m, "invented")
	n, want := strings.Count(scrape(t, m), `mcp_plugin_transitions_total{`), (maxPlugins+1)*len(pluginStates)+1
	if n != want {
		t.Errorf("there are %d series, want %d: those of %d plugins and of the rest", n, want, maxPlugins)
	}
}

func TestChangesMayComeAtOnce(t *testing.T) {
	m := New(Config{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { m.PluginChanged("nmap", "ready") })
	}
	all.Wait()
	wantLines(t, m, `mcp_plugin_transitions_total{plugin="nmap",state="ready"} 50`)
}
