package hosttest_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestMain(m *testing.M) { hosttest.Main(m, nil) }

func TestTheManifestOfAFakeIsValid(t *testing.T) {
	m, err := new(hosttest.Fake).Describe(t.Context())
	if err != nil || m.Validate() != nil {
		t.Errorf("Describe() = %+v, %v (%v)", m, err, m.Validate())
	}
}

func TestAFakeDoesWhatItIsTold(t *testing.T) {
	var configured tool.Policy
	f := &hosttest.Fake{
		Manifest:    hosttest.OneTool("p", "T"),
		OnConfigure: func(_ context.Context, p tool.Policy) error { configured = p; return nil },
		OnPlan: func(context.Context, tool.Request) (tool.Plan, error) {
			return tool.Plan{Verdict: tool.Reject}, nil
		},
	}
	if m, _ := f.Describe(t.Context()); m.Name != "p" || m.Tools[0].Name != "T" {
		t.Errorf("Describe() = %+v", m)
	}
	err := f.Configure(t.Context(), tool.Policy{MaxArgsLength: 7})
	if err != nil || configured.MaxArgsLength != 7 {
		t.Errorf("Configure() = %v, got %+v", err, configured)
	}
	if p, err := f.Plan(t.Context(), tool.Request{}); err != nil || p.Verdict != tool.Reject {
		t.Errorf("Plan() = %+v, %v", p, err)
	}
	args := json.RawMessage(`{}`)
	if r, err := f.Call(t.Context(), tool.Request{Arguments: args}, nil); err != nil || string(r.Data) != "{}" {
		t.Errorf("Call() = %+v, %v", r, err)
	}
}

func TestInstallPutsAnExecutableInPlace(t *testing.T) {
	path := hosttest.Install(t, hosttest.Dir(t), "echo.two")
	info, err := os.Stat(path)
	if err != nil || info.Mode()&0o111 == 0 || info.Mode()&0o022 != 0 || filepath.Base(path) != "echo.two" {
		t.Errorf("Install() = %s: %v, %v", path, info, err)
	}
	if names := hosttest.Names(); !slices.Contains(names, "echo") {
		t.Errorf("Names() = %v, want echo among them", names)
	}
}
