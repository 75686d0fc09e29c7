package auth

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseHash(t *testing.T) {
	sum := Hash("secret")
	text := hex.EncodeToString(sum[:])
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{text, true}, {strings.ToUpper(text), true}, {text[:62], false}, {text + "00", false}, {"", false},
		{strings.Repeat("x", 64), false}, {" " + text, false},
	} {
		got, err := ParseHash(row.text)
		if (err == nil) != row.ok || row.ok && got != sum {
			t.Errorf("ParseHash(%q) = %x, %v, want %t", row.text, got, err, row.ok)
		}
	}
}

func TestTokensAreNotRepeated(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		token := Generate()
		if seen[token] {
			t.Fatalf("Generate = %q twice", token)
		}
		seen[token] = true
	}
}
