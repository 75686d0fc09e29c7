// Command gatehouse is a plugin host: it finds tool plugins, runs each as a process of its own, and lets AI
// assistants (MCP) and programs (REST) call their tools, behind gates that no plugin can skip.
//
// Started without arguments it speaks MCP on stdio, as Claude Desktop starts it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
)

// version is set by the build. Without that main takes the module's, which go install knows.
var version = development

const development = "dev"

// Exit codes. Those of a tool's program are passed on by call.
const (
	exitOK      = 0
	exitFailure = 1 // the host itself failed
	exitUsage   = 2 // bad flags or configuration
	exitRefused = 3 // a gate refused the call
	exitUnable  = 4 // the call could not be run, or broke
)

func main() {
	if info, ok := debug.ReadBuildInfo(); ok && version == development && strings.HasPrefix(info.Main.Version, "v") {
		version = info.Main.Version
	}
	if len(os.Args) > 1 && os.Args[1] == proc.GuardCommand { // a host has started us, see proc.StartGuard
		os.Exit(proc.GuardMain(os.Args[2:], os.Stdin))
	}
	in, out, restore, err := proc.GuardStdio()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gatehouse:", err)
		os.Exit(exitFailure)
	}
	// Go ends a program that writes to a stdout or stderr whose reader is gone. A lost log must not end a
	// service; a lost client is seen by the end of stdin. (Not signal.Ignore: plugins would inherit that.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), in, out, os.Stderr, hangups)
	stop()
	restore()
	os.Exit(code)
}

// hangups begins to take SIGHUP for a wish to read the configuration again. Until then it ends the program,
// as it should a single call whose terminal is gone.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1) // closed by nobody
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// app is what the commands share.
type app struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	hangups func() <-chan os.Signal // each asks for the configuration to be read again

	configFile string
	flags      map[string]any // dotted key of the configuration -> value, of the flags that were given

	// adjust has the last word about the plugins of a host that is being made; nil: nothing is changed.
	adjust func(*host, *fleet.Config)

	// address is where a host that is this process listens over HTTP, set before its plugins start; "": it does not.
	address string
}

// exitError ends the program with a code; its message has been printed already when err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run is the whole program; everything that it touches of the process is an argument.
func run(
	ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer,
	hangups func() <-chan os.Signal,
) int {
	a := &app{
		environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, hangups: hangups, flags: make(map[string]any),
	}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &exit):
		exit = &exitError{code: exitUsage, err: err} // cobra's own: unknown command, unknown flag
	}
	if exit.err != nil {
		fmt.Fprintln(stderr, "gatehouse:", exit.err)
	}
	return exit.code
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A plugin host that lets AI assistants and programs run network diagnostics, behind gates",
		Long: `Gatehouse finds tool plugins (nmap, ping, and what others write), runs each as a process of its
own, and offers their tools over MCP and REST. Scope of targets, rate limits, concurrency and circuit breakers
are the host's: a plugin can neither skip them nor outlive it.

Without a command it serves: MCP on stdio, or what MCP_SERVER_TRANSPORT says.`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, Version: version,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context()) },
	}
	root.SetVersionTemplate("gatehouse {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&a.configFile, "config", "", "configuration file, YAML or JSON (environment: MCP_CONFIG_FILE)")
	a.flag(root, "plugins-dir", "plugins.dirs", nil,
		"directory with plugins; may be repeated (default: plugins/ beside this program, then the system's)")
	a.flag(root, "log-level", "logging.level", "", "DEBUG, INFO, WARN or ERROR")
	a.flag(root, "log-format", "logging.format", "", "structured (JSON) or simple")
	root.AddCommand(a.serveCommand(), a.callCommand(), a.planCommand(), a.toolsCommand(), a.tokenCommand(),
		a.pluginsCommand(), a.pluginCommand(), a.breakerCommand(), a.healthCommand(), a.configCommand(), a.auditCommand(), a.doctorCommand(),
		a.installCommand(), a.uninstallCommand(),
		&cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := fmt.Fprintln(a.stdout, "gatehouse", version)
				return err
			}})
	return root
}

// group makes a command that is nothing without one of its own commands.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, // which refuses a command that there is not
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}
