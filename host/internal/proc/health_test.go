package proc_test

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
)

func TestAPluginWithoutChecksAnswersWithNone(t *testing.T) {
	p := start(t, hosttest.Dir(t), "echo")
	if checks, err := p.CheckHealth(t.Context()); checks != nil || err != nil {
		t.Errorf("CheckHealth() = %v, %v, want nothing", checks, err)
	}
}
