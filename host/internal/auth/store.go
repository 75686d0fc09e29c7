package auth

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ErrNoToken is in the chain of the errors about a name that no token of the store has.
var ErrNoToken = errors.New("no token of the store has this name")

// Store is a set of tokens in a state directory, which every process with that directory shares. What one of
// them changes is in force for the others with their next look, without a watcher: a look compares the stamps
// of the files. A file that is missing holds no tokens; one that cannot be believed lets nobody in.
type Store struct {
	cfg       StoreConfig
	file      string                   // path of tokens.json
	generated string                   // path of the generated token
	state     atomic.Pointer[snapshot] // of the files, when they were read last

	turn sync.Mutex // held while files are read or written; what was read first must not be taken over last
	good *snapshot  // the last that could be believed: changes are counted from it
	told string     // of the problem that was told last
}

// StoreConfig is what a [Store] is made of. Its functions may be nil; they are called by whoever looks,
// without a lock, and may be called concurrently.
type StoreConfig struct {
	Dir     string         // the state directory, which is made when the first token is
	Changed func([]Change) // what other processes did
	Problem func(error)    // once for each reason why a file that was good is not any more
	// Taken reports whether a client of the configuration has a name: a token that gets it too would let nobody
	// in.
	Taken func(name string) bool
}

// Stored is a token of the store, as it is shown.
type Stored struct {
	Name      string
	Role      Role
	Tools     []string
	Rate      Rate
	Created   time.Time
	Rotated   time.Time // zero: never
	Expires   time.Time // zero: never
	Generated bool      // the one that was made at the first start
	Problem   string    // why it is not good, of the generated one; empty: it is
}

// OpenStore reads the tokens of a state directory; there need not be any yet. A file that cannot be believed
// is an error, which says what to do.
func OpenStore(cfg StoreConfig) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("open the tokens: there is no state directory")
	}
	s := &Store{
		cfg: cfg, file: filepath.Join(cfg.Dir, storeFile), generated: filepath.Join(cfg.Dir, tokenFile),
	}
	snap := s.read()
	if snap.err != nil {
		return nil, snap.err
	}
	s.adopt(snap)
	return s, nil
}

// Create makes a token. This is the only time that its secret can be seen.
func (s *Store) Create(w Wanted) (secret string, err error) {
	now := time.Now().UTC().Round(0)
	if err := w.check(now); err != nil {
		return "", err
	}
	if s.cfg.Taken != nil && s.cfg.Taken(w.Name) {
		return "", invalid("/name", "the configuration has a client named %s already", w.Name).
			Suggest("take another name, or take that client out of the configuration first")
	}
	return s.withSecret(func(secret string, doc *document, _ *snapshot) error {
		switch {
		case doc.index(w.Name) >= 0:
			return invalid("/name", "there is a token named %s already", w.Name).
				Suggest("take another name, or revoke or rotate that one")
		case len(doc.Tokens) >= MaxTokens:
			return invalid("/name", "there are %d tokens, more are not allowed", MaxTokens).
				Suggest("revoke those that nobody uses")
		}
		doc.Tokens = append(doc.Tokens, record{
			Name: w.Name, SHA256: Hash(secret), Role: w.Role, Tools: slices.Clone(w.Tools), Requests: w.Rate.Requests,
			Per: span(w.Rate.Per), Created: now, Expires: utc(w.Expires),
		})
		return s.write(doc)
	})
}

// Revoke takes a token away. The generated one takes its file along.
func (s *Store) Revoke(name string) error {
	return s.change(func(doc *document, now *snapshot) error {
		if name == GeneratedName {
			return s.revokeGenerated(doc, now)
		}
		i := doc.index(name)
		if i < 0 {
			return noToken(name)
		}
		doc.Tokens = slices.Delete(doc.Tokens, i, i+1)
		return s.write(doc)
	})
}

