package httpdoor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	// inOnePiece is the most output that is encoded at once. Escaped it may be six times as large.
	inOnePiece = 64 << 10
	piece      = 32 << 10

	// noOutput is how an encoded report without output begins: its two outputs are its first members.
	noOutput = `{"stdout":"","stderr":""`
)

// writeReport answers with a report. Large output is escaped piece by piece as it is written, so that the
// escaped whole is never held in memory.
func writeReport(w http.ResponseWriter, rep tool.Report) {
	rest, large := withoutOutput(rep)
	if !large {
		writeJSON(w, http.StatusOK, rep)
		return
	}
	begin(w, http.StatusOK, "application/json")
	(&writer{to: w}).report(rep.Stdout, rep.Stderr, rest)
}

// writeExecution answers with an execution, and its result likewise.
func writeExecution(w http.ResponseWriter, v executionView) {
	var rest []byte
	large := false
	if v.Result != nil {
		rest, large = withoutOutput(*v.Result)
	}
	if !large {
		writeJSON(w, http.StatusOK, v)
		return
	}
	head, err := encode(executionView{View: v.View})
	if err != nil {
		writeJSON(w, http.StatusOK, v) // says that it cannot be written
		return
	}
	begin(w, http.StatusOK, "application/json")
	out := &writer{to: w}
	out.write(head[:len(head)-2]) // without the brace and the line's end
	out.write([]byte(`,"result":`))
	out.report(v.Result.Stdout, v.Result.Stderr, rest)
	out.write([]byte("}\n"))
}

// withoutOutput is what an encoded report has behind its output, when that is large enough to be written piece
// by piece. One that cannot be encoded is not: who encodes it at once is told.
func withoutOutput(rep tool.Report) (rest []byte, large bool) {
	if len(rep.Stdout)+len(rep.Stderr) <= inOnePiece {
		return nil, false
	}
	rep.Stdout, rep.Stderr = "", ""
	rest, err := encode(rep)
	rest, found := bytes.CutPrefix(rest, []byte(noOutput))
	return rest, err == nil && found
}

// writer writes until the client is gone.
type writer struct {
	to  http.ResponseWriter
	err error
}

// report writes a report of its output and what stands behind it.
func (w *writer) report(stdout, stderr string, rest []byte) {
	w.write([]byte(`{"stdout":"`))
	w.text(stdout)
	w.write([]byte(`","stderr":"`))
	w.text(stderr)
	w.write([]byte(`"`))
	w.write(rest)
}

func (w *writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(p)
	}
}

// text writes the inside of a JSON string.
func (w *writer) text(s string) {
	for len(s) > 0 && w.err == nil {
		n := min(len(s), piece)
		for n < len(s) && n > piece-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		escaped, err := encode(s[:n])
		if w.err = err; err == nil {
			w.write(escaped[1 : len(escaped)-2]) // without the quotes and the line's end
		}
		s = s[n:]
	}
}

// encode makes one line of JSON. It is no HTML, and people read it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
