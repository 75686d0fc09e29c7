package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
)

// Hash is the form in which a token is kept. A token has 256 random bits: nothing slower than SHA-256 is
// needed to keep others from finding it.
func Hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// ParseHash reads a hash of 64 hexadecimal digits.
func ParseHash(s string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("auth: a hash has 64 hexadecimal digits")
	}
	return [sha256.Size]byte(raw), nil
}

// TokenPrefix begins every token that [Generate] makes, and helps scanners that look for leaked secrets. Such
// tokens have 256 random bits, so that guessing them needs no guard.
const TokenPrefix = "gth_"

// Generate makes a token of 256 random bits.
func Generate() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
}
