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
	if len(rep.Stdout)+len(rep.Stderr) <= inOnePiece {
		writeJSON(w, http.StatusOK, rep)
		return
	}
	stdout, stderr := rep.Stdout, rep.Stderr
	rep.Stdout, rep.Stderr = "", ""
	rest, err := encode(rep)
	rest, found := bytes.CutPrefix(rest, []byte(noOutput))
	if err != nil || !found {
		writeJSON(w, http.StatusOK, rep) // says that it cannot be written
		return
	}
	begin(w, http.StatusOK, "application/json")
	out := &writer{to: w}
	out.write([]byte(`{"stdout":"`))
	out.text(stdout)
	out.write([]byte(`","stderr":"`))
	out.text(stderr)
	out.write([]byte(`"`))
	out.write(rest)
}

// writer writes until the client is gone.
type writer struct {
	to  http.ResponseWriter
	err error
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
