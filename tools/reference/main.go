// Command reference writes a page of Markdown about Go packages from their doc comments, for people who would rather
// not go to a documentation server. It is run by make generate; make test fails when the page has drifted.
//
//	go run . -out docs/authors/reference.md -root ROOT sdk sdk/command
//
// Each directory below ROOT is one package. What has no doc comment is an error: the page promises all of them.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is the path that the directories lie below.
const module = "github.com/gatehouse-mcp/gatehouse/"

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "directory that the packages lie below")
	out := flags.String("out", "", "file to write")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	page, err := write(*root, flags.Args())
	if err == nil {
		err = os.WriteFile(*out, page, 0o644)
	}
	if err != nil {
		fmt.Fprintln(stderr, "reference:", err)
		return 1
	}
	return 0
}

const head = `# Reference

Everything that the sdk exports, as its source says it. This page is made from the code by ` + "`make generate`" + `; do not
edit it.
`

// write makes the page of some packages.
func write(root string, dirs []string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(head + "\n")
	var pages []*page
	for _, dir := range dirs {
		p, err := read(root, dir)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
		fmt.Fprintf(&b, "- [`%s`](#%s): %s\n", dir, p.anchor(), p.pkg.Synopsis(p.pkg.Doc))
	}
	for _, p := range pages {
		p.write(&b)
		if len(p.undocumented) > 0 {
			return nil, fmt.Errorf("%s: exported and without a doc comment: %s", p.dir,
				strings.Join(p.undocumented, ", "))
		}
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), nil
}

// page is the part of one package.
type page struct {
	dir          string
	pkg          *doc.Package
	files        *token.FileSet
	examples     map[string]bool // names of exported things with an example
	undocumented []string
}

// read parses the package of a directory as Linux builds it.
func read(root, dir string) (*page, error) {
	p := &page{dir: dir, files: token.NewFileSet(), examples: make(map[string]bool)}
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var sources []*ast.File
	for _, name := range names {
		if ok, err := linux.MatchFile(filepath.Split(name)); err != nil || !ok {
			continue // of another system, or not to be read as Go
		}
		f, err := parser.ParseFile(p.files, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		sources = append(sources, f)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s has no Go files", dir)
	}
	p.pkg, err = doc.NewFromFiles(p.files, sources, path.Join(module, dir))
	if err != nil {
		return nil, err
	}
	for _, e := range p.all() {
		p.examples[e] = true
	}
	return p, nil
}

// linux is the system whose files are read: of what has several, the page tells that of Linux.
var linux = func() build.Context {
	c := build.Default
	c.GOOS, c.GOARCH = "linux", "amd64"
	return c
}()

// all are the things that have an example: "Func", "Type", "Type.Method".
func (p *page) all() (names []string) {
	add := func(name string, examples []*doc.Example) {
		if len(examples) > 0 {
			names = append(names, name)
		}
	}
	for _, f := range p.pkg.Funcs {
		add(f.Name, f.Examples)
	}
	for _, t := range p.pkg.Types {
		add(t.Name, t.Examples)
		for _, f := range slices.Concat(t.Funcs, t.Methods) {
			add(f.Name, f.Examples)
		}
	}
	return names
}

func (p *page) anchor() string {
	return "package-" + strings.ReplaceAll(p.dir, "/", "")
}

func (p *page) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## Package %s\n\n", p.dir)
	fmt.Fprintf(b, "`import \"%s\"`\n\n", p.pkg.ImportPath)
	p.text(b, "package "+p.pkg.Name, p.pkg.Doc)
	p.values(b, p.pkg.Consts)
	p.values(b, p.pkg.Vars)
	for _, f := range p.pkg.Funcs {
		p.function(b, "", f)
	}
	for _, t := range p.pkg.Types {
		p.typ(b, t)
	}
}

func (p *page) typ(b *bytes.Buffer, t *doc.Type) {
	fmt.Fprintf(b, "### type %s\n\n", t.Name)
	p.code(b, t.Decl)
	p.text(b, t.Name, t.Doc)
	p.values(b, t.Consts)
	p.values(b, t.Vars)
	for _, f := range t.Funcs {
		p.function(b, "", f)
	}
	for _, m := range t.Methods {
		p.function(b, t.Name, m)
	}
}

func (p *page) function(b *bytes.Buffer, receiver string, f *doc.Func) {
	name := f.Name
	if receiver != "" {
		name = receiver + "." + f.Name
	}
	fmt.Fprintf(b, "#### %s\n\n", name)
	p.code(b, f.Decl)
	p.text(b, name, f.Doc)
}

func (p *page) values(b *bytes.Buffer, all []*doc.Value) {
	for _, v := range all {
		p.code(b, v.Decl)
		if v.Doc != "" {
			p.text(b, v.Names[0], v.Doc)
		}
	}
}

// code writes a declaration without the body of a function.
func (p *page) code(b *bytes.Buffer, decl ast.Decl) {
	if f, ok := decl.(*ast.FuncDecl); ok {
		short := *f
		short.Body, short.Doc = nil, nil
		decl = &short
	}
	if g, ok := decl.(*ast.GenDecl); ok {
		short := *g
		short.Doc = nil
		decl = &short
	}
	b.WriteString("```go\n")
	if err := format.Node(b, p.files, decl); err != nil {
		fmt.Fprintf(b, "%v", err)
	}
	b.WriteString("\n```\n\n")
}

// text writes a doc comment; links go to the declarations on this page, or to the documentation server.
func (p *page) text(b *bytes.Buffer, name, text string) {
	if strings.TrimSpace(text) == "" {
		p.undocumented = append(p.undocumented, name)
		return
	}
	if p.examples[name] {
		text += fmt.Sprintf("\nThere is an example: go test -run Example%s$ %s\n", strings.ReplaceAll(name, ".", "_"),
			p.pkg.ImportPath)
	}
	printer := p.pkg.Printer()
	printer.HeadingLevel = 5
	printer.DocLinkURL = p.link
	b.Write(printer.Markdown(p.pkg.Parser().Parse(text)))
	b.WriteString("\n")
}

// link is where a name in brackets leads.
func (p *page) link(l *comment.DocLink) string {
	if l.ImportPath == "" {
		heading := strings.ToLower(l.Name)
		switch {
		case l.Recv != "":
			heading = strings.ToLower(l.Recv) + strings.ToLower(l.Name)
		case slices.ContainsFunc(p.pkg.Types, func(t *doc.Type) bool { return t.Name == l.Name }):
			heading = "type-" + heading
		}
		return "#" + heading
	}
	return l.DefaultURL("https://pkg.go.dev")
}
