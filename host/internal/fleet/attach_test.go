package fleet

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// waiting serves a plugin at its socket, as one that a person has started.
func waiting(t *testing.T, h tool.Handler) (end func()) {
	t.Helper()
	l, err := wire.ListenDebug("fake")
	if err != nil {
		t.Fatalf("ListenDebug() = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- wire.ServeDebug(ctx, l, h) }()
	end = func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("ServeDebug() = %v", err)
		}
		served <- nil
	}
	t.Cleanup(end)
	return end
}

// attachedConfig is of a fleet that is attached to the plugin of waiting.
func attachedConfig(t *testing.T) Config {
	t.Helper()
	t.Setenv("TMPDIR", hosttest.RuntimeDir(t))
	t.Setenv("XDG_RUNTIME_DIR", "")
	cfg := realConfig("")
	cfg.Dirs, cfg.Attach = nil, wire.DebugSocket("fake")
	cfg.ProbeInterval, cfg.ProbeTimeout = time.Millisecond, time.Millisecond
	return cfg
}

// runAttached runs a fleet to the end of the test.
func runAttached(t *testing.T, cfg Config) (*Fleet, <-chan Status) {
	t.Helper()
	states := make(chan Status, 1000)
	cfg.StateChanged = func(s Status) { states <- s }
	f, err := New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() { left <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-left; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return f, states
}

func callFake(t *testing.T, f *Fleet) error {
	e, ok := f.Catalog().Lookup("FakeTool")
	if !ok {
		return fmt.Errorf("no FakeTool among %v", f.Catalog().Names())
	}
	_, err := e.Handler.Call(t.Context(), tool.Request{Tool: "FakeTool"}, func(tool.Event) {})
	return err
}

func TestAnAttachedPluginComesAndGoesAsAPersonWants(t *testing.T) {
	cfg := attachedConfig(t)
	end := waiting(t, new(hosttest.Fake))
	f, states := runAttached(t, cfg)
	s := await(t, states, "fake", Ready)
	if len(s.Layers) != 1 || s.Layers[0].Active {
		t.Errorf("layers %+v, want one that says that nothing is confined", s.Layers)
	}
	if err := callFake(t, f); err != nil {
		t.Errorf("call = %v", err)
	}
	end()
	await(t, states, "fake", Stopped)
	waiting(t, new(hosttest.Fake))
	await(t, states, "fake", Ready)
	if err := callFake(t, f); err != nil {
		t.Errorf("call after it was started again = %v", err)
	}
}

func TestAPluginThatADebuggerHoldsIsLetBe(t *testing.T) {
	cfg := attachedConfig(t)
	held, release := make(chan struct{}), make(chan struct{})
	waiting(t, &hosttest.Fake{
		OnCall: func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
			close(held)
			<-release
			return tool.Result{}, nil
		},
	})
	f, states := runAttached(t, cfg)
	await(t, states, "fake", Ready)
	called := make(chan error, 1)
	go func() { called <- callFake(t, f) }()
	<-held
	g := f.all()[0].running()
	defer g.leave()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Ping(late); err != nil {
		t.Errorf("Ping() of a plugin that has no time to answer = %v", err)
	}
	if err := g.Kill(); err != nil {
		t.Errorf("Kill() = %v", err)
	}
	close(release)
	if err := <-called; err != nil {
		t.Errorf("the call that was held = %v", err)
	}
}

func TestAnotherUsersSocketIsNotAttached(t *testing.T) {
	cfg := attachedConfig(t)
	waiting(t, new(hosttest.Fake))
	dir := strings.TrimSuffix(cfg.Attach, "/fake.sock")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, _ := runAttached(t, cfg)
	<-f.Ready()
	problems := f.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "chmod 700") || len(f.Status()) != 0 {
		t.Errorf("problems %+v, plugins %+v, want the directory refused", problems, f.Status())
	}
}

func TestAnAttachmentIsAnAbsolutePath(t *testing.T) {
	cfg := realConfig("")
	cfg.Dirs, cfg.Attach = nil, "fake.sock"
	if _, err := New(cfg); err == nil {
		t.Error("New() with a relative socket succeeded")
	}
}
