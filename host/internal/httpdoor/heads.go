package httpdoor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
)

// maxSeen is how much of a head is looked at. Longer ones are refused anyway.
const maxSeen = 2 * maxHeader

// socketBuffer is what the kernel keeps for a reader, in bytes. With its own megabytes a reader that takes a little at a
// time looks for minutes like one that takes nothing.
const socketBuffer = 128 << 10

// heads is a connection that looks at the head of each request as it comes, for what net/http does not tell: a
// Content-Length beside a Transfer-Encoding, which two servers on the way can read as two different messages. It sees
// heads that begin a read; what comes behind a body in the same packet it does not, and such a connection is closed
// after its first request (see timely). TLS is not looked into: what speaks it to us is no careless proxy.
//
// Source: RFC 9112, 6.1 and 11.2
type heads struct {
	net.Conn
	serving   atomic.Bool // a request has come whole: what is read is its body
	handled   atomic.Bool // and a handler has it: what is written is its answer
	seen      []byte      // of the head that is coming; read and written by net/http's reading goroutine alone
	whole     bool        // all of it has been seen
	ambiguous atomic.Bool
}

func (h *heads) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if n > 0 && !h.serving.Load() && !h.whole {
		h.look(p[:n])
	}
	return n, err
}

func (h *heads) look(p []byte) {
	h.seen = append(h.seen, p[:min(len(p), maxSeen-len(h.seen))]...)
	end := endOfHead(h.seen)
	if end < 0 && len(h.seen) < maxSeen {
		return
	}
	h.whole = true
	h.ambiguous.Store(end >= 0 && ambiguous(h.seen[:end]))
	h.seen = nil
}

// endOfHead is where the first empty line begins, whichever line ends there are: net/http takes both. -1: there is none
// yet.
func endOfHead(seen []byte) int {
	for at := 0; ; {
		next := bytes.IndexByte(seen[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
		if rest := seen[at:]; bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")) {
			return at
		}
	}
}

// ambiguous reports whether a head says the length of its body in two ways.
func ambiguous(head []byte) bool {
	var length, encoding bool
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		length = length || bytes.EqualFold(bytes.TrimSpace(name), []byte("Content-Length"))
		encoding = encoding || bytes.EqualFold(bytes.TrimSpace(name), []byte("Transfer-Encoding"))
	}
	return length && encoding
}

// What net/http says by itself of requests that it does not understand, though they are the client's fault.
var (
	notImplemented = []byte("HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain; charset=utf-8\r\n" +
		"Connection: close\r\n\r\nUnsupported transfer encoding")
	noSuchVersion = []byte("HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")
)

const statusAt = len("HTTP/1.1 ")

// Write passes everything on, but for those two: they become 400, since nothing is wrong with the server.
func (h *heads) Write(p []byte) (int, error) {
	if !h.handled.Load() && (bytes.Equal(p, notImplemented) || bytes.HasPrefix(p, noSuchVersion)) {
		p = bytes.Clone(p)
		copy(p[statusAt:], "400")
	}
	return h.Conn.Write(p)
}

// NetConn returns the connection below, for who looks for it.
func (h *heads) NetConn() net.Conn { return h.Conn }

// CloseWrite ends one direction, as net/http wants to after an answer that came before all of its request.
func (h *heads) CloseWrite() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

type headsKey struct{}

// turn is what net/http says of the connection: no reader of its own is under way when a request has just come whole,
// nor when the connection is idle again.
func (h *heads) turn(s http.ConnState) {
	switch s {
	case http.StateActive:
		h.serving.Store(true)
	case http.StateIdle:
		h.seen, h.whole = nil, false
		h.ambiguous.Store(false)
		h.handled.Store(false)
		h.serving.Store(false)
	}
}

// headsOf are those of the connection of a request; nil: they were not looked at.
func headsOf(ctx context.Context) *heads {
	h, _ := ctx.Value(headsKey{}).(*heads)
	return h
}

// plain is a listener whose connections have their heads looked at.
type plain struct{ net.Listener }

func (p plain) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &heads{Conn: c}, nil
}

// buffered is a listener whose connections have small buffers.
type buffered struct{ net.Listener }

func (b buffered) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBuffer) // as it is, slow readers look worse than they are
	}
	return c, err
}
