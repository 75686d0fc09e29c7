//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func truePath(b *testing.B) string {
	path, err := exec.LookPath("true")
	if err != nil {
		b.Fatal("no true(1), of coreutils: ", err)
	}
	return path
}

// full is a command with all that the sandbox can do, on this machine and for this user.
func full(path string, args ...string) sandbox.Command {
	files := sandbox.SystemFiles()
	c := sandbox.Command{
		Path: path, Args: args, Deadline: time.Now().Add(time.Hour),
		NoNewPrivileges: true, Capabilities: []string{"CAP_NET_RAW"}, Files: &files,
	}
	if os.Getuid() == 0 {
		c.RunAs = &sandbox.User{UID: nobody, GID: nobody}
	}
	return c
}

func BenchmarkRunTrueFully(b *testing.B) { benchmarkTrue(b, newPool(b)) }

func BenchmarkRunTrueFullyWithoutNamespace(b *testing.B) {
	p := newPool(b)
	sandbox.Shared(p)
	benchmarkTrue(b, p)
}

func benchmarkTrue(b *testing.B, p *sandbox.Pool) {
	c := full(truePath(b))
	for b.Loop() {
		if out, err := p.Run(b.Context(), c); err != nil || out.ExitCode != 0 {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkRunTrue(b *testing.B) {
	p := newPool(b)
	c := sandbox.Command{Path: truePath(b), Deadline: time.Now().Add(time.Hour)}
	for b.Loop() {
		if out, err := p.Run(b.Context(), c); err != nil || out.ExitCode != 0 {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkPlainExecTrue(b *testing.B) {
	path := truePath(b)
	for b.Loop() {
		if err := exec.Command(path).Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRunTrueParallel(b *testing.B) {
	p := newPool(b)
	c := sandbox.Command{Path: truePath(b), Deadline: time.Now().Add(time.Hour)}
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if out, err := p.Run(b.Context(), c); err != nil || out.ExitCode != 0 {
				b.Error(out, err)
			}
		}
	})
}

func BenchmarkPlainExecTrueParallel(b *testing.B) {
	path := truePath(b)
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := exec.Command(path).Run(); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkFirstRun includes the start of a supervisor, and its end.
func BenchmarkFirstRun(b *testing.B) { benchmarkFirst(b, false) }

func BenchmarkFirstRunWithoutNamespace(b *testing.B) { benchmarkFirst(b, true) }

func benchmarkFirst(b *testing.B, shared bool) {
	c := sandbox.Command{Path: truePath(b)}
	for b.Loop() {
		p := sandbox.New(sandbox.Config{Dir: b.TempDir()})
		if shared {
			sandbox.Shared(p)
		}
		if _, err := p.Run(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		_ = p.Close()
	}
}
