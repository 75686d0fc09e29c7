package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `// Package box has a lid. See [Lid.Open].
package box

// Lid covers a box.
type Lid struct {
	Color string // of the outside
	secret int
}

// New makes a lid, a [Lid].
func New() *Lid { return nil }

// Open lifts it.
func (l *Lid) Open() error { return nil }
`

// pageOf writes the page of a package with this source.
func pageOf(t *testing.T, text string) (string, error) {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"box.go": text, "box_darwin.go": "package nonsense",
		"other.go":    "//go:build !linux\n\n// Package box is another.\npackage box\n\n// New does less.\nfunc New() *Lid { return nil }\n",
		"box_test.go": "package box_test\n\nfunc ExampleNew() {}\n",
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Join(root, "box"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "box", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := write(root, []string{"box"})
	return string(p), err
}

func TestThePageHasWhatIsExported(t *testing.T) {
	got, err := pageOf(t, source)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## Package box", "### type Lid", "Color string // of the outside", "#### New", "func New() *Lid\n",
		"#### Lid.Open", "func (l *Lid) Open() error\n", "[Lid.Open](#lidopen)", "[Lid](#type-lid)", "There is an example",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "less") || strings.Contains(got, "another") {
		t.Errorf("the page has what other systems have:\n%s", got)
	}
	if strings.Contains(got, "secret") {
		t.Errorf("the page has a field that is not exported:\n%s", got)
	}
}

func TestWhatHasNoCommentIsAnError(t *testing.T) {
	_, err := pageOf(t, strings.Replace(source, "// Open lifts it.\n", "", 1))
	if err == nil || !strings.Contains(err.Error(), "Lid.Open") {
		t.Errorf("write() = %v, want an error about Lid.Open", err)
	}
}
