package scaffold_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/scaffold"
)

// checkout is the Gatehouse that this test lies in.
const checkout = "../../.."

// write makes a module in a new directory.
func write(t *testing.T, c scaffold.Config) string {
	t.Helper()
	m, err := scaffold.New(c)
	if err != nil {
		t.Fatalf("New(%+v) = %v", c, err)
	}
	dir := filepath.Join(t.TempDir(), c.Name)
	if err := m.Write(dir); err != nil {
		t.Fatalf("Write() = %v", err)
	}
	return dir
}

func fromCheckout(t *testing.T) scaffold.SDK {
	t.Helper()
	sdk, err := scaffold.Find(checkout, "dev")
	if err != nil {
		t.Fatalf("Find(%q) = %v", checkout, err)
	}
	return sdk
}

// run runs a program in a directory, as a stranger would: outside of our workspace, without asking a server.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-p=1", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestEachKindBuildsAndPassesItsOwnTests(t *testing.T) {
	for _, kind := range scaffold.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := write(t, scaffold.Config{Name: "port-check", Kind: kind, SDK: fromCheckout(t)})
			if bad := run(t, dir, "gofmt", "-l", "."); bad != "" {
				t.Errorf("gofmt would change %s", bad)
			}
			run(t, dir, "go", "vet", "./...")
			run(t, dir, "go", "test", "./...")
			run(t, dir, "make", "build")
			if out := run(t, dir, "bin/port-check", "--version"); out != "port-check 0.1.0\n" {
				t.Errorf("bin/port-check --version = %q", out)
			}
			if out := run(t, dir, "bin/port-check", "--describe"); !strings.Contains(out, `"PortCheckTool"`) {
				t.Errorf("bin/port-check --describe = %s, want PortCheckTool in it", out)
			}
		})
	}
}

