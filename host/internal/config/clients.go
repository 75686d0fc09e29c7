package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ExpiresAt is the time from which the token is void; zero: never.
func (t Token) ExpiresAt() time.Time {
	at, err := time.Parse(time.RFC3339, t.Expires)
	if err != nil {
		return time.Time{} // empty, since it was validated
	}
	return at
}

// emptyHash is what sha256sum makes of a variable that was not set.
var emptyHash = sha256.Sum256(nil)

// checkAuth looks at all clients that the file names. A name is one client's, whatever it shows.
func (l *loader) checkAuth(a Auth) {
	names := make(map[string]bool)
	sums := map[string]bool{string(emptyHash[:]): true}
	for i, t := range a.Tokens {
		key := fmt.Sprintf("auth.tokens[%d].", i)
		l.checkClient(key, t.Name, names, t.Tools, t.RateRequests, t.RatePer)
		sum, err := hex.DecodeString(string(t.SHA256))
		switch {
		case err != nil || len(sum) != sha256.Size:
			l.problem(key+"sha256", "must be 64 hexadecimal digits; make them with: printf %%s TOKEN | sha256sum")
		case sums[string(sum)]:
			l.problem(key+"sha256", "is the hash of another token, or of no text at all")
		}
		sums[string(sum)] = true
		l.checkExpiry(key+"expires", t)
	}
	subjects := make(map[string]bool)
	for i, c := range a.Certificates {
		key := fmt.Sprintf("auth.certificates[%d].", i)
		l.checkClient(key, c.Name, names, c.Tools, c.RateRequests, c.RatePer)
		l.checkSubject(key+"subject", c.Subject, subjects)
	}
}

// checkSubject wants what a certificate can have, and one client for it.
func (l *loader) checkSubject(key, subject string, known map[string]bool) {
	folded := auth.FoldSubject(subject)
	if err := auth.ParseSubject(subject); err != nil {
		l.problem(key, "%s is no subject, such as cn:scanner-7: %v", quote(subject), err)
	} else if known[folded] {
		l.problem(key, "%s is that of another client; keep one of them", quote(subject))
	}
	known[folded] = true
}

// checkClient looks at what every client of the file has.
func (l *loader) checkClient(
	key, name string, names map[string]bool, tools []string, requests int, per Seconds,
) {
	if !tool.ValidName(name) || name == "stdio" || names[name] {
		l.problem(key+"name", "%s must be unique, of [A-Za-z0-9_-], and not \"stdio\"", quote(name))
	}
	names[name] = true
	l.globs(key+"tools", tools)
	if requests == 0 && per != 0 {
		l.problem(key+"rate_per", "has no effect without rate_requests; set that too, or leave this out")
	}
}

func (l *loader) checkExpiry(key string, t Token) {
	at := t.ExpiresAt()
	switch {
	case t.Expires != "" && at.IsZero():
		l.problem(key, "%s is no time; allowed: RFC 3339, such as \"2030-01-31T12:00:00Z\"", quote(t.Expires))
	case t.Expires != "" && at.Before(time.Now()):
		l.warn(key, l.from[key], "%s: the token %s has expired, and lets nobody in (from %v)", key, t.Name,
			l.from[key])
	}
}

// checkOIDC wants an issuer that can be believed, and a way in for somebody.
func (l *loader) checkOIDC(c Config) {
	o := c.OIDC
	l.absolute("oidc.ca_file", o.CAFile)
	if o.Issuer == "" {
		l.checkNoIssuer(o)
		return
	}
	if !isIssuer(o.Issuer) {
		l.problem("oidc.issuer", "%s is no issuer; allowed: an https URL without user, query and fragment (http "+
			"on loopback only), as the issuer writes it in its tokens", quote(o.Issuer))
	}
	if c.Auth.Mode == AuthNone {
		l.problem("oidc.issuer", "has no effect, because auth.mode is none; let that be token, or leave this out")
	}
	if len(o.Audience) == 0 {
		l.problem("oidc.audience", "is not set, and a token for another service of the issuer would be good here; "+
			"name what tokens for this host are made out to")
	}
	if o.NameClaim == "" {
		l.problem("oidc.name_claim", "is empty; name the claim that names the client, such as sub")
	}
	for key, values := range sorted(map[string][]string{
		"oidc.audience": o.Audience, "oidc.admins": o.Admins, "oidc.callers": o.Callers, "oidc.viewers": o.Viewers,
	}) {
		if i := slices.Index(values, ""); i >= 0 {
			l.problem(fmt.Sprintf("%s[%d]", key, i), "is empty; name a value, or leave the element out")
		}
	}
	l.checkRoles(o)
}

// checkRoles wants somebody to come in, and every word about roles to have an effect.
func (l *loader) checkRoles(o OIDC) {
	named := len(o.Admins)+len(o.Callers)+len(o.Viewers) > 0
	switch {
	case named && o.RoleClaim == "":
		l.problem("oidc.role_claim", "is not set, and oidc.admins, callers or viewers are values of it; name the "+
			"claim, such as groups")
	case !named && o.RoleClaim != "":
		l.problem("oidc.role_claim", "has no effect without oidc.admins, callers or viewers; set one of them, or "+
			"leave this out")
	case !named && o.DefaultRole == "none":
		l.problem("oidc.default_role", "is none, and no claim gives another role, so that nobody can come in; set "+
			"oidc.role_claim with oidc.admins, callers or viewers, or let this be viewer or caller")
	}
}

// checkNoIssuer finds what would have an effect with an issuer only.
func (l *loader) checkNoIssuer(o OIDC) {
	none := Default().OIDC
	for key, given := range sorted(map[string]bool{
		"oidc.audience": len(o.Audience) > 0, "oidc.admins": len(o.Admins) > 0, "oidc.callers": len(o.Callers) > 0,
		"oidc.viewers": len(o.Viewers) > 0, "oidc.role_claim": o.RoleClaim != "", "oidc.ca_file": o.CAFile != "",
		"oidc.name_claim": o.NameClaim != none.NameClaim, "oidc.default_role": o.DefaultRole != none.DefaultRole,
	}) {
		if given {
			l.problem(key, "has no effect without oidc.issuer; set that too, or leave this out")
		}
	}
}

func isIssuer(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}
