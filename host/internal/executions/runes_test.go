package executions

import (
	"testing"
	"unicode/utf8"
)

func FuzzSpan(f *testing.F) {
	f.Add([]byte("a€😀é"), 2, 3)
	f.Add([]byte("\x80\xe2\x82"), 1, 1)
	f.Add([]byte{}, 0, 1)
	f.Fuzz(func(t *testing.T, p []byte, offset, limit int) {
		offset, limit = min(max(offset, 0), len(p)), max(limit, 1)
		from, to := span(p, offset, limit)
		if from < 0 || from > offset || offset-from > 3 || to < from || to > len(p) || to-offset > max(limit, 4) {
			t.Fatalf("span(%q, %d, %d) = %d, %d: out of bounds", p, offset, limit, from, to)
		}
		if offset < len(p) && to <= from {
			t.Errorf("span(%q, %d, %d) = %d, %d, want at least a character", p, offset, limit, from, to)
		}
		if utf8.Valid(p) && !utf8.Valid(p[from:to]) {
			t.Errorf("span(%q, %d, %d) = %q, want whole characters", p, offset, limit, p[from:to])
		}
		if whole := wholeRunes(p); utf8.Valid(p) && len(whole) != len(p) {
			t.Errorf("wholeRunes(%q) = %q, want all of it", p, whole)
		}
	})
}
