package logs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

// Bounds of a line.
const (
	maxValue = 16 << 10  // bytes of one message or value
	maxKey   = 256       // bytes
	maxAttrs = 64        // attributes side by side
	maxDepth = 8         // groups within groups
	maxLine  = 256 << 10 // bytes after which values are left out
)

// leftOut stands for a value for which there is no room.
const leftOut = "[left out, the line is too long]"

// encoder writes the attributes of one record: for JSON members, each with a comma before it, for text
// key=value, each with a space before it.
type encoder struct {
	json   bool
	buf    []byte
	tidied []slog.Attr // of the record itself; kept for the next one
}

// attrs writes attributes of the record itself.
func (e *encoder) attrs(attrs []slog.Attr) {
	e.tidied = tidy(e.tidied[:0], attrs, 0)
	for _, a := range e.tidied {
		e.attr("", a)
	}
}

// tidy resolves values, opens groups without a name, drops what is empty, and leaves the last of those that
// have one key. It appends to out. Depth is the number of groups around.
func tidy(out, attrs []slog.Attr, depth int) []slog.Attr {
	for i, a := range attrs {
		if len(out) >= maxAttrs {
			return append(out, slog.Int("_left_out", len(attrs)-i))
		}
		if a.Equal(slog.Attr{}) {
			continue
		}
		a.Value = a.Value.Resolve()
		switch {
		case a.Value.Kind() != slog.KindGroup:
			out = put(out, slog.Attr{Key: keyOf(a.Key, depth), Value: a.Value})
		case depth >= maxDepth:
			out = put(out, slog.String(keyOf(a.Key, depth), "[left out, too many groups within groups]"))
		case a.Key == "":
			for _, m := range tidy(nil, a.Value.Group(), depth) {
				out = put(out, m)
			}
		default:
			if members := tidy(nil, a.Value.Group(), depth+1); len(members) > 0 {
				out = put(out, slog.Attr{Key: keyOf(a.Key, depth), Value: slog.GroupValue(members...)})
			}
		}
	}
	return out
}

// put adds an attribute, in the place of one with the same key.
func put(out []slog.Attr, a slog.Attr) []slog.Attr {
	for i := range out {
		if out[i].Key == a.Key {
			out[i].Value = a.Value
			return out
		}
	}
	return append(out, a)
}

// keyOf makes a key valid. Of the record itself none may pass for the host's own, which begin with an @.
func keyOf(key string, depth int) string {
	key = cut(key, maxKey)
	if depth == 0 && strings.HasPrefix(key, "@") {
		return "_" + key
	}
	return key
}

// cut makes a string valid UTF-8 of at most limit bytes, and says when it was longer.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.ToValidUTF8(s[:end], "\uFFFD") + "... [cut, " + strconv.Itoa(len(s)) + " bytes in all]"
}

// attr writes one attribute. Prefix is what the names of the groups around are in text.
func (e *encoder) attr(prefix string, a slog.Attr) {
	if e.json {
		e.buf = append(e.buf, ',')
		e.buf = appendJSON(e.buf, a.Key)
		e.buf = append(e.buf, ':')
		e.value(a.Value)
		return
	}
	if a.Value.Kind() == slog.KindGroup {
		for _, m := range a.Value.Group() {
			e.attr(prefix+a.Key+".", m)
		}
		return
	}
	e.buf = append(e.buf, ' ')
	e.buf = appendText(e.buf, prefix+a.Key)
	e.buf = append(e.buf, '=')
	if len(e.buf) > maxLine {
		e.buf = appendText(e.buf, leftOut)
		return
	}
	e.buf = appendText(e.buf, cut(plain(a.Value), maxValue))
}

