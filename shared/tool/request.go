package tool

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Request asks for one run of a tool.
type Request struct {
	ID            string // execution_id, a UUIDv7
	CorrelationID string // the caller's own id, [A-Za-z0-9._:-]{1,64}; empty: none
	Tool          string
	Client        string          // who calls: token name, IP address or "stdio"
	Arguments     json.RawMessage // a JSON object, valid against the tool's input schema
	Targets       []Target        // pinned addresses, one entry per target argument with a value

	// Deadline is when the tool's processes get SIGTERM; zero: none. It crosses the wire as a duration.
	Deadline time.Time

	// Caps of the output that is passed on, in bytes; zero: none is.
	MaxStdout, MaxStderr int64

	// Grant is set when a person has allowed this call although it is intrusive; the tool then does exactly
	// this, or refuses.
	Grant *Grant
	// Answers to the questions that the tool asked, by their ids, and the State of the result that asked them.
	Answers map[string]Answer
	State   []byte
}

// Target is a target argument after the host has held it to the scope: the tool gets the pinned literal,
// never a name to resolve again.
type Target struct {
	Argument string       `json:"argument"`
	Label    string       `json:"label"`  // as the caller wrote it, a name perhaps
	Prefix   netip.Prefix `json:"prefix"` // what it was pinned to, host bits masked off
}

// Literal is the pinned address as a program takes it: "10.0.0.7", or "10.0.0.0/24" for a network.
func (t Target) Literal() string {
	if t.Prefix.IsSingleIP() {
		return t.Prefix.Addr().String()
	}
	return t.Prefix.String()
}

// Target returns the pinned target of an argument.
func (r Request) Target(argument string) (Target, bool) {
	for _, t := range r.Targets {
		if t.Argument == argument {
			return t, true
		}
	}
	return Target{}, false
}

// Event is what a call tells while it runs: exactly one field is set. Kinds that a receiver does not know
// are dropped by the wire, so that either side can grow.
type Event struct {
	Output   *Output
	Progress *Progress
	Exec     *Exec
	Log      *Log
}

// LogLevel is how grave a message is, by the names of RFC 5424.
type LogLevel string

// The levels, the least grave first.
const (
	LogDebug     LogLevel = "debug"
	LogInfo      LogLevel = "info"
	LogNotice    LogLevel = "notice"
	LogWarning   LogLevel = "warning"
	LogError     LogLevel = "error"
	LogCritical  LogLevel = "critical"
	LogAlert     LogLevel = "alert"
	LogEmergency LogLevel = "emergency"
)

var logLevels = []LogLevel{
	LogDebug, LogInfo, LogNotice, LogWarning, LogError, LogCritical, LogAlert, LogEmergency,
}

// Rank is the place of a level, 0 (debug) to 7 (emergency); that of an unknown one is info's.
func (l LogLevel) Rank() int {
	if i := slices.Index(logLevels, l); i >= 0 {
		return i
	}
	return slices.Index(logLevels, LogInfo)
}

// Valid is the level itself, or info for one that is not known.
func (l LogLevel) Valid() LogLevel { return logLevels[l.Rank()] }

// MaxLogText is the most bytes of a message; the wire cuts what is longer.
const MaxLogText = 4 << 10

// Log is a message about the run, for who called: a client of MCP sees those of the level that it asked for.
type Log struct {
	Level   LogLevel // an unknown one counts as info
	Message string
}

// Exec says which program a call is about to execute, for the host's audit trail. It comes before the program
// runs, once for each that does.
type Exec struct {
	Program string   // absolute path
	Argv    []string // exactly, argv[0] included
	Files   []File   // the program, and the files that decide what it does, as they were before it ran
}

// File is a file as it was.
type File struct {
	Path   string `json:"path"`   // absolute
	SHA256 string `json:"sha256"` // 64 lower-case hexadecimal digits
}

// Stream is one of the two texts that a program prints.
type Stream int

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// Output is a chunk of a stream, in order. Data is valid during the callback only.
type Output struct {
	Stream Stream
	Data   []byte
}

// Progress says how far a call is.
type Progress struct {
	Task    string  // what is being done, such as "SYN Stealth Scan"
	Percent float64 // of the task, 0..100; negative: unknown
	Done    int64   // things finished, such as hosts or replies
	Total   int64   // things in all; zero: unknown
	Message string  // one line for people
}
