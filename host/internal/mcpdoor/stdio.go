package mcpdoor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// How long the end of stdio waits for what is still being answered: of a client that has nothing more to say, and of
// one that does not read.
const (
	lastWords = 10 * time.Second
	unread    = 2 * time.Second
)

// ServeStdio talks to the one client that started this process, until its stream ends or ctx does. Nothing
// but JSON-RPC is written to out. What is still running then is cancelled.
//
//	in -> lines -> read -.-> request: a goroutine each -> mcp-go -.-> out, a line at a time
//	                     '-> cancelled, answers: at once          |
//	                         session: what has changed -----------'
func (d *Door) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	s := newStdio(d, out)
	d.register(ctx, s.session)
	defer d.unregister(ctx, s.session)
	if err := s.serve(ctx, newLineReader(in, maxLine)); err != nil {
		return fmt.Errorf("serve stdio: %w", err)
	}
	return nil
}

// stdio is the connection to the client on stdin and stdout.
type stdio struct {
	door    *Door
	session *session // of the revisions with initialize; of all, the requests under way
	out     *lineWriter
	unread  func() int // of what was written, bytes that the client has not read yet; nil: nobody knows
	running group
	places  chan struct{} // holds one for each request whose answer is not written yet; never closed
}

func newStdio(d *Door, out io.Writer) *stdio {
	return &stdio{
		door: d, session: newSession("stdio-" + rand.Text()), out: newLineWriter(out), unread: unreadOf(out),
		places: make(chan struct{}, maxInFlight),
	}
}

// serve ends with the stream, with ctx, or when nothing can be written any more. A read that blocks can be ended by
// nobody: then its goroutine stays behind, and looks at ctx before it does anything else.
func (s *stdio) serve(ctx context.Context, lines *lineReader) error {
	calls, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.running.start(func() { s.pass(calls, s.session.inbox) })
	read := make(chan error, 1) // gets the one result
	go func() { read <- s.read(calls, lines) }()
	var err error
	select {
	case err = <-read:
	case <-s.out.failed:
		err = s.out.err
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
			err = nil // the client has gone, which is an end as good as that of its own stream
		}
	case <-ctx.Done():
	}
	cancel(errEnding)
	s.leave(ctx)
	return err
}

// leave waits for the answers to what was under way, but not for a client that does not read them.
func (s *stdio) leave(ctx context.Context) {
	patient, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if s.running.wait(patient) == nil && s.out.rest(patient.Done()) {
		return
	}
	s.out.close()
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), unread)
	defer cancel()
	if err := s.running.wait(brief); err != nil || !s.out.rest(brief.Done()) {
		s.door.cfg.Logger.Warn("some requests on stdio do not end", "error", err)
	}
}

// read takes one message after the other. Whoever does not read what it is told is not read from either: an answer to
// a bad message is written here, and of good ones only so many are under way.
func (s *stdio) read(ctx context.Context, lines *lineReader) error {
	for {
		line, err := lines.next()
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLineTooLong):
			s.say(failure(nil, faultf(rpcmessage.InvalidRequest, "a message is one line of at most %d bytes", maxLine)))
		case err != nil:
			return err
		default:
			s.take(ctx, line)
		}
	}
}

// take takes one message.
func (s *stdio) take(ctx context.Context, line []byte) {
	if blank(line) {
		return
	}
	m, err := rpcmessage.Read(line)
	if err != nil {
		s.say(failure(nil, faultOf(err)))
		return
	}
	kind, err := m.Kind()
	switch kind {
	case rpcmessage.Request:
		s.request(ctx, m)
	case rpcmessage.Notification:
		if m.Method == rpcmessage.Cancelled {
			s.session.cancel(m.Cancels)
			return
		}
		s.door.notice(ctx, s.session, m)
	case rpcmessage.Answer:
		if f := s.session.answered(m); f != nil {
			s.say(failure(nil, f))
		}
	default:
		s.say(failure(m.KnownID(), faultOf(err)))
	}
}

func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// request begins a request. Until initialize is answered only those are served that need no session.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
func (s *stdio) request(ctx context.Context, m rpcmessage.Message) {
	switch {
	case mcp.IsModernProtocol(m.Version):
	case m.Method == rpcmessage.Initialize:
		s.initialize(ctx, m)
		return
	case !s.session.Initialized() && m.Method != rpcmessage.Ping:
		s.say(failure(m.ID, faultf(rpcmessage.InvalidRequest, "the session has not begun; send initialize first")))
		return
	}
	ctx, c := s.newCall(ctx, m)
	if f := s.begin(c); f != nil {
		c.cancel(nil)
		s.say(failure(m.ID, f))
		return
	}
	if !s.running.start(func() { s.run(ctx, c) }) {
		s.finish(c) // and nobody reads an answer any more
		<-s.places
	}
	if c.inbox != nil { // who asks for a list behind it misses no change of that
		select {
		case <-c.inbox.begun:
		case <-ctx.Done():
		}
	}
}

