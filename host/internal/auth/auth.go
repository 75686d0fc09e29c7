// Package auth knows the clients that may come in over HTTP: named tokens, kept as hashes, each with a role
// and the tools that it may call. Who starts the process is the client of stdio and needs none.
//
//	a, err := auth.New(tokens)
//	client, ok := a.Authenticate(bearer)
//	err = a.Authorize(ctx, client, "NmapTool")
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Role says what a client may do.
type Role string

// The roles.
const (
	Viewer Role = "viewer" // look, not call
	Caller Role = "caller" // call tools
	Admin  Role = "admin"  // everything
)

// Token is a credential: the hash of a random string, never the string.
type Token struct {
	Name   string
	SHA256 [sha256.Size]byte
	Role   Role
	Tools  []string // names or globs; empty: all
}

// Tokens is the set of credentials in force.
type Tokens struct {
	set atomic.Pointer[set]
}

// set is not changed once it is in force.
type set struct {
	list   []Token
	byName map[string]Token // client name -> token
}

// New makes a set. Names must be unique.
func New(list []Token) (*Tokens, error) {
	t := new(Tokens)
	return t, t.Replace(list)
}

// Replace puts other credentials in the place of all that there are, at once; on an error nothing changes.
func (t *Tokens) Replace(list []Token) error {
	s := &set{list: slices.Clone(list), byName: make(map[string]Token, len(list))}
	for _, token := range list {
		if _, twice := s.byName[token.Name]; twice {
			return fmt.Errorf("auth: two tokens are named %q", token.Name)
		}
		s.byName[token.Name] = token
	}
	t.set.Store(s)
	return nil
}

// Authenticate finds the client whose token this is. It compares hashes, and with every token, so that the
// time tells nothing.
func (t *Tokens) Authenticate(token string) (client string, ok bool) {
	if token == "" { // whatever somebody hashed by mistake
		return "", false
	}
	sum := sha256.Sum256([]byte(token))
	for _, c := range t.set.Load().list {
		if subtle.ConstantTimeCompare(sum[:], c.SHA256[:]) == 1 {
			client, ok = c.Name, true
		}
	}
	return client, ok
}

// Role tells the role of a client; not known is who has no token.
func (t *Tokens) Role(client string) (role Role, known bool) {
	token, known := t.set.Load().byName[client]
	return token.Role, known
}

// Holds reports whether a token, by its hash, is still that of a client.
func (t *Tokens) Holds(client string, sum [sha256.Size]byte) bool {
	token, known := t.set.Load().byName[client]
	return known && token.SHA256 == sum
}

// Sum is the hash of a client's token; the zero hash is that of nobody.
func (t *Tokens) Sum(client string) [sha256.Size]byte { return t.set.Load().byName[client].SHA256 }

// Authorize says whether a client may call a tool; the error is an [*tool.Error] of kind forbidden. Clients
// without a token (stdio, and addresses where no tokens are asked for) may call everything; one that came
// over HTTP with a token that was withdrawn meanwhile may not.
func (t *Tokens) Authorize(ctx context.Context, client, name string) error {
	set, door := t.set.Load(), origin.From(ctx).Door
	token, known := set.byName[client]
	switch {
	case !known && len(set.list) > 0 && (door == origin.REST || door == origin.MCP):
		return tool.Errorf(tool.KindForbidden, "the token of the client %s is not valid any more", client).
			Suggest("ask the operator for another")
	case !known:
		return nil
	}
	if token.Role == Viewer {
		return tool.Errorf(tool.KindForbidden, "the client %s may look at tools, not call them", client).
			Suggest("ask the operator for a token with the role caller")
	}
	if !allowed(token.Tools, name) {
		return tool.Errorf(tool.KindForbidden, "the client %s may not call %s", client, name).
			Suggest("it may call: %s", strings.Join(token.Tools, ", "))
	}
	return nil
}

func allowed(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := path.Match(g, name); err == nil && ok {
			return true
		}
	}
	return len(globs) == 0
}

// Hash is the form in which a token is kept.
func Hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// ParseHash reads a hash of 64 hexadecimal digits.
func ParseHash(s string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("auth: a hash has 64 hexadecimal digits")
	}
	return [sha256.Size]byte(raw), nil
}

// tokenFile is the generated token in the state directory: the only one that is kept in clear, so that the
// operator can read it.
const tokenFile = "token"

// ReadToken returns the generated token of a state directory; fs.ErrNotExist when there is none.
func ReadToken(dir string) (string, error) {
	name := filepath.Join(dir, tokenFile)
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read the generated token: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("the token in %s can be read by others; make it safe with: chmod 600 %s", name, name)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the generated token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if len(token) < 32 {
		return "", fmt.Errorf("the token in %s is too short; remove the file to have a new one made", name)
	}
	return token, nil
}

// EnsureToken returns the generated token of a state directory, and makes it (0600) when there is none.
func EnsureToken(dir string) (token string, created bool, err error) {
	token, err = ReadToken(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("make the state directory: %w", err)
	}
	token = Generate()
	err = writeToken(dir, token)
	switch {
	case errors.Is(err, fs.ErrExist): // another host was faster
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
	f, err := os.CreateTemp(dir, ".token-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // its second name stays
	_, err = f.WriteString(token + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), filepath.Join(dir, tokenFile))
}

// Generate makes a token of 256 random bits. The prefix helps scanners that look for leaked secrets.
func Generate() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return "gth_" + base64.RawURLEncoding.EncodeToString(raw[:])
}
