package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// attention is how many events a listener takes before it hangs up, and comes back.
const attention = 10_000

// listener follows GET /events from beginning to end, and comes back when it was dropped or hung up.
type listener struct {
	site  *site
	ended chan struct{} // closed when the host has said goodbye; the fields below may be read then

	last    string // id of the last event
	lives   map[string]*life
	others  map[string]int // kind of event -> how many, of those that are about no call
	returns int            // times that it came back
	faults  []string
}

// event is one of the stream.
type event struct{ id, kind, data string }

// listen starts a listener. The host that ends ends it.
func (s *site) listen(ctx context.Context) *listener {
	l := &listener{
		site: s, ended: make(chan struct{}), lives: make(map[string]*life), others: make(map[string]int), last: "",
	}
	opened := make(chan struct{}) // closed when the host has the listener, or it has given up
	go func() {
		defer close(l.ended)
		err := l.once(ctx, func() { close(opened) })
		for err == nil && l.others["bye"] == 0 {
			l.returns++
			err = l.once(ctx, func() {})
		}
		if err != nil {
			l.faults = append(l.faults, err.Error())
		}
	}()
	select {
	case <-opened:
	case <-l.ended:
	}
	return l
}

// once reads one stream to its end.
func (l *listener) once(ctx context.Context, opened func()) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.site.url+"/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.site.token)
	if l.last != "" {
		req.Header.Set("Last-Event-ID", l.last)
	}
	resp, err := l.site.client.Do(req)
	if err != nil {
		return fmt.Errorf("listen to events: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("listen to events: %s", resp.Status)
	}
	opened()
	return l.read(bufio.NewReaderSize(resp.Body, 64<<10))
}

func (l *listener) read(lines *bufio.Reader) error {
	var e event
	for taken := 0; taken < attention; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // an event that is not whole comes again
		}
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			e.data = value
		case "":
			l.take(e)
			e = event{}
			taken++
		}
	}
	return nil
}

// take notes an event.
func (l *listener) take(e event) {
	if e.id != "" {
		l.last = e.id
	}
	var about struct {
		ExecutionID   string `json:"execution_id"`
		CorrelationID string `json:"correlation_id"`
		Tool          string
		ErrorType     string `json:"error_type"`
	}
	if e.kind == "" {
		return
	}
	if err := json.Unmarshal([]byte(e.data), &about); err != nil {
		l.faults = append(l.faults, fmt.Sprintf("the event %s is no JSON: %v", e.id, err))
		return
	}
	switch e.kind {
	case "gap":
		l.faults = append(l.faults, "events are lost: "+e.data)
	case "call.received", "call.started", "call.finished", "call.refused":
		lived(l.lives, about.ExecutionID).event(e.kind, about.Tool, about.ErrorType)
	default:
		l.others[e.kind]++
	}
}

// wait waits for the end of the events, after that of the host.
func (l *listener) wait() error {
	select {
	case <-l.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the events do not end within %v of the host", patience)
	}
}
