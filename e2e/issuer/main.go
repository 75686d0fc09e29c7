// Command issuer is an OpenID Connect issuer for tests: it signs whatever it is asked to.
//
//	$ issuer -listen 127.0.0.1:0
//	http://127.0.0.1:40123
//	$ curl -d '{"claims":{"sub":"alice","aud":"gatehouse","exp":1793000000}}' http://127.0.0.1:40123/sign
//
// The first line that it prints is its URL. iss, iat and exp are added where claims lack them; a claim that is
// null is taken away. POST /rotate makes another key and withdraws the one before. Whoever comes to /authorize is
// alice, and says yes at once. It ends when stdin does.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address on loopback to listen on")
	flag.Parse()
	if err := run(*listen, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "issuer:", err)
		os.Exit(1)
	}
}

func run(address string, stdin io.Reader, stdout io.Writer) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	i := &issuer{url: "http://" + l.Addr().String(), codes: make(map[string]grant)}
	if err := i.rotate(); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: i.routes(), ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // its end, or an error, is ours
		cancel()
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintln(stdout, i.url)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type issuer struct {
	url string

	mu    sync.Mutex
	round int
	key   jose.JSONWebKey  // private
	codes map[string]grant // code -> what it is good for
}

func (i *issuer) rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.round++
	i.key = jose.JSONWebKey{Key: key, KeyID: fmt.Sprintf("key-%d", i.round), Algorithm: "ES256", Use: "sig"}
	return nil
}

func (i *issuer) current() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key
}

func (i *issuer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/jwks", "authorization_endpoint": i.url + "/authorize",
			"token_endpoint": i.url + "/token", "code_challenge_methods_supported": []string{"S256"},
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		key := i.current()
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /sign", i.sign)
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, _ *http.Request) {
		if err := i.rotate(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// sign answers with a token: application/jwt, nothing around it.
func (i *issuer) sign(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Claims map[string]any `json:"claims"`
		Kid    *string        `json:"kid"` // in place of the key's own; empty: none
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.UseNumber() // as they stand: a date must not become 1.79e+09
	err := decoder.Decode(&ask)
	if err == nil {
		key := i.current()
		if ask.Kid != nil {
			key.KeyID = *ask.Kid
		}
		var token string
		if token, err = sign(key, i.complete(ask.Claims)); err == nil {
			w.Header().Set("Content-Type", "application/jwt")
			_, _ = io.WriteString(w, token)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// complete adds what nearly every token wants.
func (i *issuer) complete(asked map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{"iss": i.url, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(claims, asked)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func sign(key jose.JSONWebKey, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	options := new(jose.SignerOptions).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked is gone
}
