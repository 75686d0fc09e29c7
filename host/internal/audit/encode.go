package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of the members, in bytes as written. Their sum stays below maxLine, whatever a caller sends.
const (
	maxName      = 512     // ids, names, addresses
	maxWord      = 4 << 10 // target, program
	maxMessage   = 8 << 10 // rule, error
	maxTargets   = 16 << 10
	maxFacts     = 16 << 10
	maxFiles     = 8 << 10
	maxArguments = 64 << 10
	maxArgv      = 96 << 10
	// A refusal costs its caller nothing. It must not be a cheap way to fill the files until the oldest go.
	maxArgumentsRefused = 4 << 10
)

const timeFormat = "2006-01-02T15:04:05.000000000Z"

// encoder writes members: everything of a line between prev and hash.
type encoder struct {
	b   []byte
	cut []string // members that did not fit
}

// name begins a member.
func (e *encoder) name(name string) {
	e.b = append(e.b, ',', '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) text(name, value string, limit int) {
	if value == "" {
		return
	}
	e.name(name)
	var whole bool
	if e.b, whole = appendText(e.b, value, limit); !whole {
		e.cut = append(e.cut, name)
	}
}

func (e *encoder) number(name string, n int64) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, n, 10)
}

func (e *encoder) flag(name string, value bool) {
	e.name(name)
	e.b = strconv.AppendBool(e.b, value)
}

func (e *encoder) seconds(name string, d time.Duration) {
	e.name(name)
	e.b = strconv.AppendFloat(e.b, d.Seconds(), 'f', 6, 64)
}

func (e *encoder) time(name string, t time.Time) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = t.UTC().AppendFormat(e.b, timeFormat)
	e.b = append(e.b, '"')
}

func (e *encoder) hash(name string, h Hash) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = hex.AppendEncode(e.b, h[:])
	e.b = append(e.b, '"')
}

// begin writes the members that every line has.
func (e *encoder) begin(event Event, t time.Time) {
	e.time("time", t)
	e.text("event", string(event), maxName)
}

// entry writes all members of an entry.
func (e *encoder) entry(en *Entry) {
	e.begin(en.Event, en.Time)
	e.text("execution_id", en.ExecutionID, maxName)
	e.text("correlation_id", en.CorrelationID, maxName)
	e.text("client", en.Origin.Client, maxName)
	e.text("remote", en.Origin.Remote, maxName)
	e.text("door", string(en.Origin.Door), maxName)
	e.text("trace_id", en.Origin.Trace.ID, maxName)
	e.text("trace_parent", en.Origin.Trace.Parent, maxName)
	e.text("actor", en.Actor, maxName)
	e.text("action", en.Action, maxName)
	e.text("tool", en.Tool, maxName)
	e.text("plugin", en.Plugin, maxName)
	e.text("plugin_version", en.PluginVersion, maxName)
	e.arguments(en)
	e.text("target", en.Target, maxWord)
	e.targets(en.Targets)
	e.text("verdict", string(en.Verdict), maxName)
	e.text("gate", en.Gate, maxName)
	e.text("rule", en.Rule, maxMessage)
	e.text("error_type", string(en.ErrorType), maxName)
	e.text("error", en.Error, maxMessage)
	e.text("program", en.Program, maxWord)
	e.list("argv", en.Argv, maxArgv)
	e.files(en.Files)
	e.outcome(en)
	e.facts(en.Facts)
	e.list("cut", e.cut, maxName)
}

// arguments writes what the caller sent as the JSON value that it is. What is no JSON becomes a text, and
// what is too large its beginning, length and digest.
func (e *encoder) arguments(en *Entry) {
	raw, limit := en.Arguments, maxArguments
	if en.Event.class() == counted {
		limit = maxArgumentsRefused
	}
	if len(raw) == 0 || en.Event.class() == counted && en.Gate == "rate" { // those come in floods
		return
	}
	if !json.Valid(raw) {
		e.text("arguments_text", string(raw[:min(len(raw), limit+1)]), limit)
		return
	}
	start, whole := len(e.b), false
	e.name("arguments")
	if e.b, whole = appendJSON(e.b, raw, limit); whole {
		return
	}
	e.b = e.b[:start]
	e.text("arguments_text", string(raw[:min(len(raw), maxArgumentsRefused+1)]), maxArgumentsRefused)
	e.number("arguments_bytes", int64(len(raw)))
	e.hash("arguments_sha256", sha256.Sum256(raw))
}

