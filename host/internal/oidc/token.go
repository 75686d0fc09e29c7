package oidc

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxToken is how many bytes a token may have. Those of usual issuers have one or two thousand; more than
// this would not fit into the header of a request either.
const maxToken = 8 << 10

// joseAlgorithms are those of which we need a public key only: what we can verify, we cannot sign.
var joseAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// algorithms are their names.
var algorithms = func() (names []string) {
	for _, a := range joseAlgorithms {
		names = append(names, string(a))
	}
	return names
}()

// checkHeader looks at the form of a token and at its header, before anything is decoded that is as long as
// its sender likes, and before anybody is asked for keys.
func checkHeader(bearer string) error {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 || !isBase64(parts[0]) || !isBase64(parts[1]) || !isBase64(parts[2]) {
		return refuse("it is not a signed JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return refuse("its header is not base64url")
	}
	var header struct {
		Alg  string         `json:"alg"`
		Typ  string         `json:"typ"`
		Crit jsontext.Value `json:"crit"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		return refuse("its header is not that of a JWT")
	}
	switch {
	case !slices.Contains(algorithms, header.Alg):
		return refuse("it is signed with an algorithm that is not allowed; allowed are %s",
			strings.Join(algorithms, ", "))
	case !isType(header.Typ):
		return refuse("its typ is not one of JWT and at+jwt")
	case header.Crit != nil: // RFC 7515, section 4.1.11: we understand none
		return refuse("its header has extensions (crit) that are not known here")
	}
	return nil
}

// isType knows the types of ID tokens and of access tokens (RFC 9068), with and without what RFC 7515 (4.1.9)
// lets a sender leave out. Other kinds of JWT must not be taken for them.
func isType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "" || typ == "jwt" || typ == "at+jwt"
}

func isBase64(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}
