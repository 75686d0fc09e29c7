package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// The messages of a session before its first call.
const (
	protocolVersion = "2025-11-25"
	initialize      = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` +
		protocolVersion + `","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

func callMessage(id, text string) string {
	return `{"jsonrpc":"2.0","id":` + id +
		`,"method":"tools/call","params":{"name":"NoopTool","arguments":{"text":"` + text + `"}}}`
}

func checkCall(answer []byte, text string) error {
	if bytes.Contains(answer, []byte(`"isError":true`)) {
		return fmt.Errorf("wrong answer: %s", shorten(answer))
	}
	return expect(answer, noopData(text), `"structuredContent":{`)
}

// stdioSession is an MCP client on the pipes of a process. Calls may be made concurrently.
type stdioSession struct {
	in   io.Writer
	last atomic.Int64 // id

	mu      sync.Mutex             // guards in and what follows
	waiting map[string]chan []byte // id -> where the one answer goes
	err     error                  // why no more answers come
}

func openStdio(ctx context.Context, p *process) (*stdioSession, error) {
	s := &stdioSession{in: p.in, waiting: make(map[string]chan []byte)}
	go s.read(p.out) // ends with the process
	if _, err := s.request(ctx, "0", initialize); err != nil {
		return nil, fmt.Errorf("initialize: %w", err)
	}
	return s, s.send(initialized)
}

func (s *stdioSession) send(message string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.WriteString(s.in, message+"\n")
	return err
}

func (s *stdioSession) request(ctx context.Context, id, message string) ([]byte, error) {
	answer := make(chan []byte, 1) // closed by read when none will come
	s.mu.Lock()
	err := s.err
	s.waiting[id] = answer
	s.mu.Unlock()
	if err == nil {
		err = s.send(message)
	}
	if err != nil {
		return nil, err
	}
	select {
	case line, ok := <-answer:
		if !ok {
			return nil, errors.New("the stream ended")
		}
		return line, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// read hands out answers by their id until the stream ends.
func (s *stdioSession) read(out *bufio.Reader) {
	for {
		line, err := out.ReadBytes('\n')
		s.mu.Lock()
		if err != nil {
			s.err = err
			for _, answer := range s.waiting {
				close(answer)
			}
			s.mu.Unlock()
			return
		}
		id := messageID(line)
		if answer := s.waiting[id]; answer != nil {
			delete(s.waiting, id)
			answer <- line
		}
		s.mu.Unlock()
	}
}

// messageID finds the id of an answer without taking it apart; it stands before the result.
func messageID(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"id":`))
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}

func (s *stdioSession) noop(ctx context.Context, text string) error {
	id := strconv.FormatInt(s.last.Add(1), 10)
	answer, err := s.request(ctx, id, callMessage(id, text))
	if err != nil {
		return err
	}
	return checkCall(answer, text)
}

// httpSession is an MCP client over Streamable HTTP.
type httpSession struct {
	url    string
	header http.Header
	last   atomic.Int64 // id
}

func openHTTP(ctx context.Context, url, token string) (*httpSession, error) {
	s := &httpSession{url: url + "/mcp", header: http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Authorization": {"Bearer " + token},
	}}
	header, _, err := post(ctx, s.url, s.header.Clone(), initialize)
	if err != nil {
		return nil, fmt.Errorf("initialize: %w", err)
	}
	s.header.Set("Mcp-Session-Id", header.Get("Mcp-Session-Id"))
	s.header.Set("Mcp-Protocol-Version", protocolVersion)
	_, _, err = post(ctx, s.url, s.header.Clone(), initialized)
	return s, err
}

func (s *httpSession) noop(ctx context.Context, text string) error {
	id := strconv.FormatInt(s.last.Add(1), 10)
	_, answer, err := post(ctx, s.url, s.header, callMessage(id, text))
	if err != nil {
		return err
	}
	return checkCall(answer, text)
}
