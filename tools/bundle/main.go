// Bundle builds MCP bundles (.mcpb), one for each platform: the host, its plugins beside it, and a manifest.
// A bundle is a zip archive that Claude Desktop and others install with a double click.
//
//	bundle -version v1.2.3 -mcpb .cache/node/node_modules/.bin/mcpb -out dist
//
// The official mcpb program judges each: it validates the manifest, and unpacks the archive, in which every
// file must be what was put into it. The bundle of this platform is then started as its manifest says, and
// asked for its tools. The same sources, version and Go make the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// job is what the flags say.
type job struct {
	root, out string // directories: of the repository; of the bundles
	version   string // of the program, as it prints it
	mcpb      string // path of the official program
	platforms []string
	plugins   []string // folders below plugins/
	tools     []string // that the bundle of this platform must offer
	stdout    io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	j := job{stdout: stdout}
	flags.StringVar(&j.root, "root", ".", "directory of the repository")
	flags.StringVar(&j.out, "out", "dist", "directory for the bundles")
	flags.StringVar(&j.version, "version", "dev", "version of the program")
	flags.StringVar(&j.mcpb, "mcpb", "", "path of the official mcpb program")
	platforms := flags.String("platforms", runtime.GOOS+"/"+runtime.GOARCH, "what to build for, separated by commas or spaces")
	plugins := flags.String("plugins", "nmap,ping", "folders of the plugins, likewise")
	tools := flags.String("tools", "NmapTool,PingTool", "what the bundle of this platform must offer, likewise")
	if flags.Parse(args) != nil {
		return 2
	}
	if j.mcpb == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "bundle: name the mcpb program with -mcpb, and nothing besides flags")
		return 2
	}
	j.platforms, j.plugins, j.tools = words(*platforms), words(*plugins), words(*tools)
	for _, platform := range j.platforms {
		if err := j.make(ctx, platform); err != nil {
			fmt.Fprintf(stderr, "bundle: %s: %v\n", platform, err)
			return 1
		}
	}
	return 0
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// make builds, packs and checks the bundle of one platform, such as linux/amd64. A bundle that does not pass
// is not left in the directory.
func (j job) make(ctx context.Context, platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return errors.New("it is no platform; one is linux/amd64")
	}
	dir, err := os.MkdirTemp("", "gatehouse-bundle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // only the packed one is kept
	stage, packed := filepath.Join(dir, "stage"), filepath.Join(dir, "packed.mcpb")
	if err := j.stage(ctx, stage, goos, goarch); err != nil {
		return err
	}
	if err := pack(stage, packed); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err := j.check(ctx, dir, stage, packed); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if platform == runtime.GOOS+"/"+runtime.GOARCH {
		if err := tryOut(ctx, filepath.Join(dir, "unpacked"), j.tools); err != nil {
			return fmt.Errorf("try it out: %w", err)
		}
	}
	into := filepath.Join(j.out, fmt.Sprintf("gatehouse-%s-%s-%s.mcpb", semver(j.version), goos, goarch))
	if err := keep(packed, into); err != nil {
		return err
	}
	fmt.Fprintln(j.stdout, into)
	return nil
}

// stage lays out what is in a bundle.
func (j job) stage(ctx context.Context, stage, goos, goarch string) error {
	programs := map[string]string{"server/gatehouse": "./host/cmd/gatehouse"}
	for _, p := range j.plugins {
		programs["server/plugins/"+p] = "./plugins/" + p
	}
	for to, pkg := range programs {
		if err := j.build(ctx, filepath.Join(stage, filepath.FromSlash(to)), pkg, goos, goarch); err != nil {
			return err
		}
	}
	template, err := os.ReadFile(filepath.Join(j.root, "deploy", "mcpb", "manifest.json"))
	if err != nil {
		return err
	}
	filled, err := fill(string(template), semver(j.version), goos)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := os.WriteFile(filepath.Join(stage, "manifest.json"), []byte(filled), 0o644); err != nil {
		return err
	}
	if err := keep(filepath.Join(j.root, "deploy", "mcpb", "README.md"), filepath.Join(stage, "README.md")); err != nil {
		return err
	}
	return keep(filepath.Join(j.root, "LICENSE"), filepath.Join(stage, "LICENSE"))
}

func (j job) build(ctx context.Context, to, pkg, goos, goarch string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	// Without the state of the repository: a file that is not part of the program must not change its bytes.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+j.version, "-o", to, pkg)
	cmd.Dir = j.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	return loud(cmd)
}

// loud runs a program, whose output becomes part of the error when it fails.
func loud(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// keep copies a file, and puts it in its place as a whole.
func keep(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	tmp := to + ".new"
	if err := os.WriteFile(tmp, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}
