package curl

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Bounds of what is kept of a response. curl itself gives up at 300 KiB of headers.
const (
	maxHeaders  = 100
	maxLine     = 8 << 10 // bytes of one header, or of the first line
	maxShown    = 1024    // bytes of a value in the report
	maxLocation = 4 << 10
)

// response reads what curl --include prints: the headers as they came, then the body. curl has parsed them
// before, so that this cannot find an end of the headers where curl did not.
type response struct {
	line    []byte
	cut     bool // something of the line is missing
	done    bool // the headers are at their end
	started bool // the first line has come
	h2c     bool // curl has asked to go on in HTTP/2, to which 101 is the answer

	status    int
	version   string
	reason    string
	headers   []Header
	count     int
	truncated bool
	locations []string
	body      int64
}

// write takes a piece of the output, and reports whether the headers came to their end in it.
func (r *response) write(chunk []byte) (ended bool) {
	for !r.done {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			r.keep(chunk)
			return ended
		}
		r.keep(chunk[:end])
		chunk = chunk[end+1:]
		r.read(strings.TrimSuffix(string(r.line), "\r"))
		r.line, r.cut = r.line[:0], false
		ended = r.done
	}
	r.body += int64(len(chunk))
	return ended
}

func (r *response) keep(part []byte) {
	room := maxLine - len(r.line)
	if len(part) > room {
		part, r.cut, r.truncated = part[:room], true, true
	}
	r.line = append(r.line, part...)
}

// read takes one line of the headers.
func (r *response) read(line string) {
	switch {
	case !r.started:
		r.first(line)
	case line == "" && r.interim():
		*r = response{line: r.line, h2c: r.h2c && r.status != 101}
	case line == "":
		r.done = true
	case line[0] == ' ' || line[0] == '\t':
		r.fold(strings.TrimSpace(line))
	default:
		r.header(line)
	}
}

// interim reports whether the true answer follows (RFC 9110, 15.2). Behind a 101 that was not asked for comes
// what curl takes for the body.
func (r *response) interim() bool {
	return r.status >= 100 && r.status < 200 && (r.status != 101 || r.h2c)
}

// first reads the line with the status: HTTP/1.1 200 OK.
func (r *response) first(line string) {
	r.started = true
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	r.version = strings.TrimPrefix(version, "HTTP/")
	r.status, _ = strconv.Atoi(code[:min(len(code), 3)])
	r.reason = clip(strings.TrimSpace(reason))
}

func (r *response) header(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.Trim(value, " \t")
	r.count++
	if strings.EqualFold(name, "location") && len(r.locations) < 2 {
		if r.cut || len(value) > maxLocation {
			value += strings.Repeat("?", maxLocation) // longer than what is followed
		}
		r.locations = append(r.locations, value)
	}
	if len(r.headers) == maxHeaders {
		r.truncated = true
		return
	}
	r.truncated = r.truncated || len(value) > maxShown || len(name) > maxShown
	r.headers = append(r.headers, Header{Name: sdk.Untrusted(clip(name)), Value: sdk.Untrusted(clip(value))})
}

// fold is the rest of a header that goes on in the next line, as old servers have it.
func (r *response) fold(rest string) {
	if n := len(r.headers); n > 0 && n == min(r.count, maxHeaders) {
		r.headers[n-1].Value = sdk.Untrusted(clip(string(r.headers[n-1].Value) + " " + rest))
	}
}

func clip(text string) string { return text[:min(len(text), maxShown)] }
