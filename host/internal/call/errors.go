package call

import (
	"context"
	"errors"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// suggestions say what to do next, by kind, where neither a gate nor the plugin knew better.
var suggestions = map[tool.Kind]string{
	tool.KindValidation:        "correct the arguments as the message says, and call again",
	tool.KindOutOfScope:        "choose a target in the allowed networks",
	tool.KindIntrusiveDenied:   "leave the intrusive options out, or ask the operator to set allow_intrusive",
	tool.KindNeedsPrivilege:    "ask for less, or ask the operator to grant the tool the right that the message names",
	tool.KindUnauthenticated:   "send a valid token",
	tool.KindForbidden:         "use a token that may call this tool, or ask the operator for one",
	tool.KindUnavailable:       "try again in a few seconds; the host restarts a plugin that went down",
	tool.KindNotFound:          "ask the operator to install the program that the tool runs",
	tool.KindTimeout:           "narrow the call down, or ask for more time (timeout_sec)",
	tool.KindResourceExhausted: "narrow the call down: fewer targets, fewer ports",
	tool.KindExecution:         "read stderr and the message, correct the call, and try again",
	tool.KindCancelled:         "call again if the answer is still wanted",
	tool.KindUnknown:           "try once more; if it fails again, give the execution_id to the operator",
}

// cancelled is the error of a call whose caller went away, or that somebody has ended who says why.
func cancelled(ctx context.Context) *tool.Error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return tool.Errorf(tool.KindCancelled, "the caller went away: %w", cause)
	}
	return tool.Errorf(tool.KindCancelled, "the call was cancelled: %w", cause)
}

// clip shortens a foreign text to n bytes for messages, at the border of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
