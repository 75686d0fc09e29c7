package mcpdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"golang.org/x/time/rate"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// How often a client is told how far a call is. A call that has nothing to say says that it lives, so that no
// client's patience ends: the usual one is a minute.
const (
	progressRate  = 10 // a second
	progressBurst = 10
	logRate       = 10 // messages a second
	logBurst      = 50
	quiet         = 10 * time.Second // without a word, until the client hears that the call lives

	// What waits for a client that does not read as fast: as much as may be told at once.
	maxMailLogs = logBurst
	maxMailText = 64 << 10 // bytes of messages
)

// sender is what belongs to one request and goes before its answer.
type sender interface {
	notify(method string, params map[string]any) error
}

// teller tells the client of one call how far it is, and what the tool says besides. It may be used by several
// goroutines; end is called once, and nothing is told after it. Who tells it something never waits for the client: a
// run that did would keep its tool's slot for as long as its client likes to read. A goroutine writes, one thing after
// the other, whenever there is something to write, and end waits for it.
type teller struct {
	out   sender
	token json.RawMessage // as the client wrote it; nil: it does not want progress
	tool  string
	level mcp.LoggingLevel // messages below are not for the client; empty: none is

	mu      sync.Mutex
	ended   bool
	deaf    bool          // the client takes no more
	mail    []note        // what is to be written, in order
	writing chan struct{} // closed when all of it is written; nil: there is nothing to write
	places  int           // of progress in the mail
	words   int           // messages of the tool's in the mail
	text    int           // bytes of them
	scale   scale
	pace    *rate.Limiter // of progress; nil before the first
	held    *tool.Progress
	flush   *time.Timer // tells what is held; nil: nothing is
	alive   *time.Timer // tells that the call lives; nil without a token
	begun   time.Time
	logs    *rate.Limiter // nil before the first
	silence int           // messages that were left out
}

// note is a notification that waits to be written.
type note struct {
	method string
	params map[string]any
	text   int // bytes of a message of the tool's; 0: it is none
}

const (
	progressMethod = "notifications/progress"
	messageMethod  = "notifications/message"
)

func newTeller(out sender, token json.RawMessage, name string, level mcp.LoggingLevel) *teller {
	t := &teller{out: out, token: token, tool: name, level: level, begun: time.Now()}
	if token != nil {
		t.alive = time.AfterFunc(quiet, t.live)
	}
	return t
}

// event takes what a tool tells while it runs. Output is for the end.
func (t *teller) event(ev tool.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.deaf {
		return
	}
	if ev.Progress != nil && t.token != nil {
		t.progressLocked(*ev.Progress)
	}
	if ev.Log != nil {
		t.logLocked(*ev.Log)
	}
}

// progressLocked tells of a progress now, or later when there were many, or many still wait: then the latest of them.
func (t *teller) progressLocked(p tool.Progress) {
	if t.pace == nil {
		t.pace = rate.NewLimiter(progressRate, progressBurst)
	}
	if t.places < progressBurst && t.pace.Allow() {
		t.held = nil
		t.tellLocked(p)
		return
	}
	if t.held = &p; t.flush == nil {
		t.flush = time.AfterFunc(time.Second/progressRate, t.flushHeld)
	}
}

func (t *teller) flushHeld() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush = nil
	if p := t.held; p != nil && !t.ended && !t.deaf {
		t.held = nil
		t.progressLocked(*p)
	}
}

func (t *teller) tellLocked(p tool.Progress) {
	at, total := t.scale.place(p)
	t.sendLocked(at, total, sentence(p))
}

// live says that a call lives which has nothing else to say.
func (t *teller) live() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended || t.deaf:
		return
	case len(t.mail) > 0: // who does not read that would not read this
		t.alive.Reset(quiet)
		return
	}
	at, total := t.scale.still()
	t.sendLocked(at, total, fmt.Sprintf("%s is at work for %v", t.tool, time.Since(t.begun).Round(time.Second)))
}

func (t *teller) sendLocked(at, total float64, message string) {
	t.alive.Reset(quiet)
	params := map[string]any{"progressToken": t.token, "progress": at}
	if total > 0 {
		params["total"] = total
	}
	if message != "" {
		params["message"] = message
	}
	t.places++
	t.postLocked(note{method: progressMethod, params: params})
}

// postLocked has a notification written behind those that wait.
func (t *teller) postLocked(n note) {
	t.mail = append(t.mail, n)
	if t.writing == nil {
		t.writing = make(chan struct{})
		go t.write(t.writing)
	}
}

// write writes until there is nothing more.
func (t *teller) write(done chan<- struct{}) {
	defer close(done)
	for {
		n, ok := t.next()
		if !ok {
			return
		}
		if err := t.out.notify(n.method, n.params); err != nil {
			t.hush()
		}
	}
}

