package proc

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// Start runs a file as a plugin and returns when it has shaken hands. Every error is a [*tool.Error] with a
// suggestion; nothing is left of a start that failed. Cancelling ctx ends a start under way, and has no
// effect afterwards.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, tool.Errorf(tool.KindUnknown, "start plugin: %w", err).
			Suggest("report this as a bug of the host")
	}
	keepToOurselves()
	a, err := runAs(cfg)
	if err != nil {
		return nil, err
	}
	im, err := openImage(ctx, cfg)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, brokenOff(ctx, cfg.Name)
	case err != nil:
		return nil, err
	}
	defer im.close() // what runs is held by the kernel
	p := &Process{name: cfg.Name, grace: cfg.Grace}
	if p.dir, err = place(cfg, im, a); err != nil {
		return nil, tool.Errorf(tool.KindUnavailable, "plugin %s has no place for its socket: %w", cfg.Name, err).
			Suggest("choose a runtime directory that the host can write to and whose path is short")
	}
	if err := p.start(ctx, cfg, newChild(cfg, im, p.dir, a)); err != nil {
		return nil, err
	}
	return p, nil
}

// start executes the child and shakes hands with it, or leaves nothing of it.
func (p *Process) start(ctx context.Context, cfg Config, c *child) error {
	p.child = c
	p.close = sync.OnceValue(p.end)
	client, err := clientConfig(cfg, c)
	if err != nil {
		c.endCell()
		_ = os.RemoveAll(p.dir) // with nothing in it
		return p.failed("is not started: %w", err).Suggest("report this as a bug of the host")
	}
	p.client = goplugin.NewClient(client)
	if err := p.shakeHands(ctx, cfg); err != nil {
		_ = c.kill()  // a plugin that never spoke is not asked to end
		_ = p.Close() // what the caller has to know is why the start failed
		c.endCell()   // where it came to no fork
		return p.startError(ctx, cfg, err)
	}
	return nil
}

// place makes the directory of one process, with the name by which the image is executed.
func place(cfg Config, im *image, a *account) (string, error) {
	dir, err := privateDir(cfg.RuntimeDir)
	if err != nil {
		return "", err
	}
	if err := cmp.Or(im.place(dir), a.own(dir)); err != nil {
		_ = os.RemoveAll(dir) // made a moment ago
		return "", err
	}
	return dir, nil
}

// maxSocketPath is what fits into a unix socket's address on every platform, the final zero included.
const maxSocketPath = 104

// privateDir makes the directory of one process. go-plugin puts "plugin" and up to ten digits into it.
func privateDir(runtime string) (string, error) {
	dir, err := os.MkdirTemp(runtime, "p") // mode 0700
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if n := len(dir) + len("/plugin1234567890"); n >= maxSocketPath {
		_ = os.Remove(dir) // empty, and made a moment ago
		return "", fmt.Errorf("path of %d bytes in %s: a socket's path has %d at most", n, runtime, maxSocketPath-1)
	}
	return dir, nil
}

func clientConfig(cfg Config, c *child) (*goplugin.ClientConfig, error) {
	side, certificate, err := hostSide()
	if err != nil {
		return nil, err
	}
	c.certificate = certificate
	words := newSink(cfg.Name, cfg.Logger)
	return &goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(nil),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		TLSConfig:        side, // and not AutoMTLS, which makes the same at greater cost
		GRPCDialOptions:  wire.DialOptions(),
		StartTimeout:     cfg.StartTimeout,
		SkipHostEnv:      true,
		Logger:           bridge(words),
		SyncStdout:       &printed{source: "stdout", sink: words},
		SyncStderr:       &printed{source: "stderr", sink: words},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: c.dir},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			c.prepare(spec.Env)
			return c, nil
		},
	}, nil
}

// shakeHands starts the process and makes the connection. The whole must end within StartTimeout: go-plugin
// bounds only the wait for the first line, and a plugin may stall after it as well.
func (p *Process) shakeHands(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.StartTimeout, errSlow)
	defer cancel()
	dispensed := make(chan error, 1)
	go func() { dispensed <- p.dispense(ctx) }()
	select {
	case err := <-dispensed:
		return err
	case <-ctx.Done():
		_ = p.child.kill() // which makes dispense return
		<-dispensed
		return context.Cause(ctx)
	}
}

func (p *Process) dispense(ctx context.Context) error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return err
	}
	rpc, ok := raw.(*wire.Client)
	if !ok {
		return fmt.Errorf("dispensed a %T", raw)
	}
	p.rpc = rpc
	grpc, ok := protocol.(*goplugin.GRPCClient)
	if !ok {
		return fmt.Errorf("the protocol is a %T", protocol)
	}
	return p.connect(ctx, grpc.Conn)
}

// connect waits until the connection stands, and removes the socket's file: a host that is killed after that
// leaves none. go-plugin's own calls, to the last one that asks the plugin to end, use the same connection.
func (p *Process) connect(ctx context.Context, conn *grpc.ClientConn) error {
	for {
		switch state := conn.GetState(); state {
		case connectivity.Ready:
			_ = os.Remove(p.child.socket) // the plugin may have removed it itself
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			if err := p.rpc.Ping(ctx); err != nil { // says why
				return err
			}
		default:
			conn.Connect()
			conn.WaitForStateChange(ctx, state)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
}
