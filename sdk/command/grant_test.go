package command_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

const dangerous = `{"extra_args": "--danger"}`

func request(args string, g *sdk.Grant) sdk.Request {
	return sdk.Request{Tool: "Sh", Arguments: []byte(args), Grant: g, MaxStdout: 1 << 10, MaxStderr: 1 << 10}
}

func TestAPersonIsAskedAboutWhatIsRun(t *testing.T) {
	var shown sdk.Plan
	b := sdktest.New(t, shell("echo ran", table), sdktest.Options{Consent: func(p sdk.Plan) bool {
		shown = p
		return true
	}})
	if p := b.Plan("Sh", dangerous); p.Verdict != sdk.Gated || len(p.Argv) > 0 {
		t.Errorf("Plan() = %s %q, want it gated", p.Verdict, p.Argv)
	}
	if _, err := b.Call(t.Context(), "Sh", dangerous); err != nil {
		t.Fatalf("Call() = %v", err)
	}
	ran := b.Executed()
	if len(ran) != 1 || !slices.Equal(ran[0].Argv, shown.Argv) || ran[0].Program != shown.Program ||
		!slices.Contains(shown.Argv, "--danger") {
		t.Errorf("executed %+v, want what the person saw: %q", ran, shown.Argv)
	}
	if _, err := b.Handler().Call(t.Context(), request(dangerous, nil), nil); sdk.KindOf(err) != sdk.KindIntrusiveDenied {
		t.Errorf("the next Call, without a grant = %v, want a %s", err, sdk.KindIntrusiveDenied)
	}
}

func TestAnotherCommandThanThePersonAllowedIsNotRun(t *testing.T) {
	b := sdktest.New(t, shell("echo ran", table), sdktest.Options{})
	h := b.Handler()
	plan, err := h.Plan(t.Context(), request(dangerous, &sdk.Grant{}))
	if err != nil || plan.Verdict != sdk.Accept || plan.Program == "" {
		t.Fatalf("Plan, if it were allowed = %+v, %v; want it accepted", plan, err)
	}
	good := func() *sdk.Grant { return &sdk.Grant{Program: plan.Program, Argv: slices.Clone(plan.Argv)} }
	ran := func(r sdk.Request) (error, bool) {
		executed := false
		_, err := h.Call(t.Context(), r, func(ev sdk.Event) { executed = executed || ev.Exec != nil })
		return err, executed
	}
	if err, executed := ran(request(dangerous, good())); err != nil || !executed {
		t.Fatalf("Call with the grant = %v, executed %t", err, executed)
	}
	for says, spoil := range map[string]func(*sdk.Request){
		"nothing at all":        func(r *sdk.Request) { r.Grant = &sdk.Grant{} },
		"no program":            func(r *sdk.Request) { r.Grant.Program = "" },
		"another program":       func(r *sdk.Request) { r.Grant.Program = "/bin/bash" },
		"no argv":               func(r *sdk.Request) { r.Grant.Argv = nil },
		"another argv[0]":       func(r *sdk.Request) { r.Grant.Argv[0] = "sh" },
		"an argument less":      func(r *sdk.Request) { r.Grant.Argv = r.Grant.Argv[:len(r.Grant.Argv)-1] },
		"an argument more":      func(r *sdk.Request) { r.Grant.Argv = append(r.Grant.Argv, "-n") },
		"another argument":      func(r *sdk.Request) { r.Grant.Argv[len(r.Grant.Argv)-1] = "--other" },
		"more than was allowed": func(r *sdk.Request) { r.Arguments = []byte(`{"extra_args": "--danger -sA"}`) },
		"less than was allowed": func(r *sdk.Request) { r.Arguments = []byte(`{}`) },
	} {
		r := request(dangerous, good())
		spoil(&r)
		if err, executed := ran(r); sdk.KindOf(err) != sdk.KindIntrusiveDenied || executed {
			t.Errorf("%s: Call() = %v, executed %t; want a %s, and nothing run", says, err, executed,
				sdk.KindIntrusiveDenied)
		}
	}
}

// What is wrong anyway no person can allow.
func TestAGrantAllowsNothingElse(t *testing.T) {
	h := sdktest.New(t, shell("echo ran", table), sdktest.Options{}).Handler()
	for _, args := range []string{`{"extra_args": "-x"}`, `{"extra_args": "--danger; id"}`, `{"no": 1}`} {
		p, err := h.Plan(t.Context(), request(args, &sdk.Grant{}))
		if err != nil || p.Verdict != sdk.Reject {
			t.Errorf("Plan(%s), if it were allowed = %s, %v; want %s", args, p.Verdict, err, sdk.Reject)
		}
		if _, err := h.Call(t.Context(), request(args, &sdk.Grant{}), nil); sdk.KindOf(err) != sdk.KindValidation {
			t.Errorf("Call(%s) with a grant = %v, want a %s", args, err, sdk.KindValidation)
		}
	}
}

// A program that is too old says so only when it was asked, which is to run it.
func TestAProgramIsNotAskedForItsVersionBeforeTheGrantIsHeldToIt(t *testing.T) {
	h := sdktest.New(t, shell("echo ran", func(d *command.Definition) {
		table(d)
		d.Program.MinVersion, d.Program.VersionArgs = "2", []string{"-c", "echo 1.0"}
	}), sdktest.Options{}).Handler()
	plan, err := h.Plan(t.Context(), request(dangerous, &sdk.Grant{}))
	if err != nil {
		t.Fatal(err)
	}
	for want, g := range map[sdk.Kind]*sdk.Grant{
		sdk.KindIntrusiveDenied: {Program: "/bin/other"},
		sdk.KindNotFound:        {Program: plan.Program, Argv: plan.Argv},
	} {
		if _, err := h.Call(t.Context(), request(dangerous, g), nil); sdk.KindOf(err) != want {
			t.Errorf("Call with the grant of %s = %v, want a %s", g.Program, err, want)
		}
	}
}
