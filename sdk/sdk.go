// Package sdk is what a Gatehouse plugin is written with. A plugin is a program that offers one or more
// tools; the host starts it, describes its tools to AI assistants and programs, checks arguments and
// targets, and hands it the calls.
//
// A [Plugin] holds [Tool] values: one made from a Go function by [Func], or one that wraps a
// command-line program, made by package sdk/command. [Main] does the rest:
//
//	type input struct {
//		Target string `json:"target" jsonschema:"host to look at"`
//	}
//	type output struct {
//		Open []int `json:"open"`
//	}
//
//	var scan = sdk.Func(sdk.Definition{
//		Name: "QuickLook", Description: "Tries three TCP ports of one host.",
//		Targets: []sdk.TargetArgument{{Argument: "target"}},
//	}, func(ctx context.Context, c *sdk.Call, in input) (output, error) { ... })
//
//	func main() { os.Exit(sdk.Main(sdk.Plugin{Name: "quicklook", Version: "1.0.0", Tools: []sdk.Tool{scan}})) }
//
// While it runs a function may tell how far it is ([Call.Progress]), write for people ([Call.Stdout]) and log
// ([Call.Logf]); it may show text, pictures and links besides its data ([Call.Show]), and ask the person behind the
// client ([Ask]). What changes or disturbs something is declared as intrusive ([Gate], and Gated of a flag): it needs
// the operator's allow_intrusive, or a person who allows this one call. A plugin may offer [Prompt] values as well.
//
// A function connects with [Call.DialContext], which goes to the pinned targets of the call and elsewhere in scope,
// and nowhere else; a host that it learns of on the way it holds to the scope with [Call.Pin] first.
//
// Package sdk/sdktest runs a plugin in a test, without a host.
package sdk

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Plugin is what a plugin's program offers.
type Plugin struct {
	Name    string // [A-Za-z0-9_-], 1 to 64 characters
	Version string // of the plugin, shown to people
	Tools   []Tool
	Prompts []Prompt // ways to begin, for the menus of clients
	Probes  []Probe  // what it looks at when it is asked for its health, besides what its tools need
}

// Tool is one tool of a plugin. All methods may be called concurrently.
type Tool interface {
	// Spec says what the tool is; it is asked once, when the plugin starts.
	Spec() Spec
	// Plan says what Call would do, and does nothing. Refuse a request with an error; it becomes the
	// plan's verdict.
	Plan(ctx context.Context, env Env, r Request) (Plan, error)
	// Call runs the tool. emit may be called from any goroutine; what comes after Call has returned is
	// dropped, and so is output beyond the caps of the request.
	Call(ctx context.Context, env Env, r Request, emit func(Event)) (Result, error)
}

// Checker is implemented by a tool that can be declared wrongly. [NewHandler] asks it once.
type Checker interface {
	// Check reports the first mistake in the declaration, in words for the plugin's author.
	Check() error
}

// Definition is what a tool says about itself, whichever way it is made. Zero numbers mean the host's
// default.
type Definition = Spec

