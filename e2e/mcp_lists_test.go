package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestPromptsOfPluginsAreOfferedAndFilledIn(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "plugins", mcp.ClientOptions{})
			want := []string{"nmap_check_host", "nmap_explain", "nmap_inventory", "ping_check"}
			if got := a.prompts(); !slices.Equal(got, want) {
				t.Errorf("prompts/list = %v, want %v", got, want)
			}
			p, err := a.GetPrompt(t.Context(), &mcp.GetPromptParams{
				Name: "nmap_check_host", Arguments: map[string]string{"host": "10.0.3.7\x1b[2J\u202e"},
			})
			if err != nil || len(p.Messages) == 0 {
				t.Fatalf("prompts/get = %+v, %v", p, err)
			}
			text, ok := p.Messages[0].Content.(*mcp.TextContent)
			if !ok || p.Messages[0].Role != "user" || strings.Contains(text.Text, "{{") ||
				!strings.Contains(text.Text, `Check the host 10.0.3.7\x1B[2J\u{202E} with NmapTool`) {
				t.Errorf("the prompt is %+v, want it filled in, and clean", p.Messages[0].Content)
			}
			for _, arguments := range []map[string]string{nil, {"host": "10.0.3.7", "hots": "x"}} {
				asked := &mcp.GetPromptParams{Name: "nmap_check_host", Arguments: arguments}
				if p, err := a.GetPrompt(t.Context(), asked); err == nil || !strings.Contains(err.Error(), "host") {
					t.Errorf("the prompt with %v = %+v, %v; want what is wrong", arguments, p, err)
				}
			}
		})
	}
}

func (a *assistant) prompts() (names []string) {
	a.t.Helper()
	for p, err := range a.Prompts(a.t.Context(), nil) {
		if err != nil {
			a.t.Fatal(err)
		}
		if names = append(names, p.Name); p.Description == "" || len(p.Arguments) == 0 {
			a.t.Errorf("the prompt %+v has no description or no arguments", p)
		}
	}
	return names
}

// completed is what an argument can be completed with.
func (a *assistant) completed(ref mcp.CompleteReference, argument, begun string) []string {
	a.t.Helper()
	res, err := a.Complete(a.t.Context(), &mcp.CompleteParams{
		Ref: &ref, Argument: mcp.CompleteParamsArgument{Name: argument, Value: begun},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return res.Completion.Values
}

func TestArgumentsAreCompletedWithWhatTheClientUsed(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "plugins", mcp.ClientOptions{})
			prompt := func(name string) mcp.CompleteReference {
				return mcp.CompleteReference{Type: "ref/prompt", Name: name}
			}
			uri := func(u string) mcp.CompleteReference {
				return mcp.CompleteReference{Type: "ref/resource", URI: u}
			}
			if got := a.completed(prompt("ping_check"), "host", ""); len(got) > 0 {
				t.Errorf("before any call a host is completed with %v", got)
			}
			for _, target := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.1"} {
				a.call("PingTool", `{"target":"`+target+`","count":1}`, nil)
			}
			ids := make([]string, 0, 3)
			for _, x := range a.list(`{}`) {
				ids = append(ids, x.ID)
			}
			for _, row := range []struct {
				ref             mcp.CompleteReference
				argument, begun string
				want            []string
			}{
				{prompt("ping_check"), "host", "", []string{"127.0.0.1", "127.0.0.2"}},
				{prompt("nmap_check_host"), "host", "127.0.0.2", []string{"127.0.0.2"}},
				{prompt("nmap_check_host"), "template", "qui", []string{"quick"}},
				{prompt("nmap_inventory"), "depth", "ser", []string{"services"}},
				{prompt("nmap_inventory"), "no_such", "", nil},
				{prompt("no_such"), "host", "", nil},
				{uri("execution://{id}/stdout"), "id", "", ids},
				{uri("execution://{id}/stdout{?offset,limit}"), "id", ids[0], ids[:1]},
				{uri("gatehouse://tools/{name}"), "name", "ping", []string{"PingTool"}},
			} {
				if got := a.completed(row.ref, row.argument, row.begun); !slices.Equal(got, row.want) {
					t.Errorf("%s of %+v from %q on = %v, want %v", row.argument, row.ref, row.begun, got, row.want)
				}
			}
		})
	}
}

