package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// direct is a plugin without a host: the bench itself calls it, over the same wire.
type direct struct {
	plugin *goplugin.Client
	rpc    *wire.Client
	stdin  [2]*os.File
}

func (s *site) startDirect() (*direct, error) {
	d := new(direct)
	if err := d.keepStdin(); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.labPlugin())
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=" + s.dir}
	d.plugin = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(nil),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC}, AutoMTLS: true,
		GRPCDialOptions: wire.DialOptions(), SkipHostEnv: true, Cmd: cmd, Logger: hclog.NewNullLogger(),
	})
	if err := d.dispense(); err != nil {
		d.close()
		return nil, fmt.Errorf("start the plugin without a host: %w", err)
	}
	return d, nil
}

// keepStdin sees to it that the plugin's stdin does not end: go-plugin passes on the bench's own, and a
// plugin takes the end of its stdin for the end of its host.
func (d *direct) keepStdin() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	d.stdin, os.Stdin = [2]*os.File{r, w}, r
	return nil
}

func (d *direct) dispense() error {
	protocol, err := d.plugin.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return err
	}
	d.rpc = raw.(*wire.Client) // what wire.Versions dispenses
	return nil
}

func (d *direct) close() {
	d.plugin.Kill()
	for _, f := range d.stdin {
		_ = f.Close() // nothing was written
	}
}

// noop sends what a host sends, and reads the answer like a host.
func (d *direct) noop(ctx context.Context, text string) error {
	res, err := d.rpc.Call(ctx, tool.Request{
		ID: text, Tool: "NoopTool", Arguments: []byte(`{"text":"` + text + `"}`), Client: "bench",
		Deadline: time.Now().Add(time.Minute), MaxStdout: 1 << 20, MaxStderr: 256 << 10,
	}, func(tool.Event) {})
	if err != nil {
		return err
	}
	return expect(res.Data, noopData(text))
}
