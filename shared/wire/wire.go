// Package wire carries a [tool.Handler] across a process border: gRPC on a unix socket, set up by
// hashicorp/go-plugin with a magic cookie, a protocol version and mutual TLS. It holds the two ends ([Serve]
// in the plugin, [Client] in the host) and the translation between the vocabulary of package tool and the
// published protobuf contract.
//
// In a plugin (package sdk does this):
//
//	wire.Serve(handler) // returns when the host asked the plugin to end
//
// In the host (package proc does this):
//
//	goplugin.ClientConfig{HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(nil), ...}
//	raw, err := client.Dispense(wire.PluginName) // a *wire.Client
package wire

import (
	"context"
	"errors"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	// ProtocolVersion is the version of the contract in proto/gatehouse/plugin/v1.
	ProtocolVersion = 1

	// MaxMessage is the most bytes of one message, in either direction. Output is cut into chunks long before;
	// it bounds a manifest, the arguments and the parsed data of a result.
	MaxMessage = 4 << 20

	// PluginName is the name under which the service is dispensed, and that of its health check.
	PluginName = "plugin"

	// CookieKey and CookieValue tell a plugin that a Gatehouse host started it. They are no secret.
	CookieKey   = "GATEHOUSE_PLUGIN"
	CookieValue = "6f0f3c1e-gatehouse-tool-plugin"
)

// Handshake is the part of the handshake that both sides must agree on.
func Handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{
		ProtocolVersion: ProtocolVersion, MagicCookieKey: CookieKey, MagicCookieValue: CookieValue,
	}
}

// Versions is the set of protocol versions that this package speaks. A plugin gives its handler, a host nil.
func Versions(h tool.Handler) map[int]goplugin.PluginSet {
	return map[int]goplugin.PluginSet{ProtocolVersion: {PluginName: &service{handler: h}}}
}

// Serve serves a handler to the host that started this process, until the host asks it to end. Like
// go-plugin's own Serve it takes over os.Stdout and os.Stderr, and ends the process with status 1 when no
// host started it.
func Serve(h tool.Handler) {
	own, err := announceOwn()
	if err != nil {
		serveError(err)
	}
	goplugin.Serve(&goplugin.ServeConfig{
		TLSProvider:      own,
		HandshakeConfig:  Handshake(),
		VersionedPlugins: Versions(h),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, ServerOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: os.Stderr, JSONFormat: true}),
	})
}

// streamWorkers is how many goroutines are kept for calls; more calls than that get goroutines of their own.
const streamWorkers = 16

// ServerOptions are the limits of a plugin's gRPC server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
		// Goroutines that are kept have grown their stacks already, which was a fifth of a plugin's time.
		grpc.NumStreamWorkers(streamWorkers),
	}
}

// DialOptions are the limits of the host's connection to a plugin. The connection is made once and kept: the
// host removes the socket's file as soon as it stands, so that there is nothing to dial again.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithIdleTimeout(0), // without calls for half an hour gRPC would hang up, to dial again
	}
}

// service joins go-plugin with the two ends.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	handler tool.Handler // nil in a host
}

var _ goplugin.GRPCPlugin = (*service)(nil)

func (s *service) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	if s.handler == nil {
		return errors.New("wire: no handler to serve")
	}
	Register(g, s.handler)
	return nil
}

func (s *service) GRPCClient(
	done context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn,
) (any, error) {
	c := NewClient(conn)
	c.done = done.Done()
	return c, nil
}

// Register puts a handler on a gRPC server. Serve does it; tests may do it on a server of their own.
func Register(g grpc.ServiceRegistrar, h tool.Handler) {
	toolpb.RegisterPluginServer(g, &server{handler: h})
}
