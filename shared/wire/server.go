package wire

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxChunk is the most output bytes of one message: large enough to be cheap, small enough to interleave.
const maxChunk = 64 << 10

// server is the plugin's end: it offers a Handler over gRPC.
type server struct {
	toolpb.UnimplementedPluginServer
	handler tool.Handler
}

var _ toolpb.PluginServer = (*server)(nil)

func (s *server) Describe(
	ctx context.Context, _ *toolpb.DescribeRequest,
) (resp *toolpb.DescribeResponse, err error) {
	defer recoverTo(&err)
	m, err := s.handler.Describe(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	return manifestToPB(m), nil
}

func (s *server) Configure(
	ctx context.Context, r *toolpb.ConfigureRequest,
) (resp *toolpb.ConfigureResponse, err error) {
	defer recoverTo(&err)
	p, err := policyFromPB(r)
	if err != nil {
		return nil, statusOf(err)
	}
	if err := s.handler.Configure(ctx, p); err != nil {
		return nil, statusOf(err)
	}
	return &toolpb.ConfigureResponse{}, nil
}

func (s *server) Plan(ctx context.Context, r *toolpb.PlanRequest) (resp *toolpb.PlanResponse, err error) {
	defer recoverTo(&err)
	req, err := requestFromPB(r.GetCall(), time.Now())
	if err != nil {
		return nil, statusOf(err)
	}
	p, err := s.handler.Plan(ctx, req)
	if err != nil {
		return nil, statusOf(err)
	}
	return planToPB(p), nil
}

// Call sends the events as they come and then exactly one result. Failures of the call travel inside of the
// result, so that partial output and error arrive together; a gRPC status means that the wire itself failed.
func (s *server) Call(r *toolpb.CallRequest, stream toolpb.Plugin_CallServer) error {
	req, err := requestFromPB(r, time.Now())
	if err != nil {
		return stream.Send(resultToPB(tool.Result{}, err))
	}
	out := sender{stream: stream}
	res, err := s.call(stream.Context(), req, out.event)
	return out.result(res, err)
}

func (s *server) call(
	ctx context.Context, req tool.Request, emit func(tool.Event),
) (res tool.Result, err error) {
	defer recoverTo(&err)
	return s.handler.Call(ctx, req, emit)
}

// sender puts messages on one stream. A stream that broke is not written to again: the call learns of it by
// its context.
type sender struct {
	stream toolpb.Plugin_CallServer

	mu  sync.Mutex // guards err and the right to send
	err error
}

func (s *sender) send(m *toolpb.CallResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.stream.Send(m)
	}
	return s.err
}

func (s *sender) event(ev tool.Event) {
	if ev.Progress != nil {
		_ = s.send(progressToPB(*ev.Progress)) // a broken stream has cancelled the call's context
	}
	if ev.Exec != nil {
		_ = s.send(execToPB(*ev.Exec)) // likewise
	}
	if ev.Log != nil {
		_ = s.send(logToPB(*ev.Log)) // likewise
	}
	if ev.Output == nil {
		return
	}
	for data := ev.Output.Data; len(data) > 0; {
		n := min(len(data), maxChunk)
		_ = s.send(outputToPB(ev.Output.Stream, data[:n]))
		data = data[n:]
	}
}

func (s *sender) result(res tool.Result, err error) error {
	m := resultToPB(res, err)
	if size := proto.Size(m); size > MaxMessage {
		m = resultToPB(tool.Result{ReturnCode: res.ReturnCode, TimedOut: res.TimedOut}, tool.Errorf(
			tool.KindExecution, "the result has %d bytes, data and content together; at most %d can be carried", size,
			MaxMessage,
		).Suggest("ask for less at a time: fewer hosts, ports or scripts"))
	}
	return s.send(m)
}

// recoverTo turns a panic of the handler into an error, so that one call's bug is not the end of the plugin.
func recoverTo(err *error) {
	if r := recover(); r != nil {
		*err = statusOf(tool.Errorf(tool.KindUnknown, "the plugin panicked: %v", r).
			Suggest("report this to the plugin's author").With("stack", trimStack(debug.Stack())))
	}
}

func trimStack(stack []byte) string {
	const most = 4 << 10
	if len(stack) > most {
		return fmt.Sprintf("%s... (%d bytes more)", stack[:most], len(stack)-most)
	}
	return string(stack)
}
