package sdk_test

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// withoutOutput are examples that can be compiled only, and why.
var withoutOutput = map[string]string{
	"sdktest.Conformance": "it needs the *testing.T of a test",
}

// TestEverythingThatAuthorsCallHasAnExample looks for functions, and for types with methods, of which nobody shows
// how they are used. A type is shown by an example of its own, of a method or of what makes it.
func TestEverythingThatAuthorsCallHasAnExample(t *testing.T) {
	for _, dir := range []string{".", "command", "sandbox", "sdktest"} {
		p := documentation(t, dir)
		for _, f := range p.Funcs {
			demand(t, p.Name+"."+f.Name, f.Examples)
		}
		for _, typ := range p.Types {
			shown := slices.Clone(typ.Examples)
			for _, f := range typ.Funcs {
				demand(t, p.Name+"."+f.Name, f.Examples)
				shown = append(shown, f.Examples...)
			}
			for _, m := range typ.Methods {
				shown = append(shown, m.Examples...)
			}
			if len(typ.Methods) > 0 || isInterface(typ) {
				demand(t, p.Name+"."+typ.Name, shown)
			}
		}
	}
}

func demand(t *testing.T, name string, examples []*doc.Example) {
	t.Helper()
	runs := func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }
	switch {
	case len(examples) == 0:
		t.Errorf("%s has no Example", name)
	case !slices.ContainsFunc(examples, runs) && withoutOutput[name] == "":
		t.Errorf("%s has an Example without Output, which is never run", name)
	}
}

func isInterface(typ *doc.Type) bool {
	for _, spec := range typ.Decl.Specs {
		if s, ok := spec.(*ast.TypeSpec); ok && s.Name.Name == typ.Name && !s.Assign.IsValid() {
			_, is := s.Type.(*ast.InterfaceType)
			return is
		}
	}
	return false
}

// documentation reads a package with its examples, as this platform has it.
func documentation(t *testing.T, dir string) *doc.Package {
	t.Helper()
	found, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(found.GoFiles, found.TestGoFiles, found.XTestGoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/gatehouse-mcp/gatehouse/sdk/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
