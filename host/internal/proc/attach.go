package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse-mcp/gatehouse/host/internal/peer"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// Attached is a plugin that somebody else has started, as under a debugger. It is spoken to and nothing more:
// it may stand still for as long as a person looks at it, and is neither probed nor ended by the host.
type Attached struct {
	*wire.Client
	conn  *grpc.ClientConn
	ended chan struct{} // closed when the connection is gone
	close func() error  // done once
}

var _ tool.Handler = (*Attached)(nil)

// Attach connects to a plugin that waits at a unix socket for hosts, see [wire.ListenDebug]. There is no TLS:
// the socket must lie in a directory that is this user's alone, and a process of this user must listen.
func Attach(ctx context.Context, path string) (*Attached, error) {
	if err := wire.CheckDebugSocket(path); err != nil {
		return nil, notAttached(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+path, append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dialOwn))...)
	if err != nil {
		return nil, notAttached(err)
	}
	if err := connected(ctx, conn); err != nil {
		return nil, notAttached(errors.Join(err, conn.Close()))
	}
	a := &Attached{Client: wire.NewClient(conn), conn: conn, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends with the connection, which Close waits for
		defer close(a.ended)
		conn.WaitForStateChange(ctx, connectivity.Ready)
	}()
	a.close = sync.OnceValue(func() error {
		cancel()
		<-a.ended
		return conn.Close()
	})
	return a, nil
}

func notAttached(err error) *tool.Error {
	return tool.Errorf(tool.KindUnavailable, "no plugin can be attached: %w", err).
		Suggest("start the plugin with --debug, as yourself; it says where it waits")
}

// dialOwn connects to a socket at which a process of this user listens.
func dialOwn(ctx context.Context, path string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if uid, known := peer.UID(c); known && uid != os.Geteuid() {
		return nil, errors.Join(fmt.Errorf("a process of user %d listens at %s", uid, path), c.Close())
	}
	return c, nil
}

// connected waits for the connection, and does not try twice: whoever asked tries again.
func connected(ctx context.Context, conn *grpc.ClientConn) error {
	conn.Connect()
	for {
		switch state := conn.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure:
			return wire.NewClient(conn).Ping(ctx) // says why
		default:
			if !conn.WaitForStateChange(ctx, state) {
				return context.Cause(ctx)
			}
		}
	}
}

// Done is closed when the plugin is gone.
func (a *Attached) Done() <-chan struct{} { return a.ended }

// Err says that the plugin is gone, and is nil while it is there.
func (a *Attached) Err() error {
	select {
	case <-a.ended:
		return errors.New("the plugin that was attached is gone")
	default:
		return nil
	}
}

// Ping asks nothing: a debugger may hold the process.
func (a *Attached) Ping(context.Context) error { return a.Err() }

// Kill lets the plugin be: it is not the host's to end.
func (a *Attached) Kill() error { return nil }

// Close lets go of the plugin. It may be called more than once.
func (a *Attached) Close() error { return a.close() }

// Layers tells that nothing confines the process.
func (a *Attached) Layers() []tool.Layer {
	return []tool.Layer{{Name: "attached", Detail: "somebody started it by hand: the host confines nothing of it"}}
}
