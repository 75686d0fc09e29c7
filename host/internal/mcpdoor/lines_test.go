package mcpdoor

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLongLinesAreCutAndOthersAreLeftAlone(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for in, want := range map[string]string{
		"":                           "",
		"a\nb\n":                     "a\nb\n",
		"a\nno end":                  "a\nno end",
		"a\n" + long + "\nb\n":       "a\n" + long[:50_000] + "\nb\n",
		long:                         long[:50_000] + "\n",
		long[:49_999] + "\nb\n":      long[:49_999] + "\nb\n",
		long + "\n" + long + "\nend": long[:50_000] + "\n" + long[:50_000] + "\nend",
	} {
		for name, from := range map[string]io.Reader{
			"at once": strings.NewReader(in), "in halves": iotest.HalfReader(strings.NewReader(in)),
			"with its end": iotest.DataErrReader(strings.NewReader(in)),
		} {
			got, err := io.ReadAll(newLineLimiter(from, 50_000))
			if err != nil || string(got) != want {
				t.Errorf("%d bytes %s: %d bytes and %v, want %d", len(in), name, len(got), err, len(want))
			}
		}
	}
}
