package proc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

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
	if err := verify(cfg); err != nil {
		return nil, err
	}
	dir, err := privateDir(cfg.RuntimeDir)
	if err != nil {
		return nil, tool.Errorf(tool.KindUnavailable, "plugin %s has no place for its socket: %w", cfg.Name, err).
			Suggest("choose a runtime directory that the host can write to and whose path is short")
	}
	p := &Process{name: cfg.Name, dir: dir, grace: cfg.Grace, child: newChild(cfg, dir)}
	p.client = goplugin.NewClient(clientConfig(cfg, p.child))
	p.close = sync.OnceValue(p.end)
	if err := p.shakeHands(ctx, cfg); err != nil {
		_ = p.child.kill() // a plugin that never spoke is not asked to end
		_ = p.Close()      // what the caller has to know is why the start failed
		return nil, p.startError(ctx, cfg, err)
	}
	return p, nil
}

// verify compares the file with the hash that it was found with. A SecureConfig holds the state of its hash
// and is good for one check only. go-plugin itself would check an empty path here, as a child of ours is not
// its Cmd.
//
// Between this and the exec the file could be exchanged by who owns its directory: root or the host's user.
func verify(cfg Config) error {
	if cfg.SHA256 == "" {
		return nil
	}
	want, err := hex.DecodeString(cfg.SHA256)
	if err != nil {
		return tool.Errorf(tool.KindUnavailable, "plugin %s: checksum %q is not hex", cfg.Name, cfg.SHA256).
			Suggest("write the checksum as sha256sum prints it")
	}
	secure := &goplugin.SecureConfig{Checksum: want, Hash: sha256.New()}
	same, err := secure.Check(cfg.Path)
	switch {
	case err != nil:
		return tool.Errorf(tool.KindUnavailable, "plugin %s cannot be read: %w", cfg.Name, err).
			Suggest("see that %s exists and that the host's user can read it", cfg.Path)
	case !same:
		return tool.Errorf(tool.KindUnavailable,
			"plugin %s: the checksum of the file is not the one that was recorded; %w", cfg.Name, ErrUnusable).
			Suggest("if you exchanged %s yourself, restart the host; if not, find out who did", cfg.Path)
	}
	return nil
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

func clientConfig(cfg Config, c *child) *goplugin.ClientConfig {
	words := newSink(cfg.Name, cfg.Logger)
	return &goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(nil),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
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
	}
}

// shakeHands starts the process and makes the connection. The whole must end within StartTimeout: go-plugin
// bounds only the wait for the first line, and a plugin may stall after it as well.
func (p *Process) shakeHands(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.StartTimeout, errSlow)
	defer cancel()
	dispensed := make(chan error, 1)
	go func() { dispensed <- p.dispense() }()
	select {
	case err := <-dispensed:
		return err
	case <-ctx.Done():
		_ = p.child.kill() // which makes dispense return
		<-dispensed
		return context.Cause(ctx)
	}
}

func (p *Process) dispense() error {
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
	return nil
}
