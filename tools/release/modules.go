package main

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// mod is one module of the repository.
type mod struct {
	dir      string   // below the root, with slashes
	path     string   // of the module
	siblings []string // paths of the repository's modules that it requires
	replaced []string // paths of the repository's modules that its go.mod has a directory for
}

// stays reports whether a module is for this repository alone: the tests of the whole, and the examples of
// the documents. Nobody imports them, and they are not released.
func (m mod) stays() bool { return m.dir == "e2e" || strings.HasPrefix(m.dir, "docs/") }

// tag is the tag that makes a version of the module.
func (m mod) tag(version string) string { return m.dir + "/" + version }

func (m mod) at(version string) module.Version { return module.Version{Path: m.path, Version: version} }

// readModules reads the modules that go.work names. In the result each comes after those that it requires.
func readModules(root string) ([]mod, error) {
	raw, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", raw, nil)
	if err != nil {
		return nil, err
	}
	files := make(map[string]*modfile.File) // path of the module -> its go.mod
	var mods []mod
	for _, use := range work.Use {
		dir := path.Clean(filepath.ToSlash(use.Path))
		f, err := readGoMod(root, dir)
		if err != nil {
			return nil, err
		}
		files[f.Module.Mod.Path] = f
		mods = append(mods, mod{dir: dir, path: f.Module.Mod.Path})
	}
	for i, m := range mods {
		for _, r := range files[m.path].Require {
			if files[r.Mod.Path] != nil {
				mods[i].siblings = append(mods[i].siblings, r.Mod.Path)
			}
		}
		for _, r := range files[m.path].Replace {
			if files[r.Old.Path] != nil {
				mods[i].replaced = append(mods[i].replaced, r.Old.Path)
			}
		}
	}
	return inOrder(mods)
}

func readGoMod(root, dir string) (*modfile.File, error) {
	name := path.Join(dir, "go.mod")
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	f, err := modfile.Parse(name, raw, nil)
	if err == nil && f.Module == nil {
		err = fmt.Errorf("%s names no module", name)
	}
	return f, err
}

// inOrder sorts modules: what is required comes first, and among equals what comes first by name.
func inOrder(mods []mod) ([]mod, error) {
	left := slices.Clone(mods)
	slices.SortFunc(left, func(a, b mod) int { return strings.Compare(a.dir, b.dir) })
	var sorted []mod
	have := make(map[string]bool) // path -> it is in sorted
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(m mod) bool {
			return !slices.ContainsFunc(m.siblings, func(s string) bool { return !have[s] })
		})
		if i < 0 {
			return nil, fmt.Errorf("the modules %v require each other in a circle", names(left))
		}
		sorted, have[left[i].path] = append(sorted, left[i]), true
		left = slices.Delete(left, i, i+1)
	}
	return sorted, nil
}

func names(mods []mod) []string {
	var dirs []string
	for _, m := range mods {
		dirs = append(dirs, m.dir)
	}
	return dirs
}

// published leaves out what is not released.
func published(mods []mod) []mod {
	return slices.DeleteFunc(slices.Clone(mods), mod.stays)
}

// needed are modules by their folders, and all that they require.
func needed(mods []mod, dirs []string) ([]mod, error) {
	want := make(map[string]bool) // path -> it is needed
	for _, dir := range dirs {
		i := slices.IndexFunc(mods, func(m mod) bool { return m.dir == dir })
		if i < 0 {
			return nil, fmt.Errorf("there is no module %q; there are %s", dir, strings.Join(names(mods), ", "))
		}
		want[mods[i].path] = true
	}
	for _, m := range slices.Backward(mods) { // who requires comes before what is required
		for _, s := range m.siblings {
			want[s] = want[s] || want[m.path]
		}
	}
	return slices.DeleteFunc(slices.Clone(mods), func(m mod) bool { return !want[m.path] }), nil
}

// sums are the checksums of a module in a version, as go.sum has them.
type sums struct{ zip, mod string } // h1:...

// rewrite makes the go.mod and the go.sum of a module what they are in a release: siblings are required in
// its version. A module that is released replaces nothing.
func (m mod) rewrite(root, version string, known map[string]sums) error {
	f, err := readGoMod(root, m.dir)
	if err != nil {
		return err
	}
	for _, s := range m.siblings {
		if err := f.AddRequire(s, version); err != nil {
			return err
		}
	}
	for _, s := range m.replaced {
		if m.stays() { // beside the others
			break
		}
		if err := f.DropReplace(s, ""); err != nil {
			return err
		}
	}
	f.Cleanup()
	if !m.stays() && len(f.Replace) > 0 {
		return fmt.Errorf("%s replaces %s, which is no module of this repository: go install refuses that",
			f.Syntax.Name, f.Replace[0].Old.Path)
	}
	raw, err := f.Format()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, filepath.FromSlash(m.dir))
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), raw, 0o644); err != nil {
		return err
	}
	if m.stays() {
		return nil
	}
	return m.rewriteSum(filepath.Join(dir, "go.sum"), version, known)
}

// rewriteSum adds the siblings' sums.
func (m mod) rewriteSum(name, version string, known map[string]sums) error {
	raw, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	lines := strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' })
	for _, s := range m.siblings {
		sum, ok := known[s]
		if !ok {
			return fmt.Errorf("%s needs %s, which is not released", m.dir, s)
		}
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, s+" ") })
		lines = append(lines, s+" "+version+" "+sum.zip, s+" "+version+"/go.mod "+sum.mod)
	}
	if len(lines) == 0 {
		return nil
	}
	slices.SortFunc(lines, bySum)
	return os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// bySum is the order of go.sum: by path, then by version, and what the sum of go.mod is comes after the
// module's.
func bySum(a, b string) int {
	x, y := append(strings.Fields(a), "", ""), append(strings.Fields(b), "", "")
	version := func(s string) string { return strings.TrimSuffix(s, "/go.mod") }
	return cmp.Or(
		strings.Compare(x[0], y[0]), semver.Compare(version(x[1]), version(y[1])), strings.Compare(a, b))
}
