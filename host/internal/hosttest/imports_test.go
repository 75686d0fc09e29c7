package hosttest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gatehouse-mcp/gatehouse/"

// pkg is a package as go list tells it. Imports are those of the package itself: tests may join what they
// like.
type pkg struct {
	ImportPath string
	Imports    []string
}

// name is the path inside of the project, or the whole path of what is not ours.
func name(path string) string { return strings.TrimPrefix(path, module) }

// std tells a package of the standard library by its name: it is not ours, and its first element has no dot.
func std(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".") && !below(name, "host", "sdk", "shared", "plugins")
}

// below reports whether a package is one of trees, or lies in one.
func below(path string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		return path == tree || strings.HasPrefix(path, tree+"/")
	})
}

// rule forbids imports. who and what get names as of func name.
type rule struct {
	says   string
	forbid func(who, what string) bool
}

// strangers are packages of which none may import another.
var strangers = []string{
	"host/internal/mcpdoor", "host/internal/httpdoor", "host/internal/call", "host/internal/fleet",
}

var rules = []rule{
	// cmd joins everything; of proc it takes the guard of the standard streams.
	{"only fleet, plugintest and cmd import proc", func(who, what string) bool {
		return what == "host/internal/proc" && !below(who, "host/internal/fleet", "host/internal/plugintest", "host/cmd")
	}},
	{"only proc imports go-plugin within host", func(who, what string) bool {
		return below(who, "host") && who != "host/internal/proc" && below(what, "github.com/hashicorp/go-plugin")
	}},
	// The benchmark serves a tool with mcp-go alone, to compare.
	{"only mcpdoor imports mcp-go", func(who, what string) bool {
		return below(what, "github.com/mark3labs/mcp-go") && who != "host/internal/mcpdoor" && who != "e2e/bench"
	}},
	{"only httpdoor imports gorilla/mux", only("host/internal/httpdoor", "github.com/gorilla/mux")},
	{"the doors, call and fleet never import each other", func(who, what string) bool {
		from := slices.IndexFunc(strangers, func(s string) bool { return below(who, s) })
		to := slices.IndexFunc(strangers, func(s string) bool { return below(what, s) })
		return from >= 0 && to >= 0 && from != to
	}},
	{"shared/tool and shared/scope import the standard library alone", func(who, what string) bool {
		return below(who, "shared/tool", "shared/scope") && !std(what)
	}},
	{"only wire imports toolpb", only("shared/wire", "shared/internal/toolpb")},
	{"shared imports neither sdk nor host nor plugins", func(who, what string) bool {
		return below(who, "shared") && below(what, "sdk", "host", "plugins")
	}},
	{"sdk imports neither host nor plugins", func(who, what string) bool {
		return below(who, "sdk") && below(what, "host", "plugins")
	}},
	{"host imports neither sdk nor plugins", func(who, what string) bool {
		return below(who, "host") && below(what, "sdk", "plugins")
	}},
	{"a plugin imports sdk and itself only", func(who, what string) bool {
		if !below(who, "plugins") || !below(what, "plugins", "sdk", "shared", "host") {
			return false
		}
		own := strings.Join(strings.SplitN(who, "/", 3)[:2], "/")
		return !below(what, "sdk", own)
	}},
	{"the supervisor imports syscall and unsafe only", func(who, what string) bool {
		return who == "sdk/sandbox/internal/supervisor" && what != "syscall" && what != "unsafe"
	}},
}

// only forbids an import to everybody but one package.
func only(allowed, what string) func(string, string) bool {
	return func(who, imported string) bool { return who != allowed && below(imported, what) }
}

func violations(pkgs []pkg) []string {
	var found []string
	for _, p := range pkgs {
		for _, imported := range p.Imports {
			if imported == "C" {
				continue
			}
			for _, r := range rules {
				if r.forbid(name(p.ImportPath), name(imported)) {
					found = append(found, fmt.Sprintf("%s imports %s: %s", name(p.ImportPath), name(imported), r.says))
				}
			}
		}
	}
	return found
}

