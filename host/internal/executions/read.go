package executions

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Part is one of the texts of an execution.
type Part string

// The parts.
const (
	Stdout Part = "stdout"
	Stderr Part = "stderr"
	Data   Part = "data" // the parsed result, as JSON; empty until the execution has ended
)

// part is the number of a part in the database: that of the stream, or of the data.
type part int

const dataPart part = 2

func (p Part) number() (part, bool) {
	switch p {
	case Stdout:
		return part(tool.Stdout), true
	case Stderr:
		return part(tool.Stderr), true
	case Data:
		return dataPart, true
	}
	return 0, false
}

// Bounds of what is read at once.
const (
	DefaultChunk = 64 << 10 // bytes
	MaxChunk     = 1 << 20  // bytes
	DefaultList  = 50       // executions
	MaxList      = 500      // executions
	MaxRecent    = 100      // targets
)

// Chunk is a range of a part.
type Chunk struct {
	Data     []byte
	Offset   int64 // where Data begins: what was asked for, or the beginning of the character there
	Total    int64 // bytes that there are
	Complete bool  // the execution has ended: Total does not grow any more
}

// Next is the offset of what follows.
func (c Chunk) Next() int64 { return c.Offset + int64(len(c.Data)) }

// look is an execution at one moment: the snapshot, and what it lies in.
type look struct {
	x     Execution
	entry *entry    // nil: it is in the database
	out   [2][]byte // of entry
	boot  string    // who runs it, in the database
}

// find is the execution of an id, in memory or in the database.
func (b *Book) find(id string) (look, error) {
	id, err := checkID(id)
	if err != nil {
		return look{}, err
	}
	if l, known := b.inMemory(id); l.entry != nil {
		return l, nil
	} else if known {
		return look{}, noSuch(id)
	}
	s := b.store.Load()
	if s == nil {
		return look{}, b.absent(id)
	}
	l, err := s.find(id)
	return l, b.readError(id, err)
}

// inMemory is the execution as memory has it. One without an entry that is known was forgotten.
func (b *Book) inMemory(id string) (l look, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.all[id]; e != nil {
		return look{x: e.x, entry: e, out: e.out}, true
	}
	return look{}, b.orphans[id]
}

// absent is what is said of an execution that is not in memory, when there is no database to look into.
func (b *Book) absent(id string) error {
	if err := b.Healthy(); err != nil {
		return unreadable(err)
	}
	return noSuch(id)
}

// readError is the error of a caller for one of the database.
func (b *Book) readError(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errAbsent):
		return noSuch(id)
	case isCorrupt(err):
		if s := b.store.Load(); s != nil {
			s.suspect.Store(true)
			b.wakeUp()
		}
	}
	return unreadable(err)
}

// Get returns an execution as it is now. The error is of kind validation_error when there is none (its
// metadata has the reason), and unavailable when the database cannot be read.
func (b *Book) Get(id string) (Execution, error) {
	l, err := b.find(id)
	return l.x, err
}

// Read returns at most limit bytes of a part from offset on; zero: [DefaultChunk], and never more than
// [MaxChunk]. It begins and ends between characters, and has at least one where there is one. Of what runs,
// the beginning of a character is held back until the rest has come. Errors are those of Get, and
// validation_error for a part or a range that there is not.
func (b *Book) Read(id string, p Part, offset int64, limit int) (Chunk, error) {
	n, ok := p.number()
	switch {
	case !ok:
		return Chunk{}, badRange("there is no part %q; there are stdout, stderr and data", clip(string(p), 64))
	case offset < 0 || limit < 0:
		return Chunk{}, badRange("the range begins at %d and has %d bytes; neither may be negative",
			offset, limit)
	case limit == 0:
		limit = DefaultChunk
	}
	l, err := b.find(id)
	if err != nil {
		return Chunk{}, err
	}
	return b.readPart(l, n, offset, min(limit, MaxChunk))
}

func (b *Book) readPart(l look, n part, offset int64, limit int) (Chunk, error) {
	total := l.size(n)
	if offset > total {
		return Chunk{}, badRange("the range begins at %d, but there are %d bytes", offset, total).
			With("total", total)
	}
	from, to := max(offset-3, 0), min(offset+int64(limit)+3, total) // characters at the edges
	text, err := b.bytes(l, n, from, to)
	if err != nil {
		return Chunk{}, err
	}
	done := l.x.State.Ended()
	if to == total && !done {
		whole := wholeRunes(text)
		total -= int64(len(text) - len(whole))
		text = whole
	}
	begin, end := span(text, min(int(offset-from), len(text)), limit)
	return Chunk{
		Data: slices.Clone(text[begin:end]), Offset: from + int64(begin), Total: total, Complete: done,
	}, nil
}

func (l *look) size(n part) int64 {
	switch n {
	case part(tool.Stdout):
		return l.x.StdoutBytes
	case part(tool.Stderr):
		return l.x.StderrBytes
	default:
		return l.x.DataBytes
	}
}

// bytes are those of a part within a range.
func (b *Book) bytes(l look, n part, from, to int64) ([]byte, error) {
	switch {
	case from >= to:
		return nil, nil
	case l.entry != nil && n == dataPart:
		return l.entry.result.Data[from:to], nil
	case l.entry != nil:
		return l.out[n][from:to], nil
	}
	s := b.store.Load()
	if s == nil {
		return nil, b.absent(l.x.ID)
	}
	text, err := s.read(l.x.ID, n, from, to)
	return text, b.readError(l.x.ID, err)
}

