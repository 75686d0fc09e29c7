package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// GeneratedName is the name of the token that is made when there is no other credential. No other token of a
// store has it.
const GeneratedName = "default"

// tokenFile is the generated token in the state directory: the only one that is kept in clear, so that the
// operator can read it.
const tokenFile = "token"

const (
	maxTokenFile  = 4 << 10 // bytes
	leastTokenLen = 32
)

// ReadToken returns the generated token of a state directory; fs.ErrNotExist when there is none.
func ReadToken(dir string) (string, error) {
	token, _, err := readToken(dir)
	return token, err
}

func readToken(dir string) (token string, s stamp, err error) {
	name := filepath.Join(dir, tokenFile)
	raw, s, err := readFile(name, maxTokenFile)
	if err != nil {
		return "", s, fmt.Errorf("read the generated token: %w", err)
	}
	token = strings.TrimSpace(string(raw))
	if len(token) < leastTokenLen {
		return "", s, fmt.Errorf("the token in %s is too short; remove the file to have a new one made", name)
	}
	return token, s, nil
}

// EnsureToken returns the generated token of a state directory, and makes it (0600) when there is none.
func EnsureToken(dir string) (token string, created bool, err error) {
	if token, err = ReadToken(dir); !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	return makeToken(dir)
}

// makeToken is for whoever has the lock of the directory.
func makeToken(dir string) (token string, created bool, err error) {
	if token, err = ReadToken(dir); !errors.Is(err, fs.ErrNotExist) { // another process was faster
		return token, false, err
	}
	token = Generate()
	err = writeToken(dir, token)
	switch {
	case errors.Is(err, fs.ErrExist): // somebody put one there who knows no lock
		token, err = ReadToken(dir)
		return token, false, err
	case err != nil:
		return "", false, fmt.Errorf("keep the generated token: %w", err)
	}
	return token, true, nil
}

// writeToken puts a token into its place, whole and once: a link fails with fs.ErrExist where a file is
// already, and nobody ever reads half of one.
func writeToken(dir, token string) error {
	name, err := writeTemporary(dir, ".token-*", []byte(token+"\n"))
	if err != nil {
		return err
	}
	defer os.Remove(name) // its second name stays
	if err := os.Link(name, filepath.Join(dir, tokenFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

// Ensure returns the generated token, and makes it when there is none, as [EnsureToken] does.
func (s *Store) Ensure() (token string, created bool, err error) {
	if token, err = ReadToken(s.cfg.Dir); !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	n, token, created, err := s.makeGenerated()
	s.tell(n)
	return token, created, err
}

// makeGenerated takes lock and turn in the order in which [Store.edit] does.
func (s *Store) makeGenerated() (n news, token string, created bool, err error) {
	unlock, err := lockDir(s.cfg.Dir)
	if err != nil {
		return news{}, "", false, err
	}
	defer unlock()
	s.turn.Lock()
	defer s.turn.Unlock()
	n = s.refresh(true)
	token, created, err = makeToken(s.cfg.Dir)
	if created {
		s.adopt(s.read())
	}
	return n, token, created, err
}

// revokeGenerated writes tokens.json also when nothing in it changes: who looks next sees by its stamp that
// there was something, even if another token is made at once whose file looks like that of this one.
func (s *Store) revokeGenerated(doc *document, now *snapshot) error {
	if now.generated == nil && now.generatedErr == nil {
		return noToken(GeneratedName)
	}
	if err := os.Remove(s.generated); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	doc.Generated = nil
	return s.write(doc)
}

// rotateGenerated writes tokens.json first. Until the other file is there, what it says of the generated
// token does not count, as the hashes differ, and the secret before is simply still the one in force.
func (s *Store) rotateGenerated(
	doc *document, snap *snapshot, secret string, now time.Time, overlap time.Duration,
) error {
	old := snap.generated
	switch {
	case old == nil && snap.generatedErr == nil:
		return noToken(GeneratedName)
	case old == nil: // nobody is let in with it
		old, overlap = &record{Name: GeneratedName, Role: Admin, Created: now}, 0
	}
	next, err := old.rotate(Hash(secret), now, now.Add(overlap))
	if err != nil {
		return err
	}
	doc.Generated = &next
	if err := s.write(doc); err != nil {
		return err
	}
	return replaceFile(s.cfg.Dir, tokenFile, []byte(secret+"\n"))
}
