package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/internal/machine"
)

// names answers like a resolver, and notes what it was asked.
type names struct {
	known map[string][]string // name -> addresses
	asked []string
}

func (n *names) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	n.asked = append(n.asked, name)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, text := range n.known[name] {
		all = append(all, netip.MustParseAddr(text))
	}
	if _, ok := n.known[name]; !ok {
		return nil, errors.New("the name server does not answer")
	}
	return all, nil
}

// pinning calls a tool that pins texts, under a policy with a table of names, and returns the last answer.
func pinning(ctx context.Context, t *testing.T, n *names, texts ...string) (got sdk.Target, err error) {
	t.Helper()
	h, e := sdk.NewHandler(one(func(_ context.Context, c *sdk.Call, _ input) (output, error) {
		for _, text := range texts {
			got, err = c.Pin(ctx, text)
		}
		return output{}, nil
	}))
	if e != nil {
		t.Fatal(e)
	}
	defer h.Close()
	p := sdk.DefaultPolicy()
	p.Hosts = map[string][]netip.Addr{
		"static.lab.internal": {netip.MustParseAddr("10.9.9.9")}, "bad.lab.internal": {netip.MustParseAddr("192.0.2.9")},
	}
	if e := h.Configure(t.Context(), p); e != nil {
		t.Fatal(e)
	}
	_, e = h.Call(machine.With(t.Context(), &machine.Machine{Lookup: n.lookup}), sdk.Request{
		Tool: "One", Arguments: []byte(`{"target": "db.lab.internal", "count": 1}`),
		Targets: []sdk.Target{{Argument: "target", Label: "DB.lab.internal",
			Prefix: netip.MustParsePrefix("10.1.2.3/32")}},
	}, nil)
	if e != nil {
		t.Fatal(e)
	}
	return got, err
}

func TestPin(t *testing.T) {
	known := map[string][]string{
		"www.lab.internal":  {"10.1.2.4", "10.1.2.5"},
		"half.lab.internal": {"10.1.2.4", "192.0.2.1"},
		"six.lab.internal":  {"10.1.2.4", "fd00::1"},
		"none.lab.internal": {},
		"many.lab.internal": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7",
			"10.0.0.8", "10.0.0.9"},
	}
	for _, c := range []struct {
		name, text string
		want       string   // an address, or a kind
		asks       []string // of the resolver
	}{
		{"an address in scope", "10.2.3.4", "10.2.3.4", nil},
		{"an address outside", "192.0.2.1", "out_of_scope", nil},
		{"a name, to its first address", "www.lab.internal", "10.1.2.4", []string{"www.lab.internal"}},
		{"a name in capitals", "WWW.lab.internal", "10.1.2.4", []string{"www.lab.internal"}},
		{"a name of the operator's table", "static.lab.internal", "10.9.9.9", nil},
		{"a name of the table, outside", "bad.lab.internal", "out_of_scope", nil},
		{"a target of the call, as the host pinned it", "db.lab.internal", "10.1.2.3", nil},
		{"one answer outside", "half.lab.internal", "out_of_scope", []string{"half.lab.internal"}},
		{"one answer of IPv6", "six.lab.internal", "out_of_scope", []string{"six.lab.internal"}},
		{"too many answers", "many.lab.internal", "out_of_scope", []string{"many.lab.internal"}},
		{"no answers", "none.lab.internal", "out_of_scope", []string{"none.lab.internal"}},
		{"a name below no allowed suffix", "example.com", "out_of_scope", nil},
		{"a network", "10.0.0.0/24", "validation_error", nil},
		{"a URL", "http://10.0.0.1/", "validation_error", nil},
		{"nothing", "", "validation_error", nil},
		{"a resolver that does not answer", "lost.lab.internal", "validation_error", []string{"lost.lab.internal"}},
	} {
		n := &names{known: known}
		got, err := pinning(t.Context(), t, n, c.text)
		is := string(sdk.KindOf(err))
		if err == nil {
			is = got.Literal()
		}
		if is != c.want || !slices.Equal(n.asked, c.asks) || err == nil && got.Label != c.text {
			t.Errorf("%s: Pin(%q) = %+v, %v, asking for %q; want %s, asking for %q", c.name, c.text, got, err, n.asked,
				c.want, c.asks)
		}
		if err != nil && sdk.AsError(err).Suggestion == "" {
			t.Errorf("%s: %v has no suggestion", c.name, err)
		}
	}
}

func TestANameIsResolvedOnceInACall(t *testing.T) {
	n := &names{known: map[string][]string{"www.lab.internal": {"10.1.2.4"}}}
	got, err := pinning(t.Context(), t, n, "www.lab.internal", "WWW.LAB.internal", "www.lab.internal")
	if err != nil || got.Literal() != "10.1.2.4" || len(n.asked) != 1 {
		t.Errorf("the third Pin = %+v, %v, after %d questions to the resolver, want one", got, err, len(n.asked))
	}
}

func TestPinsOfACallAreCounted(t *testing.T) {
	n := &names{known: make(map[string][]string)}
	var all []string
	for i := range 100 { // with the target of the call that is one too many
		name := fmt.Sprintf("h%d.lab.internal", i)
		n.known[name] = []string{"10.1.2.4"}
		all = append(all, name)
	}
	if got, err := pinning(t.Context(), t, n, all[:99]...); err != nil || got.Literal() != "10.1.2.4" {
		t.Errorf("the 99th Pin = %+v, %v; want it pinned", got, err)
	}
	if _, err := pinning(t.Context(), t, n, all...); sdk.KindOf(err) != sdk.KindValidation {
		t.Errorf("the 100th Pin, beside a target = %v, want %s", err, sdk.KindValidation)
	}
}

func TestAPinThatIsCancelledSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pinning(ctx, t, &names{}, "www.lab.internal")
	if sdk.KindOf(err) != sdk.KindCancelled || !errors.Is(err, context.Canceled) {
		t.Errorf("Pin, cancelled = %v, want a %s", err, sdk.KindCancelled)
	}
}

func TestAnEnvOfNoRequestPinsToo(t *testing.T) {
	env := sdk.Env{Policy: sdk.DefaultPolicy()}
	got, err := env.Pin(t.Context(), "10.0.0.7")
	if err != nil || got.Literal() != "10.0.0.7" {
		t.Errorf("Pin = %+v, %v", got, err)
	}
	if _, err := env.Pin(t.Context(), "192.0.2.7"); sdk.KindOf(err) != sdk.KindOutOfScope {
		t.Errorf("Pin = %v, want a %s", err, sdk.KindOutOfScope)
	}
}

func TestWhatIsRememberedOfACallIsBounded(t *testing.T) {
	n := &names{known: make(map[string][]string)}
	var texts []string
	for i := range 300 {
		name := "n" + strings.Repeat("x", i%50) + string(rune('a'+i/50)) + ".lab.internal"
		n.known[name] = []string{"10.0.0.1"}
		texts = append(texts, name)
	}
	last := texts[len(texts)-1]
	if _, err := pinning(t.Context(), t, n, append(texts, last, texts[0])...); err != nil || len(n.asked) != 99 {
		t.Errorf("%v after %d questions, want 99: no other name is asked for, and the first is known", err, len(n.asked))
	}
}
