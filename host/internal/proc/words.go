package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// words remembers what a process said on stderr that may explain its end: the line that a Go program panics
// with, else the last line that is no log record.
type words struct {
	heard chan struct{} // closed by the reader at the end of the stream

	mu    sync.Mutex // guards what follows
	line  []byte     // the line under way, its beginning
	last  string
	panic string
}

const maxWords = 200 // bytes of a line that are kept

// listen returns a reader of r that remembers. It is called once.
func (w *words) listen(r io.ReadCloser) io.ReadCloser {
	return &listener{ReadCloser: r, words: w, end: sync.OnceFunc(func() { close(w.heard) })}
}

type listener struct {
	io.ReadCloser
	words *words
	end   func()
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	l.words.hear(p[:n])
	if err != nil {
		l.end()
	}
	return n, err
}

// hear takes the next piece of the stream.
func (w *words) hear(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		w.line = append(w.line, line[:min(len(line), maxWords-len(w.line))]...)
		if !whole {
			return
		}
		w.endLineLocked()
		p = rest
	}
}

func (w *words) endLineLocked() {
	line := strings.TrimSpace(string(w.line))
	w.line = w.line[:0]
	switch {
	case line == "" || line[0] == '{': // a log record of the sdk's, which is in the log
	case w.panic == "" && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")):
		w.panic = line
	default:
		w.last = line
	}
}

// text is the explanation, or "".
func (w *words) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.panic != "" {
		return clip(w.panic)
	}
	if line := strings.TrimSpace(string(w.line)); line != "" && line[0] != '{' {
		return clip(line)
	}
	return clip(w.last)
}

// clip bounds and cleans a text that a foreign program wrote, to stand in a message of ours.
func clip(s string) string {
	cut := s[:min(len(s), maxWords)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r <= 0x9f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(cut, ""))
}

// exitError says how an ended process ended, with its last words.
func (c *child) exitError() error {
	how := "exit status 0"
	if c.err != nil {
		how = c.err.Error()
	}
	if said := c.out.text(); said != "" {
		return fmt.Errorf("%s (%s)", how, said)
	}
	return errors.New(how)
}
