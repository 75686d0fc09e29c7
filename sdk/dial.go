package sdk

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// DialContext connects like [net.Dialer.DialContext], and only where the call may: it is what a tool uses in place
// of the dialer of package net, and fits an [net/http.Transport]:
//
//	client := http.Client{Transport: &http.Transport{DialContext: c.DialContext}}
//
// network is "tcp" or "udp", also with a 4 behind it. address is "host:port". The host is a target of the call or
// what [Env.Pin] has pinned in it, by its text or its address, and is connected to by the address; or it is any
// other IPv4 address in scope. No name is ever resolved here.
//
// An error is an *[Error], out_of_scope or validation_error, when nothing was tried; otherwise it is that of package
// net.
func (e Env) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4":
		network = "tcp4"
	case "udp", "udp4":
		network = "udp4"
	default:
		return nil, Errorf(KindValidation, "a tool does not connect by %q", network).
			Suggest("connect by tcp or udp")
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, Errorf(KindValidation, "%w", err).Suggest("write host:port, such as 10.0.3.7:443")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return nil, Errorf(KindValidation, "%q is no port", text).Suggest("give a number, 1 to 65535")
	}
	addr, err := e.reachable(host)
	if err != nil {
		return nil, err
	}
	dial := new(net.Dialer).DialContext
	if e.machine != nil && e.machine.Dial != nil {
		dial = e.machine.Dial
	}
	return dial(ctx, network, netip.AddrPortFrom(addr, uint16(port)).String())
}

// DialContext connects to a target of the call, or elsewhere in scope, and nowhere else; see [Env.DialContext].
func (c *Call) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return c.env.DialContext(ctx, network, address)
}

// reachable is the address of a host that the call may connect to.
func (e Env) reachable(host string) (netip.Addr, error) {
	if addr, ok := e.pins.find(host); ok {
		return addr, nil
	}
	t, err := scope.Parse(host)
	if err == nil && t.Name != "" {
		return netip.Addr{}, Errorf(KindOutOfScope, "%s is not a target of this call", host).
			Suggest("hold the name to the scope with Pin first, and connect then")
	}
	if err == nil {
		err = e.scope().Admit(t, scope.OneHost)
	}
	if err != nil {
		refused := AsError(notPinned(err))
		refused.Kind = KindOutOfScope // there is nowhere else to go
		return netip.Addr{}, refused
	}
	return t.Prefix.Addr(), nil
}
