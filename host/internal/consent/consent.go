// Package consent is how a call that may disturb its target is put before a person. The way of a call asks; a
// door knows how its client is asked, and says so with an [Asker] in the context of the call. Without one nobody
// can be asked, and the call is refused.
//
//	ctx = consent.With(ctx, func(ctx context.Context, q consent.Question) (consent.Answer, error) { ... })
//	ask, ok := consent.From(ctx)
package consent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Question is what a person is asked: whether this one call may run.
type Question struct {
	Client, Tool string
	Rule         string          // why it is not allowed without asking
	Arguments    json.RawMessage // as they reach the tool
	Targets      []tool.Target   // pinned
	Grant        tool.Grant      // exactly what would be executed; empty for a tool that runs no program
}

// Digest tells questions apart: two with one digest ask for the same.
func (q Question) Digest() [sha256.Size]byte {
	raw, err := json.Marshal(q)
	if err != nil { // of texts, addresses and JSON that was checked
		return sha256.Sum256([]byte(err.Error()))
	}
	return sha256.Sum256(raw)
}

// Answer is what the person said.
type Answer string

// The answers. Whatever is not Granted is no.
const (
	Granted  Answer = "granted"
	Declined Answer = "declined"
)

// Why there is no answer.
var (
	// ErrCannotAsk: the client has no way to ask a person.
	ErrCannotAsk = errors.New("this client cannot ask a person")
	// ErrPending: the person is being asked, and the call comes again with the answer.
	ErrPending = errors.New("a person is being asked")
)

// Asker puts a question to the person behind a client, and waits. Its error is [ErrCannotAsk], [ErrPending] or
// that of the context.
type Asker func(ctx context.Context, q Question) (Answer, error)

type (
	key      struct{}
	againKey struct{}
	useKey   struct{}
)

// WithUse says in a context what is told when a command that was granted is about to run: one yes is for one run.
func WithUse(ctx context.Context, used func()) context.Context {
	return context.WithValue(ctx, useKey{}, used)
}

// Used tells who wants to know it that the grant of a context's call is being used.
func Used(ctx context.Context) {
	if used, ok := ctx.Value(useKey{}).(func()); ok {
		used()
	}
}

// Again says in a context that its call was made before, and comes again with the answer to a question that was
// asked then: it has paid for its way. Who says so must know it, and not take the caller's word for it.
func Again(ctx context.Context) context.Context { return context.WithValue(ctx, againKey{}, true) }

// IsAgain reports whether the call of a context has been made before.
func IsAgain(ctx context.Context) bool {
	again, _ := ctx.Value(againKey{}).(bool)
	return again
}

// With says in a context how the person behind its client is asked.
func With(ctx context.Context, ask Asker) context.Context { return context.WithValue(ctx, key{}, ask) }

// From returns how the person behind the client of a context is asked; false: nobody can be.
func From(ctx context.Context) (Asker, bool) {
	ask, ok := ctx.Value(key{}).(Asker)
	return ask, ok && ask != nil
}
