package clientconfig

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each row is a document, and what is shown of it to whom the entry gate below s is the one that is meant.
var veiled = []struct {
	says, file, want string
	ours             bool
}{
	{"headers and env of every server", `{"s": {"gate": {"env": {"A": "x"}}, "b": {"headers": {"B": "x"}}}}`,
		`{"s": {"gate": {"env": {"A": "********"}}, "b": {"headers": {"B": "********"}}}}`, true},
	{"values that are no texts", `{"s": {"b": {"env": {"A": 1, "B": true, "C": null, "D": [2, {"E": -3}]}}}}`,
		`{"s": {"b": {"env": {"A": "********", "B": "********", "C": "********", "D": ["********", {"E": "********"}]}}}}`, true},
	{"a member that is no object", `{"s": {"b": {"env": "A=x", "headers": ["B: x"]}}}`,
		`{"s": {"b": {"env": "********", "headers": ["********"]}}}`, true},
	{"what comes after", `{"a": [{"env": {"A": 1, "headers": 2}}, 3, [4], {"b": 5}], "env": 6, "c": 7}`,
		`{"a": [{"env": {"A": "********", "headers": "********"}}, 3, [4], {"b": 5}], "env": "********", "c": 7}`, true},
	{"lists alone", `[1, ["x", {"env": [2]}], 3]`, `[1, ["********", {"env": ["********"]}], 3]`, true},
	{"a name in other letters, or escaped", `{"s": {"b": {"Headers": {"B": 1}, "\u0065nv": {"A": 1}, "ENV": {"A": 1}}}}`,
		`{"s": {"b": {"Headers": {"B": "********"}, "\u0065nv": {"A": "********"}, "ENV": {"A": "********"}}}}`, true},
	{"a text with quotes in it", `{"s": {"b": {"env": {"A\"": "x\"y\\"}}}}`, `{"s": {"b": {"env": {"A\"": "********"}}}}`, true},
	{"what else the client keeps", `{"apiKey": "x", "n": 7, "p": {"gate": {"command": "x"}, "/p": {"s": {"gate": {"command": "x"}}}}}`,
		`{"apiKey": "********", "n": 7, "p": {"gate": {"command": "********"}, "/p": {"s": {"gate": {"command": "********"}}}}}`, true},
	{"another server", `{"s": {"b": {"type": "x", "command": "x", "args": ["--key", "x"], "url": "http://x"}}}`,
		`{"s": {"b": {"type": "********", "command": "********", "args": ["********", "********"], "url": "********"}}}`, true},
	{"ours is seen", `{"s": {"gate": {"type": "t", "command": "/g", "args": ["-c", "f"], "url": "http://h/mcp", "more": "x"}}}`,
		`{"s": {"gate": {"type": "t", "command": "/g", "args": ["-c", "f"], "url": "http://h/mcp", "more": "********"}}}`, true},
	{"another's in our place", `{"s": {"gate": {"type": "t", "command": "npx", "args": ["x"], "url": "http://h"}}}`,
		`{"s": {"gate": {"type": "t", "command": "npx", "args": ["********"], "url": "********"}}}`, false},
	{"an address with secrets", `{"s": {"gate": {"url": "http://h/mcp?k=x"}}}`, `{"s": {"gate": {"url": "********"}}}`, true},
	{"no text where one should be", `{"s": {"gate": {"command": {"k": "x"}}}}`, `{"s": {"gate": {"command": {"k": "********"}}}}`, true},
	{"comments", "// x\n{ /* x\n y */ \"n\": 1, // \"x\"\n}// x", "// ********\n{ /* ********\n******** */ \"n\": 1, // ********\n}// ********", true},
	{"a comment alone", "// x", "// ********", true},
	{"nothing", "", "", true},
	{"what is no JSON", "{\"a\": x\n\"b", "********\n********", true},
}

func TestOnlyWhatIsNoSecretIsSeen(t *testing.T) {
	for _, row := range veiled {
		got := string(view{"s", "gate", row.ours}.veil([]byte(row.file)))
		if got != row.want {
			t.Errorf("veil(%s) =\n%s, want\n%s", row.says, got, row.want)
		}
	}
}

