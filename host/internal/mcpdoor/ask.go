package mcpdoor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of what waits for a person's answer.
const (
	maxTalks          = 1024
	maxTalksPerClient = 16
	talkTime          = 10 * time.Minute // for one answer
	maxRounds         = 10               // of questions in one call
	maxAnswers        = 32 << 10         // bytes of what is answered at a time
)

// consentID is the question whether an intrusive call may run. No tool can ask one of this name.
const consentID = "gatehouse/consent"

// talk is what is known of a call that has asked a person something: whose it is, what was asked, and what
// was answered so far.
type talk struct {
	client, tool string
	arguments    [sha256.Size]byte
	expires      time.Time
	rounds       int // how often a person was asked

	asked   map[string]bool            // ids of the questions
	state   []byte                     // the tool's
	answers map[string]tool.Answer     // that the tool has not had yet
	consent *[sha256.Size]byte         // of the command that a person was asked about; nil: of none
	granted map[[sha256.Size]byte]bool // what a person said of commands, that have not run since
	running *[sha256.Size]byte         // the command that was granted to the run under way; nil: none was
}

// talks are the calls that wait for an answer. The token by which one is found again is all that a client
// gets.
type talks struct {
	mu  sync.Mutex
	all map[string]*talk // token -> call
}

func newTalks() *talks { return &talks{all: make(map[string]*talk)} }

// keep begins to wait, and returns the token.
func (ts *talks) keep(k *talk) string {
	token := rand.Text()
	k.expires = time.Now().Add(talkTime)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.makeRoomLocked(k.client)
	ts.all[token] = k
	return token
}

// makeRoomLocked drops what nobody waits for any more, and of too many the oldest, of the client's own first.
func (ts *talks) makeRoomLocked(client string) {
	now, own := time.Now(), 0
	var oldest, oldestOwn string
	older := func(a, b string) string {
		if b == "" || ts.all[a].expires.Before(ts.all[b].expires) {
			return a
		}
		return b
	}
	for token, k := range ts.all {
		if now.After(k.expires) {
			delete(ts.all, token)
			continue
		}
		oldest = older(token, oldest)
		if k.client == client {
			own, oldestOwn = own+1, older(token, oldestOwn)
		}
	}
	switch {
	case own >= maxTalksPerClient:
		delete(ts.all, oldestOwn)
	case len(ts.all) >= maxTalks:
		delete(ts.all, oldest)
	}
}

// take finds a call again, once.
func (ts *talks) take(token, client, name string, arguments []byte) (*talk, bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	k := ts.all[token]
	if k == nil || k.client != client || k.tool != name || k.arguments != sha256.Sum256(arguments) {
		return nil, false
	}
	delete(ts.all, token)
	return k, time.Now().Before(k.expires)
}

// errState is the answer to a requestState that is none of ours.
var errState = errors.New("requestState is none that this server gave for this call, or was used before; " +
	"make the call again without it")

// resume finds what is known of a call that comes with answers, and gives those to the request.
func (d *Door) resume(req mcp.CallToolRequest, r *tool.Request) (*talk, error) {
	k := &talk{client: r.Client, tool: r.Tool, arguments: sha256.Sum256(r.Arguments)}
	if token := req.Params.RequestState; token != "" {
		known, ok := d.talks.take(token, r.Client, r.Tool, r.Arguments)
		if !ok {
			return nil, errState
		}
		k, r.State, r.Answers = known, known.state, known.answers
	}
	answers, err := answersOf(req.Params.InputResponses)
	if err != nil {
		return nil, err
	}
	k.hear(answers, r)
	return k, nil
}

// hear takes answers: that about a command for the host, the others for the tool. What a client says of a
// command counts only where it was asked about one; of the rest, what was asked, if anything was.
func (k *talk) hear(answers map[string]tool.Answer, r *tool.Request) {
	if a, ok := answers[consentID]; ok && k.consent != nil {
		if k.granted == nil {
			k.granted = make(map[[sha256.Size]byte]bool)
		}
		k.granted[*k.consent] = allows(a)
	}
	k.consent = nil // who comes again without an answer is asked again
	delete(answers, consentID)
	if len(k.asked) > 0 {
		maps.DeleteFunc(answers, func(id string, _ tool.Answer) bool { return !k.asked[id] })
	}
	if len(answers) > 0 {
		r.Answers = answers
	}
}

