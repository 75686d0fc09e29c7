package sdk

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// closeWait bounds how long the end of a plugin may take. What the sandbox has not ended by then dies
// with the process, because the supervisors of its programs hang on a pipe that only the process holds.
const closeWait = 2 * time.Second

// Main is the whole main function of a plugin: os.Exit(sdk.Main(plugin)). It serves the host that
// started the process until the host asks it to end, dies, or sends SIGTERM; by then no program that a
// tool started is left.
//
// Run by hand, the program says what it is, and what to do with it: flags --version, --describe and --help.
// With --debug it serves hosts that a person attaches to it (gatehouse plugin debug), until SIGINT or
// SIGTERM.
func Main(p Plugin) int {
	h, err := NewHandler(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv(wire.CookieKey) != wire.CookieValue {
		return byHand(h, os.Args[1:], os.Stdout, os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx = lifeline(ctx, os.Stdin)
	return serve(ctx, h, wire.Serve)
}

// serveAttached serves hosts that come to the process: one that was started by hand, mostly under a debugger.
// No host ends it, so that another can be attached.
func serveAttached(h *Handler, stdout, stderr io.Writer) int {
	m := h.manifest
	l, err := wire.ListenDebug(m.Name)
	if err != nil {
		fmt.Fprintln(stderr, "debug:", err)
		return 1
	}
	defer l.Close() // removes the socket, if that has not been done
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(stdout, "%s %s waits for a host; attach one, as often as you like: gatehouse plugin debug unix:%s\n",
		m.Name, m.Version, l.Addr())
	return serve(ctx, h, func(t tool.Handler) {
		if err := wire.ServeDebug(ctx, l, t); err != nil {
			fmt.Fprintln(stderr, "debug:", err)
		}
	})
}

// lifeline returns a context that ends when in does. The host holds the other end of the plugin's
// stdin, writes nothing to it, and so lets go of it by dying, however it dies.
func lifeline(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the process: a read of stdin cannot be interrupted
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx
}

// serve runs until the host has asked the plugin to end, or ctx ends, and then ends what the tools have
// started.
func serve(ctx context.Context, h *Handler, run func(tool.Handler)) int {
	served := make(chan struct{}) // closed when the host asked
	go func() {
		defer close(served)
		run(h)
	}()
	select {
	case <-served:
	case <-ctx.Done():
	}
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			return 1
		}
	case <-time.After(closeWait):
		fmt.Fprintln(os.Stderr, "close: calls still ran after", closeWait)
		return 1
	}
	return 0
}
