package proc

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// maxPrinted is how many bytes of a line are kept that a plugin prints.
const maxPrinted = 4 << 10

// printed takes what a plugin that serves writes to its stdout or stderr: go-plugin brings both to the host,
// in pieces. Each line becomes a line of the log.
type printed struct {
	source string // "stdout" or "stderr"
	sink   *sink

	mu   sync.Mutex // guards line
	line []byte     // the beginning of the line under way
}

var _ io.Writer = (*printed)(nil)

// Write never fails: a plugin must not notice what becomes of its words.
func (p *printed) Write(text []byte) (int, error) {
	n := len(text)
	for _, line := range p.lines(text) {
		p.sink.print(p.source, line)
	}
	return n, nil
}

// lines returns the lines that text completes.
func (p *printed) lines(text []byte) (whole []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		p.line = append(p.line, line[:min(len(line), maxPrinted-len(p.line))]...)
		if !ended {
			return whole
		}
		if text = rest; len(p.line) > 0 {
			whole = append(whole, string(p.line))
			p.line = p.line[:0]
		}
	}
}

// print logs a line of the plugin's.
func (s *sink) print(source, line string) {
	ctx := context.Background() // a line belongs to no request
	if !s.to.Enabled(ctx, slog.LevelInfo) {
		return
	}
	if !s.admit(len(line)) {
		return
	}
	s.to.LogAttrs(ctx, slog.LevelInfo, line, slog.String("plugin", s.plugin), slog.String("source", source))
}
