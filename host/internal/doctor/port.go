package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// Port is what is known of an address that the host listens on.
type Port struct {
	Host    string
	Port    int
	Setting string // the key of the configuration
	Err     error  // why it cannot be listened on; nil: it can
	Ours    bool   // a Gatehouse listens there already
}

// LookAtPort tries to listen, for a moment. Where somebody listens already and this machine itself can be
// meant, it asks whether that is a Gatehouse.
func LookAtPort(ctx context.Context, host string, port int, setting string) Port {
	p := Port{Host: host, Port: port, Setting: setting}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.address(host))
	if err == nil {
		p.Err = l.Close()
		return p
	}
	p.Err = err
	if at, ok := loopback(host); ok && errors.Is(err, syscall.EADDRINUSE) {
		p.Ours = alive(ctx, "http://"+p.address(at)+"/livez")
	}
	return p
}

func (p Port) address(host string) string { return net.JoinHostPort(host, strconv.Itoa(p.Port)) }

// loopback is the address by which this machine reaches itself where host is listened on, if there is one.
func loopback(host string) (string, bool) {
	if host == "localhost" {
		return "127.0.0.1", true
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && addr.IsUnspecified():
		return "127.0.0.1", true
	case err == nil && addr.IsLoopback():
		return host, true
	}
	return "", false
}

// alive asks for what a Gatehouse answers to everybody.
func alive(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	client := http.Client{ // no proxy, no redirect: this machine, or nobody
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	return err == nil && resp.StatusCode == http.StatusOK && strings.TrimSpace(string(body)) == `{"status":"alive"}`
}

// Ports judges the ports.
func Ports(ports ...Port) []Finding {
	var all []Finding
	for _, p := range ports {
		at := p.address(p.Host)
		f := Finding{"port", OK, at + " is free", ""}
		switch {
		case p.Err == nil:
		case p.Ours:
			f.Message = "a Gatehouse serves at " + at + " already"
		case errors.Is(p.Err, syscall.EADDRINUSE):
			f = Finding{"port", Fail, at + " is taken by another program; end that, or choose another with " + p.Setting,
				fmt.Sprintf("ss -ltnp 'sport = :%d'", p.Port)}
		case errors.Is(p.Err, syscall.EACCES):
			f = Finding{"port", Fail, at + " is for root alone", "choose one above 1023: " + p.Setting}
		case errors.Is(p.Err, syscall.EADDRNOTAVAIL):
			f = Finding{"port", Fail, p.Host + " is no address of this machine", "choose another: " + p.Setting}
		default:
			f = Finding{"port", Fail, fmt.Sprintf("%s cannot be listened on: %v", at, p.Err), "choose another: " + p.Setting}
		}
		all = append(all, f)
	}
	return all
}
