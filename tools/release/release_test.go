package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// here is the platform of the test.
const here = runtime.GOOS + "/" + runtime.GOARCH

// released runs the program, and returns what it prints and its status.
func released(t *testing.T, args ...string) (text string, code int) {
	t.Helper()
	var out bytes.Buffer
	code = run(context.Background(), args, &out, &out)
	return out.String(), code
}

func TestVersionsAndPlatformsAreRefusedWithWhatIsAllowed(t *testing.T) {
	for _, row := range []struct{ version, platforms, want string }{
		{"", here, "VERSION=v1.2.3"},
		{"1.2.3", here, "vMAJOR.MINOR.PATCH"},
		{"v1.2", here, "vMAJOR.MINOR.PATCH"},
		{"v1.2.3+build", here, "vMAJOR.MINOR.PATCH"},
		{"67c16cc-dirty", here, "vMAJOR.MINOR.PATCH"},
		{"v2.0.0", here, "/v2"},
		{"v1.2.3", " ", here},
		{"v1.2.3", "linux", "linux/amd64"},
	} {
		text, code := released(t, "-root", t.TempDir(), "-version", row.version, "-platforms", row.platforms)
		if code != 2 || !strings.Contains(text, row.want) {
			t.Errorf("release of %q for %q = %d, %q; want %q", row.version, row.platforms, code, text, row.want)
		}
	}
}

// gitIn runs git in a directory, by somebody.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// somebody gives git who is asked for.
func somebody(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@example.com",
		"GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@example.com",
	} {
		t.Setenv(name, value)
	}
}

// miniature is a repository like ours with next to nothing in it: a sdk that the stranger's plugin compiles
// with, a plugin that says its version, a host that says that a port is open.
func miniature(t *testing.T) string {
	t.Helper()
	somebody(t)
	t.Setenv("GOPROXY", "off") // it needs no module of others
	const requires = "\n\ngo 1.26.0\n\nrequire m.test/g/sdk v0.0.0\n\nrequire m.test/g/shared v0.0.0 // indirect\n\n" +
		"replace (\n\tm.test/g/sdk => ../../sdk\n\tm.test/g/shared => ../../shared\n)\n"
	const says = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"m.test/g/sdk\"\n)\n\nvar version = \"dev\"\n\n" +
		"func main() { fmt.Println(version, sdk.Name) }\n"
	dir := lay(t, map[string]string{
		"go.work":       "go 1.26.0\n\nuse (\n\t./host\n\t./plugins/p\n\t./sdk\n\t./shared\n)\n",
		"LICENSE":       "free",
		"README.md":     "read",
		"CHANGELOG.md":  "changed",
		".gitignore":    "/dist/\n",
		"shared/go.mod": "module m.test/g/shared\n\ngo 1.26.0\n",
		"shared/x.go":   "package shared\n\nconst Name = \"x\"\n",
		"sdk/go.mod": "module m.test/g/sdk\n\ngo 1.26.0\n\nrequire m.test/g/shared v0.0.0\n\n" +
			"replace m.test/g/shared => ../shared\n",
		"sdk/sdk.go":        read(t, "testdata/sdk.go.txt"),
		"plugins/p/go.mod":  "module m.test/g/plugins/p" + requires,
		"plugins/p/main.go": says,
		"host/go.mod": "module m.test/g/host\n\ngo 1.26.0\n\nrequire m.test/g/shared v0.0.0\n\n" +
			"replace m.test/g/shared => ../shared\n",
		"host/cmd/gatehouse/main.go": read(t, "testdata/host.go.txt"),
	})
	gitIn(t, dir, "init", "--quiet")
	gitIn(t, dir, "add", "--all")
	gitIn(t, dir, "commit", "--quiet", "--message", "all")
	return dir
}

// miniTags are those of a release of the miniature, as git sorts them.
var miniTags = []string{"host/v1.2.3", "plugins/p/v1.2.3", "sdk/v1.2.3", "shared/v1.2.3", "v1.2.3"}

func release(t *testing.T, dir string) (string, int) {
	t.Helper()
	return released(t, "-root", dir, "-out", filepath.Join(dir, "dist"), "-version", "v1.2.3",
		"-platforms", here, "-warm")
}

func TestAReleaseIsFilesAndTagsOfOneCommitOnNoBranch(t *testing.T) {
	dir := miniature(t)
	head := gitIn(t, dir, "rev-parse", "HEAD")
	if text, code := release(t, dir); code != 0 {
		t.Fatalf("release = %d\n%s", code, text)
	}
	if got := strings.Fields(gitIn(t, dir, "tag")); !slices.Equal(got, miniTags) {
		t.Errorf("the tags are %v, want %v", got, miniTags)
	}
	if got := gitIn(t, dir, "rev-parse", "v1.2.3^{commit}^"); got != head {
		t.Errorf("the release stands on %s, want %s", got, head)
	}
	if got := gitIn(t, dir, "rev-parse", "HEAD") + gitIn(t, dir, "status", "--porcelain"); got != head {
		t.Errorf("the branch and the working tree are %s, want them as they were, at %s", got, head)
	}
	if got := gitIn(t, dir, "show", "v1.2.3:plugins/p/go.mod"); strings.Contains(got, "replace") ||
		!strings.Contains(got, "m.test/g/sdk v1.2.3") {
		t.Errorf("the released plugin has\n%s", got)
	}
	cmd := exec.Command("sha256sum", "--check", "--strict", sumsFile)
	cmd.Dir = filepath.Join(dir, "dist/v1.2.3")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("sha256sum says %s, %v; want an archive and its bill", out, err)
	}
}

