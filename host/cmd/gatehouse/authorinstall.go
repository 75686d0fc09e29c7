package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// installPluginCommand puts a program where hosts find it.
func (a *app) installPluginCommand() *cobra.Command {
	var o remote
	var to string
	cmd := &cobra.Command{
		Use: "install BINARY", Args: cobra.ExactArgs(1),
		Short: "Put a plugin into a plugin directory, at once, and wait until the running host serves it",
		Long: `Install starts the program once, to see that it is a plugin and what it offers, and puts a copy of it into
a plugin directory, under the plugin's name. A host that runs takes it over by itself, without a failed call;
where one answers, install waits for that.`,
		Example: "  gatehouse plugin install bin/port-check\n" +
			"  gatehouse plugin install bin/port-check --to /usr/local/lib/gatehouse/plugins",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.installPlugin(cmd.Context(), o, args[0], to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", toUsage)
	o.whereFlags(cmd)
	return cmd
}

// toUsage is what --to means.
const toUsage = "plugin directory (default: the first of the configuration that can be written to)"

func (a *app) installPlugin(ctx context.Context, o remote, binary, to string) error {
	dir, err := a.pluginDirectory(to)
	if err != nil {
		return err
	}
	in, err := develop.Install(ctx, binary, dir, describer(filepath.Base(binary), binary))
	if err != nil {
		return failure(spoken(err))
	}
	a.printInstalled(in)
	if in.Unpinned {
		fmt.Fprintln(a.stdout, line(dir), "has a lock file; no host starts it before you type: gatehouse plugins pin")
		return nil
	}
	v, err := awaitServing(ctx, in, func() (httpdoor.PluginList, error) { return a.runningPlugins(ctx, o) })
	switch {
	case errors.Is(err, errNoHost) && o.url == "":
		fmt.Fprintln(a.stdout, "no host answers; the next one that looks into this directory serves it")
		return nil
	case err != nil:
		return unable(err)
	}
	fmt.Fprintf(a.stdout, "the running host serves it (%s)\n", served(v))
	return nil
}

// pluginDirectory is the one that was named, else the first of the configuration that can be used.
func (a *app) pluginDirectory(to string) (string, error) {
	dirs := []string{to}
	if to == "" {
		cfg, err := a.load()
		if err != nil {
			return "", err
		}
		dirs = cfg.Plugins.Dirs
	}
	dir, err := develop.Directory(dirs)
	return dir, failure(err)
}

func (a *app) printInstalled(in develop.Installed) {
	var tools []string
	for _, t := range in.Manifest.Tools {
		tools = append(tools, t.Name)
	}
	fmt.Fprintf(a.stdout, "%s %s: %s\n", line(in.Manifest.Name), line(in.Manifest.Version), strings.Join(tools, " "))
	verb := "installed"
	switch {
	case in.Same:
		verb = "already in place:"
	case in.Replaced:
		verb = "replaced"
	}
	fmt.Fprintln(a.stdout, verb, line(in.Path))
}

// describer asks a program what it offers. Messages have its name, and in place of its path, which is that of
// a copy, what a person knows it by.
func describer(name, said string) develop.Describe {
	return func(ctx context.Context, path string) (m tool.Manifest, err error) {
		dir, err := os.MkdirTemp("", "gatehouse-ask-")
		if err != nil {
			return m, err
		}
		defer os.RemoveAll(dir)
		p, err := proc.Start(ctx, proc.Config{Name: name, Path: path, RuntimeDir: dir})
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, describeLimit)
			defer cancel()
			m, err = p.Describe(ctx)
			err = errors.Join(err, p.Close())
		}
		if e := (*tool.Error)(nil); errors.As(err, &e) {
			return m, errors.New(strings.ReplaceAll(advised(e.Message, authorAdvice(e.Message, e.Suggestion)), path, said))
		}
		return m, err
	}
}

