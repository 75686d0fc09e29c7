package develop_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
)

// patience bounds every wait for an event.
const patience = 60 * time.Second

// write writes a file of a source tree, with the directories that it needs.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// source is a module whose program prints words of an embedded file and of another module, which lies beside
// it.
func source(t *testing.T) (dir string) {
	t.Helper()
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "-p=1")
	root := t.TempDir()
	write(t, root, "beside/go.mod", "module example.com/beside\n\ngo 1.26.0\n")
	write(t, root, "beside/word.go", "package beside\n\nconst Word = \"beside\"\n")
	write(t, root, "program/go.mod", "module example.com/program\n\ngo 1.26.0\n\n"+
		"require example.com/beside v0.0.0\n\nreplace example.com/beside => ../beside\n")
	write(t, root, "program/texts/text", "text")
	write(t, root, "program/main.go", `package main

import (
	_ "embed"
	"fmt"

	"example.com/beside"
)

//go:embed texts/text
var text string

func main() { fmt.Println(text, beside.Word, "one") }
`)
	return filepath.Join(root, "program")
}

// bench is a loop that runs in a test.
type bench struct {
	t      *testing.T
	words  lockedBuffer
	built  chan string // what each program prints
	failed chan error
}

type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func begin(t *testing.T, dir string) *bench {
	t.Helper()
	b := &bench{t: t, built: make(chan string, 100), failed: make(chan error, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	loop := develop.Loop{
		Dir: dir, Words: &b.words, Failed: func(err error) { b.failed <- err },
		Built: func(ctx context.Context, program string) error {
			out, err := exec.CommandContext(ctx, program).CombinedOutput()
			b.built <- strings.TrimSpace(string(out))
			return err
		},
	}
	go func() { ended <- loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return b
}

// prints waits for the next build, and wants it to print something.
func (b *bench) prints(want string) {
	b.t.Helper()
	select {
	case got := <-b.built:
		if got != want {
			b.t.Fatalf("what was built prints %q, want %q", got, want)
		}
	case err := <-b.failed:
		b.t.Fatalf("the build failed: %v\n%s", err, &b.words)
	case <-time.After(patience):
		b.t.Fatalf("nothing was built; want it to print %q\n%s", want, &b.words)
	}
}

func (b *bench) fails(want error, words string) {
	b.t.Helper()
	select {
	case got := <-b.built:
		b.t.Fatalf("it was built, and prints %q", got)
	case err := <-b.failed:
		if !errors.Is(err, want) || !strings.Contains(b.words.String(), words) {
			b.t.Fatalf("it fails with %v, want %v, and %q among the words:\n%s", err, want, words, &b.words)
		}
	case <-time.After(patience):
		b.t.Fatal("the build neither succeeds nor fails")
	}
}

func TestEverythingThatAProgramIsBuiltFromIsWatched(t *testing.T) {
	dir := source(t)
	b := begin(t, dir)
	b.prints("text beside one")
	write(t, dir, "texts/text", "other")
	b.prints("other beside one")
	write(t, dir, "../beside/word.go", "package beside\n\nconst Word = \"near\"\n")
	b.prints("other near one")
	write(t, dir, "second.go", "package main\n\nfunc init() { print(\"init \") }\n")
	b.prints("init other near one")
}

func TestABuildThatFailsIsShownAndTriedAgain(t *testing.T) {
	dir := source(t)
	b := begin(t, dir)
	b.prints("text beside one")
	write(t, dir, "second.go", "package main\n\nfunc init() { missing() }\n")
	b.fails(develop.ErrBuild, "undefined: missing")
	write(t, dir, "second.go", "package main\n")
	b.prints("text beside one")
	write(t, dir, "go.mod", "nonsense\n")
	b.fails(develop.ErrBuild, "go.mod")
	write(t, dir, "go.mod", "module example.com/program\n\ngo 1.26.0\n\n"+
		"require example.com/beside v0.0.0\n\nreplace example.com/beside => ../beside\n")
	b.prints("text beside one")
}

func TestAPackageThatIsNoProgramIsNotTaken(t *testing.T) {
	dir := source(t)
	b := begin(t, filepath.Join(dir, "../beside"))
	b.fails(develop.ErrBuild, "")
}

func TestALoopNeedsTheGoCommandAndADirectory(t *testing.T) {
	loop := develop.Loop{Dir: filepath.Join(t.TempDir(), "missing")}
	if err := loop.Run(t.Context()); err == nil {
		t.Error("Run() in a directory that is not there = nil")
	}
	t.Setenv("PATH", t.TempDir())
	loop.Dir = t.TempDir()
	if err := loop.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "go.dev") {
		t.Errorf("Run() without the go command = %v, want where to get it", err)
	}
}
