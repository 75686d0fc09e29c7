package call

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// resolving answers for two names below the allowed suffix.
func resolving(_ context.Context, name string) ([]netip.Addr, error) {
	switch name {
	case "db.lab.internal":
		return []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("10.1.2.4")}, nil
	case "evil.lab.internal":
		return []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("8.8.8.8")}, nil
	}
	return nil, errors.New("no such host")
}

func TestTargetsAreHeldToTheScope(t *testing.T) {
	for _, row := range []struct {
		name, args string
		kind       tool.Kind
		target     string // of the error
		pinned     string // of the call: argument=literal
	}{
		{name: "no target is left to the plugin", args: `{}`},
		{name: "an empty target is left to the plugin", args: `{"via":""}`},
		{name: "an address is pinned", args: `{"target":"10.0.0.7"}`, pinned: "target=10.0.0.7"},
		{name: "a network is masked", args: `{"target":"10.0.0.7/24"}`, pinned: "target=10.0.0.0/24"},
		{name: "a name is resolved", args: `{"target":"DB.lab.internal"}`, pinned: "target=10.1.2.3"},
		{name: "every target counts", args: `{"target":"10.0.0.7","via":"10.0.0.1"}`,
			pinned: "target=10.0.0.7 via=10.0.0.1"},
		{name: "the second is held too", args: `{"target":"10.0.0.7","via":"8.8.8.8"}`,
			kind: tool.KindOutOfScope, target: "8.8.8.8"},
		{name: "a public address is out", args: `{"target":"8.8.8.8"}`,
			kind: tool.KindOutOfScope, target: "8.8.8.8"},
		{name: "a foreign name is out", args: `{"target":"example.com"}`,
			kind: tool.KindOutOfScope, target: "example.com"},
		{name: "one foot outside is out", args: `{"target":"evil.lab.internal"}`,
			kind: tool.KindOutOfScope, target: "evil.lab.internal"},
		{name: "an unknown name is the caller's", args: `{"target":"x.lab.internal"}`,
			kind: tool.KindValidation, target: "x.lab.internal"},
		{name: "what is no target is refused", args: `{"target":"10.0.0.0x7"}`,
			kind: tool.KindValidation, target: "10.0.0.0x7"},
		{name: "a large network is refused", args: `{"target":"10.0.0.0/8"}`,
			kind: tool.KindValidation, target: "10.0.0.0/8"},
		{name: "a network is no host", args: `{"via":"10.0.0.0/24"}`,
			kind: tool.KindValidation, target: "10.0.0.0/24"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var pinned []string
			h := &fake{call: func(_ context.Context, r tool.Request, _ events) (tool.Result, error) {
				for _, target := range r.Targets {
					pinned = append(pinned, target.Argument+"="+target.Literal())
				}
				return tool.Result{}, nil
			}}
			b := newBed(t, h, func(s *setup) { s.Lookup = resolving })
			_, err := b.Call(t.Context(), request(row.args), nil)
			if tool.KindOf(err) != row.kind || strings.Join(pinned, " ") != row.pinned {
				t.Fatalf("Call(%s) = %v, pinned %v; want %q, %q", row.args, err, pinned, row.kind, row.pinned)
			}
			if err == nil {
				return
			}
			e := asError(t, err)
			if e.Suggestion == "" || e.Metadata["argument"] == nil || e.Target != row.target {
				t.Errorf("Call(%s) = %+v; want target %s, suggestion, argument", row.args, e, row.target)
			}
		})
	}
}

func TestTooLargeNetworkTeachesWhatFits(t *testing.T) {
	b := newBed(t, &fake{})
	_, err := b.Call(t.Context(), request(`{"target":"10.0.0.0/16"}`), nil)
	if e := asError(t, err); e.Metadata["suggested_prefix"] != 22 || !strings.Contains(e.Suggestion, "/22") {
		t.Errorf("Call = %+v, want a suggestion of /22", e)
	}
}

// TestNothingThatAPluginCouldTakeForATargetPasses has a tool whose schema is too generous.
func TestNothingThatAPluginCouldTakeForATargetPasses(t *testing.T) {
	h := &fake{}
	b := newBed(t, h, func(s *setup) {
		s.spec.InputSchema = []byte(`{"type": "object", "properties": {"target": {}},
			"additionalProperties": true}`)
		s.spec.Targets = s.spec.Targets[:1]
	})
	for _, args := range []string{
		`{"target":["8.8.8.8"]}`, `{"target":{"ip":"8.8.8.8"}}`, `{"target":134744072}`, `{"target":true}`,
		`{"Target":"8.8.8.8"}`, `{"target":"10.0.0.1","TARGET":"8.8.8.8"}`,
	} {
		if k := b.run(t.Context(), args); k != tool.KindValidation {
			t.Errorf("Call(%s) = %q, want validation_error", args, k)
		}
	}
	if n := h.calls.Load(); n != 0 {
		t.Errorf("the plugin was asked %d times", n)
	}
	if k := b.run(t.Context(), `{"target":null,"other":1}`); k != "" {
		t.Errorf("a target of null: %s, want none", k)
	}
}

func TestLookupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, &fake{}, func(s *setup) {
			s.Lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		begun := time.Now()
		if k := b.run(t.Context(), `{"target":"slow.lab.internal"}`); k != tool.KindValidation {
			t.Errorf("a resolver that does not answer: %q, want validation_error", k)
		}
		if d := time.Since(begun); d != lookupTimeout {
			t.Errorf("it took %v, want %v", d, lookupTimeout)
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if k := b.run(ctx, `{"target":"slow.lab.internal"}`); k != tool.KindCancelled {
			t.Errorf("the caller left during the look-up: %q, want cancelled", k)
		}
	})
}

func TestReloadChangesTheScope(t *testing.T) {
	var policy atomic.Pointer[scope.Policy]
	policy.Store(&scope.Policy{})
	b := newBed(t, &fake{}, func(s *setup) { s.Scope = func() scope.Policy { return *policy.Load() } })
	if k := b.run(t.Context(), `{"target":"10.0.0.1"}`); k != tool.KindOutOfScope {
		t.Errorf("with no scope: %q, want out_of_scope", k)
	}
	fresh := scope.Default()
	policy.Store(&fresh)
	if k := b.run(t.Context(), `{"target":"10.0.0.1"}`); k != "" {
		t.Errorf("with the default scope: %q", k)
	}
}
