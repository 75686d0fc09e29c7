package wire

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// statusOf puts an error into a gRPC status, whole, as its detail. The code is for people with a gRPC tool
// in hand; the host reads the detail.
func statusOf(err error) error {
	if _, ok := status.FromError(err); ok && err != nil {
		return err
	}
	e := tool.AsError(err)
	st, detailErr := status.New(codeOf(e.Kind), text(e.Message)).WithDetails(errorToPB(e))
	if detailErr != nil {
		return status.Error(codeOf(e.Kind), text(e.Message))
	}
	return st.Err()
}

func codeOf(k tool.Kind) codes.Code {
	switch k {
	case tool.KindValidation:
		return codes.InvalidArgument
	case tool.KindOutOfScope, tool.KindIntrusiveDenied, tool.KindForbidden, tool.KindDisabled:
		return codes.PermissionDenied
	case tool.KindNeedsPrivilege:
		return codes.FailedPrecondition
	case tool.KindToolNotFound, tool.KindNotFound:
		return codes.NotFound
	case tool.KindCancelled:
		return codes.Canceled
	case tool.KindTimeout:
		return codes.DeadlineExceeded
	case tool.KindResourceExhausted, tool.KindRateLimited, tool.KindOverloaded:
		return codes.ResourceExhausted
	case tool.KindUnavailable, tool.KindBreakerOpen:
		return codes.Unavailable
	default:
		return codes.Internal
	}
}

// errorOf reads an error of an RPC: the one that the plugin sent, or what became of the wire.
func errorOf(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if e, ok := d.(*toolpb.Error); ok {
			return errorFromPB(e)
		}
	}
	if ctx.Err() != nil {
		return tool.AsError(context.Cause(ctx))
	}
	return wireError(st)
}

func wireError(st *status.Status) *tool.Error {
	switch st.Code() {
	case codes.Unavailable:
		return tool.Errorf(tool.KindUnavailable, "the plugin went away: %s", st.Message()).
			Suggest("try again in a few seconds; the host restarts it")
	case codes.Canceled:
		return tool.Errorf(tool.KindUnavailable, "the plugin broke the call off: %s", st.Message())
	case codes.DeadlineExceeded:
		return tool.Errorf(tool.KindTimeout, "the plugin did not answer before the deadline")
	case codes.ResourceExhausted:
		return tool.Errorf(tool.KindExecution, "a message was larger than %d bytes: %s", MaxMessage, st.Message())
	case codes.Unimplemented:
		return tool.Errorf(tool.KindUnknown, "the plugin does not implement the contract: %s", st.Message()).
			Suggest("rebuild the plugin against the current sdk")
	default:
		return tool.Errorf(tool.KindUnknown, "the plugin failed: %s", st.Message())
	}
}

func errorToPB(e *tool.Error) *toolpb.Error {
	pb := &toolpb.Error{
		Kind: string(e.Kind), Message: text(e.Message), RecoverySuggestion: text(e.Suggestion),
		Tool: text(e.Tool), Target: text(e.Target), Metadata: metadataToPB(e.Metadata),
	}
	if !e.Time.IsZero() {
		pb.Time = timestamppb.New(e.Time)
	}
	if e.RetryAfter > 0 {
		pb.RetryAfter = durationpb.New(e.RetryAfter)
	}
	return pb
}

func errorFromPB(pb *toolpb.Error) *tool.Error {
	kind := tool.Kind(pb.GetKind())
	if !kind.Known() {
		kind = tool.KindUnknown
	}
	e := tool.Errorf(kind, "%s", pb.GetMessage())
	if pb.GetTime().IsValid() {
		e.Time = pb.GetTime().AsTime()
	}
	e.Suggestion, e.Tool, e.Target = pb.GetRecoverySuggestion(), pb.GetTool(), pb.GetTarget()
	e.RetryAfter = max(pb.GetRetryAfter().AsDuration(), 0)
	e.Metadata = metadataFromPB(pb.GetMetadata())
	return e
}

// metadataToPB writes metadata as a JSON object; values that JSON cannot carry drop the whole.
func metadataToPB(m map[string]any) []byte {
	if len(m) == 0 {
		return nil
	}
	raw, err := json.Marshal(m)
	if err != nil {
		raw, _ = json.Marshal(map[string]string{"metadata_error": err.Error()}) // strings always marshal
	}
	return raw
}

func metadataFromPB(raw []byte) map[string]any {
	var m map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}
