package pages

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const whole = `# A page

<!-- write: port/main.txt -->
` + "```go" + `
package main
` + "```" + `

` + "```sh" + `
cd port
cat main.txt
echo one; echo "two 7 three"
name=kept
` + "```" + `

` + "```text" + `
package main
…
two … three
` + "```" + `

1. a list

    goes on

` + "```sh" + `
test "$name" = kept
test -f main.txt
sleep 1000 &
` + "```" + `
`

func TestAPageIsRunFromTopToBottom(t *testing.T) {
	p, err := parse(whole)
	if err != nil || len(p.Blocks) != 4 {
		t.Fatalf("parse() = %+v, %v; want 4 blocks", p, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Run(ctx, t.TempDir(), os.Environ()); err != nil {
		t.Errorf("Run() = %v", err)
	}
	if ctx.Err() != nil {
		t.Error("Run waited for what a block left running")
	}
}

func TestWhatNothingChecksIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"```go\nx\n```\n":                             "nothing checks this",
		"```\nx\n```\n":                               "nothing checks this",
		"```text\nx\n```\n":                           "output without",
		"```sh\nx\n":                                  "not closed",
		"Text.\n\n    code\n":                         "only indented",
		"<!-- from: ../x -->\n```go\nx\n```\n":        "leads out",
		"<!-- from: x -->\nText.\n```go\nx\n```\n":    "nothing checks this",
		"<!-- write: /etc/x -->\n```go\nx\n```\n":     "leads out",
		"```sh\ntrue\n```\n<!-- wrong: x -->\n```c\n": "not closed",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestWhatAPageGetsWrongIsFound(t *testing.T) {
	for name, text := range map[string]string{
		"a command that fails":             "```sh\nfalse\ntrue\n```\n",
		"a command that fails in the end":  "```sh\ntrue\nfalse\n```\n",
		"output that is not there":         "```sh\necho a\n```\n```text\nb\n```\n",
		"output in another order":          "```sh\necho a; echo b\n```\n```text\nb\na\n```\n",
		"output with a line left out":      "```sh\necho a; echo x; echo b\n```\n```text\na\nb\n```\n",
		"output that is a part of a line":  "```sh\necho ab\n```\n```text\na\n```\n",
		"a file that is not written as is": "<!-- write: f -->\n```go\na\n```\n```sh\ngrep -x b f\n```\n",
	} {
		p, err := parse(text)
		if err != nil {
			t.Fatalf("%s: parse() = %v", name, err)
		}
		if err := p.Run(t.Context(), t.TempDir(), os.Environ()); err == nil {
			t.Errorf("%s: Run() = nil, want an error", name)
		}
	}
}

func TestAnExcerptStandsInItsFile(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "x.go"), []byte("func f() {\n\tone()\n\n\t\ttwo()\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		"one()\n\n\ttwo()\n":         true,
		"func f() {\n\tone()\n":      true,
		"one()\n\ttwo()\n":           false,
		"one()\n\ntwo()\n":           false,
		"ne()\n":                     false,
		"func f() {\n\tone()\n}\n\n": false,
	} {
		p, err := parse("<!-- from: x.go -->\n```go\n" + text + "```\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(root); (err == nil) != ok {
			t.Errorf("Check(%q) = %v, want it to fit: %t", text, err, ok)
		}
	}
	p, _ := parse("<!-- from: y.go -->\n```go\nx\n```\n")
	if p.Check(root) == nil {
		t.Error("Check of a file that is not there = nil, want an error")
	}
}
