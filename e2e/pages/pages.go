// Package pages holds the code in pages of Markdown to what it says: shell is run, what it prints is compared, and
// the rest comes from files that something else compiles, or is written into files that the shell then builds.
//
//	p, err := pages.Read("docs/authors/tutorial.md")
//	err = p.Check(root)             // excerpts are in their files
//	err = p.Run(ctx, dir, environ)  // in a directory of its own, from top to bottom
//
// A [Page] is a list of [Block] values. What a block is follows from the word behind its fence and the comment
// above it:
//
//	```sh                        is run; all of a page in one shell, which must go on to the end
//	```text                      what the block of shell before it prints, in this order; … is anything
//	<!-- write: NAME -->         the next block is written into a file of the page's directory
//	<!-- from: NAME -->          the next block is a piece of a file of the project
//
// Anything else is an error: no code stands on a page that nothing looks at.
package pages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Kind says what is done with a block.
type Kind string

// The kinds.
const (
	Shell   Kind = "shell"   // run
	Output  Kind = "output"  // compared with what the shell before it printed
	Written Kind = "written" // into File, in the page's directory
	Excerpt Kind = "excerpt" // of File, in the project
)

// Block is a piece of code of a page.
type Block struct {
	Kind Kind
	Line int    // of its fence, from 1
	File string // of Written and Excerpt
	Text string // ends with a newline
}

// Page is the code of a page.
type Page struct {
	Name   string
	Blocks []Block
}

var (
	fence = regexp.MustCompile("^```([a-z]*)$")
	list  = regexp.MustCompile(`^\s*([-*]|\d+\.) |^\s`) // an item, or what goes on with one
	mark  = regexp.MustCompile(`^<!-- (from|write): (\S+) -->$`)
)

// Read reads a page. It is an error when it has code of no kind.
func Read(name string) (Page, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return Page{}, err
	}
	p, err := parse(string(raw))
	p.Name = name
	if err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func parse(text string) (p Page, err error) {
	lines := strings.Split(text, "\n")
	var above []string // the match of mark on the line above
	for i := 0; i < len(lines); i++ {
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			if indented(lines, i) {
				return p, fmt.Errorf("line %d: code that is only indented; put it between fences", i+1)
			}
			above = mark.FindStringSubmatch(lines[i])
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		if end == len(lines) {
			return p, fmt.Errorf("line %d: the fence is not closed", i+1)
		}
		b := Block{Line: i + 1, Text: strings.Join(lines[i+1:end], "\n") + "\n"}
		if err := p.add(b, m[1], above); err != nil {
			return p, fmt.Errorf("line %d: %w", i+1, err)
		}
		above, i = nil, end
	}
	return p, nil
}

// indented tells code of the older form: four blanks behind an empty line that no list goes on after.
func indented(lines []string, i int) bool {
	if !strings.HasPrefix(lines[i], "    ") || strings.TrimSpace(lines[i]) == "" || i == 0 || lines[i-1] != "" {
		return false
	}
	for k := i - 1; k >= 0; k-- {
		if lines[k] != "" {
			return !list.MatchString(lines[k])
		}
	}
	return true
}

// add finds the kind of a block by its word and what stands above it.
func (p *Page) add(b Block, word string, above []string) error {
	switch {
	case above != nil && above[1] == "from":
		b.Kind, b.File = Excerpt, above[2]
	case above != nil:
		b.Kind, b.File = Written, above[2]
	case word == "sh":
		b.Kind = Shell
	case word == "text" && p.afterShell():
		b.Kind = Output
	case word == "text":
		return errors.New("output without a block of shell before it")
	default:
		return fmt.Errorf("nothing checks this %q: it is no shell, and has no comment above it that says from which "+
			"file it comes, or into which it is written", word)
	}
	if b.File != "" && !filepath.IsLocal(b.File) {
		return fmt.Errorf("%s leads out of the directory", b.File)
	}
	p.Blocks = append(p.Blocks, b)
	return nil
}

func (p *Page) afterShell() bool {
	return len(p.Blocks) > 0 && p.Blocks[len(p.Blocks)-1].Kind == Shell
}

// Check compares the excerpts with their files below root. An excerpt is lines of its file that stand together,
// perhaps further to the left.
func (p Page) Check(root string) error {
	var all []error
	for _, b := range p.Blocks {
		if b.Kind != Excerpt {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(root, b.File))
		if err == nil && !holds(string(raw), b.Text) {
			err = fmt.Errorf("this does not stand in %s", b.File)
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s:%d: %w", p.Name, b.Line, err))
		}
	}
	return errors.Join(all...)
}

// holds reports whether the lines of an excerpt stand together in a text, all further to the right by the same.
func holds(text, excerpt string) bool {
	want := strings.Split(strings.TrimRight(excerpt, "\n"), "\n")
	have := strings.Split(text, "\n")
	for i := 0; i+len(want) <= len(have); i++ {
		shift, ok := strings.CutSuffix(have[i], want[0])
		if ok && strings.Trim(shift, " \t") == "" && same(have[i:i+len(want)], want, shift) {
			return true
		}
	}
	return false
}

func same(have, want []string, shift string) bool {
	for i, line := range want {
		if line == "" && strings.TrimSpace(have[i]) == "" {
			continue
		}
		if have[i] != shift+line {
			return false
		}
	}
	return true
}

// prints reports what of the wanted output is missing in the one there is; "": nothing. Lines that are wanted come
// in their order, and others may stand between them only where a line is … alone.
func prints(have, want string) (missing string) {
	var b strings.Builder
	b.WriteString(`(?s)(^|\n)`)
	for line := range strings.SplitSeq(strings.TrimRight(want, "\n"), "\n") {
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(.*\n)?`)
			continue
		}
		for k, part := range strings.Split(strings.TrimRight(line, " "), "…") {
			if k > 0 {
				b.WriteString(`[^\n]*`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		b.WriteString(` *\n`)
	}
	if regexp.MustCompile(b.String()).MatchString(have + "\n") {
		return ""
	}
	return want
}
