package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDocument = 1 << 20 // bytes of what the issuer answers
	maxKeys     = 64      // that we look at; a token without a kid is tried with each
	minRSA      = 2048    // bits; RFC 7518, section 3.3
)

// source is where keys come from. Its errors are for the log: callers get [ErrUnavailable].
type source struct {
	issuer string
	client *http.Client
}

// fetch asks for the discovery document too, each time: the keys may have moved.
func (s *source) fetch(ctx context.Context) (*set, error) {
	raw, err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	where, err := s.keysURL(raw)
	if err != nil {
		return nil, fmt.Errorf("the discovery document of %s: %w", s.issuer, err)
	}
	if raw, err = s.get(ctx, where); err != nil {
		return nil, err
	}
	keys, err := parseKeys(raw)
	if err != nil {
		return nil, fmt.Errorf("the keys at %s: %w", where, err)
	}
	return &set{keys: keys, sum: sha256.Sum256(raw)}, nil
}

func (s *source) get(ctx context.Context, where string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err // it says what was asked for
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: it answers %s", where, answer.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", where, err)
	case len(raw) > maxDocument:
		return nil, fmt.Errorf("get %s: it answers more than %d bytes", where, maxDocument)
	}
	return raw, nil
}

// keysURL reads a discovery document. One that names another issuer must not be used (OpenID Connect
// Discovery 1.0, section 4.3).
func (s *source) keysURL(raw []byte) (string, error) {
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", errors.New("it is not the JSON that it must be")
	}
	if doc.Issuer != s.issuer {
		return "", fmt.Errorf("it is of the issuer %q", doc.Issuer)
	}
	u, err := url.Parse(doc.JWKSURI)
	if err != nil || u.Host == "" || !safe(u, strings.HasPrefix(s.issuer, "http:")) {
		return "", fmt.Errorf("its jwks_uri %q must be an https URL", doc.JWKSURI)
	}
	return doc.JWKSURI, nil
}

// parseKeys reads a JWK set. Keys that are of no use here are left out, as RFC 7517, section 5, wants it.
func parseKeys(raw []byte) ([]jose.JSONWebKey, error) {
	var doc struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, errors.New("they are not a JWK set")
	}
	var usable []jose.JSONWebKey
	for _, raw := range doc.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err == nil && isUsable(key) && len(usable) < maxKeys {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, errors.New("none of them can verify a signature")
	}
	return usable, nil
}

// isUsable reports whether a key is a public one, for signatures, and strong enough.
func isUsable(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" || !key.Valid() {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