// authorAdvice is what who holds a program that is not installed can do. What hosts advise is for those who find
// it in the plugin directory, where it was a plugin once.
func authorAdvice(wrong, fix string) string {
	switch {
	case strings.HasPrefix(fix, "take ") && strings.Contains(fix, "out of the plugin directory"):
		return "nothing was installed; name a program that was built with the sdk, or speaks the plugin protocol"
	case strings.Contains(wrong, "ended before the handshake"):
		return "it is not a plugin, or fails as it starts, and was not installed; " + fix
	}
	return fix
}

// describeLimit is how long a plugin may take to say what it offers.
const describeLimit = 10 * time.Second

// spoken is an error as a person reads it, with what can be done.
func spoken(err error) error {
	if e := (*tool.Error)(nil); errors.As(err, &e) && e.Suggestion != "" {
		return fmt.Errorf("%w; %s", err, line(e.Suggestion))
	}
	return err
}

// unable is the failure of a plugin that is in place and does not serve.
func unable(err error) error {
	if exit := (*exitError)(nil); errors.As(err, &exit) {
		return err
	}
	return &exitError{code: exitUnable, err: err}
}

// runningPlugins asks the running host what it has.
func (a *app) runningPlugins(ctx context.Context, o remote) (list httpdoor.PluginList, err error) {
	raw, err := a.ask(ctx, o, http.MethodGet, "/plugins")
	if err != nil {
		return list, err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return list, failure(fmt.Errorf("read the answer: %w", err))
	}
	return list, nil
}

// Bounds of the wait for a host to take a plugin over.
const (
	servingLook  = 50 * time.Millisecond
	servingGrace = 5 * time.Second // before what a host says is wrong is believed: it may be about the file before
	servingLimit = 30 * time.Second
)

// awaitServing waits until a host serves the bytes that were installed, or says why not.
func awaitServing(
	ctx context.Context, in develop.Installed, list func() (httpdoor.PluginList, error),
) (httpdoor.PluginView, error) {
	tick := time.NewTicker(servingLook)
	defer tick.Stop()
	for begun := time.Now(); ; {
		l, err := list()
		if err != nil {
			return httpdoor.PluginView{}, err
		}
		v, wrong := standing(l, in)
		waited := time.Since(begun)
		switch {
		case wrong == "":
			return v, nil
		case waited > servingLimit, waited > servingGrace && wrong != stillStarting:
			return v, errors.New(wrong)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return v, context.Cause(ctx)
		}
	}
}

const stillStarting = "the host has not taken it over yet; see: gatehouse plugins list"

// standing says what keeps a host from serving the bytes that were installed; "": nothing does.
func standing(l httpdoor.PluginList, in develop.Installed) (v httpdoor.PluginView, wrong string) {
	i := slices.IndexFunc(l.Plugins, func(v httpdoor.PluginView) bool { return v.Path == in.Path })
	if i < 0 {
		for _, p := range l.Problems {
			if p.Path == in.Path || p.Path == filepath.Dir(in.Path) {
				return v, line(problemLine(p))
			}
		}
		return v, "the running host does not have it; see whether it looks into " + line(filepath.Dir(in.Path)) +
			": gatehouse config show"
	}
	v = l.Plugins[i]
	current := v.SHA256 == in.SHA256
	switch {
	case current && (v.State == "ready" || v.State == "idle") && len(v.Clashes) == 0:
		return v, ""
	case current && len(v.Clashes) > 0:
		return v, line(problemLine(v.Clashes[0]))
	case v.SuccessorError != "":
		return v, advised(v.SuccessorError, v.SuccessorFix)
	case v.Error != "":
		return v, advised(v.Error, v.RecoverySuggestion)
	case current && v.State == "stopped":
		return v, "it is stopped: " + line(v.Reason)
	}
	return v, stillStarting
}

// served is what serves, for people.
func served(v httpdoor.PluginView) string {
	if v.Pid == 0 {
		return v.State
	}
	return fmt.Sprintf("process %d", v.Pid)
}
