package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"hash"
)

// region is bytes between two good lines that are no good line themselves: torn, or changed.
type region struct {
	start   int64
	length  int64
	sum     hash.Hash
	ended   bool      // the last piece had a line end, which counts when more follows
	pieces  int       // lines, or parts of them
	problem []Finding // what they are, if nobody explains them; bounded
}

func newRegion(start int64) region { return region{start: start, sum: sha256.New()} }

func (r *region) add(p piece) {
	if r.ended {
		_, _ = r.sum.Write([]byte{'\n'}) // a hash never fails
		r.length++
	}
	_, _ = r.sum.Write(p.data)
	r.length += int64(len(p.data))
	r.ended = p.ends
	r.pieces++
}

// explained says whether a recover record is about exactly these bytes.
func (r *region) explained(rec recovered) bool {
	return r.ended && rec.Offset != nil && *rec.Offset == r.start && rec.Length == r.length &&
		rec.Sum == Hash(r.sum.Sum(nil))
}

// piece looks at the next line, or part of one; next is the offset after it.
func (v *verifier) piece(p piece, next int64) {
	if p.begins {
		v.line++
	}
	r, err := p.record()
	if err != nil {
		v.region.add(p)
		if v.region.pieces <= maxFindings {
			v.region.problem = append(v.region.problem,
				Finding{File: v.file, Line: v.line, Seq: r.Seq, Problem: err.Error()})
		}
		return
	}
	v.good(r)
	v.region = newRegion(next)
}

// good looks at a line whose hash is right: what it says, and whether it follows the one before.
func (v *verifier) good(r record) {
	event, at := r.head()
	var rec recovered
	if event == recoverEvent {
		rec = v.recovered(r)
		v.anew = v.anew || v.prev.Seq == 0 && rec.Had > 0
	}
	unexplained := v.closeRegion(rec)
	switch {
	case v.prev.Seq == 0:
		v.first, v.result.First, v.result.From = Point{Seq: r.Seq, Hash: r.prev}, r.Seq, at
	case !unexplained:
		v.link(r)
	}
	v.place(r, event)
	switch event {
	case rotateEvent:
		v.rotated(r)
	case gapEvent:
		v.gap(r)
	case Refuse, Plan:
		v.sum(r, event)
	case "":
		v.find(v.file, v.line, r.Seq, "has no time or no event")
	}
	v.met = v.met || r.Point == v.expect
	v.headMet = v.headMet || r.Point == v.head
	v.prev, v.result.To, v.firstGood = r.Point, at, false
	v.result.Lines++
}

// closeRegion tells what the bytes before this line were, and reports whether nothing explains them.
func (v *verifier) closeRegion(rec recovered) (unexplained bool) {
	switch {
	case v.region.pieces == 0 && rec.Offset != nil:
		v.find(v.file, v.line, 0, "tells of torn bytes before it, but there are none")
		return false
	case v.region.pieces == 0:
		return false
	case v.region.explained(rec):
		v.result.Torn++
		v.note(v.line-1, 0, "a torn line of %d bytes, closed off by the line after it: a host was ended while "+
			"it wrote, before the line was acknowledged", v.region.length)
		return false
	}
	v.unexplained()
	return true
}

func (v *verifier) unexplained() {
	for _, f := range v.region.problem {
		v.find(f.File, f.Line, f.Seq, "%s", f.Problem)
	}
}

// link says whether a line follows the one before.
func (v *verifier) link(r record) {
	switch {
	case r.Seq == v.prev.Seq+1 && r.prev == v.prev.Hash:
	case r.Seq == v.prev.Seq+1:
		v.find(v.file, v.line, r.Seq, "does not follow the line before it: another one stood there")
	case r.Seq > v.prev.Seq+1:
		v.find(v.file, v.line, r.Seq, "seq %d to %d are missing before it", v.prev.Seq+1, r.Seq-1)
	default:
		v.find(v.file, v.line, r.Seq, "stands after seq %d: it was moved, doubled or inserted", v.prev.Seq)
	}
}

