package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
)

// grant is what somebody agreed to.
type grant struct{ client, redirect, resource, challenge string }

// authorize sends the browser back with a code: nobody is asked.
//
// Source: RFC 6749 section 4.1.2, RFC 7636, RFC 8707
func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g := grant{q.Get("client_id"), q.Get("redirect_uri"), q.Get("resource"), q.Get("code_challenge")}
	back, err := url.Parse(g.redirect)
	if err != nil || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		g.client == "" || g.resource == "" || g.challenge == "" {
		http.Error(w, "want a code by S256, of a client, for a resource", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	i.mu.Lock()
	i.codes[code] = g
	i.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token gives a token for a code, for the resource that was asked for.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	i.mu.Lock()
	g, known := i.codes[code]
	delete(i.codes, code)
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || r.PostFormValue("resource") != g.resource || r.PostFormValue("redirect_uri") != g.redirect ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	token, err := sign(i.current(), i.complete(map[string]any{"sub": "alice", "aud": g.resource,
		"client_id": g.client}))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}
