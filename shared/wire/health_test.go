package wire

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// checked is a handler with health checks.
type checked struct {
	fake
	check func(context.Context) ([]tool.HealthCheck, error)
}

func (c *checked) CheckHealth(ctx context.Context) ([]tool.HealthCheck, error) { return c.check(ctx) }

func serveChecked(t *testing.T, check func(context.Context) ([]tool.HealthCheck, error)) *Client {
	return join(t, func(s *grpc.Server) { Register(s, &checked{check: check}) })
}

func TestHealthChecksSurviveTheWire(t *testing.T) {
	want := []tool.HealthCheck{
		{Name: "nmap", Tool: "NmapTool", Status: tool.Healthy, Priority: tool.Important, Message: "7.93"},
		{Name: "nmap", Status: tool.Degraded, Priority: tool.Informational, Message: "old", Fix: "apt-get install nmap"},
		{Name: "a.b:c-d_9", Status: tool.Unhealthy, Priority: tool.Important, Message: "gone"},
	}
	got, err := serveChecked(t, func(context.Context) ([]tool.HealthCheck, error) { return want, nil }).
		CheckHealth(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("CheckHealth() = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestAPluginWithoutHealthChecksHasNone(t *testing.T) {
	for name, c := range map[string]*Client{
		"whose handler has none":          serve(t, &fake{}),
		"built before there were any":     join(t, func(s *grpc.Server) { toolpb.RegisterPluginServer(s, &liar{}) }),
		"that checks, and has no results": serveChecked(t, func(context.Context) ([]tool.HealthCheck, error) { return nil, nil }),
	} {
		if got, err := c.CheckHealth(t.Context()); got != nil || err != nil {
			t.Errorf("CheckHealth() of a plugin %s = %v, %v, want nothing", name, got, err)
		}
	}
}

func TestHealthChecksThatFailOrPanicAreAnError(t *testing.T) {
	for want, check := range map[string]func(context.Context) ([]tool.HealthCheck, error){
		"no disk": func(context.Context) ([]tool.HealthCheck, error) {
			return nil, tool.Errorf(tool.KindExecution, "no disk")
		},
		"boom": func(context.Context) ([]tool.HealthCheck, error) { panic("boom") },
	} {
		if _, err := serveChecked(t, check).CheckHealth(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckHealth() = %v, want an error with %q", err, want)
		}
	}
}

func TestTheHostBelievesNoHealthCheckBeyondItsWords(t *testing.T) {
	odd := &toolpb.HealthCheck{
		Name: "n", Tool: "no such\nname", Status: "splendid", Priority: "critical",
		Message: "a\x00b\x1b[31m\nc" + strings.Repeat("ü", 400), Fix: strings.Repeat("x", 1<<20),
	}
	got := healthFromPB(&toolpb.CheckHealthResponse{Checks: []*toolpb.HealthCheck{
		odd, {Name: "n"}, {Name: ""}, {Name: "a b"}, {Name: strings.Repeat("n", 65)}, {Name: "line\n"},
	}})
	if len(got) != 1 {
		t.Fatalf("healthFromPB() = %+v, want the one check with a good name, once", got)
	}
	c := got[0]
	if c.Tool != "" || c.Status != tool.Unhealthy || c.Priority != tool.Informational {
		t.Errorf("check = %+v, want no tool, unhealthy, informational", c)
	}
	if !strings.HasPrefix(c.Message, "a b [31m c") || len(c.Message) > tool.MaxHealthText || !utf8.ValidString(c.Message) {
		t.Errorf("message = %q, want one line of at most %d bytes", c.Message, tool.MaxHealthText)
	}
	if len(c.Fix) != tool.MaxHealthText {
		t.Errorf("the fix has %d bytes, want %d", len(c.Fix), tool.MaxHealthText)
	}
	many := make([]*toolpb.HealthCheck, 1000)
	for i := range many {
		many[i] = &toolpb.HealthCheck{Name: "n" + strings.Repeat("x", i%60) + string(rune('a'+i/60)), Status: "healthy"}
	}
	if n := len(healthFromPB(&toolpb.CheckHealthResponse{Checks: many})); n != tool.MaxHealthChecks {
		t.Errorf("%d checks came through, want %d", n, tool.MaxHealthChecks)
	}
}

func TestHealthTextsAreRepairedOnTheirWay(t *testing.T) {
	c := serveChecked(t, func(context.Context) ([]tool.HealthCheck, error) {
		return []tool.HealthCheck{{Name: "n", Status: tool.Healthy, Message: "bad \xff", Fix: "\xc3("}}, nil
	})
	got, err := c.CheckHealth(t.Context())
	if err != nil || len(got) != 1 || got[0].Message != "bad \ufffd" || got[0].Fix != "\ufffd(" {
		t.Errorf("CheckHealth() = %+v, %v, want the texts repaired", got, err)
	}
}

func FuzzHealthFromPB(f *testing.F) {
	f.Add("nmap", "NmapTool", "healthy", "important", "fine\n", "")
	f.Add("a\x00b", "", "HEALTHY", "critical", "\xff\xfe", strings.Repeat("\u20ac", 200))
	f.Fuzz(func(t *testing.T, name, of, status, priority, message, fix string) {
		m := &toolpb.HealthCheck{Name: name, Tool: of, Status: status, Priority: priority, Message: message, Fix: fix}
		for _, c := range healthFromPB(&toolpb.CheckHealthResponse{Checks: []*toolpb.HealthCheck{m, m}}) {
			if !tool.ValidHealthName(c.Name) || c.Tool != "" && !tool.ValidName(c.Tool) {
				t.Errorf("name %q, tool %q came through", c.Name, c.Tool)
			}
			if c.Status == tool.Healthy && status != "healthy" {
				t.Errorf("status %q became healthy", status)
			}
			if c.Priority == tool.Important && priority != "important" {
				t.Errorf("priority %q became important", priority)
			}
			for _, s := range []string{c.Message, c.Fix} {
				if len(s) > tool.MaxHealthText || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x1b\x00") {
					t.Errorf("text %q came through", s)
				}
			}
		}
	})
}
