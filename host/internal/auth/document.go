package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	storeFile    = "tokens.json"
	storeVersion = 1
	maxStoreFile = 1 << 20 // bytes
)

// document is the file tokens.json.
type document struct {
	Version int      `json:"version"`
	Tokens  []record `json:"tokens"`
	// Generated is what is known of the token in the file token. It is meant only where the hashes agree: the
	// file may have been removed and made again since.
	Generated *record `json:"generated,omitzero"`
}

// parse reads tokens.json, strictly: a file that only half of is understood must let nobody in.
func parse(raw []byte) (document, error) {
	var doc document
	if err := json.Unmarshal(raw, &doc, json.RejectUnknownMembers(true)); err != nil {
		return document{}, explain(err)
	}
	if doc.Version != storeVersion {
		return document{}, fmt.Errorf("its version is %d; this Gatehouse knows %d", doc.Version, storeVersion)
	}
	if err := doc.check(); err != nil {
		return document{}, err
	}
	return doc, nil
}

func (d *document) encode() ([]byte, error) {
	if d.Tokens == nil {
		d.Tokens = []record{} // [], not null
	}
	d.Version = storeVersion
	raw, err := json.Marshal(d, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("put it into JSON: %w", err)
	}
	if raw = append(raw, '\n'); len(raw) > maxStoreFile {
		return nil, fmt.Errorf("it would have %d bytes, allowed are %d; revoke tokens, or name fewer tools",
			len(raw), maxStoreFile)
	}
	return raw, nil
}

func (d *document) check() error {
	if len(d.Tokens) > MaxTokens {
		return fmt.Errorf("it has %d tokens, allowed are %d", len(d.Tokens), MaxTokens)
	}
	names, sums := make(map[string]bool), make(map[sum]bool)
	for i := range d.Tokens {
		r := &d.Tokens[i]
		err := checkGrant(r.Name, r.Role, r.Tools, Rate{Requests: r.Requests, Per: time.Duration(r.Per)})
		if err == nil && names[r.Name] {
			err = fmt.Errorf("the name %s stands twice", r.Name)
		}
		if err == nil {
			err = r.check(sums)
		}
		if err != nil {
			return fmt.Errorf("tokens[%d]: %w", i, err)
		}
		names[r.Name] = true
	}
	return d.checkGenerated(sums)
}

func (d *document) checkGenerated(sums map[sum]bool) error {
	switch g := d.Generated; {
	case g == nil:
		return nil
	case g.Name != GeneratedName || g.Role != Admin || g.Tools != nil || g.Requests != 0 || g.Per != 0 ||
		!g.Expires.IsZero():
		return fmt.Errorf("generated: it must be named %s, with the role %s and no bound", GeneratedName, Admin)
	default:
		if err := g.check(sums); err != nil {
			return fmt.Errorf("generated: %w", err)
		}
		return nil
	}
}

// check looks at the secrets of a record, which no other may have.
func (r *record) check(sums map[sum]bool) error {
	if len(r.Former) > maxFormer {
		return fmt.Errorf("it has %d former secrets, allowed are %d", len(r.Former), maxFormer)
	}
	if r.Created.IsZero() {
		return errors.New("when it was created is missing")
	}
	all := []sum{r.SHA256}
	for _, f := range r.Former {
		if f.Until.IsZero() {
			return errors.New("a former secret must run out")
		}
		all = append(all, f.SHA256)
	}
	for _, s := range all {
		if s == (sum{}) {
			return errors.New("a hash is missing")
		}
		if sums[s] {
			return errors.New("a hash stands twice")
		}
		sums[s] = true
	}
	return nil
}

// explain says where in the file the decoder stopped, and why, without Go's names. It does not repeat what
// stands there: it might be a secret in a wrong place.
func explain(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON at byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	var meaning *json.SemanticError
	if !errors.As(err, &meaning) {
		return err
	}
	where := fmt.Sprintf("at byte %d, %.80q, ", meaning.ByteOffset, meaning.JSONPointer)
	if errors.Is(err, json.ErrUnknownName) {
		return errors.New(where + "stands a member that this Gatehouse does not know")
	}
	return fmt.Errorf("%sa value of kind %q must not stand", where, meaning.JSONKind.String())
}
