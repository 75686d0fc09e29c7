// Release makes a release out of the commit that is checked out: archives for every platform, checksums, a
// bill of materials for each archive, and the tags of the modules.
//
//	release -version v1.2.3            // dist/v1.2.3/*, and tags in this repository; nothing is pushed
//	release -mirror-of COMMIT -version v0.1.0 -modules sdk -out DIR
//
// In the repository modules refer to each other with "replace ../x"; who gets a module from a proxy has no
// such directory, and "go install" refuses a module that replaces. So a release has a commit of its own, on
// top of the one that is checked out and on no branch: there every module requires the others in the version
// of the release, with their sums. It is that commit which is tagged; see [cut].
//
// All of it happens in a clone. Only when everything is proved do the tags come into the repository, all or
// none: see [job.release] for the steps. The same commit, version and Go make the same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"

	"golang.org/x/mod/semver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// job is what the flags say.
type job struct {
	root      string   // directory of the repository
	out       string   // directory of the result
	version   string   // such as v1.2.3
	platforms []string // such as linux/amd64
	warm      bool     // the second build may use what the first one compiled
	mirrorOf  string   // a commit; empty: a release
	modules   []string // folders of the modules that a mirror is made of, besides what they need
	stdout    io.Writer
}

// everyPlatform is what is promised.
const everyPlatform = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64"

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	j := job{stdout: stdout}
	flags.StringVar(&j.root, "root", ".", "directory of the repository")
	flags.StringVar(&j.out, "out", "dist", "directory: DIR/VERSION gets the release, DIR the mirror")
	flags.StringVar(&j.version, "version", "", "version of the release, such as v1.2.3")
	flags.BoolVar(&j.warm, "warm", false,
		"let the second build use what the first one compiled; faster, and it proves less")
	flags.StringVar(&j.mirrorOf, "mirror-of", "", "make no release, but a mirror of the modules of this commit")
	platforms := flags.String("platforms", everyPlatform, "what to build for, separated by commas or spaces")
	modules := flags.String("modules", "sdk",
		"folders of the modules of a mirror, likewise; what they need comes along")
	if flags.Parse(args) != nil {
		return 2
	}
	j.platforms, j.modules = words(*platforms), words(*modules)
	if err := j.validate(flags.Args()); err != nil {
		fmt.Fprintln(stderr, "release:", err)
		return 2
	}
	do := j.release
	if j.mirrorOf != "" {
		do = j.mirror
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(stderr, "release:", err)
		return 1
	}
	return 0
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func (j job) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is not understood: there is nothing besides flags", rest[0])
	case j.version == "":
		return fmt.Errorf("which version? Say make release VERSION=v1.2.3")
	case !semver.IsValid(j.version) || semver.Canonical(j.version) != j.version:
		return fmt.Errorf("the version %q is not one that Go knows: allowed are vMAJOR.MINOR.PATCH, and "+
			"vMAJOR.MINOR.PATCH-PRERELEASE; say make release VERSION=v1.2.3", j.version)
	case semver.Major(j.version) > "v1":
		return fmt.Errorf("the version %q: from v2 on the paths of the modules must end in /v2; rename them first",
			j.version)
	case len(j.platforms) == 0:
		return fmt.Errorf("no platform is named; one is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	for _, p := range j.platforms {
		if goos, goarch, ok := strings.Cut(p, "/"); !ok || goos == "" || goarch == "" {
			return fmt.Errorf("%q is no platform; one is linux/amd64", p)
		}
	}
	return nil
}

// say tells what has been done.
func (j job) say(format string, args ...any) { fmt.Fprintf(j.stdout, "release: "+format+"\n", args...) }
