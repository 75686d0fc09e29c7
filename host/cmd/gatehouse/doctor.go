package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/doctor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of what doctor waits for.
const (
	doctorChecks = 10 * time.Second // the plugins' own checks
	doctorPort   = 2 * time.Second  // who listens on a taken port
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, strict bool
	cmd := &cobra.Command{
		Use: "doctor", Args: cobra.NoArgs,
		Short: "Say what is wrong with this machine, and what to type",
		Long: `Doctor looks at what a host needs on this machine: configuration, plugins and the programs that they
run, directories, token, port. It starts the plugins, runs no tool, and changes nothing.

Exit codes: 0 when nothing fails (without --strict there may be warnings), 1 when something does, 2 for wrong
flags.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := a.examine(cmd.Context())
			if err := a.printFindings(found, asJSON); err != nil {
				return failure(err)
			}
			worst := doctor.Worst(found)
			if worst == doctor.Fail || strict && worst == doctor.Warn {
				return &exitError{code: exitFailure}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 on warnings as well")
	a.flag(cmd, "transport", "server.transport", "", "stdio or http; the port is looked at for http")
	a.flag(cmd, "host", "server.host", "", "address to listen on")
	a.flag(cmd, "port", "server.port", 0, "port to listen on")
	return cmd
}

func (a *app) printFindings(found []doctor.Finding, asJSON bool) error {
	if asJSON {
		return writeJSON(a.stdout, map[string]any{"status": doctor.Worst(found), "findings": found})
	}
	return doctor.Print(a.stdout, found)
}

// examine looks at everything. What comes later may need what comes before.
func (a *app) examine(ctx context.Context) []doctor.Finding {
	l, err := a.read()
	file := cmp.Or(l.File, a.configFile, a.getenv("MCP_CONFIG_FILE"))
	found := doctor.Configuration(file, l.Warnings, config.UnknownVariables(a.environ), err)
	if err != nil {
		return append(found, doctor.Finding{
			Area: "the rest", Status: doctor.Warn, Message: "was not looked at: it depends on the configuration",
		})
	}
	cfg := &l.Config
	found = append(found, examineFiles(ctx, cfg)...)
	found = append(found, examinePorts(ctx, cfg)...)
	found = append(found, doctor.Directories(cfg.Plugins.Dirs, discover.Scan(cfg.Plugins.Dirs))...)
	err = a.withHost(ctx, "", func(h *host) error {
		found = append(found, examineFleet(ctx, h.fleet)...)
		found = append(found, examineSandbox(h.fleet.Catalog(), cfg.Sandbox)...)
		return nil
	})
	if err != nil {
		found = append(found, doctor.Finding{Area: "host", Status: doctor.Fail, Message: err.Error()})
	}
	return found
}

// examineFiles looks at what the host writes. It comes before anything is started, and so before anything is
// made.
func examineFiles(ctx context.Context, cfg *config.Config) []doctor.Finding {
	free := func(dir string) (uint64, error) { return health.FreeSpace(ctx, dir) }
	state := cfg.Server.StateDir
	found := doctor.StateDir(state, doctor.LookAt(state, free))
	if cfg.Server.Transport == "http" && cfg.Auth.Mode == config.AuthToken {
		found = append(found, examineCredentials(cfg)...)
	}
	if cfg.TLS.On() {
		found = append(found, examineCertificate(cfg.TLS))
	}
	if cfg.Audit.Enabled {
		dir := cfg.AuditDir()
		found = append(found,
			doctor.AuditDir(dir, doctor.LookAt(dir, free), cfg.Audit.OnFailure == config.AuditRefuse)...)
	}
	return found
}

// examineCredentials looks at the tokens of the state directory.
func examineCredentials(cfg *config.Config) []doctor.Finding {
	_, err := auth.OpenStore(auth.StoreConfig{Dir: cfg.Server.StateDir})
	found := []doctor.Finding{doctor.Tokens(err)}
	if !namesClients(*cfg) {
		_, err := auth.ReadToken(cfg.Server.StateDir)
		found = append(found, doctor.Token(err))
	}
	return found
}

func examineCertificate(cfg config.TLS) doctor.Finding {
	keeper, err := newKeeper(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return doctor.Certificate(time.Time{}, time.Time{}, err)
	}
	return doctor.Certificate(keeper.NotAfter(), time.Now(), nil)
}

func examinePorts(ctx context.Context, cfg *config.Config) []doctor.Finding {
	if cfg.Server.Transport != "http" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPort)
	defer cancel()
	ports := []doctor.Port{doctor.LookAtPort(ctx, cfg.Server.Host, cfg.Server.Port, "server.port, or --port")}
	if m := cfg.Metrics; m.Enabled && m.PrometheusPort != 0 {
		ports = append(ports, doctor.LookAtPort(ctx, m.PrometheusHost, m.PrometheusPort, "metrics.prometheus_port"))
	}
	return doctor.Ports(ports...)
}

// examineFleet looks at plugins that have been started.
func examineFleet(ctx context.Context, f *fleet.Fleet) []doctor.Finding {
	var plugins []doctor.Plugin
	for _, s := range f.Status() {
		plugins = append(plugins, doctor.Plugin{
			Name: s.Name, Version: s.Version, Path: s.Path, State: string(s.State), Error: s.Error, Fix: s.Fix,
			Tools: s.Tools,
		})
	}
	found := doctor.Plugins(plugins)
	for _, p := range f.Problems() {
		if p.Tool != "" { // the others came with the directories
			found = append(found, doctor.Clash(p.Path, p.Tool, p.Reason, p.Fix))
		}
	}
	brief, cancel := context.WithTimeout(ctx, doctorChecks)
	defer cancel()
	return append(found, doctor.Checks(f.CheckHealth(brief))...)
}

// examineSandbox tells the layers of each plugin, those of plugins that say the same together: all that are
// built with the same sdk do.
func examineSandbox(c *catalog.Catalog, cfg config.Sandbox) []doctor.Finding {
	type group struct {
		plugins []string
		layers  []tool.Layer
	}
	var groups []*group
	for _, e := range c.Entries() {
		layers := inForce(e.Layers, cfg.RunAs)
		i := slices.IndexFunc(groups, func(g *group) bool { return slices.Equal(g.layers, layers) })
		if i < 0 {
			i, groups = len(groups), append(groups, &group{layers: layers})
		}
		if g := groups[i]; !slices.Contains(g.plugins, e.Plugin) {
			g.plugins = append(g.plugins, e.Plugin)
		}
	}
	var found []doctor.Finding
	for _, g := range groups {
		found = append(found, doctor.Layers(g.plugins, g.layers, cfg.Require)...)
	}
	return found
}

// inForce is what a plugin says of its sandbox, less what the configuration takes back: plugins tell it before
// they know.
func inForce(layers []tool.Layer, runAs string) []tool.Layer {
	layers = slices.Clone(layers)
	for i, l := range layers {
		if l.Name == "own user" && l.Active && runAs == "none" {
			layers[i] = tool.Layer{Name: l.Name, Detail: "sandbox.run_as is none: programs run as root"}
		}
	}
	return layers
}
