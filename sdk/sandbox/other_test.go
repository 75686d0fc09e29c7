//go:build unix && !(linux && (amd64 || arm64))

package sandbox_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// TestMain makes the test binary its own tool.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "tool=") {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "tool=exit":
		os.Exit(7)
	case "tool=spew":
		_, _ = os.Stdout.Write(make([]byte, 1<<20))
	case "tool=report":
		_, _ = io.WriteString(os.NewFile(3, "report"), "report")
	case "tool=stay":
		_, _ = io.WriteString(os.Stdout, "ready")
		var p [2]int
		_ = syscall.Pipe(p[:])
		_, _ = syscall.Read(p[0], make([]byte, 1))
	}
	os.Exit(0)
}

func tool(t *testing.T, name string) sandbox.Command {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.Command{Path: exe, Args: []string{"tool=" + name}}
}

func newPool(t *testing.T) *sandbox.Pool {
	p := sandbox.New(sandbox.Config{Dir: t.TempDir()})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestRun(t *testing.T) {
	p, ctx := newPool(t), context.Background()
	if out, err := p.Run(ctx, tool(t, "exit")); err != nil || out.ExitCode != 7 {
		t.Errorf("exit: Run() = %+v, %v", out, err)
	}
	if _, err := p.Run(ctx, sandbox.Command{Path: "/nonexistent"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: Run() = %v", err)
	}
	c := tool(t, "spew")
	c.StdoutLimit = 1000
	if out, err := p.Run(ctx, c); err != nil || out.StdoutBytes != 1<<20 || !out.TruncatedStdout {
		t.Errorf("spew: Run() = %+v, %v", out, err)
	}
	c = tool(t, "report")
	var got []byte
	c.Report = func(r io.Reader) (err error) { got, err = io.ReadAll(r); return err }
	if out, err := p.Run(ctx, c); err != nil || out.ReportErr != nil || string(got) != "report" {
		t.Errorf("report: Run() = %+v, %v, %q", out, err, got)
	}
}

func TestEnds(t *testing.T) {
	p := newPool(t)
	c := tool(t, "stay")
	c.Deadline = time.Now().Add(time.Second)
	if out, err := p.Run(context.Background(), c); err != nil || !out.TimedOut || out.ExitCode != 124 {
		t.Errorf("deadline: Run() = %+v, %v", out, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c = tool(t, "stay")
	c.Stdout = func([]byte) { cancel() }
	if out, err := p.Run(ctx, c); err != nil || !out.Cancelled {
		t.Errorf("cancel: Run() = %+v, %v", out, err)
	}
	c.Stdout = func([]byte) { go p.Close() }
	if out, err := p.Run(context.Background(), c); err != nil || !out.Cancelled {
		t.Errorf("close: Run() = %+v, %v", out, err)
	}
	if _, err := p.Run(ctx, c); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("Run after Close = %v", err)
	}
}
