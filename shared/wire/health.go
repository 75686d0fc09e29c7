package wire

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var _ tool.HealthChecker = (*Client)(nil)

// CheckHealth asks the plugin for its checks. One that has none, or was built before there were any, answers
// with nothing. What comes is bounded and held to its words: see [tool.MaxHealthChecks].
func (c *Client) CheckHealth(ctx context.Context) ([]tool.HealthCheck, error) {
	resp, err := c.rpc.CheckHealth(ctx, &toolpb.CheckHealthRequest{})
	if status.Code(err) == codes.Unimplemented {
		return nil, nil
	}
	if err != nil {
		return nil, errorOf(ctx, err)
	}
	return healthFromPB(resp), nil
}

func (s *server) CheckHealth(
	ctx context.Context, _ *toolpb.CheckHealthRequest,
) (resp *toolpb.CheckHealthResponse, err error) {
	defer recoverTo(&err)
	h, ok := s.handler.(tool.HealthChecker)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this plugin has no health checks")
	}
	checks, err := h.CheckHealth(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	return healthToPB(checks), nil
}

func healthToPB(checks []tool.HealthCheck) *toolpb.CheckHealthResponse {
	pb := new(toolpb.CheckHealthResponse)
	for _, c := range checks[:min(len(checks), tool.MaxHealthChecks)] {
		pb.Checks = append(pb.Checks, &toolpb.HealthCheck{
			Name: text(c.Name), Tool: text(c.Tool), Status: text(string(c.Status)),
			Priority: text(string(c.Priority)), Message: oneLine(c.Message), Fix: oneLine(c.Fix),
		})
	}
	return pb
}

// healthFromPB never makes a check better than the plugin said, nor heavier than important.
func healthFromPB(pb *toolpb.CheckHealthResponse) []tool.HealthCheck {
	type key struct{ tool, name string }
	var checks []tool.HealthCheck
	seen := make(map[key]bool)
	for _, m := range pb.GetChecks() {
		c := tool.HealthCheck{
			Name: m.GetName(), Tool: m.GetTool(), Status: tool.HealthStatus(m.GetStatus()),
			Priority: tool.HealthPriority(m.GetPriority()), Message: oneLine(m.GetMessage()), Fix: oneLine(m.GetFix()),
		}
		if !tool.ValidName(c.Tool) {
			c.Tool = ""
		}
		k := key{c.Tool, c.Name}
		if !tool.ValidHealthName(c.Name) || seen[k] {
			continue
		}
		seen[k] = true
		if c.Status != tool.Healthy && c.Status != tool.Degraded {
			c.Status = tool.Unhealthy
		}
		if c.Priority != tool.Important {
			c.Priority = tool.Informational
		}
		if checks = append(checks, c); len(checks) == tool.MaxHealthChecks {
			break
		}
	}
	return checks
}

// oneLine is the beginning of a text, fit to stand in a line of a report.
func oneLine(s string) string {
	if len(s) > 2*tool.MaxHealthText { // do not walk through megabytes for the first half kilobyte
		s = s[:2*tool.MaxHealthText]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text(s))
	return strings.TrimSpace(cut(s, tool.MaxHealthText))
}

// cut returns the first n bytes of a valid text, without a character that does not fit.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
