package sdk_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// dialing calls a tool whose function is fn with this target, and returns its error.
func dialing(t *testing.T, o sdktest.Options, target string, fn func(context.Context, *sdk.Call) error) error {
	t.Helper()
	b := sdktest.New(t, one(func(ctx context.Context, c *sdk.Call, _ input) (output, error) {
		return output{}, fn(ctx, c)
	}), o)
	_, err := b.Call(t.Context(), "One", map[string]any{"target": target, "count": 1})
	return err
}

// recorder notes what is connected to, and connects to nothing.
type recorder struct{ dialed []string }

var errRecorded = errors.New("noted")

func (r *recorder) dial(_ context.Context, network, address string) (net.Conn, error) {
	r.dialed = append(r.dialed, network+" "+address)
	return nil, errRecorded
}

func TestATargetIsConnectedToByTheAddressThatItWasPinnedTo(t *testing.T) {
	for _, c := range []struct{ name, network, address, dials string }{
		{"its name", "tcp", "db.lab.internal:80", "tcp4 10.1.2.3:80"},
		{"its name in other letters", "tcp", "DB.Lab.Internal:80", "tcp4 10.1.2.3:80"},
		{"its address", "tcp4", "10.1.2.3:443", "tcp4 10.1.2.3:443"},
		{"another address in scope", "udp", "192.168.7.7:53", "udp4 192.168.7.7:53"},
		{"loopback, where it is in scope", "udp4", "127.0.0.1:53", "udp4 127.0.0.1:53"},
	} {
		r := &recorder{}
		o := sdktest.Options{Hosts: map[string][]string{"db.lab.internal": {"10.1.2.3"}}, Dial: r.dial}
		err := dialing(t, o, "db.lab.internal", func(ctx context.Context, call *sdk.Call) error {
			_, err := call.DialContext(ctx, c.network, c.address)
			return err
		})
		if !errors.Is(err, errRecorded) || !slices.Equal(r.dialed, []string{c.dials}) {
			t.Errorf("%s: DialContext(%s) = %v, and connects to %q, want %q", c.name, c.address, err, r.dialed, c.dials)
		}
	}
}

func TestNothingElseIsConnectedTo(t *testing.T) {
	for _, c := range []struct {
		name, network, address string
		want                   sdk.Kind
	}{
		{"an address outside", "tcp", "192.0.2.1:80", sdk.KindOutOfScope},
		{"a name that is no target", "tcp", "www.lab.internal:80", sdk.KindOutOfScope},
		{"a name outside", "tcp", "example.com:80", sdk.KindOutOfScope},
		{"localhost", "tcp", "localhost:80", sdk.KindOutOfScope},
		{"no host", "tcp", ":80", sdk.KindOutOfScope},
		{"IPv6", "tcp", "[::1]:80", sdk.KindOutOfScope},
		{"IPv4 in the clothes of IPv6", "tcp", "[::ffff:10.1.2.3]:80", sdk.KindOutOfScope},
		{"an octal address", "tcp", "010.1.2.3:80", sdk.KindOutOfScope},
		{"a number", "tcp", "167838211:80", sdk.KindOutOfScope},
		{"the metadata of a cloud", "tcp", "169.254.169.254:80", sdk.KindOutOfScope},
		{"a name with a dot at its end", "tcp", "db.lab.internal.:80", sdk.KindOutOfScope},
		{"an address with a zone", "tcp", "10.1.2.3%eth0:80", sdk.KindOutOfScope},
		{"no port", "tcp", "10.1.2.3", sdk.KindValidation},
		{"the name of a port", "tcp", "10.1.2.3:http", sdk.KindValidation},
		{"port 0", "tcp", "10.1.2.3:0", sdk.KindValidation},
		{"too high a port", "tcp", "10.1.2.3:65536", sdk.KindValidation},
		{"a socket of the machine's", "unix", "/run/docker.sock", sdk.KindValidation},
		{"a socket that looks like a host", "unix", "10.1.2.3:80", sdk.KindValidation},
		{"IPv6 by name", "tcp6", "10.1.2.3:80", sdk.KindValidation},
		{"raw packets", "ip4:icmp", "10.1.2.3", sdk.KindValidation},
	} {
		r := &recorder{}
		o := sdktest.Options{Hosts: map[string][]string{"db.lab.internal": {"10.1.2.3"}}, Dial: r.dial}
		err := dialing(t, o, "db.lab.internal", func(ctx context.Context, call *sdk.Call) error {
			_, err := call.DialContext(ctx, c.network, c.address)
			return err
		})
		if sdk.KindOf(err) != c.want || sdk.AsError(err).Suggestion == "" || len(r.dialed) > 0 {
			t.Errorf("%s: DialContext(%s, %s) = %v, and connects to %q, want a %s with a suggestion", c.name, c.network,
				c.address, err, r.dialed, c.want)
		}
	}
}

func TestAPolicyWithoutLoopbackKeepsAToolFromConnectingThere(t *testing.T) {
	r := &recorder{}
	o := sdktest.Options{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Dial: r.dial}
	err := dialing(t, o, "10.1.2.3", func(ctx context.Context, c *sdk.Call) error {
		_, err := c.DialContext(ctx, "tcp", "127.0.0.1:80")
		return err
	})
	if sdk.KindOf(err) != sdk.KindOutOfScope || len(r.dialed) > 0 {
		t.Errorf("DialContext = %v, and connects to %q, want a %s", err, r.dialed, sdk.KindOutOfScope)
	}
}

