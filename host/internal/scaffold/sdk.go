package scaffold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Modules that a plugin is made of, and the oldest Go that compiles them.
const (
	sdkModule    = "github.com/gatehouse-mcp/gatehouse/sdk"
	sharedModule = "github.com/gatehouse-mcp/gatehouse/shared"
	goVersion    = "1.26.0"
)

// SDK says where the sdk comes from: a version that is published, or a checkout.
type SDK struct {
	Version string // such as v1.2.3; "": Dir says it
	Dir     string // of the sdk, absolute, with shared beside it
}

// releaseRE matches the version of a build that was made from a tag. What git describe says of other commits
// looks like a version as well (v1.2.3-4-gabcdef), and is none.
var releaseRE = regexp.MustCompile(`\Av\d+\.\d+\.\d+(-(alpha|beta|rc)[.0-9]*)?\z`)

// Find understands what a person said about the sdk: a version, the directory of a checkout, or nothing,
// which means the version of this build of Gatehouse.
func Find(said, build string) (SDK, error) {
	switch {
	case said == "" && releaseRE.MatchString(build):
		return SDK{Version: build}, nil
	case said == "":
		return SDK{}, fmt.Errorf("this gatehouse is a development build (%s), and the modules of a development build "+
			"are not published; say where the sdk is: --sdk DIR for a checkout of Gatehouse, or --sdk v1.2.3", build)
	case semver.IsValid(said) && semver.Canonical(said) == said:
		return SDK{Version: said}, nil
	}
	return findDir(said)
}

// findDir takes the directory of the sdk, or that of a checkout which it lies in.
func findDir(said string) (SDK, error) {
	dir, err := filepath.Abs(said)
	if err != nil {
		return SDK{}, err
	}
	for _, sdk := range []string{dir, filepath.Join(dir, "sdk")} {
		if modulePath(sdk) != sdkModule {
			continue
		}
		if modulePath(filepath.Join(filepath.Dir(sdk), "shared")) != sharedModule {
			return SDK{}, fmt.Errorf("the module shared is not beside %s; take a whole checkout of Gatehouse", sdk)
		}
		return SDK{Dir: sdk}, nil
	}
	return SDK{}, fmt.Errorf("%s is neither a version such as v1.2.3 nor a directory with the module %s",
		said, sdkModule)
}

// modulePath is the path of the module in a directory; "" when there is none.
func modulePath(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return ""
	}
	return modfile.ModulePath(raw)
}

// files are go.mod and, from a checkout, what it takes to build without asking any server: the requirements
// of the sdk and their checksums. Of a version that is published, go mod tidy finds both.
func (s SDK) files(path string) (map[string][]byte, error) {
	if (s.Version == "") == (s.Dir == "") {
		return nil, errors.New("the sdk is either of a version or in a directory")
	}
	f, files := new(modfile.File), make(map[string][]byte)
	err := errors.Join(f.AddModuleStmt(path), f.AddGoStmt(goVersion))
	if s.Dir == "" {
		err = errors.Join(err, f.AddRequire(sdkModule, s.Version))
	} else {
		err = errors.Join(err, s.checkout(f))
		files["go.sum"], _ = os.ReadFile(filepath.Join(s.Dir, "go.sum")) // without one, go mod tidy makes it
	}
	if err != nil {
		return nil, fmt.Errorf("go.mod: %w", err)
	}
	f.Cleanup()
	files["go.mod"], err = f.Format()
	return files, err
}

// checkout has a module use the sdk of a directory.
func (s SDK) checkout(f *modfile.File) error {
	raw, err := os.ReadFile(filepath.Join(s.Dir, "go.mod"))
	if err != nil {
		return err
	}
	sdk, err := modfile.ParseLax("go.mod", raw, nil)
	if err != nil {
		return err
	}
	needs := []*modfile.Require{{Mod: module.Version{Path: sdkModule, Version: "v0.0.0"}}}
	for _, r := range sdk.Require {
		needs = append(needs, &modfile.Require{Mod: r.Mod, Indirect: true})
	}
	f.SetRequireSeparateIndirect(needs)
	return errors.Join(f.AddReplace(sdkModule, "", s.Dir, ""),
		f.AddReplace(sharedModule, "", filepath.Join(filepath.Dir(s.Dir), "shared"), ""))
}
