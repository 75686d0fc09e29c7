package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

type look = func(context.Context, sdk.Env) (string, error)

// probed is a plugin of one Go tool with probes.
func probed(probes ...sdk.Probe) sdk.Plugin {
	p := one(func(context.Context, *sdk.Call, input) (output, error) { return output{}, nil })
	p.Probes = probes
	return p
}

func TestWhatAProbeReturnsIsItsCheck(t *testing.T) {
	for _, row := range []struct {
		says string
		run  look
		want sdk.HealthCheck
	}{
		{"all is well", func(context.Context, sdk.Env) (string, error) { return "7 days old", nil },
			sdk.HealthCheck{Status: tool.Healthy, Message: "7 days old"}},
		{"an error", func(context.Context, sdk.Env) (string, error) { return "", errors.New("no file") },
			sdk.HealthCheck{Status: tool.Unhealthy, Message: "no file"}},
		{"an error with a suggestion", func(context.Context, sdk.Env) (string, error) {
			return "", sdk.Errorf(sdk.KindNotFound, "no file").Suggest("touch it")
		}, sdk.HealthCheck{Status: tool.Unhealthy, Message: "no file", Fix: "touch it"}},
		{"an error that degrades", func(context.Context, sdk.Env) (string, error) {
			return "", fmt.Errorf("look: %w", sdk.Degraded(sdk.Errorf(sdk.KindNotFound, "old").Suggest("renew")))
		}, sdk.HealthCheck{Status: tool.Degraded, Message: "look: old", Fix: "renew"}},
		{"no error that degrades", func(context.Context, sdk.Env) (string, error) {
			return "well", sdk.Degraded(nil)
		}, sdk.HealthCheck{Status: tool.Healthy, Message: "well"}},
		{"a panic", func(context.Context, sdk.Env) (string, error) { panic("nil map") },
			sdk.HealthCheck{Status: tool.Unhealthy, Message: "the check panicked: nil map",
				Fix: "report this to the plugin's author"}},
	} {
		row.want.Name, row.want.Priority = "p", sdk.Important
		got := sdktest.New(t, probed(sdk.Probe{Name: "p", Run: row.run}), sdktest.Options{}).CheckHealth(t.Context())
		if !slices.Equal(got, []sdk.HealthCheck{row.want}) {
			t.Errorf("%s: CheckHealth() = %+v, want %+v", row.says, got, row.want)
		}
	}
}

func TestAHangingProbeIsReportedAndTheOthersCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var runs atomic.Int32
		h, err := sdk.NewHandler(probed(
			sdk.Probe{Name: "hangs", Run: func(context.Context, sdk.Env) (string, error) {
				runs.Add(1)
				<-release
				return "awake", nil
			}},
			sdk.Probe{Name: "answers", Run: func(context.Context, sdk.Env) (string, error) { return "here", nil }},
		))
		if err != nil {
			t.Fatal(err)
		}
		check := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			checks, err := h.CheckHealth(ctx)
			if ctx.Err() != nil {
				t.Error("the answer came after the deadline of who asked")
			}
			if err != nil || len(checks) != 2 || checks[1].Message != "here" {
				t.Fatalf("CheckHealth() = %+v, %v; want two checks, the second healthy", checks, err)
			}
			return string(checks[0].Status) + ": " + checks[0].Message
		}
		for _, want := range []string{
			"unhealthy: it did not answer in time", "unhealthy: it still hangs since an earlier check",
		} {
			if got := check(); got != want || runs.Load() != 1 {
				t.Errorf("the hanging probe: %q after %d runs, want %q after one", got, runs.Load(), want)
			}
		}
		close(release)
		synctest.Wait()
		if got, want := check(), "healthy: awake"; got != want {
			t.Errorf("the probe that has come back: %q, want %q", got, want)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoAsksAtTheSameTimeSharesTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		h, err := sdk.NewHandler(probed(sdk.Probe{Name: "slow", Run: func(context.Context, sdk.Env) (string, error) {
			<-time.After(time.Second)
			return fmt.Sprint("run ", runs.Add(1)), nil
		}}))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if checks, err := h.CheckHealth(t.Context()); err != nil || checks[0].Message != "run 1" {
					t.Errorf("CheckHealth() = %+v, %v; want what the one run found", checks, err)
				}
			})
		}
		wg.Wait()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if _, err := h.CheckHealth(t.Context()); sdk.KindOf(err) != sdk.KindCancelled {
			t.Errorf("CheckHealth() of a plugin that has ended = %v, want %s", err, sdk.KindCancelled)
		}
	})
}

