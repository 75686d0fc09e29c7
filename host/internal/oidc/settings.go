package oidc

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// checked returns the configuration with what stands for its zero values, or what is wrong with it.
func (c Config) checked() (Config, error) {
	c.NameClaim = cmp.Or(c.NameClaim, "sub")
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := checkIssuer(c.Issuer); err != nil {
		return c, err
	}
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") {
		return c, errors.New("no audience, or an empty one; name what tokens for this host have in aud")
	}
	if (c.CA != nil || c.CAFile != "") && c.Client != nil || c.CA != nil && c.CAFile != "" {
		return c, errors.New("only one of CA, CAFile and Client may be set")
	}
	return c, c.checkRoles()
}

func (c Config) checkRoles() error {
	names := slices.Concat(c.Admins, c.Callers, c.Viewers)
	switch {
	case !slices.Contains([]auth.Role{"", auth.Viewer, auth.Caller}, c.DefaultRole):
		return fmt.Errorf("the default role is %q; allowed are viewer, caller and none", c.DefaultRole)
	case slices.Contains(names, ""):
		return errors.New("admins, callers or viewers have an empty name among them")
	case len(names) > 0 && c.RoleClaim == "":
		return errors.New("there are admins, callers or viewers, but no role claim to know them by")
	case len(names) == 0 && c.DefaultRole == "":
		return errors.New("no token would give a role; name admins, callers or viewers, or a default role")
	}
	return nil
}

// roles puts the highest last, so that it counts.
func (c Config) roles() map[string]auth.Role {
	roles := make(map[string]auth.Role)
	for _, list := range []struct {
		role  auth.Role
		names []string
	}{{auth.Viewer, c.Viewers}, {auth.Caller, c.Callers}, {auth.Admin, c.Admins}} {
		for _, name := range list.names {
			roles[name] = list.role
		}
	}
	return roles
}

// checkIssuer holds an issuer's URL to OpenID Connect Discovery 1.0, section 3.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("the issuer %q is no URL of a scheme, a host and a path alone", issuer)
	}
	if !safe(u, true) {
		return fmt.Errorf("the issuer %q must be https; http is for loopback addresses", issuer)
	}
	return nil
}

// safe reports whether a URL is one over which keys may come.
func safe(u *url.URL, loopback bool) bool {
	return u.Scheme == "https" || loopback && u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// client makes what asks the issuer.
func (c Config) client() (*http.Client, error) {
	if c.Client != nil {
		client := *c.Client
		client.CheckRedirect = sameHost
		return &client, nil
	}
	pool, err := c.pool()
	if err != nil {
		return nil, err
	}
	return &http.Client{CheckRedirect: sameHost, Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // two requests an hour
		MaxResponseHeaderBytes: 64 << 10,
	}}, nil
}

func (c Config) pool() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return c.CA, nil
	}
	raw, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of those who sign the issuer's: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s has no certificate in it; it must be PEM", c.CAFile)
	}
	return pool, nil
}

// sameHost lets an issuer redirect within itself, a few times.
func sameHost(r *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case r.URL.Host != first.Host || r.URL.Scheme != first.Scheme:
		return fmt.Errorf("it redirects to %s://%s", r.URL.Scheme, r.URL.Host)
	case len(via) > 3:
		return errors.New("it redirects again and again")
	}
	return nil
}
