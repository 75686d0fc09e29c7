package mcpdoor

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLongLinesAreToldOnceAndOthersAreLeftAlone(t *testing.T) {
	const tooLong = "(too long)"
	fits, long := strings.Repeat("x", 50_000), strings.Repeat("x", 50_001)
	for in, want := range map[string][]string{
		"":                           nil,
		"\n":                         {""},
		"a\nb\n":                     {"a", "b"},
		"a\nno end":                  {"a", "no end"},
		"a\r\n":                      {"a\r"},
		fits + "\nb\n":               {fits, "b"},
		fits:                         {fits},
		"a\n" + long + "\nb\n":       {"a", tooLong, "b"},
		long:                         {tooLong},
		long + long + "\n":           {tooLong},
		long + "\n" + long + "\nend": {tooLong, tooLong, "end"},
	} {
		for name, from := range map[string]io.Reader{
			"at once": strings.NewReader(in), "in halves": iotest.HalfReader(strings.NewReader(in)),
			"with its end": iotest.DataErrReader(strings.NewReader(in)),
		} {
			var got []string
			lines := newLineReader(from, 50_000)
			for {
				line, err := lines.next()
				if errors.Is(err, errLineTooLong) {
					line, err = []byte(tooLong), nil
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("next = %v", err)
				}
				got = append(got, string(line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d bytes %s: %d lines, want %d, and those", len(in), name, len(got), len(want))
			}
		}
	}
}

// endless is a line without an end.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

func TestALineOf64MiBCostsNoMoreThanOneThatFits(t *testing.T) {
	before := heap()
	lines := newLineReader(&endless{64 << 20}, maxLine)
	if _, err := lines.next(); !errors.Is(err, errLineTooLong) {
		t.Errorf("next = %v, want %v", err, errLineTooLong)
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d bytes are kept, want less than 4 MiB", grown)
	}
	if _, err := lines.next(); !errors.Is(err, io.EOF) {
		t.Errorf("next = %v, want %v", err, io.EOF)
	}
}