// Rotate gives a token another secret. The one before stays good for the overlap; 0: it ends at once, and so
// does every one before it.
func (s *Store) Rotate(name string, overlap time.Duration) (secret string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", invalid("/overlap_sec", "%v is no time for which an earlier secret can stay good", overlap).
			Suggest("take 0s to %v", MaxOverlap)
	}
	now := time.Now().UTC().Round(0)
	return s.withSecret(func(secret string, doc *document, snap *snapshot) error {
		if name == GeneratedName {
			return s.rotateGenerated(doc, snap, secret, now, overlap)
		}
		i := doc.index(name)
		switch {
		case i < 0:
			return noToken(name)
		case doc.Tokens[i].expired(now):
			return invalid("/name", "the token %s has expired", name).Suggest("revoke it and create another")
		}
		next, err := doc.Tokens[i].rotate(Hash(secret), now, now.Add(overlap))
		if err != nil {
			return err
		}
		doc.Tokens[i] = next
		return s.write(doc)
	})
}

// List returns all tokens, the generated one first.
func (s *Store) List() ([]Stored, error) {
	snap := s.look(true)
	if snap.err != nil {
		return nil, broken(snap.err)
	}
	var all []Stored
	switch {
	case snap.generated != nil:
		all = append(all, snap.generated.stored())
		all[0].Generated = true
	case snap.generatedErr != nil:
		all = append(all, Stored{
			Name: GeneratedName, Role: Admin, Generated: true, Problem: snap.generatedErr.Error(),
		})
	}
	for i := range snap.tokens {
		all = append(all, snap.tokens[i].stored())
	}
	return all, nil
}

// withSecret is change with a new secret, which is nobody's when the change fails.
func (s *Store) withSecret(edit func(string, *document, *snapshot) error) (secret string, err error) {
	secret = Generate()
	err = s.change(func(doc *document, snap *snapshot) error { return edit(secret, doc, snap) })
	if err != nil {
		return "", err
	}
	return secret, nil
}

// change reads what is there, of all processes, edits it, and takes over what then is there. Errors that are
// not the caller's are of the state directory.
func (s *Store) change(edit func(*document, *snapshot) error) error {
	n, err := s.edit(edit)
	s.tell(n)
	var e *tool.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return tool.Errorf(tool.KindUnavailable, "change the tokens: %w", err).
		Suggest("do it as the owner of the state directory %s, which must be writable", s.cfg.Dir)
}

func (s *Store) edit(edit func(*document, *snapshot) error) (news, error) {
	if err := checkOwners(s.cfg.Dir); err != nil {
		return news{}, err
	}
	unlock, err := lockDir(s.cfg.Dir)
	if err != nil {
		return news{}, err
	}
	defer unlock()
	s.turn.Lock()
	defer s.turn.Unlock()
	n := s.refresh(true)
	snap := s.state.Load()
	if snap.err != nil {
		return n, broken(snap.err)
	}
	doc := &document{Tokens: slices.Clone(snap.tokens), Generated: snap.generated}
	if snap.generated != nil && snap.generated.Rotated.IsZero() {
		doc.Generated = nil // its file says it all
	}
	if err := edit(doc, snap); err != nil {
		return n, err
	}
	after := s.read()
	s.adopt(after)
	return n, after.err
}

func (s *Store) write(doc *document) error {
	raw, err := doc.encode()
	if err != nil {
		return err
	}
	return replaceFile(s.cfg.Dir, storeFile, raw)
}

func (d *document) index(name string) int {
	return slices.IndexFunc(d.Tokens, func(r record) bool { return r.Name == name })
}

func (r *record) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

func noToken(name string) error {
	return tool.Errorf(tool.KindToolNotFound, "%w: %.80q", ErrNoToken, name).With("pointer", "/name").
		Suggest("gatehouse token list shows all")
}

func broken(err error) error {
	return tool.Errorf(tool.KindUnavailable, "%w", err).Suggest("until then nobody is let in by it")
}

// utc is a time as it stands in a file.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Round(0)
}