// newCall is a request with its context. One of the stateless revision has a session of its own.
func (s *stdio) newCall(ctx context.Context, m rpcmessage.Message) (context.Context, *call) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{message: m, session: s.session, cancel: cancel, out: &outbox{to: s.out, giveUp: ctx.Done(), unread: s.unread}}
	switch {
	case !mcp.IsModernProtocol(m.Version):
	case m.Method == rpcmessage.Listen:
		c.session = listenSession(m.ID)
		c.inbox = c.session.inbox
	default:
		c.session = requestSession()
	}
	return ctx, c
}

// begin gives a request its place.
func (s *stdio) begin(c *call) *fault {
	select {
	case s.places <- struct{}{}:
	default:
		return errTooMany
	}
	f := s.session.begin(c)
	if f != nil {
		<-s.places
	}
	return f
}

// initialize is served before anything behind it is looked at. It cannot be cancelled.
func (s *stdio) initialize(ctx context.Context, m rpcmessage.Message) {
	r := s.door.respond(ctx, &call{message: m, session: s.session})
	s.say(r)
	if r.code == 0 {
		s.session.greeted()
	}
}

// run serves one request to its answer. Its id may be used again when the answer can be read, its place when it is
// written.
func (s *stdio) run(ctx context.Context, c *call) {
	defer func() { <-s.places }()
	var r response
	if c.inbox != nil {
		r = s.subscribe(ctx, c)
	} else {
		r = s.door.respond(ctx, c)
	}
	c.out.close()
	s.finish(c)
	if !c.withdrawn.Load() {
		s.say(r)
	}
}

func (s *stdio) finish(c *call) {
	c.cancel(nil)
	s.session.end(c)
}

// subscribe serves a subscription of the stateless revision: its notifications go between the other lines.
func (s *stdio) subscribe(ctx context.Context, c *call) response {
	s.door.register(ctx, c.session)
	var passing sync.WaitGroup
	passed, stop := context.WithCancel(context.WithoutCancel(ctx))
	passing.Go(func() { s.pass(passed, c.inbox) })
	r := s.door.respond(ctx, c)
	s.door.unregister(ctx, c.session)
	stop()
	passing.Wait()
	s.flush(c.inbox)
	return r
}

// pass writes what comes into an inbox, until ctx ends.
func (s *stdio) pass(ctx context.Context, b *inbox) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-b.in:
			b.add(n)
		case <-b.wake:
		}
		s.flush(b)
	}
}

// flush writes what waits. It does not give up: what has been taken would be told to nobody.
func (s *stdio) flush(b *inbox) {
	for _, n := range b.take() {
		if line, err := notificationLine(n); err == nil {
			s.say(response{line: line})
		}
	}
}

// say writes a line.
func (s *stdio) say(r response) { _ = s.out.send(nil, r.line) } // the connection ends by its failure

// lineWriter writes lines, one at a time and each at once.
type lineWriter struct {
	to     io.Writer
	turn   chan struct{} // holds one while somebody writes; never closed
	closed chan struct{} // closed by close: nobody waits for a turn any more
	failed chan struct{} // closed by the first failure
	err    error         // of the failure; set before failed is closed
	once   sync.Once     // of close
}

var _ sink = (*lineWriter)(nil)

func newLineWriter(to io.Writer) *lineWriter {
	return &lineWriter{to: to, turn: make(chan struct{}, 1), closed: make(chan struct{}), failed: make(chan struct{})}
}

// send writes a line, which has its end. It blocks as long as the client does not read, or until giveUp is closed: a
// line that was begun is written to its end all the same, before any other, as nobody can end a write.
func (w *lineWriter) send(giveUp <-chan struct{}, line []byte) error {
	if err := w.wait(giveUp); err != nil {
		return err
	}
	if giveUp == nil {
		return w.write(line)
	}
	written := make(chan error, 1) // gets the one result
	go func() { written <- w.write(line) }()
	select {
	case err := <-written:
		return err
	case <-giveUp:
		return errGone
	}
}

// write writes a line and ends the turn.
func (w *lineWriter) write(line []byte) error {
	defer func() { <-w.turn }()
	select {
	case <-w.failed:
		return w.err
	default:
	}
	if _, err := w.to.Write(line); err != nil {
		w.err = fmt.Errorf("write: %w", err)
		close(w.failed)
		return w.err
	}
	return nil
}

// wait waits for a turn; whoever can have one at once has it.
func (w *lineWriter) wait(giveUp <-chan struct{}) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-giveUp:
		return errGone
	case <-w.closed:
		return errGone
	case <-w.failed:
		return w.err
	}
}

// rest waits until nobody writes; false: giveUp was closed before. After a failure there is nothing to wait for.
func (w *lineWriter) rest(giveUp <-chan struct{}) bool {
	select {
	case w.turn <- struct{}{}:
		<-w.turn
		return true
	case <-w.failed:
		return true
	case <-giveUp:
		return false
	}
}

// close sends those away who wait for a turn.
func (w *lineWriter) close() { w.once.Do(func() { close(w.closed) }) }