func TestProbesThatAreDeclaredWrongly(t *testing.T) {
	fine := func(context.Context, sdk.Env) (string, error) { return "", nil }
	for want, probes := range map[string][]sdk.Probe{
		"[A-Za-z0-9_.:-]":   {{Name: "a b", Run: fine}},
		"Run is missing":    {{Name: "a"}},
		`no tool "Two"`:     {{Name: "a", Tool: "Two", Run: fine}},
		`"critical"`:        {{Name: "a", Priority: "critical", Run: fine}},
		"is declared twice": {{Name: "a", Run: fine}, {Name: "a", Run: fine}},
	} {
		if _, err := sdk.NewHandler(probed(probes...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewHandler() = %v, want an error with %q", err, want)
		}
	}
	if _, err := sdk.NewHandler(probed(sdk.Probe{Name: "a", Run: fine},
		sdk.Probe{Name: "a", Tool: "One", Run: fine})); err != nil {
		t.Errorf("NewHandler() with one name for the plugin and for its tool = %v", err)
	}
}

func TestOfTooManyProbesThoseThatFailAreReported(t *testing.T) {
	var probes []sdk.Probe
	for i := range 70 {
		probes = append(probes, sdk.Probe{Name: fmt.Sprintf("p%d", i), Run: func(context.Context, sdk.Env) (string, error) {
			if i == 69 {
				return "", errors.New("gone")
			}
			return "here", nil
		}})
	}
	got := sdktest.New(t, probed(probes...), sdktest.Options{}).CheckHealth(t.Context())
	if len(got) != tool.MaxHealthChecks || got[0].Name != "p69" || got[1].Name != "p0" {
		t.Errorf("CheckHealth() gave %d checks, the first %+v, want %d, the one that fails first", len(got), got[0],
			tool.MaxHealthChecks)
	}
}

func TestTheLayersOfTheSandbox(t *testing.T) {
	linux := []sandbox.Layer{{Name: "supervisor", Active: true}, {Name: "landlock", Detail: "switched off"}}
	bound := append(slices.Clone(linux), sandbox.Layer{Name: "own user", Detail: "without CAP_KILL"})
	other := []sandbox.Layer{{Name: "process group", Active: true}, {Name: "supervisor"}}
	asRoot := os.Geteuid() == 0
	orElse := func(root, user string) string {
		if asRoot {
			return root
		}
		return user
	}
	rootFails := tool.Healthy
	if asRoot {
		rootFails = tool.Unhealthy
	}
	for _, row := range []struct {
		says     string
		layers   []sandbox.Layer
		policy   sdktest.Options
		status   tool.HealthStatus
		priority sdk.HealthPriority
		message  string // how it begins
	}{
		{"Linux", linux, sdktest.Options{}, tool.Healthy, sdk.Important,
			"in force: supervisor; not in force: landlock; programs run as "},
		{"Linux without pidfd", []sandbox.Layer{{Name: "supervisor", Detail: "needs pidfd_open"},
			{Name: "no new privileges", Active: true}}, sdktest.Options{},
			tool.Unhealthy, sdk.Important, "no program will be run: needs pidfd_open"},
		{"another system", other, sdktest.Options{}, tool.Degraded, sdk.Informational,
			"in force: process group; not in force: supervisor; programs run as "},
		{"programs stay root's", linux, sdktest.Options{RunAs: "none"}, tool.Healthy, sdk.Important,
			"in force: supervisor; not in force: landlock; programs run as " +
				orElse("root (sandbox.run_as is none)", "the user of the host")},
		{"programs are given a user", linux, sdktest.Options{RunAs: "4242:4243"}, tool.Healthy, sdk.Important,
			"in force: supervisor; not in force: landlock; programs run as " +
				orElse("4242:4243", "the user of the host (sandbox.run_as is 4242:4243")},
		{"a user that there is not", linux, sdktest.Options{RunAs: "no-such-user-here"}, rootFails,
			sdk.Important, orElse(`run_as "no-such-user-here": `, "in force")},
		{"a user that the host cannot become", bound, sdktest.Options{RunAs: "4242:4243"}, rootFails,
			sdk.Important, orElse("no program will be run as 4242:4243, ", "in force")},
		{"a layer is required and there", linux, sdktest.Options{Require: []string{"supervisor"}},
			tool.Healthy, sdk.Important, "in force: supervisor"},
		{"a layer is required and missing", linux,
			sdktest.Options{Require: []string{"supervisor", "landlock"}}, tool.Unhealthy, sdk.Important,
			`the policy requires the layer "landlock" of the sandbox, which is not in force: switched off`},
		{"a layer is required of another system", other, sdktest.Options{Require: []string{"moat"}},
			tool.Unhealthy, sdk.Important,
			`the policy requires the layer "moat" of the sandbox, which there is not`},
	} {
		got := sdktest.New(t, probed(sdk.SandboxProbe(row.layers)), row.policy).CheckHealth(t.Context())
		if len(got) != 1 || got[0].Name != "sandbox" || got[0].Status != row.status ||
			got[0].Priority != row.priority || !strings.HasPrefix(got[0].Message, row.message) ||
			(got[0].Fix == "") != (row.status == tool.Healthy) {
			t.Errorf("%s: CheckHealth() = %+v, want %s, %s, %q, and a fix if it is not healthy", row.says, got,
				row.status, row.priority, row.message)
		}
	}
}
