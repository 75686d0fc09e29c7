package command

import (
	"strings"
	"testing"
)

func TestHideDropsWholeLinesHoweverTheyAreCut(t *testing.T) {
	long := strings.Repeat("x", 3*maxHidden)
	text := "a\nStats: 1\nb Stats:\nStats: 2\r\n" + long + "\nStats: 3" + long + "\nStats: 4\nend"
	want := "a\nb Stats:\n" + long + "\nend"
	for _, size := range []int{1, 2, 3, 7, 4096, len(text)} {
		var got strings.Builder
		h := &hider{
			drop: func(line string) bool { return strings.HasPrefix(line, "Stats:") },
			next: func(p []byte) { got.Write(p) },
		}
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			h.write([]byte(rest[:n]))
			rest = rest[n:]
		}
		h.flush()
		if got.String() != want {
			t.Errorf("in pieces of %d: %d bytes, want %d", size, got.Len(), len(want))
		}
	}
}