func TestTheSameCommitMakesTheSameRelease(t *testing.T) {
	dir := miniature(t)
	var made [2]string
	for i := range made {
		clone := filepath.Join(t.TempDir(), "clone")
		gitIn(t, dir, "clone", "--quiet", dir, clone)
		if text, code := release(t, clone); code != 0 {
			t.Fatalf("release = %d\n%s", code, text)
		}
		made[i] = gitIn(t, clone, "rev-parse", "v1.2.3^{commit}") + "\n" +
			read(t, filepath.Join(clone, "dist/v1.2.3", sumsFile))
	}
	if made[0] != made[1] {
		t.Errorf("one clone made %s, another %s", made[0], made[1])
	}
}

func TestWhatIsNotReadyIsNotReleased(t *testing.T) {
	for _, row := range []struct {
		says, want string
		spoil      func(dir string)
	}{
		{"a changed file", "not clean", func(dir string) { write(t, dir, map[string]string{"README.md": "!"}) }},
		{"a file that git does not know", "not clean", func(dir string) { write(t, dir, map[string]string{"x": "!"}) }},
		{"a tag of one module", "sdk/v1.2.3", func(dir string) { gitIn(t, dir, "tag", "sdk/v1.2.3") }},
		{"files of the version", "dist/v1.2.3", func(dir string) {
			write(t, dir, map[string]string{"dist/v1.2.3/x": ""})
		}},
		{"a plugin that does not know its version", "does not name v1.2.3", func(dir string) {
			change(t, dir, "plugins/p/main.go", "Println(version", `Println("1"`)
		}},
		{"a host that finds the port closed", "closed", func(dir string) {
			change(t, dir, "host/cmd/gatehouse/main.go", "true", "false")
		}},
		{"a scaffold whose test fails", "test v1.2.3", func(dir string) {
			change(t, dir, "host/cmd/gatehouse/main.go", "!= nothing", "!= test")
		}},
		{"a sdk that does not compile", "undefined", func(dir string) { change(t, dir, "sdk/sdk.go", "Func", "Fun") }},
		{"a module that is not tidy", "go mod tidy", func(dir string) {
			change(t, dir, "plugins/p/main.go", "\t\"m.test/g/sdk\"\n", "")
			change(t, dir, "plugins/p/main.go", ", sdk.Name", "")
		}},
	} {
		t.Run(row.says, func(t *testing.T) {
			dir := miniature(t)
			row.spoil(dir)
			before := gitIn(t, dir, "tag")
			text, code := release(t, dir)
			if code != 1 || !strings.Contains(text, row.want) {
				t.Errorf("release with %s = %d, %s; want %q", row.says, code, text, row.want)
			}
			if after := gitIn(t, dir, "tag"); after != before {
				t.Errorf("it left the tags %s", after)
			}
			if left, err := os.ReadDir(filepath.Join(dir, "dist")); err == nil && len(left) > 1 {
				t.Errorf("it left %v in dist", left)
			}
		})
	}
}

// change replaces a text in a file, and commits that.
func change(t *testing.T, dir, name, from, to string) {
	t.Helper()
	text := read(t, filepath.Join(dir, name))
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %q", name, from)
	}
	write(t, dir, map[string]string{name: strings.ReplaceAll(text, from, to)})
	gitIn(t, dir, "commit", "--quiet", "--all", "--message", "spoilt")
}

func TestAMirrorHasAnOldCommitAndWhatItNeeds(t *testing.T) {
	dir := miniature(t)
	old := gitIn(t, dir, "rev-parse", "HEAD")
	change(t, dir, "shared/x.go", `"x"`, `"y"`)
	to := filepath.Join(t.TempDir(), "mirror")
	if text, code := released(t, "-root", dir, "-mirror-of", old, "-version", "v0.0.1", "-out", to); code != 0 {
		t.Fatalf("release -mirror-of = %d\n%s", code, text)
	}
	user := lay(t, map[string]string{
		"go.mod": "module x\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport \"m.test/g/sdk\"\n\n" +
			"func main() {\n\tif sdk.Name != \"x\" {\n\t\tpanic(sdk.Name)\n\t}\n}\n",
	})
	for _, args := range [][]string{{"get", "m.test/g/sdk@v0.0.1"}, {"run", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = user
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY="+mirror{dir: to}.url(), "GONOSUMDB=m.test",
			"GOFLAGS=-modcacherw", "GOMODCACHE="+filepath.Join(t.TempDir(), "modcache"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestThisRepositoryIsReleased makes a release of the commit that is checked out, in a clone: it is what make
// release does, for this platform alone, and with a second build that is warm.
func TestThisRepositoryIsReleased(t *testing.T) {
	somebody(t)
	clone := filepath.Join(t.TempDir(), "clone")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	gitIn(t, root, "clone", "--quiet", "--shared", root, clone)
	const version = "v0.0.0-ci"
	text, code := released(t, "-root", clone, "-out", filepath.Join(clone, "dist"), "-version", version,
		"-platforms", here, "-warm")
	if code != 0 {
		t.Fatalf("release = %d\n%s", code, text)
	}
	tags := strings.Fields(gitIn(t, clone, "tag", "--points-at", version+"^{commit}"))
	for _, want := range []string{"shared", "sdk", "host", "plugins/nmap", "plugins/ping"} {
		if !slices.Contains(tags, want+"/"+version) {
			t.Errorf("the tags are %v, want one of %s", tags, want)
		}
	}
	to := t.TempDir()
	base := "gatehouse-0.0.0-ci-" + strings.ReplaceAll(here, "/", "-")
	if err := unpack(filepath.Join(clone, "dist", version, base+".tar.gz"), to); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(besides, "gatehouse", "plugins/nmap", "plugins/ping") {
		if _, err := os.Stat(filepath.Join(to, base, name)); err != nil {
			t.Errorf("in the archive: %v", err)
		}
	}
}
