// Package scaffold makes the source of a new plugin: a Go module of its own, with a tool that works, its
// tests and all that one needs to build, check, install and publish it. [Module.Write] writes it; what it
// consists of are the files below _templates, which are real Go.
//
//	m, err := scaffold.New(scaffold.Config{Name: "port-check", Kind: scaffold.Command, SDK: sdk})
//	...
//	err = m.Write("port-check")
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// Kind says what the tool of a new plugin is.
type Kind string

// The kinds.
const (
	Command Kind = "command" // wraps a command-line program
	Func    Kind = "func"    // a Go function
)

// Kinds are all of them.
var Kinds = []Kind{Command, Func}

// maxName is how long a name may be, so that the tool's name stays below its limit of 64.
const maxName = 40

var nameRE = regexp.MustCompile(`\A[a-z][a-z0-9]*(-[a-z0-9]+)*\z`)

// Config says what to make.
type Config struct {
	Name   string // of plugin, program and directory: lower-case words joined by -, at most 40 characters
	Kind   Kind   // zero: Command
	Module string // path of the Go module; empty: example.com/NAME
	SDK    SDK    // where the sdk comes from
}

// Module is the source of a plugin, ready to be written.
type Module struct {
	Tool  string            // name of its tool
	files map[string][]byte // path, with slashes -> content
}

// New makes the source of a plugin. Its errors say what is wrong, and what is allowed.
func New(c Config) (*Module, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	if c.Kind == "" {
		c.Kind = Command
	}
	if !slices.Contains(Kinds, c.Kind) {
		return nil, fmt.Errorf("there is no kind %q; there are %s and %s", c.Kind, Command, Func)
	}
	if c.Module == "" {
		c.Module = "example.com/" + c.Name
	}
	if err := module.CheckPath(c.Module); err != nil {
		return nil, fmt.Errorf("the module path cannot be used: %w; one is such as example.com/%s", err, c.Name)
	}
	files, err := c.SDK.files(c.Module)
	if err != nil {
		return nil, err
	}
	m := &Module{Tool: ToolName(c.Name), files: files}
	return m, m.fill(c)
}

// CheckName says why a name cannot be a plugin's.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the plugin has no name; one is such as port-check")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d characters; allowed are %d", len(name), maxName)
	case !nameRE.MatchString(name):
		return fmt.Errorf("%q is no name for a plugin; write lower-case letters and digits, in words joined by -, "+
			"such as port-check", name)
	}
	if err := module.CheckPath("example.com/" + name); err != nil { // such as aux, which means something to Windows
		why := err
		if invalid := (*module.InvalidPathError)(nil); errors.As(err, &invalid) && invalid.Err != nil {
			why = invalid.Err
		}
		return fmt.Errorf("%q is no name for a plugin, as no Go module can have it: %w; choose another, "+
			"such as %s-check", name, why, name)
	}
	return nil
}

// ToolName is what the tool of a plugin is called: PortCheckTool for port-check.
func ToolName(plugin string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(plugin, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return strings.TrimSuffix(b.String(), "Tool") + "Tool"
}

//go:embed all:_templates
var templates embed.FS

// places are where templates go whose names would mean something here already.
var places = map[string]string{"gitignore": ".gitignore", "ci.yml": ".github/workflows/ci.yml"}

// fill makes the files from the templates of the kind and those that all kinds share. In these the plugin is
// called example-plugin.
func (m *Module) fill(c Config) error {
	write := strings.NewReplacer("example.com/example-plugin", c.Module, "example-plugin", c.Name,
		"ExamplePluginTool", m.Tool)
	for _, dir := range []string{"common", string(c.Kind)} {
		dir = path.Join("_templates", dir)
		entries, err := fs.ReadDir(templates, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			raw, err := fs.ReadFile(templates, path.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			to := e.Name()
			if place, ok := places[to]; ok {
				to = place
			}
			m.files[to] = []byte(write.Replace(string(raw)))
		}
	}
	return nil
}

// Files are the names of what is written, sorted, with slashes.
func (m *Module) Files() []string {
	var names []string
	for name := range m.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Write writes the module into a directory, which it makes unless it is there and empty. Nothing that exists
// is written over.
func (m *Module) Write(dir string) error {
	if err := makeEmpty(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() // its files have been closed
	for _, name := range m.Files() {
		if err := writeNew(root, filepath.FromSlash(name), m.files[name]); err != nil {
			return err
		}
	}
	return nil
}

func makeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o755)
	case err != nil:
		return fmt.Errorf("the directory cannot be used: %w; choose another with --dir", err)
	case len(entries) > 0:
		return fmt.Errorf("%s is there already, and holds %s; choose another directory with --dir",
			dir, entries[0].Name())
	}
	return nil
}

func writeNew(root *os.Root, name string, content []byte) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
