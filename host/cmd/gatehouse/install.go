package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/clientconfig"
)

// installation is what the flags of install and uninstall say.
type installation struct {
	name, project, path string
	dryRun, force       bool

	env            []string
	url, tokenFile string
}

// installCommand writes this program into the configuration of an MCP client. It touches no client that runs.
func (a *app) installCommand() *cobra.Command {
	var o installation
	cmd := &cobra.Command{
		Use: "install [CLIENT]", Args: cobra.MaximumNArgs(1),
		Short: "Let an MCP client start this program: claude-desktop, claude-code, cursor or vscode",
		Long: `Writes this program into the configuration file of an MCP client, and keeps a backup of the file beside it.
All else in the file stays as it is, comments and indentation included. --config, --plugins-dir and the flags of
the log are written along. Without a client it lists those that there are.`,
		Example: "  gatehouse install claude-desktop --config ~/gatehouse.yaml --dry-run\n" +
			"  gatehouse install claude-code --project . --env MCP_LOGGING_LEVEL=WARN\n" +
			"  gatehouse install vscode --url http://127.0.0.1:8080/mcp --token-file token",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listClients(o)
			}
			return a.install(args[0], o)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.env, "env", nil, "environment variable for the host, KEY=VALUE; may be repeated")
	f.StringVar(&o.url, "url", "", "address of a host that runs already, instead of starting one")
	f.StringVar(&o.tokenFile, "token-file", "", "file with the token to show it; it is copied into the client's file")
	return cmd
}

// uninstallCommand takes back what install did.
func (a *app) uninstallCommand() *cobra.Command {
	var o installation
	cmd := &cobra.Command{
		Use: "uninstall CLIENT", Args: cobra.ExactArgs(1),
		Short: "Take this program out of the configuration of an MCP client",
		RunE:  func(_ *cobra.Command, args []string) error { return a.uninstall(args[0], o) },
	}
	o.flags(cmd)
	return cmd
}

func (o *installation) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "gatehouse", "name of the server in the client")
	f.StringVar(&o.project, "project", "", "directory of a project, whose file is meant instead of the user's")
	f.StringVar(&o.path, "path", "", "the client's file itself, when it lies elsewhere")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would change, without secrets, and change nothing")
	f.BoolVar(&o.force, "force", false, "also where an entry of that name starts something else, or a project gets a token")
}

