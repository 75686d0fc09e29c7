package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAModuleComesAfterThoseThatItRequires(t *testing.T) {
	sorted, err := inOrder([]mod{
		{dir: "host", path: "m/host", siblings: []string{"m/shared"}},
		{dir: "plugins/b", path: "m/plugins/b", siblings: []string{"m/sdk", "m/shared"}},
		{dir: "plugins/a", path: "m/plugins/a", siblings: []string{"m/sdk"}},
		{dir: "sdk", path: "m/sdk", siblings: []string{"m/shared"}},
		{dir: "shared", path: "m/shared"},
	})
	if want := []string{"shared", "host", "sdk", "plugins/a", "plugins/b"}; err != nil || !slices.Equal(names(sorted), want) {
		t.Errorf("inOrder() = %v, %v; want %v", names(sorted), err, want)
	}
	got, err := needed(sorted, []string{"plugins/a"})
	if want := []string{"shared", "sdk", "plugins/a"}; err != nil || !slices.Equal(names(got), want) {
		t.Errorf("needed(plugins/a) = %v, %v; want %v", names(got), err, want)
	}
	if _, err := needed(sorted, []string{"sdkk"}); err == nil || !strings.Contains(err.Error(), "plugins/b") {
		t.Errorf("needed(sdkk) = %v, want the names that there are", err)
	}
}

func TestModulesThatRequireEachOtherInACircleAreRefused(t *testing.T) {
	_, err := inOrder([]mod{
		{dir: "a", path: "m/a", siblings: []string{"m/b"}}, {dir: "b", path: "m/b", siblings: []string{"m/a"}},
	})
	if err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("inOrder() of a circle = %v", err)
	}
}

// lay writes files below a new directory: name -> text.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

const sdkMod = `module m/sdk

go 1.26.0

require (
	example.com/other v1.0.0
	m/shared v0.0.0
)

replace m/shared => ../shared
`

func TestAReleasedModuleRequiresTheOthersAndReplacesNothing(t *testing.T) {
	dir := lay(t, map[string]string{
		"go.work":       "go 1.26.0\n\nuse (\n\t./shared\n\t./sdk\n\t./e2e\n\t./docs/examples\n)\n",
		"shared/go.mod": "module m/shared\n", "docs/examples/go.mod": "module m/docs/examples\n",
		"sdk/go.mod": sdkMod, "sdk/go.sum": "z.com/z v1.0.0 h1:z\nexample.com/other v1.0.0/go.mod h1:o\n",
		"e2e/go.mod": strings.ReplaceAll(sdkMod, "m/sdk", "m/e2e"),
	})
	mods, err := readModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(published(mods)); !slices.Equal(got, []string{"shared", "sdk"}) {
		t.Errorf("published() = %v, want what is no test", got)
	}
	known := map[string]sums{"m/shared": {zip: "h1:zip", mod: "h1:mod"}}
	for _, m := range mods {
		if err := m.rewrite(dir, "v1.2.3", known); err != nil {
			t.Fatalf("rewrite(%s) = %v", m.dir, err)
		}
	}
	want := strings.Replace(sdkMod, "m/shared v0.0.0", "m/shared v1.2.3", 1)
	if got := read(t, filepath.Join(dir, "e2e/go.mod")); got != strings.ReplaceAll(want, "m/sdk", "m/e2e") {
		t.Errorf("the tests have\n%s\nwant that they require the version, and stay beside the others", got)
	}
	if got := read(t, filepath.Join(dir, "sdk/go.mod")); got != strings.Split(want, "\nreplace")[0] {
		t.Errorf("go.mod is\n%s", got)
	}
	wantSum := "example.com/other v1.0.0/go.mod h1:o\n" +
		"m/shared v1.2.3 h1:zip\nm/shared v1.2.3/go.mod h1:mod\nz.com/z v1.0.0 h1:z\n"
	if got := read(t, filepath.Join(dir, "sdk/go.sum")); got != wantSum {
		t.Errorf("go.sum is\n%s\nwant\n%s", got, wantSum)
	}
}

func TestAModuleThatReplacesForeignOnesIsRefused(t *testing.T) {
	dir := lay(t, map[string]string{
		"go.work":    "go 1.26.0\n\nuse ./sdk\n",
		"sdk/go.mod": "module m/sdk\n\nreplace example.com/other => ../other\n",
	})
	mods, err := readModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := mods[0].rewrite(dir, "v1.2.3", nil); err == nil || !strings.Contains(err.Error(), "example.com/other") {
		t.Errorf("rewrite() = %v, want that go install refuses it", err)
	}
}

func TestLinesOfGoSumAreInGosOrder(t *testing.T) {
	want := []string{
		"a.com/a v1.9.0 h1:x", "a.com/a v1.9.0/go.mod h1:a", "a.com/a v1.10.0/go.mod h1:x", "a.com/b v0.1.0 h1:x",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, bySum)
	if !slices.Equal(got, want) {
		t.Errorf("sorted by bySum: %q, want %q", got, want)
	}
}
