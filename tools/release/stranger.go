package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// strangerPlugin is the program that a stranger writes.
//
//go:embed stranger/main.go.txt
var strangerPlugin []byte

// stranger is somebody with a Go compiler, an empty directory and the archive of this platform. They install
// the host from its module, write a plugin against the sdk's, and call it through the host of the archive.
// When nothing is built for this platform there is no such archive, and that is an error.
func (p proving) stranger(ctx context.Context, platforms []string) error {
	here := runtime.GOOS + "/" + runtime.GOARCH
	if !slices.Contains(platforms, here) {
		return fmt.Errorf("nothing is built for %s, which is this machine, so nothing can be tried", here)
	}
	home := filepath.Join(p.dir, "stranger")
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	if err := unpack(filepath.Join(p.dir, "made", p.stem(here)+".tar.gz"), home); err != nil {
		return err
	}
	host := filepath.Join(home, p.stem(here), "gatehouse")
	for _, step := range []func(context.Context, string, string) error{
		p.install, p.says, p.write, p.call, p.begin,
	} {
		if err := step(ctx, home, host); err != nil {
			return err
		}
	}
	return nil
}

// install gets the host by its module, as somebody does who has not even cloned the repository.
func (p proving) install(ctx context.Context, home, _ string) error {
	m, err := p.find("host")
	if err != nil {
		return err
	}
	bin := filepath.Join(home, "gobin")
	environ := append(without(p.environ), "GOBIN="+bin)
	pkg := m.path + "/cmd/gatehouse@" + p.version
	if _, err := output(ctx, home, environ, "go", "install", "-trimpath", pkg); err != nil {
		return err
	}
	_, err = output(ctx, home, p.environ, filepath.Join(bin, "gatehouse"), "version")
	return err
}

// says holds every released program to saying its version.
func (p proving) says(ctx context.Context, _, host string) error {
	for _, prog := range p.programs() {
		arg := "--version"
		if prog.at == "gatehouse" {
			arg = "version"
		}
		name := filepath.Join(filepath.Dir(host), filepath.FromSlash(prog.at))
		text, err := output(ctx, p.dir, p.environ, name, arg)
		if err != nil {
			return err
		}
		if !slices.Contains(strings.Fields(text), p.version) {
			return fmt.Errorf("%s %s says %q, which does not name %s", prog.at, arg, text, p.version)
		}
	}
	return nil
}

// write makes a module with a plugin, outside of any repository.
func (p proving) write(ctx context.Context, home, _ string) error {
	dir := filepath.Join(home, "port")
	sdk, err := p.find("sdk")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	source := bytes.ReplaceAll(strangerPlugin, []byte("SDK"), []byte(sdk.path))
	if err := os.WriteFile(filepath.Join(dir, "main.go"), source, 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"mod", "init", "example.com/port"},
		{"get", sdk.path + "@" + p.version},
		{"build", "-o", filepath.Join(dir, "plugins", "port"), "."},
	} {
		if _, err := output(ctx, dir, p.environ, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

// call calls the plugin through the released host: a port where somebody listens is open.
func (p proving) call(ctx context.Context, home, host string) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	cmd := exec.CommandContext(ctx, host, "call", "PortTool", "127.0.0.1", "--json",
		"--arg", fmt.Sprintf("port=%d", l.Addr().(*net.TCPAddr).Port),
		"--plugins-dir", filepath.Join(home, "port", "plugins"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir()}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("call the plugin: %w\n%s%s", err, out, &stderr)
	}
	return openPort(out)
}

// begin lets the host make a plugin of each kind, with the released sdk, and does what its author does next.
func (p proving) begin(ctx context.Context, home, host string) error {
	// What make release was told is not for the plugin's Makefile.
	environ := without(p.environ, "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
	for _, kind := range []string{"func", "command"} {
		dir := filepath.Join(home, kind)
		for _, argv := range [][]string{
			{host, "plugin", "new", "made", "--kind", kind, "--sdk", p.version, "--dir", dir},
			{"make", "-C", dir, "build", "test", "check", "GATEHOUSE=" + host},
		} {
			if _, err := output(ctx, home, environ, argv[0], argv[1:]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPort reads what the host prints of the call.
func openPort(report []byte) error {
	var said struct {
		Data struct {
			Open bool `json:"open"`
		} `json:"data"`
	}
	if err := json.Unmarshal(report, &said); err != nil {
		return fmt.Errorf("the host prints %.200q: %w", report, err)
	}
	if !said.Data.Open {
		return errors.New("the plugin says that a port is closed where we listen")
	}
	return nil
}
