package curl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// again follows a redirect, if there is one and it may be followed. In the step stands why not.
func again(ctx context.Context, j *command.Job, o sandbox.Outcome) (bool, error) {
	p := j.State.(*probe)
	if err := p.finish(o); err != nil {
		return false, err
	}
	s := &p.report.Steps[len(p.report.Steps)-1]
	if !leads(s.Status) {
		return false, nil
	}
	if s.Redirect = p.response.redirect(); s.Redirect == nil || s.Redirect.Why != "" {
		return false, nil
	}
	next, err := p.follow(ctx, j.Pin, s.Status)
	s.Redirect.Downgrade = p.hop.scheme == "https" && next.scheme == "http"
	if err != nil {
		s.Redirect.Why = sdk.Untrusted(err.Error())
		return false, ctx.Err()
	}
	p.hop, p.pending, j.Target = next, true, next.target
	return true, nil
}

// leads reports whether a status is that of a redirect which a client follows by itself (RFC 9110, 15.4).
func leads(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect is where the response leads, as far as was seen; nil: nowhere.
func (r *response) redirect() *Redirect {
	switch {
	case len(r.locations) > 0 && r.done:
		return &Redirect{Location: sdk.Untrusted(clip(r.locations[0]))}
	case r.done:
		return nil
	}
	unseen := &Redirect{Why: "the headers were not seen: they are not whole, or more than is read of them"}
	if len(r.locations) > 0 { // which those that are missing may contradict
		unseen.Location = sdk.Untrusted(clip(r.locations[0]))
	}
	return unseen
}

// follow is the request to which the response leads, or why it is not made. Of the request as much is known
// as was understood.
func (p *probe) follow(
	ctx context.Context, pin func(context.Context, string) (sdk.Target, error), status int,
) (next hop, err error) {
	locations := p.response.locations
	if len(locations) > 1 && locations[0] != locations[1] {
		return next, errors.New("there is more than one Location, and they differ")
	}
	if next, err = p.hop.resolve(locations[0]); err != nil {
		return next, err
	}
	if status == 303 && next.method == "OPTIONS" {
		next.method = "GET" // RFC 9110, 15.4.4
	}
	switch {
	case p.report.Followed >= p.most:
		return next, fmt.Errorf("max_redirects is %d", p.most)
	case p.asked[next.method+" "+next.url()]:
		return next, errors.New("it goes in a circle: this was asked for before")
	}
	if next.host == p.start.host { // which may be a name that the caller made up for the target
		next.target = p.start.target
		return next, nil
	}
	next.target, err = pin(ctx, next.host)
	return next, err
}

// resolve is a Location as a request (RFC 9110, 10.2.2; RFC 3986, 5). It is strict where parsers of URLs are
// known to differ: the URL that curl gets is written anew from what was understood.
func (h hop) resolve(location string) (next hop, err error) {
	if err := checkLocation(location); err != nil {
		return next, err
	}
	base, err := url.Parse(h.url())
	if err != nil {
		return next, err // which cannot be: it was written here
	}
	u, err := base.Parse(location)
	switch {
	case err != nil:
		return next, errors.New("the Location is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return next, fmt.Errorf("%s is not spoken: redirects are followed to http and https", clip(u.Scheme))
	case u.Opaque != "" || u.Host == "":
		return next, errors.New("the Location names no host")
	case u.User != nil:
		return next, errors.New("the Location has a user in it")
	}
	next = hop{
		scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: usualPort(u.Scheme), method: h.method,
	}
	if text := u.Port(); text != "" {
		if next.port, err = strconv.Atoi(text); err != nil || next.port < 1 || next.port > 65535 {
			return next, errors.New("the Location has no port of 1 to 65535")
		}
	}
	next.path = target(u)
	if err := checkPath(next.path); err != nil {
		return next, fmt.Errorf("the path of the Location: %w", err)
	}
	if next.host != h.host && !isName(next.host) {
		return next, checkLiteral(next.host)
	}
	return next, nil
}

// checkLocation refuses what no URL has, and what parsers read in different ways.
func checkLocation(location string) error {
	if len(location) >= maxLocation {
		return fmt.Errorf("the Location is too long; followed are those below %d bytes", maxLocation)
	}
	for i := range len(location) {
		if c := location[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\"<>^{|}`+"`", c) >= 0 {
			return fmt.Errorf("the Location has the byte %q, which no URL has", c)
		}
	}
	return nil
}

// checkLiteral refuses a host that is neither a name nor an address in its one form. What is in scope is up
// to the pin.
func checkLiteral(host string) error {
	parts := strings.Split(host, ".")
	for _, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || len(parts) != 4 || n < 0 || n > 255 || strconv.Itoa(n) != part {
			return fmt.Errorf("%q is neither a name nor an IPv4 address", clip(host))
		}
	}
	return nil
}

// target is the path with the query, without a fragment.
func target(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}