// The vocabulary of package shared/tool, under the names that authors need, so that a plugin imports
// the sdk alone.
type (
	// Spec is what a tool says about itself.
	Spec = tool.Spec
	// Annotations are the hints that MCP clients show to people before a call.
	Annotations = tool.Annotations
	// TargetArgument names an argument whose value is a host or a network.
	TargetArgument = tool.TargetArgument
	// Breaker is a tool's wish for its circuit breaker.
	Breaker = tool.Breaker
	// Need is something that a tool needs on the machine.
	Need = tool.Need
	// Facts are what a tool's policy looks like from outside.
	Facts = tool.Facts
	// Policy is what the host allows.
	Policy = tool.Policy
	// Request asks for one run of a tool.
	Request = tool.Request
	// Target is a pinned target.
	Target = tool.Target
	// Event is what a call tells while it runs.
	Event = tool.Event
	// Output is a chunk of a stream.
	Output = tool.Output
	// Stream is one of the two texts that a program prints.
	Stream = tool.Stream
	// File is a file as it was before a program ran.
	File = tool.File
	// Layer is one of the things that protect a machine from a program.
	Layer = tool.Layer
	// Untrusted is text that a stranger chose.
	Untrusted = tool.Untrusted
	// UntrustedData is a JSON value of such texts.
	UntrustedData = tool.UntrustedData
	// Log is a message about a run.
	Log = tool.Log
	// LogLevel is how grave a message is.
	LogLevel = tool.LogLevel
	// Content is a block of what a tool shows besides its data.
	Content = tool.Content
	// ContentType says what a block of content is.
	ContentType = tool.ContentType
	// Question is what a tool needs to know before it can go on.
	Question = tool.Question
	// AnswerAction is what a person did with a question.
	AnswerAction = tool.AnswerAction
	// Grant is what a person has allowed for one call.
	Grant = tool.Grant
	// Prompt is a way to begin that a person picks from a menu.
	Prompt = tool.Prompt
	// PromptArgument is a place in the messages of a prompt.
	PromptArgument = tool.PromptArgument
	// PromptMessage is one message of a prompt.
	PromptMessage = tool.PromptMessage
	// CompleteBy says what the values of a prompt's argument can be completed with.
	CompleteBy = tool.CompleteBy
	// Exec says which program a call is about to execute.
	Exec = tool.Exec
	// Progress says how far a call is.
	Progress = tool.Progress
	// Result is what a call came to.
	Result = tool.Result
	// Plan is what a call would do.
	Plan = tool.Plan
	// Token is one piece of the arguments and what policy says of it.
	Token = tool.Token
	// Verdict is what policy says of a request.
	Verdict = tool.Verdict
	// Error is the one error type.
	Error = tool.Error
	// Kind says what went wrong.
	Kind = tool.Kind
	// Manifest is what a plugin says about itself.
	Manifest = tool.Manifest
	// HealthCheck is how a probe came out.
	HealthCheck = tool.HealthCheck
	// HealthPriority says how much a probe weighs.
	HealthPriority = tool.HealthPriority
)

// The kinds of error that a tool has a use for; package shared/tool says when each is right.
const (
	KindValidation        = tool.KindValidation
	KindOutOfScope        = tool.KindOutOfScope
	KindIntrusiveDenied   = tool.KindIntrusiveDenied
	KindNeedsPrivilege    = tool.KindNeedsPrivilege
	KindNotFound          = tool.KindNotFound
	KindTimeout           = tool.KindTimeout
	KindResourceExhausted = tool.KindResourceExhausted
	KindExecution         = tool.KindExecution
	KindCancelled         = tool.KindCancelled
	KindUnknown           = tool.KindUnknown
)

// The verdicts, the streams, the kinds of need, the priorities of probes, and the returncode of a run that
// was ended at its deadline.
const (
	Accept = tool.Accept
	Gated  = tool.Gated
	Reject = tool.Reject

	Stdout = tool.Stdout
	Stderr = tool.Stderr

	NeedCommand    = tool.NeedCommand
	NeedCapability = tool.NeedCapability

	Important     = tool.Important
	Informational = tool.Informational

	ReturnCodeTimeout = tool.ReturnCodeTimeout
)

// The levels of messages, the types of content, what a person can do with a question, and what the argument of a
// prompt can be completed with.
const (
	LogDebug     = tool.LogDebug
	LogInfo      = tool.LogInfo
	LogNotice    = tool.LogNotice
	LogWarning   = tool.LogWarning
	LogError     = tool.LogError
	LogCritical  = tool.LogCritical
	LogAlert     = tool.LogAlert
	LogEmergency = tool.LogEmergency

	TextContent  = tool.TextContent
	ImageContent = tool.ImageContent
	AudioContent = tool.AudioContent
	LinkContent  = tool.LinkContent
	ResourceText = tool.ResourceText

	AnswerAccept  = tool.AnswerAccept
	AnswerDecline = tool.AnswerDecline
	AnswerCancel  = tool.AnswerCancel

	CompleteNothing    = tool.CompleteNothing
	CompleteTargets    = tool.CompleteTargets
	CompleteTools      = tool.CompleteTools
	CompleteTemplates  = tool.CompleteTemplates
	CompleteExecutions = tool.CompleteExecutions
)

// Errorf makes an error of a kind; %w keeps the cause.
func Errorf(k Kind, format string, args ...any) *Error { return tool.Errorf(k, format, args...) }

// AsError turns any error into an [*Error]; nil stays nil.
func AsError(err error) *Error { return tool.AsError(err) }

// KindOf returns the kind of an error, and "" for nil.
func KindOf(err error) Kind { return tool.KindOf(err) }
