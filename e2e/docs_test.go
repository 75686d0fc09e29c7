package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/e2e/pages"
)

// fromCode are pages that are made from the code, where a test of their own sees that they are up to date.
var fromCode = map[string]bool{"reference.md": true}

// TestExcerptsStandInTheirFiles looks at all pages for authors: no code on them is unchecked.
func TestExcerptsStandInTheirFiles(t *testing.T) {
	names, err := filepath.Glob("../docs/authors/*.md")
	if err != nil || len(names) < 5 {
		t.Fatalf("there are the pages %v, %v", names, err)
	}
	for _, name := range append(names, "../docs/plugin-authors.md") {
		if fromCode[filepath.Base(name)] {
			continue
		}
		p, err := pages.Read(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := p.Check(".."); err != nil {
			t.Error(err)
		}
	}
}

// TestPagesDoWhatTheySay runs the shell of the pages for authors, each in a directory of its own that has shared and
// docs as a checkout has them. What they serve is on a port that nobody else has.
func TestPagesDoWhatTheySay(t *testing.T) {
	for _, name := range []string{"tutorial.md", "other-languages.md", "versioning.md"} {
		t.Run(name, func(t *testing.T) {
			p, err := pages.Read(filepath.Join("../docs/authors", name))
			if err != nil {
				t.Fatal(err)
			}
			dir := shortTemp(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
			defer cancel()
			if err := p.Run(ctx, dir, readerOf(t, dir)); err != nil {
				t.Error(err)
			}
		})
	}
}

// readerOf is the environment of somebody who reads a page in a directory.
func readerOf(t *testing.T, dir string) []string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shared", "docs"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GATEHOUSE="+root, "GOFLAGS=-mod=mod",
		"STATE_DIRECTORY="+filepath.Join(dir, "state"), "MCP_SERVER_PORT="+freePort(t), "CGO_ENABLED=0", "MAKEFLAGS=--no-print-directory", "MAKELEVEL=")
}