// serverNameRE is what all clients take as a name: Claude Code is the strictest.
var serverNameRE = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,64}\z`)

// target finds the client, and the file that is meant.
func (a *app) target(client string, o installation) (clientconfig.Client, string, error) {
	c, err := clientconfig.Find(client)
	switch {
	case err != nil:
		return c, "", err
	case !serverNameRE.MatchString(o.name):
		return c, "", fmt.Errorf("--name %q: allowed are 1 to 64 of A-Z, a-z, 0-9, - and _", o.name)
	case o.path != "" && o.project != "":
		return c, "", errors.New("--path and --project name two files; say one of them")
	case o.path != "":
		return c, o.path, nil
	case o.project != "":
		if info, err := os.Stat(o.project); err != nil || !info.IsDir() {
			return c, "", fmt.Errorf("--project %q is no directory; name the one that the project lies in", o.project)
		}
		path, err := c.ProjectFile(o.project)
		return c, path, err
	}
	m, err := a.machine()
	if err != nil {
		return c, "", err
	}
	return c, c.UserFile(m), nil
}

func (a *app) machine() (clientconfig.Machine, error) {
	m := clientconfig.Machine{
		OS: runtime.GOOS, Home: a.getenv("HOME"), XDGConfigHome: a.getenv("XDG_CONFIG_HOME"),
		ClaudeConfigDir: a.getenv("CLAUDE_CONFIG_DIR"),
	}
	if !filepath.IsAbs(m.Home) {
		return m, errors.New("HOME is not set, so nobody knows where the client's file is; name it with --path")
	}
	return m, nil
}

func (a *app) install(client string, o installation) error {
	c, path, err := a.target(client, o)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	entry, self, err := a.entry(c, o)
	if err != nil {
		return err
	}
	shared := a.shared(path, o)
	change, err := c.Install(path, o.name, entry, clientconfig.Options{Force: o.force, Self: self, Project: shared})
	if refused := (*clientconfig.Refused)(nil); errors.As(err, &refused) {
		a.leftAlone(refused)
		if !errors.Is(err, clientconfig.ErrShared) {
			fmt.Fprintf(a.stderr, "by hand, this belongs into it:\n%s", plain(c.Snippet(o.name, entry)))
		}
		return &exitError{code: exitFailure}
	}
	if err != nil {
		return failure(err)
	}
	if !change.Nothing() {
		a.warn(c, entry, change, o, shared)
	}
	return a.carryOut(change, o, report{idle: "has this entry already", next: c.Next})
}

// shared reports whether the file is a project's, however it was named.
func (a *app) shared(path string, o installation) bool {
	m, _ := a.machine() // without it no file is known as its user's, and --path says which is meant
	return o.project != "" || o.path != "" && clientconfig.OfProject(path, m)
}

func (a *app) uninstall(client string, o installation) error {
	c, path, err := a.target(client, o)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	self, _ := invoked() // without it, ours is what is called gatehouse
	options := clientconfig.Options{Force: o.force, Self: self}
	change, err := c.Uninstall(path, o.name, options)
	if refused := (*clientconfig.Refused)(nil); errors.As(err, &refused) {
		a.leftAlone(refused)
		return &exitError{code: exitFailure}
	}
	if err != nil {
		return failure(err)
	}
	err = a.carryOut(change, o, report{
		idle: "has no entry " + o.name,
		next: "start " + c.Title + " again; until then it keeps what it runs",
	})
	if err != nil {
		return err
	}
	holding, err := c.Remains(path, o.name, options)
	if len(holding) > 0 {
		a.remains(holding)
	}
	return failure(err)
}

// remains says where the secrets of an entry that was taken out still are.
func (a *app) remains(backups []string) {
	fmt.Fprintln(a.stderr, "warning: the token, or variables, of the entry are still in these backups:")
	remove := "rm --"
	for _, path := range backups {
		fmt.Fprintln(a.stderr, " ", line(path))
		remove += " '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	fmt.Fprintf(a.stderr, "when you need them no more: %s\n", line(remove))
}

// report is what is told of a change.
type report struct {
	idle string // of the file, when there is nothing to do
	next string // what the person does then
}

func (a *app) leftAlone(r *clientconfig.Refused) {
	fmt.Fprintf(a.stderr, "gatehouse: %s\n", line(r.Error()))
}

// carryOut makes the change, or shows it, and says what is left to do.
func (a *app) carryOut(change clientconfig.Change, o installation, told report) error {
	if change.Nothing() {
		_, err := fmt.Fprintf(a.stdout, "nothing to do: %s %s\n", line(change.Path), told.idle)
		return failure(err)
	}
	if o.dryRun {
		_, err := fmt.Fprint(a.stdout, plain(change.Diff()))
		return failure(err)
	}
	backup, err := change.Write(time.Now())
	if err != nil {
		return failure(err)
	}
	fmt.Fprintf(a.stdout, "wrote %s\n", line(change.Path))
	if change.Closed() {
		fmt.Fprintln(a.stdout, "since something secret is in it now, nobody but you can read it any more (mode 0600)")
	}
	if backup != "" {
		fmt.Fprintf(a.stdout, "what it was is in %s\n", line(backup))
	}
	_, err = fmt.Fprintf(a.stdout, "next: %s\n", told.next)
	return failure(err)
}

// warn says what the person should know before the client starts.
func (a *app) warn(
	c clientconfig.Client, e clientconfig.Entry, change clientconfig.Change, o installation, shared bool,
) {
	say := func(format string, args ...any) {
		fmt.Fprintln(a.stderr, "warning:", line(fmt.Sprintf(format, args...)))
	}
	if temporary(e.Command) {
		say("%s is a temporary file, and %s will not find it later; build the program, and install that",
			e.Command, c.Title)
	}
	if e.Secret() && shared {
		say("the token, or variables, would be part of the project; keep %s out of version control if they are secret",
			change.Path)
	}
	if u, err := url.Parse(e.URL); err == nil && e.Token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
		say("the token travels unencrypted to %s; let it be https", u.Host)
	}
	if m, err := a.machine(); err == nil && o.path == "" && o.project == "" && !c.Present(m, exists) {
		say("there is no sign of %s on this machine", c.Title)
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// listClients tells which clients there are, and what is in their files.
func (a *app) listClients(o installation) error {
	m, err := a.machine()
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tHERE\tSTARTS\tFILE")
	for _, c := range clientconfig.Clients() {
		here, path := "no", c.UserFile(m)
		if c.Present(m, exists) {
			here = "yes"
		}
		starts := "-"
		found, err := c.Look(path, o.name)
		switch {
		case err != nil:
			starts = "cannot be read: " + err.Error()
		case found != nil:
			starts = found.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Name, here, line(starts), line(path))
	}
	return failure(w.Flush())
}
