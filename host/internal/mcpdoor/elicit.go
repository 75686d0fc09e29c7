package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// maxAsks is how many questions to the client of a session are open at a time.
const maxAsks = 8

// askedAnswer is what a client says to a question of ours.
type askedAnswer struct {
	result json.RawMessage
	err    error
}

// inquiry is a question of ours that is open.
type inquiry struct {
	of     *call
	answer chan askedAnswer // gets the one answer, from who took the question out of those that are open; never closed
}

// Why a client is not asked, or will not answer.
var (
	errCannotAsk   = fmt.Errorf("ask the client: %w", server.ErrElicitationNotSupported)
	errTooManyAsks = fmt.Errorf("%d questions to the client are open", maxAsks)
	errOver        = errors.New("the session has ended")
)

// RequestElicitation implements [server.SessionWithElicitation]: the question goes out on the stream of the request
// that it belongs to, and ends with it.
func (s *session) RequestElicitation(ctx context.Context, r mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	if !canElicit(ctx) {
		return nil, errCannotAsk
	}
	raw, err := s.request(ctx, string(mcp.MethodElicitationCreate), r.Params)
	if err != nil {
		return nil, err
	}
	var result mcp.ElicitationResult
	if err := json.Unmarshal(raw, &result); err != nil {
		return nil, fmt.Errorf("read the client's answer: %w", err)
	}
	return &result, nil
}

// ended is why a question is taken back whose request has ended.
const ended = "the request that it belongs to has ended"

// request asks the client something, within the request of a context.
func (s *session) request(ctx context.Context, method string, params any) (json.RawMessage, error) {
	c := callOf(ctx)
	if c.teller != nil { // what the call has said so far comes before
		c.teller.rest(time.After(parting))
	}
	id, answer, err := s.openAsk(c)
	if err != nil {
		return nil, err
	}
	defer s.closeAsk(id)
	err = c.out.send(ctx.Done(), struct {
		Version string `json:"jsonrpc"`
		ID      int64  `json:"id"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{mcp.JSONRPC_VERSION, id, method, params})
	switch {
	case err != nil && ctx.Err() != nil: // what nobody waits for any more may have gone out all the same
		withdraw(c.out, id, ended)
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("ask the client: %w", err)
	}
	select {
	case a := <-answer:
		if errors.Is(a.err, errOver) {
			withdraw(c.out, id, errOver.Error())
		}
		return a.result, a.err
	case <-ctx.Done():
		s.closeAsk(id)
		withdraw(c.out, id, ended)
		return nil, ctx.Err()
	}
}

// withdraw takes a question back, so that nobody answers in vain; a client that is gone need not know.
func withdraw(out *outbox, id int64, reason string) {
	_ = out.part(rpcmessage.Cancelled, map[string]any{"requestId": id, "reason": reason})
}

func askKey(id int64) string { return fmt.Sprint(id) }

func (s *session) openAsk(of *call) (id int64, answer <-chan askedAnswer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return 0, nil, errOver
	case len(s.asks) >= maxAsks:
		return 0, nil, errTooManyAsks
	case s.asks == nil:
		s.asks = make(map[string]inquiry)
	}
	s.lastAsk++
	a := inquiry{of, make(chan askedAnswer, 1)}
	s.asks[askKey(s.lastAsk)] = a
	return s.lastAsk, a.answer, nil
}

// failAsks ends the questions that belong to a request: nobody can answer them any more. of nil: those of all.
func (s *session) failAsks(of *call, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, a := range s.asks {
		if of == nil || a.of == of {
			delete(s.asks, key)
			a.answer <- askedAnswer{err: why}
		}
	}
}

// dismiss is the end of a session: answers would not find it, and none is asked for any more.
func (s *session) dismiss() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.failAsks(nil, errOver)
}

func (s *session) closeAsk(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asks, askKey(id))
}

var errNeverAsked = faultf(rpcmessage.InvalidRequest, "nothing was asked with this id")

// answered takes a client's answer to a question of ours. One that comes too late is nobody's fault.
func (s *session) answered(m rpcmessage.Message) *fault {
	key := rpcmessage.Key(m.ID)
	s.mu.Lock()
	asked, open := s.asks[key]
	delete(s.asks, key) // the first counts
	late := s.wasAskedLocked(m.ID)
	s.mu.Unlock()
	switch {
	case open:
		asked.answer <- readAnswer(m)
		return nil
	case late || m.KnownID() == nil:
		return nil
	}
	return errNeverAsked
}

func (s *session) wasAskedLocked(id json.RawMessage) bool {
	var n int64
	return json.Unmarshal(id, &n) == nil && n >= 1 && n <= s.lastAsk
}

func readAnswer(m rpcmessage.Message) askedAnswer {
	if m.Error == nil {
		return askedAnswer{result: m.Result}
	}
	var e struct{ Message string }
	if err := json.Unmarshal(m.Error, &e); err != nil {
		return askedAnswer{err: errors.New("the client refuses, and does not say why")}
	}
	return askedAnswer{err: fmt.Errorf("the client refuses: %s", clipped(e.Message))}
}
