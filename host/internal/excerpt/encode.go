package excerpt

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// form is a report on its way to JSON: the texts that are shown in the places of its own.
type form struct {
	rep            *tool.Report
	left           []LeftOut
	stdout, stderr shown
	data, metadata value
}

// overhead is more than the bytes of everything in a report but its texts.
const overhead = 768

// texts is how many bytes the texts have that can be of any length.
func (f *form) texts() int {
	r := f.rep
	n := len(r.Stdout) + len(r.Stderr) + len(r.Suggestion) + len(r.Tool) + len(r.Target) +
		len(r.CorrelationID) + len(r.ExecutionID)
	if r.Error != nil {
		n += len(*r.Error)
	}
	return n
}

// size is about how many bytes the whole form will have.
func (f *form) size() int {
	n := overhead + f.texts() + len(f.data.raw) + len(f.metadata.raw)
	return n + n/16
}

// append writes the members in the order of [tool.Report], as encoding/json would but for the escapes that
// only HTML needs.
func (f *form) append(b []byte) []byte {
	r := f.rep
	b = f.appendForeword(append(b, '{'))
	b = f.stdout.append(append(b, `"stdout":`...))
	b = f.stderr.append(append(b, `,"stderr":`...))
	b = strconv.AppendInt(append(b, `,"returncode":`...), int64(r.ReturnCode), 10)
	b = strconv.AppendBool(append(b, `,"truncated_stdout":`...), r.TruncatedStdout)
	b = strconv.AppendBool(append(b, `,"truncated_stderr":`...), r.TruncatedStderr)
	b = strconv.AppendBool(append(b, `,"timed_out":`...), r.TimedOut)
	b = appendOrNull(append(b, `,"error":`...), r.Error)
	b = appendOrNull(append(b, `,"error_type":`...), (*string)(r.ErrorType))
	b = appendNumber(append(b, `,"execution_time":`...), r.ExecutionTime)
	b = appendString(append(b, `,"correlation_id":`...), r.CorrelationID)
	b = appendString(append(b, `,"execution_id":`...), r.ExecutionID)
	b = append(append(b, `,"metadata":`...), f.metadata.raw...)
	if len(f.data.raw) > 0 {
		b = append(append(b, `,"data":`...), f.data.raw...)
	}
	return append(f.appendError(b), '}')
}

// appendForeword writes what a model should read first.
func (f *form) appendForeword(b []byte) []byte {
	if f.rep.Stdout != "" || f.rep.Stderr != "" || len(f.rep.Data) > 0 {
		b = append(append(append(b, `"notice":"`...), Notice...), `",`...)
	}
	if len(f.left) > 0 {
		left, err := json.Marshal(f.left)
		if err != nil {
			left = []byte("[]") // cannot be: it is made here, of texts and numbers
		}
		b = append(append(append(b, `"left_out":`...), left...), ',')
	}
	return b
}

// appendError writes the members that are there only when there is something to say.
func (f *form) appendError(b []byte) []byte {
	r := f.rep
	if r.Suggestion != "" {
		b = appendString(append(b, `,"recovery_suggestion":`...), r.Suggestion)
	}
	if r.Timestamp != nil {
		b = append(b, `,"timestamp":"`...)
		b = append(r.Timestamp.AppendFormat(b, time.RFC3339Nano), '"')
	}
	if r.Tool != "" {
		b = appendString(append(b, `,"tool":`...), r.Tool)
	}
	if r.Target != "" {
		b = appendString(append(b, `,"target":`...), r.Target)
	}
	if r.RetryAfter != nil {
		b = appendNumber(append(b, `,"retry_after":`...), *r.RetryAfter)
	}
	return b
}

func appendOrNull(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendString(b, *s)
}

// appendNumber writes what JSON has no number for as 0.
func appendNumber(b []byte, f float64) []byte {
	switch size := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(b, '0')
	case size != 0 && (size < 1e-6 || size >= 1e21):
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

func appendString(b []byte, s string) []byte {
	return append(appendText(append(b, '"'), s), '"')
}

// appendText writes the inside of a JSON string: s as [Clean] makes it.
func appendText(b []byte, s string) []byte {
	for len(s) > 0 {
		n := 0
		for n < len(s) && asIs[s[n]] {
			n++
		}
		b, s = append(b, s[:n]...), s[n:]
		if len(s) == 0 {
			break
		}
		n = 1
		switch c := s[0]; {
		case c == '\r' && len(s) > 1 && s[1] == '\n': // the line feed is next
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < utf8.RuneSelf:
			b = append(b, '\\', '\\', 'x', upperHex[c>>4], upperHex[c&15])
		default:
			n = foreign(s)
			b = appendEscaped(b, tool.Untrusted(s[:n]).Clean())
		}
		s = s[n:]
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// foreign is how many bytes at the beginning of s, the first one at least, are not of ASCII.
func foreign(s string) int {
	n := 1
	for n < len(s) && s[n] >= utf8.RuneSelf {
		n++
	}
	return n
}

// appendEscaped writes clean text, in which nothing but a backslash has to be escaped.
func appendEscaped(b []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return append(b, s...)
		}
		b, s = append(append(b, s[:i]...), `\\`...), s[i+1:]
	}
}

// asIs are the bytes that stand for themselves inside of a JSON string, and are clean.
var asIs = func() (is [256]bool) {
	for c := ' '; c <= '~'; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// value is a JSON value that is shown whole or not at all.
type value struct {
	raw   []byte // clean and compact; empty: there is none
	bytes int    // of what it was made of
	why   string // it cannot be shown
}

// readData takes the data of a report, which is valid JSON if the plugin is as it should be.
func readData(raw json.RawMessage, limit int) value {
	if len(raw) == 0 {
		return value{}
	}
	return value{bytes: len(raw)}.of(raw, limit, "it is not JSON, or has an object with two members of one name")
}

var noMetadata = []byte("{}")

func readMetadata(m map[string]any, limit int) value {
	if len(m) == 0 {
		return value{raw: noMetadata}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return value{why: "it cannot be written as JSON"}
	}
	return value{bytes: len(raw)}.of(raw, limit, "it has an object with two members of one name")
}

// of cleans what a value is made of. What is longer than limit characters by any count is not worth the work.
func (v value) of(raw []byte, limit int, why string) value {
	var err error
	v.raw, err = appendClean(make([]byte, 0, len(raw)), raw, limit*utf8.UTFMax)
	switch {
	case errors.Is(err, errTooLarge):
		v.raw, v.why = nil, tooLarge
	case err != nil:
		v.raw, v.why = nil, why
	}
	return v
}

// chars is how many characters the value takes.
func (v value) chars() int { return utf8.RuneCount(v.raw) }