func (e *encoder) targets(list []tool.Target) {
	if len(list) == 0 {
		return
	}
	e.name("targets")
	e.b = append(e.b, '[')
	start := len(e.b)
	for _, t := range list {
		before := len(e.b)
		if before > start {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, `{"argument":`...)
		e.b, _ = appendText(e.b, t.Argument, maxName)
		e.b = append(e.b, `,"label":`...)
		e.b, _ = appendText(e.b, t.Label, maxWord)
		e.b = append(e.b, `,"pinned":"`...)
		e.b = append(e.b, t.Literal()...)
		e.b = append(e.b, '"', '}')
		if len(e.b)-start > maxTargets {
			e.b, e.cut = e.b[:before], append(e.cut, "targets")
			break
		}
	}
	e.b = append(e.b, ']')
}

// files writes which files decided what a program did.
func (e *encoder) files(list []tool.File) {
	if len(list) == 0 {
		return
	}
	e.name("files")
	e.b = append(e.b, '[')
	start := len(e.b)
	for i, f := range list {
		if len(e.b)-start > maxFiles {
			e.cut = append(e.cut, "files")
			break
		}
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, `{"path":`...)
		e.b, _ = appendText(e.b, f.Path, maxWord)
		e.b = append(e.b, `,"sha256":`...)
		e.b, _ = appendText(e.b, f.SHA256, maxName)
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, ']')
}

// list writes texts as long as they fit.
func (e *encoder) list(name string, list []string, limit int) {
	if len(list) == 0 {
		return
	}
	e.name(name)
	e.b = append(e.b, '[')
	start, whole := len(e.b), true
	for i, s := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		room := limit - (len(e.b) - start)
		if e.b, whole = appendText(e.b, s, max(room, 0)); !whole || room < 0 {
			e.cut = append(e.cut, name)
			break
		}
	}
	e.b = append(e.b, ']')
}

func (e *encoder) outcome(en *Entry) {
	o := &en.Outcome
	timed := en.Event == Refuse || en.Event == Plan
	if en.Event == Finish {
		e.number("returncode", int64(o.ReturnCode))
		e.flag("timed_out", o.TimedOut)
	}
	if timed || en.Event == Finish {
		e.seconds("duration", o.Duration)
		e.seconds("queued", o.Queued)
	}
	if en.Event != Finish {
		return
	}
	e.number("stdout_bytes", int64(len(o.Stdout)))
	e.number("stderr_bytes", int64(len(o.Stderr)))
	e.flag("truncated_stdout", o.TruncatedStdout)
	e.flag("truncated_stderr", o.TruncatedStderr)
	e.hash("output_sha256", digest(o.Stdout, o.Stderr))
}

// digest is the SHA-256 of stdout, a NUL byte, stderr; the output is not copied as a whole for it.
func digest(stdout, stderr string) Hash {
	h := sha256.New()
	var part [4096]byte
	for i, s := range []string{stdout, stderr} {
		if i > 0 {
			_, _ = h.Write([]byte{0})
		}
		for len(s) > 0 {
			n := copy(part[:], s)
			_, _ = h.Write(part[:n]) // a hash never fails
			s = s[n:]
		}
	}
	return Hash(h.Sum(nil))
}

func (e *encoder) facts(facts map[string]string) {
	if len(facts) == 0 {
		return
	}
	e.name("facts")
	e.b = append(e.b, '{')
	start, whole := len(e.b), true
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		before := len(e.b)
		if before > start {
			e.b = append(e.b, ',')
		}
		e.b, _ = appendText(e.b, key, maxName)
		e.b = append(e.b, ':')
		e.b, whole = appendText(e.b, facts[key], maxWord)
		if !whole || len(e.b)-start > maxFacts {
			e.b, e.cut = e.b[:before], append(e.cut, "facts")
			break
		}
	}
	e.b = append(e.b, '}')
}
