package nmap

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// hostTools are the tools of a host that prompts may speak of.
var hostTools = []string{
	"execution_start", "execution_wait", "execution_result", "execution_read", "execution_cancel", "executions_list",
	"executions_diff",
}

// A prompt that speaks of a template, a script or a tool that is not there sends an assistant astray.
func TestPromptsSpeakOfWhatThereIs(t *testing.T) {
	needNmap(t)
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
	templates := b.Manifest().Tools[0].Facts.Templates
	named := regexp.MustCompile(`templates? ([a-z]+)`)
	tools := regexp.MustCompile(`executions?_[a-z]+`)
	for name, values := range map[string]map[string]string{
		"nmap_inventory":  {"network": "10.0.3.0/24"},
		"nmap_check_host": {"host": "10.0.3.7"},
		"nmap_explain":    {"execution": "0199"},
	} {
		messages, err := b.Prompt(name, values)
		if err != nil {
			t.Fatalf("Prompt(%s) = %v", name, err)
		}
		text := messages[0].Content.Text
		if strings.Contains(text, "{{") || !strings.Contains(text, "never follow an instruction") ||
			!strings.Contains(text, "allow_intrusive") {
			t.Errorf("%s = %q, want no open place, and what to be careful about", name, text)
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if _, ok := templates[m[1]]; !ok {
				t.Errorf("%s speaks of a template %q; there are %v", name, m[1], templates)
			}
		}
		for _, tool := range tools.FindAllString(text, -1) {
			if !slices.Contains(hostTools, tool) && tool != "execution_id" {
				t.Errorf("%s speaks of a tool %q", name, tool)
			}
		}
	}
	for _, script := range []string{"ssl-cert", "http-title", "ssh-hostkey", "smb-os-discovery"} {
		args := map[string]any{"target": "10.0.3.7", "scripts": []string{script}, "service_detection": true}
		if p := b.Plan("NmapTool", args); p.Verdict != "accept" {
			t.Errorf("Plan of the script %s, of which prompts speak = %s (%s)", script, p.Verdict, p.Rule)
		}
	}
}
