package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// The settings of the hosts that are compared. What is left out has its default: the trail is kept, and
// each call writes a line of log.
const (
	noTrail   = "MCP_AUDIT_ENABLED=false"
	errorsLog = "LOG_LEVEL=ERROR"
)

// measureCost sets the host as it is delivered against itself with parts of it off.
func measureCost(ctx context.Context, s *site) ([]row, error) {
	on, err := s.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer on.close()
	untraced, err := s.with(noTrail).startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer untraced.close()
	const noop, program = "no-op, REST, audit on : off, ", "true(1), REST, audit on : off, "
	const one, many = "median latency", "calls at 16"
	rows, err := holdAll(ctx, s.settings,
		contest{noop + one, atMost(1.05), latency, on.noop, untraced.noop},
		contest{noop + many, atLeast(0.95), throughput, on.noop, untraced.noop},
		contest{program + one, atMost(1.05), latency, on.runTrue, untraced.runTrue},
		contest{program + many, atLeast(0.95), throughput, on.runTrue, untraced.runTrue})
	if err != nil {
		return nil, err
	}
	more, err := s.measureEverything(ctx, on)
	return append(rows, more...), err
}

// measureEverything adds a listener to a host, and sets it against one that keeps no trail, logs no call, and
// has nobody who listens.
func (s *site) measureEverything(ctx context.Context, on *httpHost) (rows []row, err error) {
	silent := s.with(noTrail, errorsLog)
	if silent.port, err = freePort(); err != nil { // its log does not say where it serves
		return nil, err
	}
	off, err := silent.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer off.close()
	mute, err := on.listen(ctx)
	if err != nil {
		return nil, err
	}
	defer mute()
	const what = "no-op, REST, audit, log and listener on : off, "
	return holdAll(ctx, s.settings,
		contest{what + "median latency", atMost(1.05), latency, on.noop, off.noop},
		contest{what + "calls at 16", atLeast(0.95), throughput, on.noop, off.noop})
}

// freePort is a port that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// with is the same site, for hosts with more settings.
func (s *site) with(settings ...string) *site {
	other := *s
	other.environ = append(append([]string(nil), s.environ...), settings...)
	return &other
}

// listen follows the host's events until mute is called. A stream that the host has dropped is opened again.
func (h *httpHost) listen(ctx context.Context) (mute func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := h.openEvents(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan struct{}) // closed by the goroutine
	go func() {
		defer close(ended)
		for err == nil {
			_, _ = io.Copy(io.Discard, stream) // however it ends, there is another or ctx has ended
			_ = stream.Close()
			stream, err = h.openEvents(ctx)
		}
	}()
	return func() { cancel(); <-ended }, nil
}

func (h *httpHost) openEvents(ctx context.Context) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/events", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("listen to events: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("listen to events: %s", resp.Status)
	}
	return resp.Body, nil
}
