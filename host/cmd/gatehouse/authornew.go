package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/scaffold"
)

// newPlugin is what the flags of plugin new say.
type newPlugin struct{ kind, module, dir, sdk string }

// newPluginCommand begins a plugin.
func (a *app) newPluginCommand() *cobra.Command {
	var o newPlugin
	cmd := &cobra.Command{
		Use: "new NAME", Args: cobra.ExactArgs(1),
		Short: "Begin a plugin: a Go module with a tool that works, its tests, README, Makefile and CI file",
		Long: `New makes a directory with a Go module of its own, outside of any other. NAME is that of the plugin:
lower-case words joined by -. The tool of port-check is called PortCheckTool.

There are two kinds. A plugin of kind command wraps a command-line program, with a table of the flags that
callers may use; one of kind func is a Go function. Nothing that exists is written over.`,
		Example: "  gatehouse plugin new port-check\n" +
			"  gatehouse plugin new port-check --kind func --module git.example.com/tools/port-check\n" +
			"  gatehouse plugin new port-check --sdk ~/src/gatehouse",
		RunE: func(_ *cobra.Command, args []string) error { return a.newPlugin(args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.kind, "kind", string(scaffold.Command), "command (wraps a program) or func (a Go function)")
	f.StringVar(&o.module, "module", "", "path of the Go module (default: example.com/NAME)")
	f.StringVar(&o.dir, "dir", "", "directory to make (default: NAME)")
	f.StringVar(&o.sdk, "sdk", "",
		"version of the sdk, or the directory of a checkout (default: this program's version)")
	return cmd
}

func (a *app) newPlugin(name string, o newPlugin) error {
	m, err := a.composePlugin(name, o)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	dir := cmp.Or(o.dir, name)
	if err := m.Write(dir); err != nil {
		return failure(err)
	}
	_, err = fmt.Fprintf(a.stdout, "made %s, with %d files; its tool is %s\nnext, type:\n\n"+
		"  cd %s && make test\n  make install%s\n  %s call %s\n", line(dir), len(m.Files()), m.Tool, shellPath(dir),
		makeArgument(), shellWord(program()), firstCall(m.Tool, o.kind))
	return failure(err)
}

func (a *app) composePlugin(name string, o newPlugin) (*scaffold.Module, error) {
	if err := scaffold.CheckName(name); err != nil { // the first mistake that a person makes
		return nil, err
	}
	sdk, err := scaffold.Find(o.sdk, version)
	if err != nil {
		return nil, err
	}
	return scaffold.New(scaffold.Config{Name: name, Kind: scaffold.Kind(o.kind), Module: o.module, SDK: sdk})
}

// firstCall calls the tool of a new plugin.
func firstCall(tool, kind string) string {
	if kind == string(scaffold.Func) {
		return tool + " 127.0.0.1 --arg port=8080"
	}
	return tool + " 127.0.0.1"
}

// program is how this program is called from a shell: by its name where that finds it.
func program() string {
	exe, err := os.Executable()
	if err != nil {
		return "gatehouse"
	}
	found, err := exec.LookPath("gatehouse")
	if err != nil {
		return exe
	}
	if found, err = filepath.EvalSymlinks(found); err != nil || found != exe {
		return exe
	}
	return "gatehouse"
}

// makeArgument tells make of this program, where its name does not find it.
func makeArgument() string {
	if p := program(); p != "gatehouse" {
		recipe := strings.ReplaceAll(shellWord(p), "$", "$$") // make reads it, and then a shell of its own
		return " GATEHOUSE=" + shellWord(recipe)
	}
	return ""
}

// wordRE matches what a shell takes as it is written.
var wordRE = regexp.MustCompile(`\A[A-Za-z0-9/._+:,@%-]+\z`)

// shellWord is a text as a shell takes it for one word. Of what a terminal would obey nothing is left.
func shellWord(s string) string {
	s = line(s)
	if wordRE.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellPath is a path as a word that no command takes for a flag.
func shellPath(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return shellWord(path)
}
