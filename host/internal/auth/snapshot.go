package auth

import (
	"errors"
	"fmt"
	"io/fs"
)

// snapshot is what the files of a store said when they were read. It is not changed once it is in force.
type snapshot struct {
	tokens    []record // in the order of the file
	generated *record  // nil: there is none

	err          error // nobody is let in
	generatedErr error // the generated token is not good; the others are

	file, generatedFile stamp
}

// current reports whether the files are still as they were read.
func (s *Store) current(snap *snapshot, generated bool) bool {
	if snap.file != lookAt(s.file) {
		return false
	}
	return !generated || snap.generatedFile == lookAt(s.generated)
}

// look returns what is in force now. Unless generated, the file of the generated token is not looked at.
func (s *Store) look(generated bool) *snapshot {
	if snap := s.state.Load(); s.current(snap, generated) {
		return snap
	}
	s.turn.Lock()
	n := s.refresh(generated)
	snap := s.state.Load()
	s.turn.Unlock()
	s.tell(n)
	return snap
}

// news is what a callback will be told once no lock is held.
type news struct {
	changes []Change
	problem error
}

func (s *Store) tell(n news) {
	if n.problem != nil && s.cfg.Problem != nil {
		s.cfg.Problem(n.problem)
	}
	if len(n.changes) > 0 && s.cfg.Changed != nil {
		s.cfg.Changed(n.changes)
	}
}

// refresh reads the files again if they are others now. The caller has the turn.
func (s *Store) refresh(generated bool) (n news) {
	if s.current(s.state.Load(), generated) {
		return news{}
	}
	snap := s.read()
	s.state.Store(snap)
	text := ""
	if p := errors.Join(snap.err, snap.generatedErr); p != nil {
		text = p.Error()
		if text != s.told {
			n.problem = p
		}
	}
	s.told = text
	if snap.err == nil {
		n.changes = changes(s.good, snap)
		s.good = snap
	}
	return n
}

// adopt takes a snapshot over that nobody needs to be told of.
func (s *Store) adopt(snap *snapshot) {
	s.state.Store(snap)
	s.told = ""
	if p := errors.Join(snap.err, snap.generatedErr); p != nil {
		s.told = p.Error()
	}
	if snap.err == nil {
		s.good = snap
	}
}

// read reads both files.
func (s *Store) read() *snapshot {
	snap := new(snapshot)
	doc := snap.readTokens(s.file)
	snap.readGenerated(s.cfg.Dir, doc.Generated)
	return snap
}

func (snap *snapshot) readTokens(path string) (doc document) {
	raw, at, err := readFile(path, maxStoreFile)
	snap.file = at
	if errors.Is(err, fs.ErrNotExist) {
		return document{}
	}
	if err == nil {
		if doc, err = parse(raw); err != nil {
			err = fmt.Errorf("%s: %w; mend the file, or remove it, which revokes every token in it", path, err)
		}
	}
	if err != nil {
		snap.err = fmt.Errorf("the tokens are not to be believed: %w", err)
		return document{}
	}
	snap.tokens = doc.Tokens
	return doc
}

func (snap *snapshot) readGenerated(dir string, known *record) {
	token, at, err := readToken(dir)
	snap.generatedFile = at
	switch sum := Hash(token); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		snap.generatedErr = err
	case known != nil && known.SHA256 == sum:
		snap.generated = known
	default:
		snap.generated = &record{Name: GeneratedName, SHA256: sum, Role: Admin, Created: utc(at.modified())}
	}
}

// byName are the tokens of a snapshot, name -> record.
func (snap *snapshot) byName() map[string]*record {
	all := make(map[string]*record, len(snap.tokens)+1)
	for i := range snap.tokens {
		all[snap.tokens[i].Name] = &snap.tokens[i]
	}
	if g := snap.generated; g != nil {
		all[g.Name] = g
	}
	return all
}
