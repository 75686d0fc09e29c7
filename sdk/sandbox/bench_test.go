//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func truePath(b *testing.B) string {
	path, err := exec.LookPath("true")
	if err != nil {
		b.Skip(err)
	}
	return path
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

// BenchmarkFirstRun includes the start of a supervisor.
func BenchmarkFirstRun(b *testing.B) {
	c := sandbox.Command{Path: truePath(b)}
	for b.Loop() {
		p := sandbox.New(sandbox.Config{Dir: b.TempDir()})
		if _, err := p.Run(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		_ = p.Close()
	}
}
