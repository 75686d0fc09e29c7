package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of a token of the store.
const (
	MaxTokens   = 1000
	MaxRate     = 1_000_000              // calls
	MinRatePer  = time.Second            // in which they may come
	MaxRatePer  = 24 * time.Hour         //
	MaxLifetime = 10 * 366 * day         // from now on
	MaxOverlap  = 7 * day                // of a rotated secret
	maxTools    = 256                    // globs of one token
	maxGlob     = 2 * tool.MaxNameLength // bytes of one
	maxFormer   = 4                      // rotated secrets of one token that are good at the same time
	day         = 24 * time.Hour
)

// record is a token as it is kept. It is not changed once others may see it.
type record struct {
	Name     string    `json:"name"`
	SHA256   sum       `json:"sha256"`
	Role     Role      `json:"role"`
	Tools    []string  `json:"tools,omitempty"`
	Requests int       `json:"rate_requests,omitzero"`
	Per      span      `json:"rate_per,omitzero"`
	Created  time.Time `json:"created"`
	Rotated  time.Time `json:"rotated,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Former   []former  `json:"former,omitempty"`
}

// former is a secret that was rotated away, and is good for a while yet.
type former struct {
	SHA256 sum       `json:"sha256"`
	Until  time.Time `json:"until"`
}

func (r *record) token() Token {
	return Token{
		Name: r.Name, SHA256: r.SHA256, Role: r.Role, Tools: r.Tools,
		Rate: Rate{Requests: r.Requests, Per: time.Duration(r.Per)}, Expires: r.Expires,
	}
}

func (r *record) stored() Stored {
	t := r.token()
	return Stored{
		Name: t.Name, Role: t.Role, Tools: slices.Clone(t.Tools), Rate: t.Rate, Created: r.Created, Rotated: r.Rotated,
		Expires: t.Expires,
	}
}

// rotate is the record with another secret. The one before is good until a time, at most.
func (r record) rotate(to sum, now, until time.Time) (record, error) {
	old := append(slices.Clone(r.Former), former{SHA256: r.SHA256, Until: until})
	r.Former = slices.DeleteFunc(old, func(f former) bool { return !now.Before(f.Until) })
	if !now.Before(until) {
		r.Former = nil // what must end at once ends with all that came before
	}
	if len(r.Former) > maxFormer {
		return r, invalid("/overlap_sec", "%d earlier secrets of %s are good still", maxFormer, r.Name).
			Suggest("wait until the first of them has run out, or rotate it without an overlap, which ends all")
	}
	r.SHA256, r.Rotated = to, now
	return r, nil
}

// Wanted is a token to make.
type Wanted struct {
	Name    string
	Role    Role
	Tools   []string  // names or globs; empty: all
	Rate    Rate      // zero: as for others
	Expires time.Time // zero: never
}

// check says what of a wish cannot be.
func (w Wanted) check(now time.Time) error {
	if err := checkGrant(w.Name, w.Role, w.Tools, w.Rate); err != nil {
		return err
	}
	if !w.Expires.IsZero() && (!w.Expires.After(now) || w.Expires.After(now.Add(MaxLifetime))) {
		return invalid("/expires", "%s is not a time at which a token can expire", w.Expires.Format(time.RFC3339)).
			Suggest("name a time between now and 10 years from now, or none")
	}
	return nil
}

// checkGrant looks at what a wish and a file have in common.
func checkGrant(name string, role Role, tools []string, rate Rate) error {
	switch {
	case !tool.ValidName(name):
		return invalid("/name", "%.80q is no name of a token", name).
			Suggest("take 1 to %d characters of [A-Za-z0-9_-]", tool.MaxNameLength)
	case name == stdio || name == GeneratedName:
		return invalid("/name", "a token cannot be named %s", name).
			Suggest("take another name: %s is who starts the host, %s the generated token", stdio, GeneratedName)
	case role != Viewer && role != Caller && role != Admin:
		return invalid("/role", "%.80q is no role", role).Suggest("take one of %s, %s, %s", Viewer, Caller, Admin)
	case rate.Requests < 0 || rate.Requests > MaxRate:
		return invalid("/rate_requests", "%d is no number of calls", rate.Requests).Suggest("take 1 to %d", MaxRate)
	case rate.Per != 0 && (rate.Per < MinRatePer || rate.Per > MaxRatePer):
		return invalid("/rate_per_sec", "%v is no time for a rate", rate.Per).
			Suggest("take %v to %v", MinRatePer, MaxRatePer)
	}
	return checkTools(tools)
}

func checkTools(tools []string) error {
	if len(tools) > maxTools {
		return invalid("/tools", "%d tools are too many for a token", len(tools)).
			Suggest("name at most %d; a pattern such as Nmap* takes in several", maxTools)
	}
	for i, g := range tools {
		if _, err := path.Match(g, ""); err != nil || g == "" || len(g) > maxGlob {
			return invalid(fmt.Sprintf("/tools/%d", i), "%.80q is neither a tool's name nor a pattern", g).
				Suggest("take names, with *, ? and [a-z], of at most %d bytes", maxGlob)
		}
	}
	return nil
}

// stdio is the client of the standard streams.
const stdio = "stdio"

// invalid is an error of the one who asks; where names the field.
func invalid(where, format string, args ...any) *tool.Error {
	return tool.Errorf(tool.KindValidation, format, args...).With("pointer", where)
}

// sum is a hash, 64 lower-case hexadecimal digits in a file.
type sum [sha256.Size]byte

// MarshalText writes the digits.
func (s sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads them.
func (s *sum) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	if parsed == emptyHash {
		return errors.New("it is the hash of no text at all")
	}
	*s = parsed
	return nil
}

// emptyHash is what comes of a secret that was not set.
var emptyHash = sha256.Sum256(nil)

// span is a time such as 1m0s in a file.
type span time.Duration

// MarshalText writes it as Go does.
func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads it.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}
