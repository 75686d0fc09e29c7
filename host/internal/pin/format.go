package pin

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const version = 1

// document is the file.
type document struct {
	Version int   `json:"version"`
	Plugins []Pin `json:"plugins"` // sorted by file
}

// Parse reads the content of a lock file, strictly: a file that only half of is understood must not look as
// if it pinned something. The cause of an error, as of [errors.Unwrap], is the problem without the advice.
func Parse(raw []byte) (*Lock, error) {
	l, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read "+FileName+": %w; gatehouse plugins pin writes a new one", err)
	}
	return l, nil
}

func parse(raw []byte) (*Lock, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes; allowed are %d", len(raw), MaxSize)
	}
	var doc document
	if err := json.Unmarshal(raw, &doc, json.RejectUnknownMembers(true)); err != nil {
		return nil, explain(err)
	}
	if doc.Version != version {
		return nil, fmt.Errorf("its version is %d; this Gatehouse knows %d", doc.Version, version)
	}
	l := &Lock{Pins: doc.Plugins}
	slices.SortStableFunc(l.Pins, byFile)
	return l, l.check()
}

// explain says where in the file the decoder stopped, and why, without Go's names.
func explain(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON at byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	var meaning *json.SemanticError
	if errors.As(err, &meaning) {
		where := fmt.Sprintf("at byte %d, %q, ", meaning.ByteOffset, meaning.JSONPointer)
		if errors.Is(err, json.ErrUnknownName) {
			return errors.New(where + "stands a member that this Gatehouse does not know")
		}
		return fmt.Errorf("%sa value of kind %q must not stand", where, meaning.JSONKind.String())
	}
	return err
}

// check reports the first pin of a sorted lock that cannot be meant.
func (l *Lock) check() error {
	for i, p := range l.Pins {
		if err := p.check(); err != nil {
			return err
		}
		if i > 0 && l.Pins[i-1].File == p.File {
			return fmt.Errorf("file %q stands twice", p.File)
		}
	}
	return nil
}

var sumRE = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

func (p Pin) check() error {
	switch {
	case !utf8.ValidString(p.File):
		return fmt.Errorf("file %q is not valid UTF-8, and so has no name in JSON", p.File)
	case p.File == "." || !filepath.IsLocal(p.File) || path.Clean(p.File) != p.File:
		return fmt.Errorf("file %q must be a path below the plugin directory, with neither . nor .. in it", p.File)
	case !sumRE.MatchString(p.SHA256):
		return fmt.Errorf("file %q: sha256 %q must be 64 lower-case hex digits", p.File, p.SHA256)
	}
	return nil
}