// allows reports whether a person said yes to a command, and not merely closed a window.
func allows(a tool.Answer) bool {
	var said map[string]any
	return a.Action == tool.AnswerAccept && json.Unmarshal(a.Content, &said) == nil && said["allow"] == true
}

// answersOf reads the answers to questions.
func answersOf(responses mcp.InputResponses) (map[string]tool.Answer, error) {
	answers, size := make(map[string]tool.Answer, len(responses)), 0
	for id := range responses {
		if !questionID(id) {
			continue
		}
		said := server.ElicitationResponse(responses, id)
		if said == nil {
			return nil, fmt.Errorf("inputResponses: the answer to %q must have an action: accept, decline or cancel",
				clipped(id))
		}
		a, err := answerOf(*said)
		if err != nil {
			return nil, fmt.Errorf("inputResponses: the answer to %q: %w", clipped(id), err)
		}
		answers[id] = a
		if size += len(id) + len(a.Content); size > maxAnswers {
			return nil, fmt.Errorf("inputResponses: the answers have more than %d bytes", maxAnswers)
		}
	}
	return answers, nil
}

// questionID reports whether a tool, or the host, can have asked something by this name.
func questionID(id string) bool {
	return id == consentID || tool.Question{ID: id, Message: "?", Schema: anyObject}.Validate() == nil
}

var anyObject = json.RawMessage(`{"type":"object"}`)

func answerOf(said mcp.ElicitationResult) (tool.Answer, error) {
	a := tool.Answer{Action: tool.AnswerAction(said.Action)}
	switch a.Action {
	case tool.AnswerAccept:
		if said.Content == nil { // a form without fields
			said.Content = struct{}{}
		}
		raw, err := json.Marshal(said.Content)
		if err != nil {
			return a, err
		}
		if a.Content = raw; !strings.HasPrefix(string(raw), "{") {
			return a, errors.New("the content must be an object")
		}
	case tool.AnswerDecline, tool.AnswerCancel:
	default:
		return a, errors.New("the action must be accept, decline or cancel")
	}
	return a, nil
}

// asker is how the router has a person asked about a command, in this call: the answer is there already, or
// the call is to come again with it.
func (k *talk) asker(ctx context.Context, pending *consent.Question) consent.Asker {
	return func(_ context.Context, q consent.Question) (consent.Answer, error) {
		digest := q.Digest()
		allowed, answered := k.granted[digest]
		switch {
		case answered && allowed:
			k.running = &digest
			return consent.Granted, nil
		case answered:
			return consent.Declined, nil
		case len(clearArguments(q)) > maxAskText:
			return "", errTooLong
		case !canElicit(ctx):
			return "", consent.ErrCannotAsk
		}
		k.consent = &digest
		*pending = q
		return "", consent.ErrPending
	}
}

// use spends the grant of the run under way: one yes is for one run.
func (k *talk) use() {
	if k.running != nil {
		delete(k.granted, *k.running)
		k.running = nil
	}
}

// askAbout says what a person is to be asked about a command: all of it, each thing in a line of its own that
// nobody else can write.
func askAbout(q consent.Question) question {
	var b strings.Builder
	fmt.Fprintf(&b, "%s wants to run something that can disturb its target: %s\n", q.Tool, line(q.Rule))
	for _, t := range q.Targets {
		fmt.Fprintf(&b, "Target: %s (%s)\n", t.Literal(), line(t.Label))
	}
	if q.Grant.Program != "" {
		fmt.Fprintf(&b, "Command: %s\n", commandLine(q.Grant))
	} else {
		fmt.Fprintf(&b, "Arguments: %s\n", clearArguments(q))
	}
	b.WriteString("Allow this one run?")
	return question{id: consentID, message: b.String(), schema: consentSchema}
}

// clearArguments are those of a tool that runs no program, on one line and whole: a person is not to allow what
// was not shown.
func clearArguments(q consent.Question) string {
	if q.Grant.Program != "" {
		return ""
	}
	return lineEnds.Replace(excerpt.Clean(string(q.Arguments)))
}

var errTooLong = fmt.Errorf("the arguments have more than %d characters, and nobody is asked to allow what is "+
	"not shown whole: give fewer at a time", maxAskText)

// maxAskText is the most characters of a text that a person is shown.
const maxAskText = 2000

var lineEnds = strings.NewReplacer("\n", `\n`, "\t", `\t`)

// line is a foreign text as one line.
func line(s string) string {
	text, _ := excerpt.Text(lineEnds.Replace(s), maxAskText)
	return lineEnds.Replace(text) // those of what says that it was cut
}

