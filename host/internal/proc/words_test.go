package proc

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for said, want := range map[string]string{
		"":                                "",
		"one\ntwo\n":                      "two",
		"one\ntwo":                        "two",
		"why\n\n  \n":                     "why",
		"why\n{\"@level\":\"info\"}\n":    "why",
		"panic: boom\n\ngoroutine 1:\n x": "panic: boom",
		"fatal error: all asleep\nx\n":    "fatal error: all asleep",
		"a\x1b[31mb\tc\xff\n":             "a [31mb c",
	} {
		var w words
		for i := range len(said) { // in the smallest pieces
			w.hear([]byte(said[i : i+1]))
		}
		if got := w.text(); got != want {
			t.Errorf("after %q: text() = %q, want %q", said, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add([]byte("panic: \x1b\xff\n"), []byte("{}\nx"))
	f.Add([]byte(strings.Repeat("é", 300)), []byte("\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var w words
		w.hear(a)
		w.hear(b)
		got := w.text()
		if len(got) > maxWords || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("text() = %q, want at most %d bytes of clean text", got, maxWords)
		}
	})
}
