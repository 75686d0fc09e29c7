package clientconfig

import (
	"fmt"
	"slices"
	"strings"
)

// around is how many lines that stay are shown on either side of those that change.
const around = 3

// Diff shows the change in the unified format of diff -u, as one hunk; empty when there is none. What may be
// a secret is veiled, changed or not; lines before the hunk, which begin with #, say so.
func (c Change) Diff() string {
	if c.Nothing() {
		return ""
	}
	var b strings.Builder
	hunk := c.hunk()
	if strings.Contains(hunk, mask) {
		b.WriteString("# " + mask + " stands for what is not shown: values of env and headers, comments, other texts\n")
	}
	if c.Closed() {
		fmt.Fprintf(&b, "# mode %04o becomes %04o: something secret comes into it\n", c.file.was, c.file.mode)
	}
	return b.String() + hunk
}

// hunk compares the lines as they are, and shows them veiled: one whose secret alone changes is seen to.
func (c Change) hunk() string {
	before, after := lines(c.Before), lines(c.After)
	most := min(len(before), len(after))
	head := 0
	for head < most && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < most-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	if head == max(len(before), len(after)) {
		return "" // the mode alone changes
	}
	before, after = lines(c.was.veil(c.Before)), lines(c.will.veil(c.After))
	from, until := max(0, head-around), tail-min(tail, around)
	old := c.Path
	if !c.Exists {
		old = "/dev/null"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", old, c.Path)
	fmt.Fprintf(&b, "@@ -%s +%s @@\n", extent(from, len(before)-until), extent(from, len(after)-until))
	write(&b, " ", before[from:head])
	write(&b, "-", before[head:len(before)-tail])
	write(&b, "+", after[head:len(after)-tail])
	write(&b, " ", before[len(before)-tail:len(before)-until])
	return b.String()
}

// lines are those of a text, each with its end.
func lines(raw []byte) []string {
	return slices.DeleteFunc(strings.SplitAfter(string(raw), "\n"), func(s string) bool { return s == "" })
}

// extent is where a hunk begins, from line 1, and how many lines it has.
func extent(from, to int) string {
	if to == from {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

func write(b *strings.Builder, mark string, all []string) {
	for _, line := range all {
		b.WriteString(mark + line)
		if !strings.HasSuffix(line, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