func TestAClientOfHTTPFollowsARedirectInScopeAlone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/in":
			http.Redirect(w, r, "http://db.lab.internal:"+r.URL.Query().Get("port")+"/end", http.StatusFound)
		case "/out":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		default:
			_, _ = io.WriteString(w, "host "+r.Host)
		}
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	o := sdktest.Options{Hosts: map[string][]string{"www.lab.internal": {"127.0.0.1"}, "db.lab.internal": {"127.0.0.1"}}}
	get := func(path string) (body string, err error) {
		err = dialing(t, o, "www.lab.internal", func(ctx context.Context, c *sdk.Call) error {
			tr := &http.Transport{DialContext: c.DialContext}
			defer tr.CloseIdleConnections()
			client := http.Client{Transport: tr, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
				_, err := c.Pin(ctx, req.URL.Hostname())
				return err
			}}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://www.lab.internal:"+port+path, nil)
			if err != nil {
				return err
			}
			res, err := client.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			raw, err := io.ReadAll(res.Body)
			body = string(raw)
			return err
		})
		return body, err
	}
	if body, err := get("/in?port=" + port); err != nil || body != "host db.lab.internal:"+port {
		t.Errorf("a redirect in scope: %q, %v; want it followed", body, err)
	}
	if body, err := get("/out"); sdk.KindOf(err) != sdk.KindOutOfScope {
		t.Errorf("a redirect outside: %q, %v; want a %s", body, err, sdk.KindOutOfScope)
	}
}

func TestWhatTheNetworkSaysIsPassedOnAsItIs(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	err = dialing(t, sdktest.Options{}, "127.0.0.1", func(ctx context.Context, c *sdk.Call) error {
		_, err := c.DialContext(ctx, "tcp", address)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("DialContext to a closed port = %v, want %v", err, syscall.ECONNREFUSED)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFunctionIsNotCalledWithATargetOutOfScope(t *testing.T) {
	b := sdktest.New(t, one(func(context.Context, *sdk.Call, input) (output, error) {
		t.Error("the function was called")
		return output{}, nil
	}), sdktest.Options{})
	for _, c := range []struct {
		name    string
		targets []sdk.Target
		want    sdk.Kind
	}{
		{"no pin", nil, sdk.KindValidation},
		{"a pin without an address", []sdk.Target{{Argument: "target", Label: "db.lab.internal"}}, sdk.KindValidation},
		{"a pin outside", []sdk.Target{{Argument: "target", Label: "db.lab.internal",
			Prefix: netip.MustParsePrefix("192.0.2.1/32")}}, sdk.KindOutOfScope},
		{"a pin of IPv6", []sdk.Target{{Argument: "target", Label: "::1", Prefix: netip.MustParsePrefix("::1/128")}},
			sdk.KindOutOfScope},
		{"too large a network", []sdk.Target{{Argument: "target", Label: "10.0.0.0/8",
			Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, sdk.KindValidation},
	} {
		r := sdk.Request{Tool: "One", Arguments: []byte(`{"target": "db.lab.internal", "count": 1}`), Targets: c.targets}
		_, err := b.Handler().Call(t.Context(), r, nil)
		if sdk.KindOf(err) != c.want || sdk.AsError(err).Suggestion == "" {
			t.Errorf("%s: Call = %v, want a %s with a suggestion", c.name, err, c.want)
		}
		if p, err := b.Handler().Plan(t.Context(), r); err != nil || p.Verdict != sdk.Reject || p.Error.Kind != c.want {
			t.Errorf("%s: Plan = %+v, %v, want it refused as %s", c.name, p, err, c.want)
		}
	}
}

func TestACallThatWasCancelledBeforeItBeganIsNotBegun(t *testing.T) {
	b := sdktest.New(t, one(func(context.Context, *sdk.Call, input) (output, error) {
		t.Error("the function was called")
		return output{}, nil
	}), sdktest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Call(ctx, "One", `{"count": 1}`)
	if sdk.KindOf(err) != sdk.KindCancelled || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("Call = %v, want a %s", err, sdk.KindCancelled)
	}
}

// believing is a tool written by hand that does not look at its targets.
type believing struct{ echoTool }

func (believing) Call(ctx context.Context, env sdk.Env, _ sdk.Request, _ func(sdk.Event)) (sdk.Result, error) {
	_, err := env.DialContext(ctx, "tcp", "db.lab.internal:80")
	return sdk.Result{}, err
}

func TestATargetOutOfScopeIsNotConnectedToByAToolThatBelievesIt(t *testing.T) {
	r := &recorder{}
	b := sdktest.New(t, sdk.Plugin{Name: "b", Version: "1", Tools: []sdk.Tool{believing{echoTool{[]string{"x"}}}}},
		sdktest.Options{Dial: r.dial})
	for _, c := range []struct{ prefix, dials string }{{"10.1.2.3/32", "tcp4 10.1.2.3:80"}, {"192.0.2.1/32", ""}} {
		r.dialed = nil
		_, err := b.Handler().Call(b.Context(t.Context()), sdk.Request{Tool: "EchoTool", Targets: []sdk.Target{
			{Argument: "target", Label: "db.lab.internal", Prefix: netip.MustParsePrefix(c.prefix)},
		}}, nil)
		if strings.Join(r.dialed, ", ") != c.dials || c.dials == "" && sdk.KindOf(err) != sdk.KindOutOfScope {
			t.Errorf("pinned to %s: DialContext = %v, and connects to %q, want %q", c.prefix, err, r.dialed, c.dials)
		}
	}
}
