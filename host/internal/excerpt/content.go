package excerpt

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	leastContent = 2000 // characters that are kept for the blocks, where there are so many
	maxLabel     = 256  // of a name and a title
)

// beside is the report with the blocks that the tool shows besides, in one room.
func (f form) beside(blocks []tool.Content, o Options) Shaped {
	all, bs := o.MaxChars, blocksOf(blocks, o.MaxChars)
	need := 0
	for _, b := range bs {
		need += b.need()
	}
	o.MaxChars -= min(need, leastContent, all-MinMaxChars)
	s := f.report(o)
	if room := all - utf8.RuneCount(s.JSON); need <= room {
		s.Content, _ = within(bs, room)
		return s
	}
	f.left = []LeftOut{mostLeft(bs)}
	s = f.report(o)
	room := all - o.MaxChars
	if len(s.LeftOut) == len(f.left) { // it is whole, and what it says of the blocks can only get shorter
		room = all - utf8.RuneCount(s.JSON)
	}
	shown, left := within(bs, room)
	f.left = []LeftOut{left}
	s = f.report(o)
	// What the report says of the blocks is shorter now, and a report that fitted by a hair only without its messages
	// may have them again: then the blocks get what it leaves.
	if least := all - utf8.RuneCount(s.JSON); least < room {
		shown, left = within(bs, min(room, least))
		f.left = []LeftOut{left}
		if t := f.report(o); utf8.RuneCount(t.JSON) <= all-min(room, least) {
			s = t
		}
	}
	s.Content = shown
	return s
}

// block is one that is to be shown: what can be cut of it, and the characters of what cannot.
type block struct {
	tool.Content        // without the text
	text         string // of a link its description; empty of an image, a sound and the like
	fixed, chars int    // chars: of the text, as it would be shown
}

func (b block) need() int { return b.fixed + b.chars }

// blocksOf are blocks with what belongs to their types, their labels short. More than limit characters of a
// text are not counted.
func blocksOf(contents []tool.Content, limit int) []block {
	bs := make([]block, 0, len(contents))
	for _, c := range contents {
		b := blockOf(c)
		b.chars = plain.need(b.text, limit)
		bs = append(bs, b)
	}
	return bs
}

func blockOf(c tool.Content) block {
	switch c.Type {
	case tool.ImageContent, tool.AudioContent:
		return block{Content: tool.Content{Type: c.Type, MIMEType: c.MIMEType, Data: c.Data}}
	case tool.LinkContent:
		name, title := plain.short(c.Name, maxLabel), plain.short(c.Title, maxLabel)
		return block{
			Content: tool.Content{Type: c.Type, MIMEType: c.MIMEType, URI: c.URI, Name: name, Title: title},
			text:    c.About, fixed: count(c.URI) + count(c.MIMEType) + count(name) + count(title),
		}
	case tool.ResourceText:
		b := block{Content: tool.Content{Type: c.Type, MIMEType: c.MIMEType, URI: c.URI, Data: c.Data}}
		if b.fixed = count(c.URI) + count(c.MIMEType); len(c.Data) == 0 {
			b.text = c.Text
		}
		return b
	default:
		return block{Content: tool.Content{Type: tool.TextContent}, text: c.Text}
	}
}

func count(s string) int { return utf8.RuneCountInString(s) }

// within is what is shown of blocks in a room, and what is left out.
func within(bs []block, room int) ([]tool.Content, LeftOut) {
	shown, left, cut := make([]tool.Content, 0, len(bs)), LeftOut{Part: PartContent}, 0
	for i, got := range share(bs, room) {
		c, g := bs[i].within(got)
		if g != (gap{}) {
			left.add(g)
			cut++
		}
		if c != nil {
			shown = append(shown, *c)
		}
	}
	left.Why = whyLeft(cut, len(bs)-len(shown), len(bs))
	return shown, left
}

func whyLeft(cut, missing, all int) string {
	return fmt.Sprintf("of the tool's %d blocks %d are cut or missing, %d of them missing: they do not fit "+
		"here beside the rest", all, cut, missing)
}

// mostLeft is the longest that there can be to say.
func mostLeft(bs []block) LeftOut {
	left := LeftOut{Part: PartContent, Why: whyLeft(len(bs), len(bs), len(bs))}
	for _, b := range bs {
		left.add(b.whole())
	}
	return left
}

func (l *LeftOut) add(g gap) {
	l.Characters, l.Bytes, l.Lines = l.Characters+g.characters, l.Bytes+g.bytes, l.Lines+g.lines
}

// share says how many characters each block gets: what it needs, or as many as every other that needs more. One
// that cannot be shown with so few gets nothing, the largest first, and leaves its part to the others.
func share(bs []block, room int) []int {
	order := make([]int, len(bs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(bs[a].need(), bs[b].need()) })
	for {
		got := shareAmong(order, bs, room)
		tooLarge := -1
		for at, i := range order {
			if got[i] < bs[i].fixed && (tooLarge < 0 || bs[i].fixed > bs[order[tooLarge]].fixed) {
				tooLarge = at
			}
		}
		if tooLarge < 0 {
			return got
		}
		order = slices.Delete(order, tooLarge, tooLarge+1)
	}
}

// shareAmong shares among some of the blocks, in the order of what they need.
func shareAmong(order []int, bs []block, room int) []int {
	got := make([]int, len(bs))
	for done, i := range order {
		got[i] = min(bs[i].need(), room/(len(order)-done))
		room -= got[i]
	}
	return got
}

// within is the block in a room, nil if it is not to be shown at all, and what is left out of it.
func (b block) within(room int) (*tool.Content, gap) {
	room -= b.fixed
	if room < 0 {
		return nil, b.whole()
	}
	text, g := plain.shorten(b.text, room)
	if b.Type == tool.LinkContent {
		b.About = text
	} else {
		b.Text = text
	}
	if text == "" && g != (gap{}) && b.Type != tool.LinkContent { // which is worth something without its text
		return nil, b.whole()
	}
	return &b.Content, g
}

// whole is the block as what is left out.
func (b block) whole() gap {
	g := gapOf(b.text, 0, len(b.text))
	g.bytes, g.characters = g.bytes+b.fixed, g.characters+b.fixed
	return g
}
