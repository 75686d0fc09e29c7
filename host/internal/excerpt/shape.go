package excerpt

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// The shares of the room, as divisors of it.
const (
	errorShare      = 8 // of all characters
	suggestionShare = 16
	metadataShare   = 7 // of what remains beside what is always there
	stderrShare     = 4 // of what remains beside metadata and data

	maxName   = 64 // characters of an id, a name or a kind
	maxTarget = 120
)

const tooLarge = "it is too large to stand here beside the rest, and in parts it would not be what it is"

// shaping is a report on its way into a size.
type shaping struct {
	form
	o    Options
	id   string // of the execution, for who wants to read what is left out; empty: nobody can
	room int    // characters that are not used yet
}

// shape leaves out of a report what does not fit. First it makes room for all that could have to be said of
// what it will leave out.
func shape(f form, o Options) Shaped {
	rep := clipped(*f.rep, o.MaxChars)
	s := shaping{form: form{rep: &rep, metadata: value{raw: noMetadata}}, o: o}
	if readable(f.rep.ExecutionID) {
		s.id = f.rep.ExecutionID
	}
	s.left = append(slices.Clip(f.left), s.worst(f)...)
	s.room = o.MaxChars - utf8.RuneCount(s.append(nil))
	s.left = slices.Clip(f.left)
	all := s.room
	s.metadata = s.fit(PartMetadata, f.metadata, all/metadataShare, s.metadata)
	s.data = s.fit(PartData, f.data, all*6/10, value{})
	s.streams(rep.Stdout, rep.Stderr)
	return Shaped{JSON: s.append(make([]byte, 0, o.MaxChars+o.MaxChars/8)), LeftOut: s.left}
}

// clipped is a report whose short texts are short.
func clipped(rep tool.Report, limit int) tool.Report {
	if rep.Error != nil {
		text := quoted.short(*rep.Error, limit/errorShare)
		rep.Error = &text
	}
	if rep.ErrorType != nil {
		kind := tool.Kind(quoted.short(string(*rep.ErrorType), maxName))
		rep.ErrorType = &kind
	}
	rep.Suggestion = quoted.short(rep.Suggestion, limit/suggestionShare)
	rep.Target = quoted.short(rep.Target, maxTarget)
	for _, name := range []*string{&rep.Tool, &rep.CorrelationID, &rep.ExecutionID} {
		*name = quoted.short(*name, maxName)
	}
	return rep
}

// unmarked is a report whose short texts have no mark but those that the host will make. Those of the output
// go by themselves.
func unmarked(rep tool.Report) tool.Report {
	if rep.Error != nil {
		text := unmark(*rep.Error)
		rep.Error = &text
	}
	if rep.ErrorType != nil {
		kind := tool.Kind(unmark(string(*rep.ErrorType)))
		rep.ErrorType = &kind
	}
	rep.Suggestion, rep.Target, rep.Tool = unmark(rep.Suggestion), unmark(rep.Target), unmark(rep.Tool)
	return rep
}

// readable reports whether an id is one by which an execution can be asked for.
func readable(id string) bool {
	for _, c := range []byte(id) {
		if !asIs[c] || c == '{' || c == '}' || c == '/' || c == ' ' {
			return false
		}
	}
	return id != "" && len(id) <= maxName
}

// worst is the longest that there can be to say.
func (s *shaping) worst(f form) []LeftOut {
	var left []LeftOut
	for _, text := range []struct{ part, s string }{{PartStdout, s.rep.Stdout}, {PartStderr, s.rep.Stderr}} {
		if text.s != "" {
			g := gapOf(text.s, 0, len(text.s))
			g.from = len(text.s)
			left = append(left, s.leftOut(text.part, g, ""))
		}
	}
	if len(f.rep.Metadata) > 0 {
		why := longer(f.metadata.why, tooLarge)
		left = append(left, s.leftOut(PartMetadata, gap{bytes: f.metadata.bytes}, why))
	}
	if len(f.rep.Data) > 0 {
		left = append(left, s.leftOut(PartData, gap{bytes: f.data.bytes}, longer(f.data.why, tooLarge)))
	}
	return left
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// fit takes a value that needs at most so many characters, or notes that it is left out and gives what stands
// for it.
func (s *shaping) fit(part string, v value, limit int, without value) value {
	need := v.chars() - without.chars()
	switch {
	case v.why != "":
		s.left = append(s.left, s.leftOut(part, gap{bytes: v.bytes}, v.why))
		return without
	case need > limit:
		s.left = append(s.left, s.leftOut(part, gap{bytes: v.bytes}, tooLarge))
		return without
	}
	s.room -= need
	return v
}

// dataName is what stands before data, and was not counted while there was none.
const dataName = len(`,"data":`)

// streams shares out what is left.
func (s *shaping) streams(stdout, stderr string) {
	s.room = max(s.room-dataName, 0)
	needOut, needErr := quoted.need(stdout, s.room), quoted.need(stderr, s.room)
	forOut, forErr := needOut, needErr
	if needOut+needErr > s.room {
		forErr = min(needErr, s.room/stderrShare)
		forOut = min(needOut, s.room-forErr)
		forErr = min(needErr, s.room-forOut)
	}
	s.stdout = s.stream(PartStdout, stdout, needOut, forOut)
	s.stderr = s.stream(PartStderr, stderr, needErr, forErr)
}

func (s *shaping) stream(part, text string, need, room int) shown {
	if need <= room {
		return shown{head: text}
	}
	kept, g := quoted.excerpt(text, room, s.mark(part))
	s.left = append(s.left, s.leftOut(part, g, ""))
	return kept
}

// mark makes the line that stands for what is left out of a part.
func (s *shaping) mark(part string) func(gap) string {
	if s.id == "" {
		return bareMark
	}
	return func(g gap) string {
		return fmt.Sprintf(mark+" %d characters in %d lines left out here by the host; read them: "+
			`%s {"execution_id":"%s","part":"%s","offset":%d} ...]`,
			g.characters, g.lines, s.o.Read, s.id, part, g.from)
	}
}

// leftOut says what is left out of a part, and how to read it.
func (s *shaping) leftOut(part string, g gap, why string) LeftOut {
	l := LeftOut{Part: part, Characters: g.characters, Bytes: g.bytes, Lines: g.lines, From: g.from, Why: why}
	if s.id == "" || part == PartMetadata { // which nothing reads by itself
		return l
	}
	args := map[string]any{"execution_id": s.id, "part": part}
	if part == PartStdout || part == PartStderr {
		args["offset"] = g.from
	}
	l.Read = &Call{Tool: s.o.Read, Arguments: args}
	l.Resource = "execution://" + s.id + "/" + part
	return l
}