// list asks go list about the packages of the workspace. -e: another package that does not compile is not our
// business.
func list(t *testing.T, goos string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "work")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// The result of this test must not come from the cache, which does not know that other packages changed: run
// it with -count=1.
func TestImportDirection(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		pkgs := list(t, goos)
		for _, must := range []string{"host/internal/proc", "shared/tool"} {
			if !slices.ContainsFunc(pkgs, func(p pkg) bool { return name(p.ImportPath) == must }) {
				t.Fatalf("go list does not know %s; is this the workspace?", must)
			}
		}
		for _, v := range violations(pkgs) {
			t.Errorf("%s: %s", goos, v)
		}
	}
}

func TestEachRuleCanBeBroken(t *testing.T) {
	broken := make(map[string]bool)
	for _, row := range []struct{ who, what, rule string }{
		{"host/internal/health", "host/internal/proc", "only fleet, plugintest and cmd import proc"},
		{"host/internal/fleet", "github.com/hashicorp/go-plugin/runner", "only proc imports go-plugin within host"},
		{"host/cmd/gatehouse", "github.com/mark3labs/mcp-go/server", "only mcpdoor imports mcp-go"},
		{"host/internal/health", "github.com/gorilla/mux", "only httpdoor imports gorilla/mux"},
		{"host/internal/mcpdoor", "host/internal/call", "the doors, call and fleet never import each other"},
		{"host/internal/call", "host/internal/fleet", "the doors, call and fleet never import each other"},
		{"shared/scope", "golang.org/x/net/idna", "shared/tool and shared/scope import the standard library alone"},
		{"shared/tool", "shared/scope", "shared/tool and shared/scope import the standard library alone"},
		{"sdk", "shared/internal/toolpb", "only wire imports toolpb"},
		{"shared/wire", "sdk/command", "shared imports neither sdk nor host nor plugins"},
		{"sdk/sdktest", "host/internal/hosttest", "sdk imports neither host nor plugins"},
		{"host/internal/call", "sdk", "host imports neither sdk nor plugins"},
		{"plugins/ping/internal/ping", "shared/tool", "a plugin imports sdk and itself only"},
		{"plugins/ping", "plugins/nmap/internal/nmap", "a plugin imports sdk and itself only"},
		{"sdk/sandbox/internal/supervisor", "os", "the supervisor imports syscall and unsafe only"},
	} {
		what := row.what
		if below(what, "host", "sdk", "shared", "plugins") {
			what = module + what
		}
		got := violations([]pkg{{ImportPath: module + row.who, Imports: []string{what}}})
		if want := fmt.Sprintf("%s imports %s: %s", row.who, row.what, row.rule); !slices.Contains(got, want) {
			t.Errorf("violations = %v, want %q among them", got, want)
		}
		broken[row.rule] = true
	}
	for _, r := range rules {
		if !broken[r.says] {
			t.Errorf("no row breaks the rule %q", r.says)
		}
	}
}

func TestAllowedImportsBreakNoRule(t *testing.T) {
	for who, what := range map[string][]string{
		"host/internal/fleet":             {module + "host/internal/proc", module + "shared/tool", "context"},
		"host/internal/proc":              {"github.com/hashicorp/go-plugin", module + "shared/wire"},
		"host/internal/mcpdoor":           {"github.com/mark3labs/mcp-go/mcp", module + "host/internal/catalog"},
		"host/cmd/gatehouse":              {module + "host/internal/fleet", module + "host/internal/proc"},
		"plugins/nmap":                    {module + "sdk", module + "plugins/nmap/internal/nmap", "os"},
		"shared/wire":                     {"github.com/hashicorp/go-plugin", module + "shared/internal/toolpb"},
		"sdk/sandbox/internal/supervisor": {"syscall", "unsafe"},
	} {
		if got := violations([]pkg{{ImportPath: module + who, Imports: what}}); len(got) > 0 {
			t.Errorf("violations = %v, want none", got)
		}
	}
}
