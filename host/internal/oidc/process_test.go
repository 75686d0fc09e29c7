package oidc

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// The test binary is the issuer, too: a process of its own, with its own keys, on a port of its own.
const (
	listenEnv = "OIDC_TEST_LISTEN" // an address; set in the child only
	certEnv   = "OIDC_TEST_CERT"   // files of its certificate and key; empty: http
	keyEnv    = "OIDC_TEST_KEY"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(listenEnv); address != "" {
		if err := serveIssuer(address, os.Getenv(certEnv), os.Getenv(keyEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// wish is what a test wants to be signed.
type wish struct {
	Alg    string         `json:"alg"`    // empty: ES256
	Header map[string]any `json:"header"` // members beside alg and kid
	NoKid  bool           `json:"no_kid"`
	Claims any            `json:"claims"`
}

// manners are how the issuer answers: document -> what it does instead. Documents are "discovery" and "keys";
// it can be "down", "hang", "endless", "redirect URL", "say TEXT".
type manners map[string]string

// published is a shared secret among the public keys, as no issuer must have it.
const published = "a secret that nobody may publish"

// counts is how often it was asked: document -> number.
type counts map[string]int

// issuerProcess is the child's state.
type issuerProcess struct {
	url string

	mu      sync.Mutex
	round   int // of keys
	private map[string]crypto.Signer
	manners manners
	counts  counts
	arrived chan struct{} // gets one for each request that hangs
}

func serveIssuer(address, cert, key string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	scheme := "http"
	if cert != "" {
		scheme = "https"
	}
	p := &issuerProcess{
		url: scheme + "://" + l.Addr().String(), counts: counts{}, arrived: make(chan struct{}, 100),
	}
	if err := p.newKeys(false); err != nil {
		return err
	}
	server := &http.Server{Handler: p.routes()}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the end of the parent is ours
		_ = server.Close()
	}()
	fmt.Println(p.url)
	if cert != "" {
		err = server.ServeTLS(l, cert, key)
	} else {
		err = server.Serve(l)
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}

func (p *issuerProcess) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.document("discovery", func() any {
		return map[string]any{"issuer": p.url, "jwks_uri": p.url + "/keys"}
	}))
	mux.HandleFunc("GET /keys", p.document("keys", p.public))
	mux.HandleFunc("POST /sign", p.sign)
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		if err := p.newKeys(r.URL.Query().Has("rsa")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /behave", func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.manners = nil
		_ = json.NewDecoder(r.Body).Decode(&p.manners)
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = json.NewEncoder(w).Encode(p.counts)
	})
	mux.HandleFunc("GET /arrived", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-p.arrived:
		case <-r.Context().Done():
		}
	})
	return mux
}

// newKeys makes a key for each kind of algorithm, and withdraws those before. RSA takes its time, and is made
// when it is wanted.
func (p *issuerProcess) newKeys(withRSA bool) error {
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	all := map[string]crypto.Signer{"ES": e, "Ed": d}
	if withRSA {
		if all["RSA"], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round++
	p.private = all
	return nil
}

func (p *issuerProcess) kid(kind string) string { return fmt.Sprintf("%s-%d", kind, p.round) }

func (p *issuerProcess) public() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: []byte(published), KeyID: "oct"},
	}}
	for kind, key := range p.private {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: p.kid(kind), Use: "sig"})
	}
	return set
}

func (p *issuerProcess) sign(w http.ResponseWriter, r *http.Request) {
	var ask wish
	err := json.NewDecoder(r.Body).Decode(&ask)
	if err == nil {
		var token string
		if token, err = p.signed(ask); err == nil {
			_, _ = io.WriteString(w, token)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (p *issuerProcess) signed(ask wish) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	alg := cmp.Or(ask.Alg, "ES256")
	kind := map[byte]string{'R': "RSA", 'P': "RSA", 'E': "ES"}[alg[0]]
	if alg == "EdDSA" {
		kind = "Ed"
	}
	kid := p.kid(kind)
	if ask.NoKid {
		kid = ""
	}
	return signWith(p.private[kind], alg, kid, ask)
}

// signWith signs what a test wishes with any key.
func signWith(key any, alg, kid string, ask wish) (string, error) {
	options := new(jose.SignerOptions)
	for name, value := range ask.Header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: key, KeyID: kid},
	}, options)
	if err != nil {
		return "", err
	}
	payload, isText := ask.Claims.(string)
	if !isText {
		raw, err := json.Marshal(ask.Claims)
		if err != nil {
			return "", err
		}
		payload = string(raw)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// document answers with something, or as the manners are.
func (p *issuerProcess) document(name string, make func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.counts[name]++
		manner, text, _ := strings.Cut(p.manners[name], " ")
		p.mu.Unlock()
		switch manner {
		case "":
			_ = json.NewEncoder(w).Encode(make())
		case "say":
			_, _ = io.WriteString(w, text)
		case "redirect":
			http.Redirect(w, r, text, http.StatusFound)
		case "down":
			http.Error(w, "the database at 10.1.2.3 is down", http.StatusInternalServerError)
		case "endless":
			for _, err := io.WriteString(w, `{"issuer":"`); err == nil; {
				_, err = w.Write(bytes.Repeat([]byte("x"), 64<<10))
			}
		case "hang":
			p.arrived <- struct{}{}
			<-r.Context().Done()
		}
	}
}