var consentSchema = json.RawMessage(`{"type":"object","properties":{"allow":{"type":"boolean",` +
	`"title":"Allow","description":"Run exactly this command, once.","default":false}},"required":["allow"]}`)

// commandLine shows a command so that it can be read in one way alone: a word with anything but plain
// characters is quoted as Go does. A program that is called by another name than its own may be another
// program.
func commandLine(g tool.Grant) string {
	words := []string{quoted(g.Program)}
	for _, arg := range g.Argv[min(1, len(g.Argv)):] {
		words = append(words, quoted(arg))
	}
	text := strings.Join(words, " ")
	if len(g.Argv) > 0 && g.Argv[0] != g.Program && g.Argv[0] != path.Base(g.Program) {
		text += "\nCalled by the name: " + quoted(g.Argv[0])
	}
	return text
}

func quoted(word string) string {
	special := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	if word == "" || strings.ContainsFunc(word, special) {
		return fmt.Sprintf("%+q", word)
	}
	return word
}

// pause is where a call stands that waits for answers: what is asked, and what the tool gets with them.
type pause struct {
	questions []question
	state     []byte
	answers   map[string]tool.Answer
}

// pauseOf is what a call waits for: answers to the tool's own questions, or to the one about its command. The
// latter comes before the tool, which is then to get what it would have got. The error is that of the call, or
// says that a question cannot be put.
func pauseOf(r tool.Request, res tool.Result, err error, pending consent.Question) (pause, error) {
	switch {
	case errors.Is(err, consent.ErrPending):
		return pause{questions: []question{askAbout(pending)}, state: r.State, answers: r.Answers}, err
	case err != nil:
		return pause{}, err
	}
	p := pause{state: res.State}
	for _, asked := range res.Questions {
		q, err := toolsQuestion(r.Tool, asked)
		if err != nil {
			return pause{}, err
		}
		p.questions = append(p.questions, q)
	}
	return p, nil
}

// later is the answer to a call that has questions, for a client that comes again with the answers.
func (d *Door) later(k *talk, p pause) *mcp.CallToolResult {
	k.await(p)
	b := server.NewInputRequestBuilder(d.talks.keep(k))
	for _, q := range p.questions {
		b.Elicit(q.id, mcp.ElicitationParams{Message: q.message, RequestedSchema: q.schema})
	}
	return b.ToolResult()
}

func (k *talk) await(p pause) {
	k.asked, k.state, k.answers = make(map[string]bool, len(p.questions)), p.state, p.answers
	k.rounds++
	for _, q := range p.questions {
		k.asked[q.id] = true
	}
}

// now puts questions to the client of an older revision, one after the other, and waits for the answers. It
// gives up with the request.
func (d *Door) now(ctx context.Context, k *talk, p pause, r *tool.Request) error {
	k.await(p)
	ctx, cancel := context.WithTimeout(ctx, talkTime)
	defer cancel()
	answers := make(map[string]tool.Answer, len(p.questions))
	for _, q := range p.questions {
		said, err := d.server.RequestElicitation(ctx, mcp.ElicitationRequest{
			Params: mcp.ElicitationParams{Message: q.message, RequestedSchema: q.schema},
		})
		if err != nil {
			return fmt.Errorf("ask the client: %w", err)
		}
		a, err := answerOf(*said)
		if err != nil {
			return fmt.Errorf("the client's answer to %s: %w", q.id, err)
		}
		answers[q.id] = a
	}
	r.State, r.Answers = p.state, p.answers
	k.hear(answers, r)
	return nil
}

// unanswered is the error of a call that has questions which its client did not answer.
func unanswered(name string, questions []question, err error) *tool.Error {
	ids := make([]string, 0, len(questions))
	for _, q := range questions {
		ids = append(ids, q.id)
	}
	slices.Sort(ids)
	kind := tool.KindValidation
	if slices.Contains(ids, consentID) {
		kind = tool.KindIntrusiveDenied
	}
	return tool.Errorf(kind, "%s asks a person something, and has no answer: %w", name, err).
		Suggest("use an MCP client that can ask its user (elicitation)").With("questions", ids).About(name, "")
}

// clipped shortens what a client wrote, for a message.
func clipped(s string) string {
	if len(s) > tool.MaxNameLength {
		s = strings.ToValidUTF8(s[:tool.MaxNameLength], "")
	}
	return s
}
