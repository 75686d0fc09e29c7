package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// proving is where a cut is proved: directories, and an environment in which go takes our modules from the
// mirror and knows of no other directory.
type proving struct {
	cut
	dir     string   // everything below it is ours
	environ []string // of the go command, in every directory
	goProxy string   // where modules come from
}

// newProving sets the environment up. Modules of others come from the user's module cache, which is in the
// form of a proxy as well, and from the user's proxy; they are unpacked into a cache of our own, so that no
// version that was never released gets into the user's.
func newProving(ctx context.Context, c cut, dir string) (proving, error) {
	p := proving{cut: c, dir: dir}
	text, err := output(ctx, c.repo.dir, c.repo.env, "go", "env", "GOMODCACHE", "GOPROXY", "GONOSUMDB")
	if err != nil {
		return p, err
	}
	user := strings.Split(text, "\n")
	if len(user) != 3 {
		return p, fmt.Errorf("go env says %q", text)
	}
	p.goProxy = c.mirror.url() + ",file://" + filepath.ToSlash(user[0]) + "/cache/download," + user[1]
	p.environ = append(without(c.repo.env),
		"GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-modcacherw", "GOMODCACHE="+filepath.Join(dir, "modcache"),
		"GOPROXY="+p.goProxy, "GONOPROXY=none",
		// The checksum database learns of a version when it is published, and this one is not yet.
		"GONOSUMDB="+strings.Trim(p.prefix()+","+user[2], ","))
	return p, nil
}

// prefix is what the paths of all modules begin with.
func (p proving) prefix() string {
	prefix := p.mods[0].path
	for _, m := range p.mods[1:] {
		for !strings.HasPrefix(m.path+"/", prefix+"/") {
			prefix = path.Dir(prefix)
		}
	}
	return prefix
}

// tidy holds each module to what go makes of it.
func (p proving) tidy(ctx context.Context) error {
	var untidy []error
	for _, m := range p.mods {
		folder := filepath.Join(p.repo.dir, filepath.FromSlash(m.dir))
		if _, err := output(ctx, folder, p.environ, "go", "mod", "tidy", "-diff"); err != nil {
			untidy = append(untidy, fmt.Errorf(
				"%s is not tidy; type GOWORK=off go mod tidy there, and commit: %.1000s", m.dir, err.Error()))
		}
	}
	return errors.Join(untidy...)
}

// program is one program of a release.
type program struct {
	mod
	pkg string // its package, below the path of the module
	at  string // where it is in an archive
}

// programs are the host and every plugin, the host first.
func (p proving) programs() []program {
	var list []program
	for _, m := range p.mods {
		switch {
		case m.dir == "host":
			list = append([]program{{m, "cmd/gatehouse", "gatehouse"}}, list...)
		case path.Dir(m.dir) == "plugins":
			list = append(list, program{m, "", m.dir})
		}
	}
	return list
}

// built is where the programs for a platform lie, after buildTwice.
func (p proving) built(platform string) string {
	return filepath.Join(p.dir, "built", filepath.FromSlash(platform))
}

