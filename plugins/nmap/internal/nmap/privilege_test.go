package nmap

import (
	"context"
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestTheProbeOfPrivileges(t *testing.T) {
	for raw, want := range map[bool]string{true: "healthy", false: "degraded"} {
		b := sdktest.New(t, plugin(Privileges{Raw: raw}), sdktest.Options{})
		found := 0
		for _, c := range b.CheckHealth(context.Background()) {
			if c.Name != "CAP_NET_RAW" {
				continue
			}
			found++
			if string(c.Status) != want || c.Priority != sdk.Informational || (c.Fix == "") != raw {
				t.Errorf("with raw sockets %t the check is %+v, want %s", raw, c, want)
			}
		}
		if found != 1 {
			t.Errorf("%d checks of CAP_NET_RAW, want one", found)
		}
	}
}

func TestRawSocketsAreNotReplacedSilently(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, Privileges{}, sdktest.Options{AllowIntrusive: true})
	for _, f := range table() {
		if f.Refused != "" {
			continue
		}
		for _, extra := range spellings(t, f) {
			p := pl.ask(t, extra)
			if !slices.Contains(rawFlags, f.Name) {
				needsUDP := f.Name == "--defeat-icmp-ratelimit" // and with it raw sockets
				if p.Verdict != sdk.Accept && !needsUDP {
					t.Errorf("Plan(%s), without raw sockets = %s (%s), want it accepted", extra, p.Verdict,
						p.Rule)
				}
				continue
			}
			if p.Error == nil || p.Error.Kind != sdk.KindNeedsPrivilege || p.Error.Metadata["flag"] != f.Name ||
				p.Error.Suggestion == "" {
				t.Errorf("Plan(%s), without raw sockets = %s (%+v), want a %s", extra, p.Verdict, p.Error,
					sdk.KindNeedsPrivilege)
			}
		}
	}
}

// What is wrong on every machine is called wrong on one without privileges too.
func TestPrivilegesAreAskedForLast(t *testing.T) {
	pl := newPlanner(t, Privileges{}, sdktest.Options{})
	for extra, want := range map[string]sdk.Kind{
		"-sS -sT": sdk.KindValidation, "-sS -p 1-70000": sdk.KindValidation, "-sA": sdk.KindIntrusiveDenied,
		"-sS": sdk.KindNeedsPrivilege,
	} {
		if p := pl.ask(t, extra); p.Error.Kind != want {
			t.Errorf("Plan(%s) = %s, want %s", extra, p.Error.Kind, want)
		}
	}
}

// The verdict is the policy's, the same on every machine; that this one cannot is told beside it, and a call is
// refused before anything runs.
func TestWhatTheMachineCannotDoIsNoVerdict(t *testing.T) {
	needNmap(t)
	b := sdktest.New(t, plugin(Privileges{}), sdktest.Options{AllowIntrusive: true})
	for _, l := range corpus(t) {
		want := sdk.Accept
		if l.Verdict == "reject" {
			want = sdk.Reject
		}
		if p := b.Plan("NmapTool", map[string]any{"target": l.Target, "extra_args": l.ExtraArgs}); p.Verdict != want {
			t.Errorf("Plan(%s %q), without raw sockets = %s (%s), want %s", l.Target, l.ExtraArgs, p.Verdict, p.Rule, want)
		}
	}
	_, err := b.Call(t.Context(), "NmapTool", `{"target": "127.0.0.1", "extra_args": "-sS -p 1"}`)
	if sdk.KindOf(err) != sdk.KindNeedsPrivilege || len(b.Executed()) != 0 {
		t.Errorf("Call(-sS), without raw sockets = %v after %v, want a %s and nothing executed", err, b.Executed(),
			sdk.KindNeedsPrivilege)
	}
}
