package command_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// FuzzPlan holds that argv is canonical: whatever is accepted, by flags and fields, is written in words that
// are read as the same argv again, with one target behind "--". What is accepted with the gate closed is
// accepted with the gate open.
func FuzzPlan(f *testing.F) {
	for _, extra := range []string{
		"", "-sAB -n", "-p80,U:53-60", "-P22 -T1", "--count=3 --wait 10ms",
		"--factor 0.50 --except 10.1.2.3/8", "--many 1 --many 2", "--rate 50 --danger", "-p- --bits fF", "-o x", "-- -x", "--count",
	} {
		f.Add(extra, "", "", 0.0, "", uint8(0))
		f.Add(extra, "22,80", "10.0.0.1,10.0.0.2", 1.5, "slow", uint8(0b0110))
		f.Add(extra, "-", "", 3.0, "deep", uint8(0b1001))
	}
	f.Add("", "-o x", "--danger", -1.0, "", uint8(255))
	open, closed := handler(f, true), handler(f, false)
	f.Fuzz(func(t *testing.T, extra, ports, except string, number float64, template string, bits uint8) {
		args := map[string]any{"target": "127.0.0.1", "extra_args": extra}
		given := func(bit int, name string, v any) {
			if bits>>bit&1 != 0 {
				args[name] = v
			}
		}
		if number != number || number-number != 0 {
			return // JSON has no word for it
		}
		given(0, "ports", ports)
		given(1, "except", strings.Split(except, ","))
		given(2, "factor", number)
		given(3, "count", number)
		given(4, "a", bits&128 != 0)
		given(5, "c", bits&128 != 0)
		if template != "" {
			args["template"] = template
		}
		p := planned(t, open, args)
		if c := planned(t, closed, args); c.Verdict == sdk.Accept && !slices.Equal(c.Argv, p.Argv) {
			t.Errorf("Plan(%v) is accepted as %q with the gate closed, and is %q with it open", args, c.Argv,
				p.Argv)
		}
		if p.Verdict == sdk.Accept {
			checkArgv(t, open, args, p.Argv)
		}
	})
}

// targeted is a tool with everything, and a target.
func targeted(d *command.Definition) {
	fielded(d)
	d.Target, d.Defaults = command.OneHost, nil
}

func handler(f *testing.F, gateOpen bool) *sdk.Handler {
	h, err := sdk.NewHandler(shell("", targeted))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = h.Close() })
	policy := sdk.DefaultPolicy()
	policy.AllowIntrusive = gateOpen
	if err := h.Configure(f.Context(), policy); err != nil {
		f.Fatal(err)
	}
	return h
}

func planned(t *testing.T, h *sdk.Handler, args map[string]any) sdk.Plan {
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Plan(t.Context(), sdk.Request{Tool: "Sh", Arguments: raw, Targets: []sdk.Target{
		{Argument: "target", Label: "127.0.0.1", Prefix: netip.MustParsePrefix("127.0.0.1/32")},
	}})
	if err != nil {
		t.Fatalf("Plan(%s) = %v", raw, err)
	}
	return p
}

func checkArgv(t *testing.T, h *sdk.Handler, args map[string]any, argv []string) {
	t.Helper()
	words := argv[3 : len(argv)-2] // of the shell; of the flags; "--" and the target
	if got := argv[len(argv)-2:]; got[0] != "--" || got[1] != "127.0.0.1" || slices.Contains(words, "--") {
		t.Errorf("Plan(%v).Argv = %q, want it to end with -- and the target", args, argv)
	}
	for _, w := range words {
		if w == "" || strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"+
			"0123456789,.:=_/-") != "" {
			t.Errorf("Plan(%v).Argv = %q has the word %q", args, argv, w)
		}
	}
	again := planned(t, h, map[string]any{"target": "127.0.0.1", "extra_args": strings.Join(words, " ")})
	if !slices.Equal(again.Argv, argv) {
		t.Errorf("Plan(%v).Argv = %q, which is read as %q (%s)", args, argv, again.Argv, again.Rule)
	}
}