// buildTwice builds everything in one directory, and again in another, and compares. Unless it is warm the
// second build has nothing of the first but what the mirror serves to both.
func (p proving) buildTwice(ctx context.Context, platforms []string, warm bool) error {
	second := filepath.Join(p.dir, "somewhere", "else")
	environ := append(without(p.environ), "GOMODCACHE="+filepath.Join(second, "modcache"))
	if !warm {
		environ = append(environ, "GOCACHE="+filepath.Join(second, "gocache"))
	}
	for _, platform := range platforms {
		first, again := p.built(platform), filepath.Join(second, "built", filepath.FromSlash(platform))
		if err := p.build(ctx, first, platform, p.environ); err != nil {
			return err
		}
		if err := p.build(ctx, again, platform, environ); err != nil {
			return err
		}
		if err := errors.Join(p.same(first, again), p.check(first, platform)); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return os.RemoveAll(second)
}

// build builds all programs for one platform. It does what anybody can do once the modules are published, so
// that anybody can see that the archives have what these modules make:
//
//	CGO_ENABLED=0 go install -trimpath -ldflags "-s -w -X main.version=v1.2.3" MODULE/PACKAGE@v1.2.3
//
// A program says which module it was made of, in which version and with which sum, and so of all others.
func (p proving) build(ctx context.Context, to, platform string, environ []string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	place, err := os.MkdirTemp(p.dir, "gopath-")
	if err != nil {
		return err
	}
	environ = append(without(environ, "GOBIN"), "GOOS="+goos, "GOARCH="+goarch, "GOPATH="+place)
	for _, prog := range p.programs() {
		pkg := path.Join(prog.path, prog.pkg)
		if _, err := output(ctx, p.dir, environ, "go", "install", "-trimpath", "-ldflags",
			"-s -w -X main.version="+p.version, pkg+"@"+p.version); err != nil {
			return fmt.Errorf("%s for %s: %w", prog.dir, platform, err)
		}
		made := filepath.Join(place, "bin", path.Base(pkg))
		if platform != runtime.GOOS+"/"+runtime.GOARCH {
			made = filepath.Join(place, "bin", goos+"_"+goarch, path.Base(pkg))
		}
		name := filepath.Join(to, filepath.FromSlash(prog.at))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.Rename(made, name); err != nil {
			return err
		}
	}
	return os.RemoveAll(place)
}

// same compares two builds byte by byte.
func (p proving) same(first, again string) error {
	for _, prog := range p.programs() {
		a, err := os.ReadFile(filepath.Join(first, filepath.FromSlash(prog.at)))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(again, filepath.FromSlash(prog.at)))
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return fmt.Errorf("%s comes out different when it is built in another directory", prog.at)
		}
	}
	return nil
}

// check holds each program to its platform, to needing no library, and to naming what it was made of.
func (p proving) check(dir, platform string) error {
	for _, prog := range p.programs() {
		name := filepath.Join(dir, filepath.FromSlash(prog.at))
		if err := static(name, platform); err != nil {
			return fmt.Errorf("%s: %w", prog.at, err)
		}
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return err
		}
		if err := p.provenance(prog, info); err != nil {
			return fmt.Errorf("%s: %w", prog.at, err)
		}
	}
	return nil
}

// provenance holds what a program says of its modules to the release.
func (p proving) provenance(prog program, info *buildinfo.BuildInfo) error {
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		sum, ours := p.known[m.Path]
		if m.Replace != nil || ours && (m.Version != p.version || m.Sum != sum.zip) {
			return fmt.Errorf("it says that it has %s %s %s, want %s %s",
				m.Path, m.Version, m.Sum, p.version, sum.zip)
		}
	}
	if info.Main.Path != prog.path {
		return fmt.Errorf("it says that it is of %s, want %s", info.Main.Path, prog.path)
	}
	return nil
}

// static reports what a program needs besides the kernel, and when it is not for the platform.
func static(name, platform string) error {
	if strings.HasPrefix(platform, "darwin/") {
		return staticMachO(name, platform)
	}
	f, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if want := machines[platform]; f.Machine != want.elf {
		return fmt.Errorf("it is for %v", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("it is linked dynamically: it has a segment %v", p.Type)
		}
	}
	return nil
}

// machines are the processors of the platforms, as the two formats number them.
var machines = map[string]struct {
	elf   elf.Machine
	macho macho.Cpu
}{
	"linux/amd64": {elf: elf.EM_X86_64}, "linux/arm64": {elf: elf.EM_AARCH64},
	"darwin/amd64": {macho: macho.CpuAmd64}, "darwin/arm64": {macho: macho.CpuArm64},
}

// staticMachO allows what every Mac has: Apple supports no program that asks the kernel itself.
func staticMachO(name, platform string) error {
	f, err := macho.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if want := machines[platform]; f.Cpu != want.macho || f.Type != macho.TypeExec {
		return fmt.Errorf("it is a %v for %v", f.Type, f.Cpu)
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if !strings.HasPrefix(l, "/usr/lib/") && !strings.HasPrefix(l, "/System/Library/") {
			return fmt.Errorf("it needs the library %s", l)
		}
	}
	return nil
}
