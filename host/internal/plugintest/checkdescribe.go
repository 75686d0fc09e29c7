package plugintest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var describeChecks = []Check{
	{"manifest", "names, descriptions, schemas and prompts are such that a host takes them", "start",
		checkManifest},
	{"configure", "it takes the host's policy, again and again, and fields that it does not know", "manifest",
		checkConfigure},
	{"health", "the health service answers, and so do the checks that it brings along", "manifest", checkHealth},
}

func checkManifest(ctx context.Context, s *subject) Finding {
	h, err := s.host(ctx)
	if err != nil {
		return failed("run a host with this plugin alone and read its log", "%v", err)
	}
	defer h.close()
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	m, err := h.Describe(ctx)
	if err != nil {
		return failed("answer Describe with what the tools are", "it does not describe itself: %v", err)
	}
	if err := s.learn(m); err != nil {
		return failed("mend the description; a host refuses the whole plugin", "%v", err)
	}
	if err := fillPrompts(m); err != nil {
		return failed("mend the prompt", "%v", err)
	}
	return passed("%s %s: %s, schemas compile%s", m.Name, m.Version, counted(len(m.Tools), "tool"), promptsOf(m))
}

func promptsOf(m tool.Manifest) string {
	if len(m.Prompts) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s can be filled in", counted(len(m.Prompts), "prompt"))
}

// fillPrompts fills in every prompt, with a value for each argument, which must stand somewhere.
func fillPrompts(m tool.Manifest) error {
	for _, p := range m.Prompts {
		values := make(map[string]string)
		for _, a := range p.Arguments {
			values[a.Name] = "value-of-" + a.Name
			if a.Description == "" {
				return fmt.Errorf("prompt %s: the argument %s has no description", p.Name, a.Name)
			}
		}
		messages, err := p.Render(values)
		if err != nil {
			return err
		}
		var all strings.Builder
		for _, msg := range messages {
			all.WriteString(msg.Content.Text + " " + msg.Content.URI + " ")
		}
		for _, a := range p.Arguments {
			if !strings.Contains(all.String(), values[a.Name]) {
				return fmt.Errorf("prompt %s: the argument %s stands nowhere in its messages", p.Name, a.Name)
			}
		}
	}
	return nil
}

func checkConfigure(ctx context.Context, s *subject) Finding {
	const do = "take every policy that can be read; refuse in the calls what it does not allow"
	r, err := s.execute(start{})
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return failed(do, "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	open := s.policy()
	open.AllowIntrusive = true
	for _, p := range []tool.Policy{s.policy(), open, s.policy()} {
		if err := r.rpc.Configure(ctx, p); err != nil {
			return failed(do, "Configure is refused: %v", err)
		}
	}
	const service = "/gatehouse.plugin.v1.Plugin/"
	for _, method := range []string{"Configure", "Describe"} {
		if err := r.conn.Invoke(ctx, service+method, fromTheFuture(), new(emptypb.Empty)); err != nil {
			return failed("ignore fields that the plugin does not know: protobuf does so unless it is told otherwise",
				"%s with a field of a newer contract is refused: %v", method, err)
		}
	}
	return passed("taken three times, and with a field of a newer contract")
}

func checkHealth(ctx context.Context, s *subject) Finding {
	const do = `answer grpc.health.v1.Health/Check for the service "plugin" with SERVING`
	h, err := s.host(ctx)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer h.close()
	const limit = 2 * time.Second // after which a host gives a plugin up
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := time.Now()
	if err := h.Ping(asking); err != nil {
		return failed(do, "the health service: %v", err)
	}
	answered := time.Since(asked)
	looking, stop := context.WithTimeout(ctx, 2*askLimit)
	defer stop()
	checks, err := h.CheckHealth(looking)
	if err != nil {
		return failed("answer CheckHealth within 9 s, or leave it out (UNIMPLEMENTED)", "CheckHealth: %v", err)
	}
	f := passed("SERVING after %s; %s of its own", took(answered), counted(len(checks), "check"))
	for _, c := range checks {
		if c.Status != tool.Healthy {
			f.Details = append(f.Details, fmt.Sprintf("%s is %s: %s", c.Name, c.Status, c.Message))
		}
	}
	return f
}

func counted(n int, what string) string {
	switch {
	case n == 0:
		return "no " + what + "s"
	case n == 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// output compiles the schema of a tool's data as the plugin gave it; nil: there is none.
func (s *subject) output(name string) *catalog.Schema {
	for _, t := range s.manifest.Tools {
		if t.Name != name || len(t.OutputSchema) == 0 {
			continue
		}
		compiled, err := catalog.CompileSchema(t.OutputSchema)
		if err != nil { // compiled before
			return nil
		}
		return compiled
	}
	return nil
}
