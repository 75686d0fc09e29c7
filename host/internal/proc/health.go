package proc

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var _ tool.HealthChecker = (*Process)(nil)

// CheckHealth asks the plugin for the checks that it brings along; one without any answers with nothing. A
// frozen process never answers: give ctx a deadline.
func (p *Process) CheckHealth(ctx context.Context) ([]tool.HealthCheck, error) {
	checks, err := p.rpc.CheckHealth(ctx)
	return checks, p.explain(err)
}
