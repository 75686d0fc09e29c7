package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a stranger's plugin may cost. How fast it starts is measured by e2e/bench.
const (
	modulesAdded = 25       // fewer modules in go.sum than these, beyond those of gRPC and go-plugin
	pluginSize   = 15 << 20 // bytes of a stripped program
	pluginMemory = 18 << 20 // bytes resident in a plugin that has been described, and called by nobody
)

// ours is what the paths of the modules of this repository begin with.
const ours = "github.com/gatehouse-mcp/gatehouse/"

// versions are those of the modules that a module of this repository requires: path -> version.
func versions(t *testing.T, dir string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, r := range file.Require {
		found[r.Path] = r.Version
	}
	return found
}

// summed makes a module of a stranger's that imports packages, and returns the modules in its go.sum.
func summed(t *testing.T, edits []string, imports ...string) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	program := "package main\n\n"
	for _, pkg := range imports {
		program += "import _ \"" + pkg + "\"\n"
	}
	writeFile(t, filepath.Join(dir, "main.go"), program+"\nfunc main() {}\n")
	for _, args := range [][]string{
		{"mod", "init", "example.com/stranger"}, append([]string{"mod", "edit"}, edits...), {"mod", "tidy"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		// It is counted what there is, and not whether it is what the checksum database knows.
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOSUMDB=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	modules := make(map[string]bool)
	for line := range strings.Lines(string(raw)) {
		modules[strings.Fields(line)[0]] = true
	}
	return modules
}

// TestTheSDKAddsFewModules counts what a stranger gets with the sdk that gRPC and go-plugin do not bring.
func TestTheSDKAddsFewModules(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	const grpc, plugin = "google.golang.org/grpc", "github.com/hashicorp/go-plugin"
	needs := versions(t, filepath.Join(root, "sdk"))
	without := summed(t, []string{
		"-require=" + grpc + "@" + needs[grpc], "-require=" + plugin + "@" + needs[plugin],
	}, grpc, plugin)
	with := summed(t, []string{
		"-require=" + ours + "sdk@v0.0.0", "-replace=" + ours + "sdk=" + filepath.Join(root, "sdk"),
		"-require=" + ours + "shared@v0.0.0", "-replace=" + ours + "shared=" + filepath.Join(root, "shared"),
	}, ours+"sdk", ours+"sdk/command", ours+"sdk/sandbox", ours+"sdk/sdktest")
	added := []string{ours + "sdk", ours + "shared"} // which a released sdk has a sum of
	for m := range with {
		if !without[m] {
			added = append(added, m)
		}
	}
	slices.Sort(added)
	t.Logf("of %d modules in go.sum %d are there without the sdk; it adds %v", len(with)+2, len(without), added)
	if len(without) == 0 || len(added) >= modulesAdded {
		t.Errorf("the sdk adds %d modules, want fewer than %d: %v", len(added), modulesAdded, added)
	}
}

// begun is a directory below bin with a command plugin as gatehouse plugin new makes it, stripped.
func begun(t *testing.T, name string) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp(bin, "begun-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as other users see bin
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), name)
	begin := exec.Command(filepath.Join(bin, "gatehouse"),
		"plugin", "new", name, "--kind", "command", "--sdk", "..", "--dir", source)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name), ".")
	build.Dir = source
	for _, cmd := range []*exec.Cmd{begin, build} {
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	return dir
}

func TestANewPluginIsSmall(t *testing.T) {
	const name = "newcomer"
	dir := begun(t, name)
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("its file has %.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() >= pluginSize {
		t.Errorf("its file has %d bytes, want fewer than %d", info.Size(), pluginSize)
	}
	wantSmallInMemory(t, filepath.Base(dir), name)
}
