package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
)

// devPluginCommand exchanges a plugin whenever its source is saved.
func (a *app) devPluginCommand() *cobra.Command {
	d := dev{app: a}
	cmd := &cobra.Command{
		Use: "dev DIR", Args: cobra.ExactArgs(1),
		Short: "Build a plugin and exchange it in a host whenever a source is saved, until Ctrl-C",
		Long: `Dev builds the Go program in DIR, puts it into a plugin directory, and does so again whenever a source is
saved. The host exchanges it without a failed call. What does not build, or does not start, changes nothing: the
compiler's words are shown, and the last good build goes on serving.

Where a host answers, its plugin directory is used, and the plugin leaves it at the end unless it was there
before. Where none does, dev runs one of its own over HTTP, with this plugin alone; so it does with --serve,
--host or --port. The tools that it has are called there with: gatehouse call --running`,
		Example: "  gatehouse plugin dev .\n  gatehouse plugin dev port-check --serve --port 8081",
		RunE:    func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&d.to, "to", "", toUsage)
	cmd.Flags().BoolVar(&d.serve, "serve", false, "run a host of its own, whether another answers or not")
	a.flag(cmd, "host", "server.host", "", "address that a host of its own listens on (default 127.0.0.1)")
	a.flag(cmd, "port", "server.port", 0, "port that a host of its own listens on, 0 for any (default 8080)")
	d.remote.whereFlags(cmd)
	return cmd
}

// dev is one run of plugin dev.
type dev struct {
	*app
	remote remote
	to     string
	serve  bool

	name string                              // of the program, for messages
	dir  string                              // where the plugin goes
	list func() (httpdoor.PluginList, error) // what the host has
	made map[string]made                     // path of a plugin -> what was put there

	called string // what was printed for a call
}

// made is a file that dev has put into the plugin directory.
type made struct {
	file fs.FileInfo
	ours bool // there was nothing before it
}

func (d *dev) run(ctx context.Context, source string) error {
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		return &exitError{code: exitUsage, err: fmt.Errorf(
			"%s is not a directory; name that of the plugin's main package", source)}
	}
	d.made, d.name = make(map[string]made), nameOf(source)
	d.serve = d.serve || d.said("server.port") || d.said("server.host")
	d.list = func() (httpdoor.PluginList, error) { return d.runningPlugins(ctx, d.remote) }
	if d.serve && d.to != "" {
		return &exitError{code: exitUsage, err: errors.New(
			"--serve, --host and --port are for a host with a plugin directory of its own; leave out --to")}
	}
	if !d.serve && d.to == "" {
		_, err := d.list()
		if d.serve = errors.Is(err, errNoHost) && d.remote.url == ""; err != nil && !d.serve {
			return err
		}
	}
	if d.serve {
		return d.alone(ctx, source)
	}
	var err error
	if d.dir, err = d.pluginDirectory(d.to); err != nil {
		return err
	}
	return errors.Join(failure(d.loop(ctx, source)), failure(d.leave()))
}

// nameOf is what the go command would call the program of a directory.
func nameOf(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// alone runs a host for the plugin, and ends it after the loop.
func (d *dev) alone(ctx context.Context, source string) error {
	dir, err := os.MkdirTemp("", "gatehouse-dev-plugins-")
	if err != nil {
		return failure(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // plugins may run as another user
		return failure(err)
	}
	if d.dir, err = develop.Directory([]string{dir}); err != nil {
		return failure(err)
	}
	d.flags["plugins.dirs"], d.flags["server.transport"] = []string{d.dir}, "http"
	d.prefer("logging.format", "simple")
	var own atomic.Pointer[host]
	d.adjust = func(h *host, c *fleet.Config) {
		c.Trust, c.Launch, c.Manifests = fleet.TrustAll, fleet.Eager, nil
		own.Store(h)
	}
	d.list = func() (l httpdoor.PluginList, err error) {
		if h := own.Load(); h != nil {
			l = pluginList(h.fleet)
		}
		return l, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1) // closed by nobody
	go func() {
		defer cancel()
		ended <- d.app.serve(ctx)
	}()
	err = d.loop(ctx, source)
	cancel()
	if served := <-ended; served != nil {
		return served
	}
	return failure(err)
}

// prefer sets a key of the configuration that no flag has set.
func (a *app) prefer(key string, value any) {
	if !a.said(key) {
		a.flags[key] = value
	}
}

// said reports whether a flag has set a key of the configuration.
func (a *app) said(key string) bool {
	_, said := a.flags[key]
	return said
}

func (d *dev) loop(ctx context.Context, source string) error {
	return develop.Loop{
		Dir: source, Words: d.stderr, Built: d.take,
		Failed: func(err error) {
			fmt.Fprintln(d.stderr, "gatehouse:", line(spoken(err).Error()))
			if len(d.made) > 0 {
				fmt.Fprintln(d.stderr, "the last good build goes on serving; save a source to try again")
			}
		},
	}.Run(ctx)
}

// take puts a build in the place of the one before it, and waits until the host serves it.
func (d *dev) take(ctx context.Context, built string) error {
	in, err := develop.Exchange(ctx, built, d.dir, d.last(), describer(d.name, "it"))
	if in.File != nil { // it is there, even if no host takes it
		err = errors.Join(err, d.keep(in))
	}
	if err != nil {
		return err
	}
	d.printInstalled(in)
	if in.Unpinned {
		return fmt.Errorf("%s has a lock file, so that no host starts what is built; use --serve, "+
			"or another directory", d.dir)
	}
	v, err := awaitServing(ctx, in, d.list)
	if errors.Is(err, errNoHost) {
		fmt.Fprintln(d.stdout, "no host answers; the next one that looks into this directory serves it")
		return nil
	}
	if err == nil {
		d.tellCall(in)
		fmt.Fprintf(d.stdout, "serving (%s); waiting for a change\n", served(v))
	}
	return err
}

// tellCall prints what to type for a call, once.
func (d *dev) tellCall(in develop.Installed) {
	if len(in.Manifest.Tools) == 0 {
		return
	}
	if call := d.toCall(d.remote, in.Manifest.Tools[0].Name); call != "" && call != d.called {
		d.called = call
		fmt.Fprintln(d.stdout, "to call it:", call)
	}
}

// last is the file that was put into the directory last; nil: none was.
func (d *dev) last() fs.FileInfo {
	for _, m := range d.made {
		return m.file // there is one: of another name there is none, see keep
	}
	return nil
}

// keep remembers what was put into the directory. What another put there meanwhile is not ours to take out.
func (d *dev) keep(in develop.Installed) error {
	before, known := d.made[in.Path]
	now := made{file: in.File, ours: in.Before == nil || before.ours && develop.SameFile(in.Before, before.file)}
	var err error
	if !known {
		err = d.leave() // it had another name until now
	}
	d.made[in.Path] = now
	return err
}

// leave takes out what was not there before, unless another has exchanged it.
func (d *dev) leave() error {
	var errs []error
	for path, m := range d.made {
		errs = append(errs, m.leave(d.stdout, path))
	}
	clear(d.made)
	return errors.Join(errs...)
}

func (m made) leave(out io.Writer, path string) error {
	now, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !develop.SameFile(now, m.file):
		_, err = fmt.Fprintln(out, "left", line(path), "to who exchanged it")
		return err
	case !m.ours:
		_, err = fmt.Fprintln(out, "the last good build stays at", line(path))
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "took out", line(path))
	return err
}