func TestThePolicyAndTheManualsAreResources(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "gatehouse.yaml")
			writeFile(t, file, "tools: {NmapTool: {enabled: false}, PingTool: {concurrency: 3}}\n"+
				"security: {allow_intrusive: ask}\n")
			a := w.join(t, "plugins", mcp.ClientOptions{}, "MCP_CONFIG_FILE="+file)
			want := []string{"gatehouse://policy", "gatehouse://tools/PingTool"}
			if got := a.resources(); !slices.Equal(got, want) {
				t.Errorf("resources/list = %v, want %v", got, want)
			}
			var policy struct {
				Scope struct {
					Networks     []string
					MaxAddresses int `json:"max_addresses"`
				}
				Intrusive string `json:"allow_intrusive"`
				Tools     map[string]struct {
					Enabled     bool
					Concurrency int
					Gated       []string `json:"needs_a_word"`
				}
			}
			if err := json.Unmarshal([]byte(a.resource(t, "gatehouse://policy")), &policy); err != nil {
				t.Fatal(err)
			}
			if ping := policy.Tools["PingTool"]; !slices.Contains(policy.Scope.Networks, "127.0.0.0/8") ||
				policy.Scope.MaxAddresses != 1024 || policy.Intrusive != "ask" || !ping.Enabled ||
				ping.Concurrency != 3 || !slices.Contains(ping.Gated, "-f") {
				t.Errorf("the policy = %+v, want what is in force", policy)
			}
			manual := a.resource(t, "gatehouse://tools/PingTool")
			for _, part := range []string{
				"# PingTool", "At most 3 at a time", "## Flags", "`-c <a whole number", "security.allow_intrusive", "## Input",
			} {
				if !strings.Contains(manual, part) {
					t.Errorf("the manual does not have %q: %s", part, manual)
				}
			}
			for _, none := range []string{
				"gatehouse://tools/NmapTool", "gatehouse://tools/NoTool", "gatehouse://no", "file:///etc/passwd",
			} {
				if r, err := a.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: none}); err == nil {
					t.Errorf("%s = %+v, want that there is none", none, r)
				}
			}
			a.wantTemplates(t)
		})
	}
}

func (a *assistant) resources() (uris []string) {
	a.t.Helper()
	for r, err := range a.Resources(a.t.Context(), nil) {
		if err != nil {
			a.t.Fatal(err)
		}
		uris = append(uris, r.URI)
	}
	slices.Sort(uris)
	return uris
}

// resource is the text of one.
func (a *assistant) resource(t *testing.T, uri string) string {
	t.Helper()
	r, err := a.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Contents) != 1 || r.Contents[0].URI != uri {
		t.Fatalf("%s = %+v, want one of this URI", uri, r)
	}
	return r.Contents[0].Text
}

func (a *assistant) wantTemplates(t *testing.T) {
	t.Helper()
	var got []string
	for r, err := range a.ResourceTemplates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.URITemplate)
	}
	want := []string{
		"execution://{id}/data{?offset,limit}", "execution://{id}/stderr{?offset,limit}",
		"execution://{id}/stdout{?offset,limit}", "gatehouse://tools/{name}",
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("resources/templates/list = %v, want %v", got, want)
	}
}

func TestAPluginThatComesOrGoesIsOneChangeOfEachList(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			dir := pluginDir(t)
			drop(t, "many/many", filepath.Join(dir, "first"), "")
			rel, err := filepath.Rel(bin, dir)
			if err != nil {
				t.Fatal(err)
			}
			a := w.join(t, rel, mcp.ClientOptions{})
			a.wantLists(t, false)
			drop(t, "plugins/ping", filepath.Join(dir, "ping"), "")
			a.wantChanges(t)
			a.wantLists(t, true)
			if err := os.Remove(filepath.Join(dir, "ping")); err != nil {
				t.Fatal(err)
			}
			a.wantChanges(t) // a second word of the coming would be among them, and the lists would be as they were
			a.wantLists(t, false)
			if n := len(a.told.changes); n > 0 {
				t.Errorf("%d changes were told of once more", n)
			}
		})
	}
}

// wantChanges waits until each list has changed, and holds that none did twice.
func (a *assistant) wantChanges(t *testing.T) {
	t.Helper()
	heard := make(map[string]int)
	for late := time.After(patience); len(heard) < 3; {
		select {
		case list := <-a.told.changes:
			heard[list]++
		case <-late:
			t.Fatalf("heard was of %v, want of tools, prompts and resources", heard)
		}
	}
	for list, n := range heard {
		if n != 1 {
			t.Errorf("heard was %d times that the %s have changed", n, list)
		}
	}
}

// wantLists holds what is listed, with the plugin ping or without. What was told before has come when it is
// answered.
func (a *assistant) wantLists(t *testing.T, with bool) {
	t.Helper()
	tools := toolsOf(t, a.ClientSession)
	if slices.Contains(tools, "PingTool") != with || !slices.Contains(tools, "firstTool") ||
		slices.Contains(a.prompts(), "ping_check") != with ||
		slices.Contains(a.resources(), "gatehouse://tools/PingTool") != with {
		t.Errorf("with ping %t: tools %v, prompts %v, resources %v", with, tools, a.prompts(), a.resources())
	}
}
