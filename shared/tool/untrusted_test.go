package tool

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestUntrustedTextIsShownAsItIs(t *testing.T) {
	for why, c := range map[string]struct{ in, want string }{
		"plain text stays":                      {"nginx 1.22.1 (Debian)", "nginx 1.22.1 (Debian)"},
		"nothing stays nothing":                 {"", ""},
		"lines and tabs stay":                   {"a\n\tb", "a\n\tb"},
		"other scripts stay":                    {"Zürich 東京 العربية 😀 é", "Zürich 東京 العربية 😀 é"},
		"wide blanks stay":                      {"a\u00a0b\u3000c", "a\u00a0b\u3000c"},
		"a backslash stands for itself":         {`C:\x1B`, `C:\x1B`},
		"the replacement character stays":       {"\ufffd", "\ufffd"},
		"NUL is written out":                    {"a\x00b", `a\x00b`},
		"terminal escapes are written out":      {"\x1b[2J\x1b]0;x\x07", `\x1B[2J\x1B]0;x\x07`},
		"a carriage return is written out":      {"safe\revil", `safe\x0Devil`},
		"delete is written out":                 {"a\x7f", `a\x7F`},
		"C1 controls are written out":           {"\u009b31m", `\x9B31m`},
		"bytes that are not UTF-8 are shown":    {"\xff\xc3(", `\xFF\xC3(`},
		"encoded surrogates are bytes":          {"\xed\xa0\x80", `\xED\xA0\x80`},
		"an override of direction is shown":     {"\u202egpj.exe", `\u{202E}gpj.exe`},
		"isolates and marks are shown":          {"\u2066\u200f\u061c", `\u{2066}\u{200F}\u{61C}`},
		"zero-width characters are shown":       {"a\u200b\u200d\ufeff\u2060b", `a\u{200B}\u{200D}\u{FEFF}\u{2060}b`},
		"a soft hyphen is shown":                {"a\u00adb", `a\xADb`},
		"tags, which spell text, are shown":     {"\U000e0041\U000e007f\U000e0001", `\u{E0041}\u{E007F}\u{E0001}`},
		"variation selectors are shown":         {"a\ufe0f\U000e0100\u180b", `a\u{FE0F}\u{E0100}\u{180B}`},
		"fillers and joiners are shown":         {"\u3164\u034f\u115f\uffa0", `\u{3164}\u{34F}\u{115F}\u{FFA0}`},
		"separators of lines are shown":         {"a\u2028\u2029b", `a\u{2028}\u{2029}b`},
		"private and no characters are shown":   {"\ue000\uffff\U0010ffff", `\u{E000}\u{FFFF}\u{10FFFF}`},
		"what is clean in front is kept":        {strings.Repeat("x", 99) + "\x01", strings.Repeat("x", 99) + `\x01`},
		"interlinear annotations are shown too": {"\ufff9", `\u{FFF9}`},
	} {
		if got := Untrusted(c.in).Clean(); got != c.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", why, c.in, got, c.want)
		}
		var back string
		raw, err := json.Marshal(struct{ U *Untrusted }{new(Untrusted(c.in))})
		if err != nil {
			t.Errorf("%s: Marshal(%q) = %v", why, c.in, err)
			continue
		}
		if err := json.Unmarshal(raw, &struct{ U *string }{&back}); err != nil || back != c.want {
			t.Errorf("%s: the JSON %s says %q, %v; want %q", why, raw, back, err, c.want)
		}
	}
}

func TestEveryFormatCharacterIsWrittenOut(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		hidden := unicode.In(r, unicode.Cf, unicode.Cc, unicode.Bidi_Control, unicode.Join_Control,
			unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) && r != '\n' && r != '\t'
		if hidden && Untrusted(string(r)).Clean() == string(r) {
			t.Errorf("Clean(%U) = the character itself, want an escape", r)
		}
	}
}

func TestCleanTextCostsNothing(t *testing.T) {
	text := Untrusted(strings.Repeat("Apache httpd 2.4.57 ((Debian)) – “ü”\n", 100))
	if n := testing.AllocsPerRun(100, func() { _ = text.Clean() }); n != 0 {
		t.Errorf("Clean of clean text makes %v allocations, want none", n)
	}
}

func FuzzUntrusted(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31m", "\xff\xfe", "\u202e", "\U000e0041", `\x1B`, "a\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Untrusted(s).Clean()
		if !utf8.ValidString(once) {
			t.Errorf("Clean(%q) = %q, want UTF-8", s, once)
		}
		for _, r := range once {
			if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
				t.Errorf("Clean(%q) = %q, which has %U in it", s, once, r)
			}
		}
		if again := Untrusted(once).Clean(); again != once {
			t.Errorf("Clean(%q) = %q, want it unchanged", once, again)
		}
		if len(once) > 4*len(s) {
			t.Errorf("Clean(%q) has %d bytes, want at most 4 for each of %d", s, len(once), len(s))
		}
		raw, err := json.Marshal(Untrusted(s))
		var back string
		if err != nil || json.Unmarshal(raw, &back) != nil || back != once {
			t.Errorf("Marshal(%q) = %s, %v; want %q", s, raw, err, once)
		}
	})
}
