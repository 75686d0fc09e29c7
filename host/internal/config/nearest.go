package config

import "slices"

// nearest returns the name that was most likely meant, if any is near: a third of the letters may be wrong,
// and one more in short words.
func nearest(word string, names []string) (string, bool) {
	return within(word, names, (len(word)+1)/3)
}

// within returns the nearest name that is at most so many slips away; of two, the first.
func within(word string, names []string, slips int) (string, bool) {
	best, least := "", slips+1
	if len(word) > 64 {
		return "", false
	}
	for _, name := range names {
		if apart := len(word) - len(name); max(apart, -apart) >= least {
			continue // each letter too many is a slip
		}
		if d := distance(word, name); d < least {
			best, least = name, d
		}
	}
	return best, best != ""
}

// distance counts the bytes that must be put in, taken out, changed, or swapped with their neighbour
// (Levenshtein's, in Damerau's form), because swapping is how fingers slip.
func distance(a, b string) int {
	var before []int // the row before the last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// meant are the dotted keys that someone may have meant who wrote an unknown name into a section: a near one
// of that section, else the same name in others, else a section that is near.
func (f *field) meant(root *field, name string) []string {
	if near, ok := nearest(name, f.names()); ok {
		return []string{join(f.key, near)}
	}
	var same []string
	for key := range root.variables() {
		if _, leaf, _ := cutLast(key); leaf == name || key == name {
			same = append(same, key)
		}
	}
	slices.Sort(same)
	return same
}

// cutLast splits a dotted key before its last part.
func cutLast(key string) (before, last string, ok bool) {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '.' {
			return key[:i], key[i+1:], true
		}
	}
	return "", key, false
}