func TestACommandPluginHasAtMost40LinesWithEverything(t *testing.T) {
	dir := write(t, scaffold.Config{Name: "port-check", Kind: scaffold.Command, SDK: fromCheckout(t)})
	raw, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Count(raw, []byte("\n"))
	if lines > 40 {
		t.Errorf("main.go has %d lines, want 40 at most", lines)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(found) != 2 {
		t.Errorf("Go files %q, want main.go and its test: what is not in main.go counts, too", found)
	}
}

func TestNothingOfTheTemplatesIsLeft(t *testing.T) {
	for _, kind := range scaffold.Kinds {
		dir := write(t, scaffold.Config{
			Name: "port-check", Kind: kind, Module: "git.lab.internal/x/checker", SDK: fromCheckout(t),
		})
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if text := strings.ToLower(string(raw)); strings.Contains(text, "example-plugin") ||
				strings.Contains(text, "exampleplugin") || strings.Contains(text, "example.com") {
				t.Errorf("%s: the name of the template is in it:\n%s", path, raw)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsWrittenIsWhole(t *testing.T) {
	dir := write(t, scaffold.Config{Name: "port-check", SDK: fromCheckout(t)})
	for _, name := range []string{
		"go.mod", "go.sum", "main.go", "main_test.go", "README.md", "Makefile", ".gitignore", "samples.json",
		".github/workflows/ci.yml",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it there", name, err)
		}
	}
}

func TestNothingThatExistsIsWrittenOver(t *testing.T) {
	m, err := scaffold.New(scaffold.Config{Name: "port", SDK: scaffold.SDK{Version: "v1.2.3"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(dir); err == nil || !strings.Contains(err.Error(), "notes") {
		t.Errorf("Write() into a directory with a file = %v, want an error that names it", err)
	}
	if err := m.Write(filepath.Join(dir, "notes")); err == nil {
		t.Error("Write() over a file succeeded")
	}
	if found, _ := os.ReadDir(dir); len(found) != 1 {
		t.Errorf("there are %d files, want the one that was there", len(found))
	}
	empty := t.TempDir()
	if err := m.Write(empty); err != nil {
		t.Errorf("Write() into an empty directory = %v", err)
	}
}

func TestNamesAreLowerCaseWords(t *testing.T) {
	for name, tool := range map[string]string{
		"port": "PortTool", "port-check": "PortCheckTool", "tls13": "Tls13Tool", "my-tool": "MyTool", "tool": "Tool",
	} {
		if err := scaffold.CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
		if got := scaffold.ToolName(name); got != tool {
			t.Errorf("ToolName(%q) = %s, want %s", name, got, tool)
		}
	}
	for _, name := range []string{
		"", "Port", "port_check", "-port", "port-", "port--check", "1port", "../port", "port/check", "pört", ".port",
		strings.Repeat("a", 41),
	} {
		if err := scaffold.CheckName(name); err == nil {
			t.Errorf("CheckName(%q) = nil, want an error", name)
		}
	}
}

func TestANameThatNoModuleCanHaveIsNotRecommended(t *testing.T) {
	for _, name := range []string{"aux", "con", "com1", "v1"} {
		err := scaffold.CheckName(name)
		if err == nil || !strings.Contains(err.Error(), "such as "+name+"-check") ||
			strings.Contains(err.Error(), "example.com") {
			t.Errorf("CheckName(%q) = %v, want what is wrong with the name, and another", name, err)
		}
		if err := scaffold.CheckName(name + "-check"); err != nil {
			t.Errorf("CheckName() of what is recommended = %v", err)
		}
	}
}

func TestThePluginDirectoryMayHaveABlank(t *testing.T) {
	dir := write(t, scaffold.Config{Name: "port", SDK: scaffold.SDK{Version: "v1.2.3"}})
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"install", "dev"} {
		out := run(t, dir, "make", "-n", target, "PLUGINS_DIR=/sp ace")
		if !strings.Contains(out, `--to "/sp ace"`) {
			t.Errorf("make %s says %q, want the directory as one word", target, out)
		}
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	good := scaffold.Config{Name: "port", SDK: scaffold.SDK{Version: "v1.2.3"}}
	if _, err := scaffold.New(good); err != nil {
		t.Fatalf("New(%+v) = %v", good, err)
	}
	for want, change := range map[string]func(*scaffold.Config){
		"is no name":  func(c *scaffold.Config) { c.Name = "Port" },
		"no kind":     func(c *scaffold.Config) { c.Kind = "script" },
		"module path": func(c *scaffold.Config) { c.Module = "no dots/and blanks" },
		"the sdk is":  func(c *scaffold.Config) { c.SDK = scaffold.SDK{} },
	} {
		c := good
		change(&c)
		if _, err := scaffold.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want an error with %q", c, err, want)
		}
	}
}

func TestTheSDKIsAVersionOrACheckout(t *testing.T) {
	abs, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	ofCheckout := scaffold.SDK{Dir: filepath.Join(abs, "sdk")}
	for _, c := range []struct {
		said, build string
		want        scaffold.SDK
	}{
		{"", "v1.2.3", scaffold.SDK{Version: "v1.2.3"}},
		{"", "v1.2.3-rc.1", scaffold.SDK{Version: "v1.2.3-rc.1"}},
		{"v0.8.0", "dev", scaffold.SDK{Version: "v0.8.0"}},
		{checkout, "v1.2.3", ofCheckout},
		{checkout + "/sdk", "dev", ofCheckout},
	} {
		if got, err := scaffold.Find(c.said, c.build); err != nil || got != c.want {
			t.Errorf("Find(%q, %q) = %+v, %v, want %+v", c.said, c.build, got, err, c.want)
		}
	}
	for _, c := range [][2]string{
		{"", "dev"}, {"", "v1.2.3-4-gabcdef0"}, {"", "v1.2.3-dirty"}, {"", "abcdef0"}, {"v1", "dev"},
		{t.TempDir(), "dev"}, {checkout + "/host", "dev"},
	} {
		if got, err := scaffold.Find(c[0], c[1]); err == nil {
			t.Errorf("Find(%q, %q) = %+v, want an error", c[0], c[1], got)
		}
	}
}

func TestAPublishedSDKIsRequiredByItsVersion(t *testing.T) {
	dir := write(t, scaffold.Config{Name: "port", SDK: scaffold.SDK{Version: "v1.2.3"}})
	raw, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	for _, want := range []string{"module example.com/port", "require github.com/gatehouse-mcp/gatehouse/sdk v1.2.3"} {
		if !slices.Contains(lines, want) {
			t.Errorf("go.mod lacks %q:\n%s", want, raw)
		}
	}
	if strings.Contains(string(raw), "replace") {
		t.Errorf("go.mod replaces something:\n%s", raw)
	}
	ours, err := os.ReadFile(checkout + "/sdk/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(ours), "\n") {
		if strings.HasPrefix(line, "go ") && !slices.Contains(lines, line) {
			t.Errorf("go.mod has not the sdk's %q:\n%s", line, raw)
		}
	}
}