func FuzzAVeiledDocumentHasItsLinesAndNoneOfItsSecrets(f *testing.F) {
	for _, row := range veiled {
		f.Add(row.file, "x")
	}
	f.Add("{\r\n\"s\": {}, // y\r\n}", "gth_y")
	f.Fuzz(func(t *testing.T, file, secret string) {
		got := view{"s", "gate", true}.veil([]byte(file))
		if n := len(lines(got)); n != len(lines([]byte(file))) {
			t.Errorf("veil(%q) = %q, of %d lines", file, got, n)
		}
		own := encodeObject([]field{{"s", encodeObject([]field{{"b", encodeObject([]field{
			{"env", encodeVars([]Var{{"A", secret}})}, {"u", encode(file)},
		})}})}})
		got = view{"s", "gate", true}.veil(own)
		if string(got) != `{"s":{"b":{"env":{"A":"********"},"u":"********"}}}` {
			t.Errorf("veil(%s) = %s", own, got)
		}
	})
}

func TestADiffShowsThatASecretChangesAndNotWhatItIs(t *testing.T) {
	c, path := mustFind(t, "vscode"), filepath.Join(t.TempDir(), "mcp.json")
	put(t, path, `{
	"servers": {
		"docs": {"headers": {"X-Key": "secret0"}}, // secret0
		"gatehouse": {
			"type": "http",
			"url": "http://h/mcp",
			"headers": {
				"Authorization": "Bearer secret1"
			}
		},
		"lab": {"env": {"PASS": "secret0"}}
	}
}
`, 0o600)
	change := install(t, c, path, Entry{URL: "http://h/mcp", Token: "secret2"}, Options{})
	want := `# ******** stands for what is not shown: values of env and headers, comments, other texts
--- PATH
+++ PATH
@@ -5,7 +5,7 @@
 			"type": "http",
 			"url": "http://h/mcp",
 			"headers": {
-				"Authorization": "********"
+				"Authorization": "********"
 			}
 		},
 		"lab": {"env": {"PASS": "********"}}
`
	if got := change.Diff(); got != strings.ReplaceAll(want, "PATH", change.Path) {
		t.Errorf("Diff() of another token =\n%s\nwant\n%s", got, want)
	}
	gone, err := c.Uninstall(path, "gatehouse", Options{})
	if got := gone.Diff(); err != nil || strings.Contains(got, "secret") ||
		!strings.Contains(got, "-\t\t\"gatehouse\": {\n-\t\t\t\"type\": \"http\",\n-\t\t\t\"url\": \"http://h/mcp\",\n") ||
		!strings.Contains(got, " \t\t\"docs\": {\"headers\": {\"X-Key\": \"********\"}}, // ********\n") {
		t.Errorf("Diff() of Uninstall() = %v,\n%s", err, got)
	}
}

func TestArgumentsOfAnothersEntryAreNotShownWhenForced(t *testing.T) {
	c, path := mustFind(t, "cursor"), filepath.Join(t.TempDir(), "mcp.json")
	put(t, path, `{"mcpServers": {"gatehouse": {"command": "npx", "args": ["--key", "secret"]}}}`, 0o600)
	gone, err := c.Uninstall(path, "gatehouse", Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []Change{install(t, c, path, entry, Options{Force: true}), gone} {
		if got := change.Diff(); strings.Contains(got, "secret") || !strings.Contains(got, `"npx"`) {
			t.Errorf("Diff() by force = %s", got)
		}
	}
}

func TestASnippetShowsNoSecrets(t *testing.T) {
	c := mustFind(t, "claude-code")
	for _, e := range []Entry{{URL: "http://h/mcp", Token: "secret"}, {Command: "/g", Env: []Var{{"PASS", "secret"}}}} {
		got := c.Snippet("lab", e)
		if strings.Contains(got, "secret") || !strings.Contains(got, `": "********"`) || !strings.Contains(got, e.URL+e.Command) {
			t.Errorf("Snippet() = %s", got)
		}
	}
}

func TestAnAddressIsToldWithoutSecrets(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h:1/mcp": "http://h:1/mcp", "http://me:x@h/mcp": "http://h/mcp ********",
		"https://h/a%20b?key=x": "https://h/a%20b ********", "http://h/#x": "http://h/ ********",
		"http:x": "********", "http://h/%zz": "********",
	} {
		if got := (Found{URL: raw}).String(); got != want {
			t.Errorf("String() of %s = %s, want %s", raw, got, want)
		}
	}
}