// value writes a JSON value.
func (e *encoder) value(v slog.Value) {
	switch v.Kind() {
	case slog.KindGroup:
		e.buf = append(e.buf, '{')
		start := len(e.buf)
		for _, m := range v.Group() {
			e.attr("", m)
		}
		if len(e.buf) > start {
			e.buf = slices.Delete(e.buf, start, start+1) // the first comma
		}
		e.buf = append(e.buf, '}')
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		e.buf = append(e.buf, v.String()...)
	case slog.KindDuration:
		e.buf = strconv.AppendInt(e.buf, int64(v.Duration()), 10)
	case slog.KindFloat64:
		e.float(v.Float64())
	case slog.KindAny:
		e.any(v.Any())
	default:
		e.string(plain(v))
	}
}

func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.string(strconv.FormatFloat(f, 'g', -1, 64))
		return
	}
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64)
}

func (e *encoder) string(s string) {
	if len(e.buf) > maxLine {
		s = leftOut
	}
	e.buf = appendJSON(e.buf, cut(s, maxValue))
}

func (e *encoder) any(v any) {
	if err, ok := v.(error); ok {
		e.string(call(err.Error))
		return
	}
	text := marshal(v)
	if len(text) > maxValue || len(e.buf) > maxLine {
		e.string(text)
		return
	}
	e.buf = appendEscaped(e.buf, text)
}

// marshal is a value as JSON; where it has no such form, a JSON string that says so.
func marshal(v any) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = string(appendJSON(nil, fmt.Sprintf("[panic: %v]", p)))
		}
	}()
	b, err := json.Marshal(v)
	if err != nil {
		return string(appendJSON(nil, "["+err.Error()+"]"))
	}
	return string(b)
}

// call calls a method of a foreign value, which may panic, such as one of a nil pointer.
func call(method func() string) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("[panic: %v]", p)
		}
	}()
	return method()
}

// plain is a value that is no group as text.
func plain(v slog.Value) string {
	switch v.Kind() {
	case slog.KindString:
		return v.String()
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return call(x.Error)
		case fmt.Stringer:
			return call(x.String)
		}
		text := marshal(v.Any())
		var s string
		if json.Unmarshal([]byte(text), &s) == nil && text != "null" {
			return s
		}
		return text
	}
	return v.String()
}

// levels are the names of the levels, by format.
var levels = map[hclog.Level][2]string{
	hclog.Trace: {"trace", "[TRACE]"}, hclog.Debug: {"debug", "[DEBUG]"}, hclog.Info: {"info", "[INFO] "},
	hclog.Warn: {"warn", "[WARN] "}, hclog.Error: {"error", "[ERROR]"},
}

// line appends the whole line, with the attributes written so far. A zero time is left out.
func (e *encoder) line(out []byte, at time.Time, level hclog.Level, name, msg string) []byte {
	if !e.json {
		return e.textLine(out, at, level, name, msg)
	}
	out = append(out, `{"@level":"`...)
	out = append(out, levels[level][0]...)
	out = append(out, `","@message":`...)
	out = appendJSON(out, cut(msg, maxValue))
	if name != "" {
		out = append(out, `,"@module":`...)
		out = appendJSON(out, cut(name, maxKey))
	}
	if !at.IsZero() {
		out = append(out, `,"@timestamp":"`...)
		out = at.UTC().AppendFormat(out, hclog.TimeFormatJSON)
		out = append(out, '"')
	}
	out = append(out, e.buf...)
	return append(out, '}', '\n')
}

func (e *encoder) textLine(out []byte, at time.Time, level hclog.Level, name, msg string) []byte {
	if !at.IsZero() {
		out = append(at.UTC().AppendFormat(out, hclog.TimeFormat), ' ')
	}
	out = append(out, levels[level][1]...)
	if name != "" {
		out = append(appendText(append(out, ' '), cut(name, maxKey)), ':')
	}
	out = appendMessage(append(out, ' '), cut(msg, maxValue))
	if len(e.buf) > 0 {
		out = append(out, ':')
	}
	return append(append(out, e.buf...), '\n')
}
