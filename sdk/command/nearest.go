package command

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// maxNearest is how long a text may be that somebody could have meant a name by. It bounds what a comparison
// costs, whatever a caller sends.
const maxNearest = 64

// Nearest returns the names that a text may be a mistyping of, nearest first: those that differ from it in
// few letters. There is none for a text longer than 64 bytes. Authors of grammars suggest them.
func Nearest(text string, names iter.Seq[string]) []string {
	type candidate struct {
		name     string
		distance int
	}
	if len(text) < 2 || len(text) > maxNearest {
		return nil
	}
	var found []candidate
	limit := allowance(len(text))
	for name := range names {
		if gap := len(name) - len(text); gap > limit || -gap > limit {
			continue // most names; only the others are worth a comparison
		}
		if d := distance(text, name, limit); d <= limit {
			found = append(found, candidate{name, d})
			limit = min(limit, d+1) // beside a very near name, a far one is noise
		}
	}
	found = slices.DeleteFunc(found, func(c candidate) bool { return c.distance > limit })
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(a.distance-b.distance, strings.Compare(a.name, b.name))
	})
	var near []string
	for _, c := range found {
		near = append(near, c.name)
	}
	return near
}

// allowance is how many mistakes a text of n letters may have.
func allowance(n int) int {
	if n < 5 {
		return 1
	}
	return min(max(2, n/3), 4)
}

// distance is how many letters have to be put in, taken out, changed or swapped with their neighbour, or some
// number above the limit if it is more than that. The texts are at most maxNearest+4 bytes long.
func distance(a, b string, limit int) int {
	var rows [3][maxNearest + 5]int // before the last, last, this
	before, last, this := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	lowest := 0 // of the last row
	for i := range len(a) {
		above := lowest
		this[0], lowest = i+1, i+1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			d := min(change, last[j+1]+1, this[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			this[j+1], lowest = d, min(lowest, d)
		}
		if lowest > limit && above > limit {
			return lowest // no way through two such rows becomes shorter
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}
