// Package origin says where a request comes from: who calls, through which door, from which address, and as a
// part of which trace. A door puts it into the context; the way of a call takes it from there into logs and
// audit trail. Nothing in it is believed before the door has checked it.
//
//	ctx = origin.With(ctx, origin.Origin{Client: "alice", Door: origin.REST, Remote: "10.0.0.9"})
//	o := origin.From(ctx)
package origin

import "context"

// Door is the way in that a request took.
type Door string

// The doors.
const (
	Stdio Door = "stdio" // MCP on stdin and stdout
	MCP   Door = "mcp"   // MCP over HTTP
	REST  Door = "rest"
	CLI   Door = "cli" // gatehouse call, in the process of the caller
)

// Origin is where a request comes from.
type Origin struct {
	Client string // token name, else IP address, else "stdio"; empty: nobody who may call
	Door   Door
	Remote string // IP address; empty: this process
	Trace  Trace
}

type key struct{}

// With says in a context where a request comes from.
func With(ctx context.Context, o Origin) context.Context { return context.WithValue(ctx, key{}, o) }

// From returns where a request comes from; the zero Origin when nobody said.
func From(ctx context.Context) Origin {
	o, _ := ctx.Value(key{}).(Origin)
	return o
}
