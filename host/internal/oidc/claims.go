package oidc

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

const (
	leeway  = time.Minute  // by which the issuer's clock may be ahead of ours
	maxName = 128          // bytes of a client's name
	endTime = 253402300800 // the year 10000, which has no text of RFC 3339
)

// object is one of JSON: member -> value.
type object = map[string]jsontext.Value

// identify makes an identity of the claims that the issuer signed.
func (i *Issuer) identify(payload []byte, now time.Time) (auth.Identity, error) {
	var c object
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return auth.Identity{}, refuse("its claims are not one object of JSON, each member once")
	}
	if err := i.checkSource(c); err != nil {
		return auth.Identity{}, err
	}
	expires, err := checkTimes(c, now)
	if err != nil {
		return auth.Identity{}, err
	}
	name, err := i.name(c)
	if err != nil {
		return auth.Identity{}, err
	}
	role, err := i.role(c)
	if err != nil {
		return auth.Identity{}, err
	}
	if most := now.Add(trustedFor); expires.After(most) {
		expires = most
	}
	// Nobody can configure a token of this name: it has a colon.
	return auth.Identity{Client: "oidc:" + name, Kind: auth.ByIssuer, Role: role, Expires: expires}, nil
}

// checkSource checks from whom a token is, and for whom.
func (i *Issuer) checkSource(c object) error {
	var iss string
	if json.Unmarshal(c["iss"], &iss) != nil || iss != i.cfg.Issuer {
		return refuse("its issuer (iss) is another")
	}
	aud, ok := list(c["aud"])
	if !ok || !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(i.cfg.Audience, a) }) {
		return refuse("it is for others (aud)")
	}
	return nil
}

// checkTimes says until when a token is good. Nobody's clock makes one live longer than the issuer says.
func checkTimes(c object, now time.Time) (expires time.Time, err error) {
	expires, ok := date(c["exp"])
	switch {
	case !ok:
		return expires, refuse("it does not say until when it is good (exp)")
	case !now.Before(expires):
		return expires, refuse("it has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		since, ok := date(c[name])
		switch {
		case c[name] == nil:
		case !ok:
			return expires, refuse("its %s is no date", name)
		case now.Add(leeway).Before(since):
			return expires, refuse("it is not good yet (%s)", name)
		}
	}
	return expires, nil
}

// date reads a NumericDate of RFC 7519: seconds, maybe with a fraction, of which we take the whole ones.
func date(v jsontext.Value) (time.Time, bool) {
	var seconds float64
	if v.Kind() != '0' || json.Unmarshal(v, &seconds) != nil || seconds < 0 || seconds >= endTime {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

func (i *Issuer) name(c object) (string, error) {
	var name string
	v := find(c, i.cfg.NameClaim)
	if v.Kind() != '"' || json.Unmarshal(v, &name) != nil || name == "" {
		return "", refuse("it does not name its client: the claim %s must be a text", i.cfg.NameClaim)
	}
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !visible(r) }) {
		return "", refuse("its claim %s must have at most %d bytes, of ASCII, without blanks",
			i.cfg.NameClaim, maxName)
	}
	return name, nil
}

// role is the highest of those that a token gives. Where the claim is not there, or is nothing to us, the
// default counts; where it is not what it must be, somebody made a mistake, and the default might be too
// much.
func (i *Issuer) role(c object) (auth.Role, error) {
	held, ok := i.held(c)
	if !ok {
		return "", refuse("its claim %s must be a text, or a list of texts", i.cfg.RoleClaim)
	}
	best := cmp.Or(i.highest(held), i.cfg.DefaultRole)
	if best == "" {
		return "", ErrNoRole
	}
	return best, nil
}

// held is what the role claim says that the client is.
func (i *Issuer) held(c object) (all []string, ok bool) {
	if i.cfg.RoleClaim == "" {
		return nil, true
	}
	v := find(c, i.cfg.RoleClaim)
	if v == nil {
		return nil, true
	}
	all, ok = list(v)
	if v.Kind() == '"' && ok {
		all = strings.Fields(all[0])
	}
	return all, ok
}

func (i *Issuer) highest(held []string) (best auth.Role) {
	for _, h := range held {
		if r := i.roles[h]; rank[r] > rank[best] {
			best = r
		}
	}
	return best
}

var rank = map[auth.Role]int{auth.Viewer: 1, auth.Caller: 2, auth.Admin: 3}

// find finds a claim: the one of exactly that name (some issuers name theirs by URLs), else the one to which
// the dots lead; nil: there is none.
func find(c object, path string) jsontext.Value {
	if v, ok := c[path]; ok {
		return v
	}
	first, rest, dotted := strings.Cut(path, ".")
	var inner object
	if !dotted || c[first].Kind() != '{' || json.Unmarshal(c[first], &inner) != nil {
		return nil
	}
	return find(inner, rest)
}

// list reads a text, or a list of texts.
func list(v jsontext.Value) (all []string, ok bool) {
	switch v.Kind() {
	case '"':
		all = make([]string, 1)
		return all, json.Unmarshal(v, &all[0]) == nil
	case '[':
		var raw []jsontext.Value
		if json.Unmarshal(v, &raw) != nil {
			return nil, false
		}
		for _, r := range raw {
			var s string
			if r.Kind() != '"' || json.Unmarshal(r, &s) != nil {
				return nil, false
			}
			all = append(all, s)
		}
		return all, true
	}
	return nil, false
}
