// Command oldhost is the host's end of protocol 1 as it was when the protocol was new: it is built against
// the oldest package wire, which lies in ../testdata/mirror. It starts a plugin, asks everything that could
// be asked then, and prints what it got as JSON. Leave it as it is: this is how hosts out there read what a
// plugin says.
//
//	oldhost PLUGIN TOOL ARGUMENTS CANCELLED ARGUMENTS
//
// TOOL is planned and called with a JSON object; CANCELLED is called with one, and cancelled as soon as it
// has said something.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// said is what a plugin said.
type said struct {
	Protocol  int           `json:"protocol"`
	Manifest  tool.Manifest `json:"manifest"`
	Invalid   string        `json:"invalid,omitempty"` // what is wrong with the manifest
	Plan      tool.Plan     `json:"plan"`
	Result    tool.Result   `json:"result"`
	Stdout    string        `json:"stdout"`
	Progress  int           `json:"progress"`  // events
	Cancelled tool.Kind     `json:"cancelled"` // the kind of error of the call that was cancelled
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: oldhost PLUGIN TOOL ARGUMENTS CANCELLED ARGUMENTS")
		os.Exit(2)
	}
	lifeline, hold, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, "oldhost:", err)
		os.Exit(1)
	}
	defer hold.Close()
	os.Stdin = lifeline // which go-plugin gives to the plugin; one that reads its end ends
	out, err := ask(os.Args[1], request(os.Args[2], os.Args[3]), request(os.Args[4], os.Args[5]))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oldhost:", err)
		os.Exit(1)
	}
}

func ask(plugin string, wanted, cancelled tool.Request) (out said, err error) {
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(nil), Cmd: exec.Command(plugin),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC}, AutoMTLS: true,
		GRPCDialOptions: wire.DialOptions(),
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return out, err
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return out, err
	}
	out.Protocol = client.NegotiatedVersion()
	return out, converse(raw.(*wire.Client), wanted, cancelled, &out)
}

func converse(c *wire.Client, r, cancelled tool.Request, out *said) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if out.Manifest, err = c.Describe(ctx); err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	if err := out.Manifest.Validate(); err != nil {
		out.Invalid = err.Error()
	}
	if err := c.Configure(ctx, policy()); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if out.Plan, err = c.Plan(ctx, r); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	collect := tool.NewCollector(r, func(ev tool.Event) {
		if ev.Progress != nil {
			out.Progress++
		}
		if ev.Output != nil && ev.Output.Stream == tool.Stdout {
			out.Stdout += string(ev.Output.Data)
		}
	})
	if out.Result, err = c.Call(ctx, r, collect.Event); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	out.Cancelled = cancelOne(ctx, c, cancelled)
	return nil
}

// cancelOne calls a tool, and cancels it when it has said something.
func cancelOne(ctx context.Context, c *wire.Client, r tool.Request) tool.Kind {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := c.Call(ctx, r, func(tool.Event) { cancel() })
	return tool.KindOf(err)
}

func request(name, arguments string) tool.Request {
	return tool.Request{
		ID: "01900000-0000-7000-8000-000000000000", Tool: name, Client: "old",
		Arguments: json.RawMessage(arguments),
		Targets: []tool.Target{{
			Argument: "target", Label: "localhost", Prefix: netip.MustParsePrefix("127.0.0.1/32"),
		}},
		Deadline: time.Now().Add(30 * time.Second), MaxStdout: 1 << 20, MaxStderr: 1 << 20,
	}
}

func policy() tool.Policy {
	return tool.Policy{
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxNetworkSize: 1024, MaxPortRanges: 100,
		MaxArgsLength: 2048, MaxMemory: 512 << 20, MaxOpenFiles: 256,
	}
}
