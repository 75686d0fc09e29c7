package httpdoor

import (
	"net/http"
	"time"
)

// Bounds of writing. A reader must take a piece within the time: 16 KiB in 20 s is less than 1 KB/s. How long an
// answer takes in all, or how long a call runs before it, is not bounded by it.
const (
	stallTimeout = 20 * time.Second
	pieceSize    = 16 << 10 // bytes
)

// paced writes an answer piece by piece, each with a deadline of its own: a reader that stalls is dropped, one that
// is slow is not. It can flush, as the MCP endpoint asks of every writer, and unwraps for
// [http.NewResponseController].
type paced struct {
	http.ResponseWriter
	rc *http.ResponseController
}

var _ http.Flusher = (*paced)(nil)

// pace gives every answer its deadlines. There is one from the beginning, in the place of that of the answer before on
// the same connection: net/http writes by itself when a client expects 100-continue.
func pace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &paced{ResponseWriter: w, rc: http.NewResponseController(w)}
		p.more()
		next.ServeHTTP(p, r)
		p.more() // what is left in the buffers is written when the handler has returned
	})
}

// more lets the reader take longer, as it took what was written. A writer without deadlines, as in a test, is not
// reached over a network.
func (p *paced) more() { _ = p.rc.SetWriteDeadline(time.Now().Add(stallTimeout)) }

func (p *paced) Write(b []byte) (n int, err error) {
	for len(b) > pieceSize {
		p.more()
		m, err := p.ResponseWriter.Write(b[:pieceSize])
		n += m
		if err != nil {
			return n, err
		}
		b = b[pieceSize:]
	}
	p.more()
	m, err := p.ResponseWriter.Write(b)
	return n + m, err
}

// Flush sends what is buffered.
func (p *paced) Flush() { _ = p.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (p *paced) FlushError() error {
	p.more()
	return p.rc.Flush()
}

// Unwrap is for [http.NewResponseController].
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
