package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxLine bounds a line, its end included.
const maxLine = 256 << 10

const (
	seqBegin  = `{"seq":`
	prevBegin = `,"prev":"`
	hashBegin = `,"hash":"`
	hexLen    = 2 * sha256.Size
	sealLen   = len(hashBegin) + hexLen + len(`"}`)
)

// Hash is a SHA-256. It prints, and is written as JSON, in hexadecimal.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText makes JSON of it.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads the form that MarshalText writes, and nothing else.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hexLen || bytes.ContainsAny(text, "ABCDEF") {
		return fmt.Errorf("a hash has %d hexadecimal digits in lower case", hexLen)
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Point is a place in the chain: a line's number and hash. Whoever notes one elsewhere can prove later that
// the lines up to there are still the same.
type Point struct {
	Seq  uint64 `json:"seq"`
	Hash Hash   `json:"hash"`
}

// String returns SEQ:HASH.
func (p Point) String() string { return fmt.Sprintf("%d:%s", p.Seq, p.Hash) }

// ParsePoint reads the form of String.
func ParsePoint(s string) (Point, error) {
	seq, hash, _ := strings.Cut(s, ":")
	var p Point
	var err error
	if p.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil {
		err = p.Hash.UnmarshalText([]byte(strings.TrimSpace(hash)))
	}
	if err != nil || p.Seq == 0 {
		return Point{}, fmt.Errorf("%q is no place in the trail; write SEQ:HASH, as verify prints the head", s)
	}
	return p, nil
}

// appendLine appends the line that follows a point, its end included, and returns the new point.
func appendLine(b []byte, after Point, members []byte) ([]byte, Point) {
	start := len(b)
	b = append(b, seqBegin...)
	b = strconv.AppendUint(b, after.Seq+1, 10)
	b = append(b, prevBegin...)
	b = hex.AppendEncode(b, after.Hash[:])
	b = append(b, '"')
	b = append(b, members...)
	sum := sha256.Sum256(b[start:])
	b = append(b, hashBegin...)
	b = hex.AppendEncode(b, sum[:])
	return append(b, '"', '}', '\n'), Point{Seq: after.Seq + 1, Hash: sum}
}

// lineSize is how long a line with so many bytes of members can get, its end included.
func lineSize(members int) int64 {
	return int64(members + len(seqBegin) + 20 + len(prevBegin) + hexLen + 1 + sealLen + 1)
}

// record is a line that was read.
type record struct {
	Point
	prev    Hash
	members []byte // from the comma after prev to the one before hash; valid as long as the line
}

var (
	errNoLine  = errors.New("is no line of a trail")
	errChanged = errors.New("was changed: its hash is not that of its bytes")
)

// parseLine reads a line without its end. Of a line that was changed it returns what the line claims.
func parseLine(line []byte) (record, error) {
	var r record
	at := len(line) - sealLen
	if len(line) >= maxLine || at < 0 || !bytes.HasPrefix(line, []byte(seqBegin)) ||
		!bytes.HasPrefix(line[at:], []byte(hashBegin)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return r, errNoLine
	}
	digits, rest, found := bytes.Cut(line[len(seqBegin):at], []byte(prevBegin))
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	if !found || err != nil || len(rest) < hexLen+1 || rest[hexLen] != '"' ||
		r.prev.UnmarshalText(rest[:hexLen]) != nil ||
		r.Hash.UnmarshalText(line[at+len(hashBegin):len(line)-2]) != nil {
		return r, errNoLine
	}
	r.Seq, r.members = seq, rest[hexLen+1:]
	if r.Hash != sha256.Sum256(line[:at]) {
		return r, errChanged
	}
	return r, nil
}

// head reads the two members that follow prev in every line.
func (r record) head() (Event, time.Time) {
	rest, ok := bytes.CutPrefix(r.members, []byte(`,"time":"`))
	stamp, rest, ok2 := bytes.Cut(rest, []byte(`","event":"`))
	event, _, ok3 := bytes.Cut(rest, []byte(`"`))
	if !ok || !ok2 || !ok3 {
		return "", time.Time{}
	}
	t, err := time.Parse(timeFormat, string(stamp))
	if err != nil {
		return "", time.Time{}
	}
	return Event(event), t
}
