package develop

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyWhatAProgramIsBuiltFromMatters(t *testing.T) {
	t.Setenv("GOWORK", "off")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.26.0\n", "page.html": "x", "other.html": "x",
		"main.go": "package main\n\nimport _ \"embed\"\n\n//go:embed page.html\nvar page string\n\nfunc main() { print(page) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := look(t.Context(), dir)
	if err != nil || !s.dirs[dir] || len(s.dirs) != 1 {
		t.Fatalf("look() watches %v, %v, want the directory of the module alone", s.dirs, err)
	}
	for name, want := range map[string]bool{
		"main.go": true, "new.go": true, "go.mod": true, "go.sum": true, "go.work": true, "api.proto": true,
		"page.html": true, "main_test.go": false, "other.html": false, ".main.go.swp": false, "main.go~": false,
		".#main.go": false, "_old.go": false, "4913": false, "program": false,
	} {
		if got := s.matters(filepath.Join(dir, name)); got != want {
			t.Errorf("matters(%s) = %t, want %t", name, got, want)
		}
	}
}
