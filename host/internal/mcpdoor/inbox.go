package mcpdoor

import (
	"cmp"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// inboxSize is how many notifications may come at a time between two looks. mcp-go never waits for room; it asks for
// the channel before each one, which is a look.
const inboxSize = 16

// inbox keeps what a session is to be told of its own accord, such as that the tools have changed. Of each kind only
// the last waits: a client that never reads costs nothing, and a thousand changes are told as one.
type inbox struct {
	// first is the method of what is told before anything else; empty: nothing is.
	first string
	// tag changes each notification before it is told; nil: they stay as they are.
	tag func(mcp.JSONRPCNotification) mcp.JSONRPCNotification
	// wanted reports whether one is for this client; nil: each is.
	wanted func(mcp.JSONRPCNotification) bool

	in    chan mcp.JSONRPCNotification // from mcp-go; never closed
	wake  chan struct{}                // holds one when something waits; never closed
	begun chan struct{}                // closed when the first has been taken

	mu      sync.Mutex // guards what follows
	waiting []mcp.JSONRPCNotification
	began   bool // the first has been taken
	over    bool // nothing is told any more
}

func newInbox() *inbox {
	return &inbox{
		in: make(chan mcp.JSONRPCNotification, inboxSize), wake: make(chan struct{}, 1), begun: make(chan struct{}),
	}
}

// channel is where mcp-go puts a notification. There is room for one.
func (b *inbox) channel() chan<- mcp.JSONRPCNotification {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.collectLocked()
	return b.in
}

// collectLocked moves what has come to what waits.
func (b *inbox) collectLocked() {
	for {
		select {
		case n := <-b.in:
			b.addLocked(n)
		default:
			return
		}
	}
}

func (b *inbox) addLocked(n mcp.JSONRPCNotification) {
	if b.wanted != nil && !b.wanted(n) {
		return
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(old mcp.JSONRPCNotification) bool { return sameKind(old, n) })
	b.waiting = append(b.waiting, n)
	select {
	case b.wake <- struct{}{}:
	default: // it is awake
	}
}

// sameKind reports whether who hears the second need not hear the first.
func sameKind(a, b mcp.JSONRPCNotification) bool {
	return a.Method == b.Method && a.Params.AdditionalFields["uri"] == b.Params.AdditionalFields["uri"]
}

// add takes one that came through the channel.
func (b *inbox) add(n mcp.JSONRPCNotification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addLocked(n)
}

// take returns what is to be told now, in the order of telling.
func (b *inbox) take() []mcp.JSONRPCNotification {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.collectLocked()
	if b.over || !b.firstLocked() {
		return nil
	}
	all := b.waiting
	b.waiting = nil
	if b.tag != nil {
		for i, n := range all {
			all[i] = b.tag(n)
		}
	}
	return all
}

// shut tells nothing any more.
func (b *inbox) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over, b.waiting = true, nil
}

// firstLocked puts what must come first to the front, and reports whether it is there or has been told.
func (b *inbox) firstLocked() bool {
	if b.began || b.first == "" {
		return true
	}
	slices.SortStableFunc(b.waiting, func(x, y mcp.JSONRPCNotification) int {
		return cmp.Compare(rank(x.Method == b.first), rank(y.Method == b.first))
	})
	if len(b.waiting) == 0 || b.waiting[0].Method != b.first {
		return false
	}
	b.began = true
	close(b.begun)
	return true
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}
