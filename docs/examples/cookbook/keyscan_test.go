package cookbook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

var keyscan = sdk.Plugin{Name: "keyscan", Version: "1.0.0", Tools: []sdk.Tool{KeyscanTool}}

// prints is a program that prints something and ends.
func prints(text string) sdktest.Program {
	return sdktest.Program{Main: func(_ context.Context, run *sdktest.Run) int {
		fmt.Fprint(run.Stdout, text)
		return 0
	}}
}

func TestKeysAreRead(t *testing.T) {
	bench := sdktest.New(t, keyscan, sdktest.Options{Programs: map[string]sdktest.Program{
		"ssh-keyscan": prints("# 10.0.3.7:22 SSH-2.0-OpenSSH_9.2\n10.0.3.7 ssh-ed25519 AAAAC3Nz\n"),
	}})
	res, err := bench.Call(t.Context(), "KeyscanTool", `{"target": "10.0.3.7", "extra_args": "-ted25519"}`)
	want := `{"keys":[{"type":"ssh-ed25519","key":"AAAAC3Nz"}]}`
	if err != nil || string(res.Data) != want {
		t.Errorf("Call() = %s, %v; want %s", res.Data, err, want)
	}
	argv := bench.Executed()[0].Argv[1:]
	if want := strings.Fields("-4 -t ed25519 -T 5 -- 10.0.3.7"); !slices.Equal(argv, want) {
		t.Errorf("it executed %q, want %q", argv, want)
	}
}

func TestTheCallEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // half a minute passes at once
		bench := sdktest.New(t, keyscan, sdktest.Options{
			Timeout: 30 * time.Second,
			Programs: map[string]sdktest.Program{"ssh-keyscan": {Main: func(ctx context.Context, _ *sdktest.Run) int {
				<-ctx.Done() // a host that never answers
				return 1
			}}},
		})
		begun := time.Now()
		res, err := bench.Call(t.Context(), "KeyscanTool", `{"target": "10.0.3.7"}`)
		if sdk.KindOf(err) != sdk.KindTimeout || !res.TimedOut || time.Since(begun) != 30*time.Second {
			t.Errorf("Call() = %+v, %v after %v; want a timeout after 30 s", res, err, time.Since(begun))
		}
	})
}

func TestWhatThePlanSays(t *testing.T) {
	bench := sdktest.New(t, keyscan, sdktest.Options{})
	for args, want := range map[string]sdk.Verdict{
		`{"target": "127.0.0.1", "port": 2222}`:           sdk.Accept,
		`{"target": "127.0.0.1", "extra_args": "-D"}`:     sdk.Reject,
		`{"target": "127.0.0.1", "extra_args": "-p 0"}`:   sdk.Reject,
		`{"target": "127.0.0.1", "extra_args": "-fx"}`:    sdk.Reject,
		`{"target": "127.0.0.1", "extra_args": "-x"}`:     sdk.Reject,
		`{"target": "192.0.2.1"}`:                         sdk.Reject,
		`{"target": "127.0.0.1", "extra_args": "-p 22x"}`: sdk.Reject,
	} {
		if plan := bench.Plan("KeyscanTool", args); plan.Verdict != want {
			t.Errorf("Plan(%s) = %s: %s; want %s", args, plan.Verdict, plan.Rule, want)
		}
	}
}

func TestKeyscanConforms(t *testing.T) {
	sdktest.Conformance(t, keyscan, sdktest.Sample{Tool: "KeyscanTool"})
}