// Report returns what a call came to, with all that it printed. Of one that has not ended, or was
// interrupted, it is what there is: the returncode is -1, and the metadata has the state.
func (b *Book) Report(id string) (tool.Report, error) {
	l, err := b.find(id)
	if err != nil {
		return tool.Report{}, err
	}
	rep, err := b.report(l)
	if err != nil {
		return tool.Report{}, err
	}
	for _, p := range []struct {
		part part
		take func([]byte)
	}{
		{part(tool.Stdout), func(text []byte) { rep.Stdout = string(text) }},
		{part(tool.Stderr), func(text []byte) { rep.Stderr = string(text) }},
		{dataPart, func(text []byte) { rep.Data = slices.Clone(text) }},
	} {
		text, err := b.bytes(l, p.part, 0, l.size(p.part))
		if err != nil {
			return tool.Report{}, err
		}
		if !l.x.State.Ended() {
			text = wholeRunes(text)
		}
		p.take(text)
	}
	return rep, nil
}

// report is the report without its texts.
func (b *Book) report(l look) (tool.Report, error) {
	if !l.x.State.Ended() || l.x.State == Interrupted {
		return partial(l.x), nil
	}
	if l.entry != nil {
		rep := tool.NewReport(l.entry.result, asError(l.entry.err))
		rep.TruncatedStdout, rep.TruncatedStderr = l.x.TruncatedStdout, l.x.TruncatedStderr
		return rep, nil
	}
	s := b.store.Load()
	if s == nil {
		return tool.Report{}, b.absent(l.x.ID)
	}
	rep, err := s.report(l.x.ID)
	rep.TruncatedStdout, rep.TruncatedStderr = l.x.TruncatedStdout, l.x.TruncatedStderr
	return rep, b.readError(l.x.ID, err)
}

// Filter says which executions are wanted; an empty field: all.
type Filter struct {
	Client string
	Tool   string
	Target string // one of the targets: as the caller wrote it, or the address that it stood for
	State  State
	Before string // those that began before this one: the cursor of the page before
	Limit  int    // zero: 50; at most 500
}

func (f *Filter) complete() error {
	if f.State != "" && !slices.Contains(states, f.State) {
		return tool.Errorf(tool.KindValidation, "there is no state %q; the states are %v",
			clip(string(f.State), 64), states)
	}
	if f.Limit < 0 || f.Limit > MaxList {
		return tool.Errorf(tool.KindValidation, "a limit of %d is not possible; it is 1 to %d", f.Limit, MaxList)
	}
	setDefault(&f.Limit, DefaultList)
	if f.Before == "" {
		return nil
	}
	var err error
	if f.Before, err = checkID(f.Before); err != nil {
		return tool.Errorf(tool.KindValidation, "the cursor %q is none of ours", clip(f.Before, 64)).
			Suggest("give the cursor of the page before as it came, or none for the first page").
			With("reason", ReasonBadID)
	}
	return nil
}

func (f *Filter) matches(x *Execution) bool {
	switch {
	case f.Client != "" && x.Client != f.Client, f.Tool != "" && x.Tool != f.Tool,
		f.State != "" && x.State != f.State, f.Before != "" && x.ID >= f.Before:
		return false
	case f.Target == "":
		return true
	case strings.Contains(f.Target, "\n"): // in the database it would be several
		return false
	}
	for name := range targetNames(x) {
		if name == f.Target {
			return true
		}
	}
	return false
}

// List returns the executions that match, the newest beginning first, and the cursor of the next page; "":
// there is none. When the database cannot be read, it is those in memory, which [Book.Healthy] may tell;
// where none of these match, it is an error.
func (b *Book) List(f Filter) (list []Execution, next string, err error) {
	if err := f.complete(); err != nil {
		return nil, "", err
	}
	list, seen := b.listMemory(&f)
	stored, err := b.listStore(&f, seen)
	if err != nil && len(list) == 0 {
		return nil, "", err
	}
	list = append(list, stored...)
	slices.SortFunc(list, func(a, b Execution) int { return strings.Compare(b.ID, a.ID) })
	if len(list) > f.Limit {
		list = list[:f.Limit]
		next = list[f.Limit-1].ID
	}
	return list, next, nil
}

// listStore are those in the database that match, one more than asked for.
func (b *Book) listStore(f *Filter, seen map[string]bool) ([]Execution, error) {
	s := b.store.Load()
	if s == nil {
		if err := b.Healthy(); err != nil {
			return nil, unreadable(err)
		}
		return nil, nil
	}
	list, err := s.list(f, f.Limit+1, seen)
	if err != nil {
		return nil, b.readError("", err)
	}
	return list, nil
}

// listMemory are those in memory that match, and the ids of all that are in memory: what the database says of
// these is not the latest.
func (b *Book) listMemory(f *Filter) (list []Execution, seen map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen = maps.Clone(b.orphans)
	for id, e := range b.all {
		seen[id] = true
		if f.matches(&e.x) {
			list = append(list, e.x)
		}
	}
	return list, seen
}

// RecentTargets returns the targets of the latest calls of a client, each once, the latest first; n is at
// most [MaxRecent]. An empty client: of all. When nothing can be read, there are none.
func (b *Book) RecentTargets(client string, n int) []string {
	list, _, err := b.List(Filter{Client: client, Limit: MaxList})
	if err != nil {
		return nil // they are a convenience
	}
	var targets []string
	for _, x := range list {
		if len(targets) == min(n, MaxRecent) {
			break
		}
		if x.Target != "" && !slices.Contains(targets, x.Target) {
			targets = append(targets, x.Target)
		}
	}
	return targets
}

// Wait returns an execution when it has ended, or as it is when ctx ends, with the error of ctx.
func (b *Book) Wait(ctx context.Context, id string) (Execution, error) {
	var l look
	for {
		var change change
		var err error
		l, change, err = b.watch(id, l)
		if err != nil || l.x.State.Ended() {
			return l.x, err
		}
		if err := change.wait(ctx); err != nil {
			return l.x, err
		}
	}
}