// next takes what is to be written now; false: there is nothing, and who writes ends.
func (t *teller) next() (note, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mail) == 0 {
		t.writing = nil
		return note{}, false
	}
	n := t.mail[0]
	t.mail = slices.Delete(t.mail, 0, 1)
	switch {
	case n.method == progressMethod:
		t.places--
	case n.text > 0:
		t.words--
		t.text -= n.text
	}
	return n, true
}

// hush tells nothing more.
func (t *teller) hush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deaf, t.mail = true, nil
}

// rest waits until what was told is written; false: patience was over before.
func (t *teller) rest(patience <-chan time.Time) bool {
	t.mu.Lock()
	writing := t.writing
	t.mu.Unlock()
	if writing == nil {
		return true
	}
	select {
	case <-writing:
		return true
	case <-patience:
		return false
	}
}

// logLocked tells a message of the tool's to a client that wants those of its level.
func (t *teller) logLocked(l tool.Log) {
	level := mcp.LoggingLevel(l.Level)
	if t.level == "" || !level.ShouldSendTo(t.level) {
		return
	}
	if t.logs == nil {
		t.logs = rate.NewLimiter(logRate, logBurst)
	}
	text := tool.Untrusted(l.Message).Clean()
	if t.words >= maxMailLogs || t.text+len(text) > maxMailText || !t.logs.Allow() {
		t.silence++
		return
	}
	t.words++
	t.text += len(text)
	t.postLocked(note{messageMethod, map[string]any{"level": level, "logger": t.tool, "data": text}, len(text)})
}

// end tells what is held back and what was left out, and waits until all is written. A client that has not read it
// after a moment is told no more of it; what is being written then has its end from the transport, or by the request.
// The run is over by now: nobody but the answer waits here.
func (t *teller) end() {
	t.finish()
	if !t.rest(time.After(parting)) {
		t.hush()
		t.rest(nil)
	}
}

func (t *teller) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held != nil && !t.deaf {
		t.tellLocked(*t.held)
	}
	if t.silence > 0 && !t.deaf {
		t.postLocked(note{method: messageMethod, params: map[string]any{
			"level": mcp.LoggingLevelWarning, "logger": t.tool,
			"data": fmt.Sprintf("%d messages were left out; there were too many", t.silence),
		}})
	}
	t.ended = true
	for _, timer := range []*time.Timer{t.flush, t.alive} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// sentence is a progress in words.
func sentence(p tool.Progress) string {
	text := p.Message
	switch {
	case text == "" && p.Task != "" && p.Percent >= 0:
		text = fmt.Sprintf("%s: %.0f %%", p.Task, p.Percent)
	case text == "":
		text = p.Task
	}
	return tool.Untrusted(text).Clean()
}

// scale makes one rising number of what a tool tells of several tasks, one after the other. A tool that counts
// things has a total, which is told; one that counts percents of its tasks has none, as nobody knows how many
// tasks there will be: each is a hundred more.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/progress (it must increase)
type scale struct {
	began bool
	last  float64
	total float64
	task  string
	base  float64 // of the percents of the task
}

// least is by how much a number rises that stands still.
const least = 1e-3

func (s *scale) place(p tool.Progress) (at, total float64) {
	p.Percent = min(p.Percent, 100)
	if p.Task != s.task && p.Percent >= 0 {
		if s.task != "" {
			s.base += 100
		}
		s.task = p.Task
	}
	switch {
	case s.counts(p):
		at, total = float64(p.Done), float64(p.Total)
	case p.Percent >= 0:
		at = s.base + p.Percent
	default:
		return s.still()
	}
	return s.rise(at, total)
}

// counts reports whether the things that are counted say how far a call is: where nothing else does, and where the
// percents say the same. A scan of one host, or of many at once, is far on before the first of them is finished.
func (s *scale) counts(p tool.Progress) bool {
	switch {
	case p.Total <= 0:
		return false
	case p.Task == "" || p.Percent < 0:
		return true
	}
	return p.Total > 1 && p.Done > 0 && math.Abs(p.Percent-100*float64(p.Done)/float64(p.Total)) < 1
}

// still is the place of a call that is where it was.
func (s *scale) still() (at, total float64) { return s.rise(s.last, s.total) }

func (s *scale) rise(at, total float64) (float64, float64) {
	if s.began && at <= s.last {
		at = math.Round((s.last+least)*1e6) / 1e6 // or a few of them show that they are binary
	}
	if at > total {
		total = 0 // more than there was to do: nobody knows how much there is
	}
	s.began, s.last, s.total = true, at, total
	return at, total
}

// tell begins to tell the client of a request; the teller is ended by the caller. The token is taken from the message
// itself: mcp-go has numbers as float64, which have fewer digits, and takes any value for one.
func tell(ctx context.Context, name string) *teller {
	c := callOf(ctx)
	if c == nil {
		return newTeller(outboxOf(ctx), nil, name, logLevelOf(ctx))
	}
	c.teller = newTeller(c.out, c.message.Progress, name, logLevelOf(ctx))
	return c.teller
}
