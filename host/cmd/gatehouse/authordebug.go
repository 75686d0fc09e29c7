package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// debugPluginCommand attaches a host to a plugin that somebody has started.
func (a *app) debugPluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "debug [ADDRESS]", Args: cobra.MaximumNArgs(1),
		Short: "Attach a host to a plugin that runs under a debugger, and serve it",
		Long: `Debug serves one plugin that you have started yourself with --debug, through all the gates. ADDRESS is
what the plugin said: unix:/path, or its name; it may be left out while there is one.

  terminal 1    dlv debug . -- --debug
  terminal 2    gatehouse plugin debug
  terminal 3    gatehouse call --running TOOL TARGET

The process is neither probed nor ended, and calls have an hour, so that breakpoints can hold it. When it
ends, the host waits for it to be started again; when the host ends, the plugin waits for another. Only plugins
of your own can be attached: the socket must lie in a directory that is yours alone. Nothing confines the
process.`,
		Example: "  gatehouse plugin debug\n  gatehouse plugin debug port-check --transport stdio",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.debugPlugin(cmd.Context(), strings.Join(args, ""))
		},
	}
	a.flag(cmd, "transport", "server.transport", "", "stdio or http (default http)")
	a.flag(cmd, "host", "server.host", "", "address to listen on (default 127.0.0.1)")
	a.flag(cmd, "port", "server.port", 0, "port to listen on, 0 for any (default 8080)")
	return cmd
}

func (a *app) debugPlugin(ctx context.Context, said string) error {
	path, err := debugSocket(said)
	if err == nil {
		err = wire.CheckDebugSocket(path)
	}
	if err != nil {
		return failure(fmt.Errorf("%w; start the plugin with --debug, as yourself, and it says where it waits", err))
	}
	a.prefer("server.transport", "http")
	a.prefer("logging.format", "simple")
	a.adjust = func(_ *host, c *fleet.Config) { a.attach(c, path) }
	return a.serve(ctx)
}

// debugSocket understands an address, or the name of a plugin. Without either it finds the one that waits.
func debugSocket(said string) (string, error) {
	path, address := strings.CutPrefix(said, "unix:")
	switch {
	case filepath.IsAbs(path):
		return filepath.Clean(path), nil
	case tool.ValidName(said):
		return wire.DebugSocket(said), nil
	case address || said != "":
		return "", fmt.Errorf("%q is neither an address such as unix:/run/user/1000/gatehouse-debug/port.sock "+
			"nor the name of a plugin", said)
	}
	found, err := wire.WaitingDebug()
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", errors.New("no plugin waits for a host")
	case len(found) > 1:
		return "", fmt.Errorf("several plugins wait, at %s; name one", strings.Join(found, ", "))
	}
	return found[0], nil
}

// attach has a fleet consist of one plugin that a person looks at. Nothing that takes long is a failure.
func (a *app) attach(c *fleet.Config, path string) {
	c.Attach, c.Trust, c.Launch, c.Manifests = path, fleet.TrustAll, fleet.Eager, nil
	c.AdoptOrphans, c.Guard, c.Cgroup, c.MaxRSS = false, false, nil, nil
	c.StartTimeout = time.Hour
	c.BackoffMin, c.BackoffMax, c.RestartBudget = time.Second, 5*time.Second, 1<<30
	settings, changed := c.Settings, c.StateChanged
	c.Settings = func(s tool.Spec) catalog.Settings {
		set := settings(s)
		set.DefaultTimeout, set.MaxTimeout = config.MaxTimeout, config.MaxTimeout
		set.Breaker.Threshold = 1 << 20
		return set
	}
	var there atomic.Bool
	c.StateChanged = func(s fleet.Status) {
		if s.State != fleet.Starting && there.Swap(s.State == fleet.Ready) != (s.State == fleet.Ready) {
			a.tellAttached(s, path)
		}
		changed(s)
	}
}

func (a *app) tellAttached(s fleet.Status, path string) {
	switch {
	case s.State == fleet.Ready:
		said := fmt.Sprintf("attached to %s %s: %s; a call may take an hour, and nothing ends the process\n",
			line(s.Name), line(s.Version), strings.Join(s.Tools, " "))
		if a.address != "" && len(s.Tools) > 0 {
			if call := a.toCall(remote{}, s.Tools[0]); call != "" {
				said += "to call it: " + call + "\n"
			}
		}
		_, _ = io.WriteString(a.stderr, said) // a closed terminal ends no host
	case s.State != fleet.Stopped || s.Reason != fleet.HostEnds:
		fmt.Fprintf(a.stderr, "the plugin is gone; this host waits until it is started again, at %s\n", line(path))
	}
}