// place says whether a line may stand where it stands in its file.
func (v *verifier) place(r record, event Event) {
	switch {
	case event == rotateEvent && !v.firstGood:
		v.find(v.file, v.line, r.Seq, "a rotate record that is not the first line of its file")
	case v.firstGood && event != rotateEvent && event != recoverEvent && r.Seq != 1:
		v.find(v.file, v.line, r.Seq, "the file does not begin with a rotate record: its beginning is missing")
	}
}

// recovered is what a recover record says.
type recovered struct {
	Offset  *int64 `json:"torn_offset"`
	Length  int64  `json:"torn_length"`
	Sum     Hash   `json:"torn_sha256"`
	Problem string `json:"problem"`
	Head    uint64 `json:"head_seq"`
	Had     uint64 `json:"had_seq"`
	HadHash Hash   `json:"had_hash"`
}

func (v *verifier) recovered(r record) (rec recovered) {
	if !v.decode(r, &rec) || rec.Problem == "" {
		return rec
	}
	if rec.Had > 0 {
		v.find(v.file, v.line, r.Seq, "recorded by a host that ran meanwhile: %s: it knew of lines through seq %d "+
			"(hash %s), and found the trail without them; they were removed, or an older copy was put in their place",
			rec.Problem, rec.Had, rec.HadHash)
		return rec
	}
	v.find(v.file, v.line, r.Seq, "recorded when a host came to the trail: %s (the trail ended with seq %d, the "+
		"head told of seq %d); after a power loss that happens without sync, otherwise somebody did it",
		rec.Problem, r.Seq-1, rec.Head)
	return rec
}

func (v *verifier) rotated(r record) {
	var rec struct {
		File  string `json:"file"`
		Seq   uint64 `json:"begins_seq"`
		Begin Hash   `json:"begins_prev"`
	}
	if !v.decode(r, &rec) {
		return
	}
	if rec.File != v.file {
		v.find(v.file, v.line, r.Seq, "was written as the first line of %s", rec.File)
	}
	if rec.Seq > 0 {
		v.begins = Point{Seq: rec.Seq, Hash: rec.Begin}
		v.began = v.began || v.begins == v.first
	}
}

func (v *verifier) gap(r record) {
	var rec struct {
		Lost uint64 `json:"lost"`
		From string `json:"from"`
		To   string `json:"to"`
	}
	if v.decode(r, &rec) {
		v.result.Lost += rec.Lost
		v.note(v.line, r.Seq, "%d lines could not be written from %q to %q", rec.Lost, rec.From, rec.To)
	}
}

// sum counts what a line sums up. Such a line has repeats right after the event, where no caller's text stands.
func (v *verifier) sum(r record, event Event) {
	if !bytes.Contains(r.members[:min(len(r.members), 80)], []byte(`"`+event+`","repeats":`)) {
		return
	}
	var rec struct {
		Repeats uint64 `json:"repeats"`
	}
	if v.decode(r, &rec) {
		v.result.Summed += rec.Repeats
	}
}

// decode reads the members of one of the trail's own records.
func (v *verifier) decode(r record, to any) bool {
	raw := append([]byte{'{'}, r.members[min(1, len(r.members)):]...) // without the comma
	if err := json.Unmarshal(append(raw, '}'), to); err != nil {
		v.find(v.file, v.line, r.Seq, "cannot be read: %q", err)
		return false
	}
	return true
}

// endFile looks at what stands after the last good line of a file. In the newest one, a host that was ended
// while it wrote leaves the beginning of a line there.
func (v *verifier) endFile(newest bool) {
	if v.region.pieces == 0 {
		return
	}
	if newest && !v.region.ended && v.region.pieces == 1 && v.head.Seq <= v.prev.Seq {
		v.note(v.line, 0, "a torn line of %d bytes at the end, which was never acknowledged: a host was ended "+
			"while it wrote; the next one will close it off", v.region.length)
		return
	}
	v.unexplained()
}
