package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Client is the host's end: a [tool.Handler] whose work is done by a plugin process. It believes nothing
// that could hurt: messages are bounded, output is repaired to valid UTF-8, data that is not JSON is
// refused.
type Client struct {
	rpc    toolpb.PluginClient
	health healthpb.HealthClient
	done   <-chan struct{} // closed when the plugin's process has ended; nil: never
}

var _ tool.Handler = (*Client)(nil)

// NewClient makes a client on a connection. [DialOptions] bound its messages.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: toolpb.NewPluginClient(conn), health: healthpb.NewHealthClient(conn)}
}

// Done is closed when the plugin's process has ended; it is nil for a client that has no process.
func (c *Client) Done() <-chan struct{} { return c.done }

// Ping asks the plugin's health service whether it serves; ctx should carry a deadline, a frozen plugin
// never answers.
func (c *Client) Ping(ctx context.Context) error {
	resp, err := c.health.Check(ctx, &healthpb.HealthCheckRequest{Service: PluginName})
	if err != nil {
		return errorOf(ctx, err)
	}
	if resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return tool.Errorf(tool.KindUnavailable, "the plugin says that it is %s", resp.GetStatus())
	}
	return nil
}

// Describe asks for the manifest. It is not validated here.
func (c *Client) Describe(ctx context.Context) (tool.Manifest, error) {
	resp, err := c.rpc.Describe(ctx, &toolpb.DescribeRequest{})
	if err != nil {
		return tool.Manifest{}, errorOf(ctx, err)
	}
	return manifestFromPB(resp), nil
}

// Configure hands over the policy.
func (c *Client) Configure(ctx context.Context, p tool.Policy) error {
	_, err := c.rpc.Configure(ctx, policyToPB(p))
	return errorOf(ctx, err)
}

// Plan asks what a call would do.
func (c *Client) Plan(ctx context.Context, r tool.Request) (tool.Plan, error) {
	resp, err := c.rpc.Plan(ctx, &toolpb.PlanRequest{Call: requestToPB(r)})
	if err != nil {
		return tool.Plan{}, errorOf(ctx, err)
	}
	return planFromPB(resp, r.Targets), nil
}

// Call runs a tool in the plugin.
func (c *Client) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream when the plugin goes on after its result
	defer cancel()
	stream, err := c.rpc.Call(ctx, requestToPB(r))
	if err != nil {
		return tool.Result{}, errorOf(ctx, err)
	}
	rec := receiver{emit: emit}
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			rec.flush()
			return tool.Result{}, tool.Errorf(tool.KindUnknown, "the plugin ended the call without a result").
				Suggest("report this to the plugin's author")
		case err != nil:
			rec.flush()
			return tool.Result{}, errorOf(ctx, err)
		case m.GetResult() != nil:
			rec.flush()
			return resultFromPB(m.GetResult())
		}
		rec.message(m)
	}
}

// receiver turns messages into events. Kinds that it does not know are dropped.
type receiver struct {
	emit           func(tool.Event)
	stdout, stderr repairer
}

func (r *receiver) message(m *toolpb.CallResponse) {
	if p := m.GetProgress(); p != nil {
		r.emit(tool.Event{Progress: progressFromPB(p)})
	}
	if e := m.GetExec(); e != nil {
		r.emit(tool.Event{Exec: execFromPB(e)})
	}
	if l := m.GetLog(); l != nil {
		r.emit(tool.Event{Log: logFromPB(l)})
	}
	o := m.GetOutput()
	switch o.GetStream() {
	case toolpb.Output_STREAM_STDOUT:
		r.output(tool.Stdout, r.stdout.repair(o.GetData()))
	case toolpb.Output_STREAM_STDERR:
		r.output(tool.Stderr, r.stderr.repair(o.GetData()))
	}
}

func (r *receiver) flush() {
	r.output(tool.Stdout, r.stdout.flush())
	r.output(tool.Stderr, r.stderr.flush())
}

func (r *receiver) output(s tool.Stream, data []byte) {
	if len(data) > 0 {
		r.emit(tool.Event{Output: &tool.Output{Stream: s, Data: data}})
	}
}

func resultFromPB(m *toolpb.Result) (tool.Result, error) {
	res := tool.Result{
		ReturnCode: int(m.GetReturncode()), TimedOut: m.GetTimedOut(),
		TruncatedStdout: m.GetTruncatedStdout(), TruncatedStderr: m.GetTruncatedStderr(),
		Metadata: metadataFromPB(m.GetMetadata()),
	}
	if data := m.GetData(); len(data) > 0 {
		if !json.Valid(data) {
			return res, tool.Errorf(tool.KindUnknown, "the plugin's data is not valid JSON").
				Suggest("report this to the plugin's author")
		}
		res.Data = data
	}
	broken := shownFromPB(m, &res)
	if e := m.GetError(); e != nil { // what went wrong first
		res.Questions, res.State = nil, nil
		return res, errorFromPB(e)
	}
	return res, broken
}
