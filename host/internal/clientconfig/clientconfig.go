// Package clientconfig writes Gatehouse into the configuration files of MCP clients, and takes it out again.
// A [Client] knows where its file is and how an [Entry] looks in it; a [Change] is what would become of the
// file, to be shown or written.
//
//	client, err := clientconfig.Find("cursor")
//	path := client.UserFile(clientconfig.Machine{OS: runtime.GOOS, Home: "/home/me"})
//	entry := clientconfig.Entry{Command: "/usr/local/bin/gatehouse"}
//	change, err := client.Install(path, "gatehouse", entry, clientconfig.Options{})
//	fmt.Print(change.Diff())
//	backup, err := change.Write(time.Now())
//
// The files belong to other programs and to their users, so an edit touches the entry alone: comments, order,
// members that nobody here knows, indentation and line ends stay byte for byte. What cannot be edited like
// that is left alone, with an error that says why.
package clientconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Client is a program that starts MCP servers, and reads from a file which.
type Client struct {
	Name  string // as it is typed: claude-desktop
	Title string // as its makers write it: Claude Desktop
	Next  string // what its user does after a change, an imperative sentence without a full stop

	servers   string // the member of the file that holds the servers
	comments  bool   // it reads comments and trailing commas
	stdio     string // the entry's type of a server that is started; empty: the entry has no such member
	http      string // likewise of one at an address
	addresses bool   // it reads entries with an address
	variable  string // what stands in a file for a token that each user has; empty: there is no such thing

	user    func(Machine) string // its user's file
	project string               // the file of a project, below its directory; empty: there is none
	signs   func(Machine) []string
}

// Machine is where a client runs, as far as the place of its files depends on it.
type Machine struct {
	OS              string // of runtime.GOOS
	Home            string // absolute path
	XDGConfigHome   string // XDG_CONFIG_HOME; empty or relative: Home/.config
	ClaudeConfigDir string // CLAUDE_CONFIG_DIR, by which Claude Code moves its files; empty: it does not
}

// config is the directory below which desktop programs keep their files.
func (m Machine) config() string {
	switch {
	case m.OS == "darwin":
		return filepath.Join(m.Home, "Library", "Application Support")
	case filepath.IsAbs(m.XDGConfigHome):
		return m.XDGConfigHome
	}
	return filepath.Join(m.Home, ".config")
}

// Clients are those that this package knows, in the order in which they are told of.
func Clients() []Client { return slices.Clone(clients) }

var clients = []Client{
	{
		Name: "claude-desktop", Title: "Claude Desktop", servers: "mcpServers",
		Next: "quit Claude Desktop, not only its window, and start it again",
		user: func(m Machine) string { return filepath.Join(m.config(), "Claude", "claude_desktop_config.json") },
		signs: func(m Machine) []string {
			return []string{filepath.Join(m.config(), "Claude"), "/Applications/Claude.app"}
		},
	},
	{
		Name: "claude-code", Title: "Claude Code", servers: "mcpServers", stdio: "stdio", http: "http", addresses: true,
		variable: "${GATEHOUSE_TOKEN}", Next: "start a new session of claude and look at /mcp; a project's server is approved there first",
		project: ".mcp.json",
		user: func(m Machine) string {
			if m.ClaudeConfigDir != "" {
				return filepath.Join(m.ClaudeConfigDir, ".claude.json")
			}
			return filepath.Join(m.Home, ".claude.json")
		},
		signs: func(m Machine) []string {
			return []string{m.ClaudeConfigDir, filepath.Join(m.Home, ".claude.json"), filepath.Join(m.Home, ".claude")}
		},
	},
	{
		Name: "cursor", Title: "Cursor", servers: "mcpServers", stdio: "stdio", comments: true, addresses: true,
		variable: "${env:GATEHOUSE_TOKEN}", Next: "see in Cursor's settings, under MCP, that the server is on",
		project: filepath.Join(".cursor", "mcp.json"),
		user:    func(m Machine) string { return filepath.Join(m.Home, ".cursor", "mcp.json") },
		signs:   func(m Machine) []string { return []string{filepath.Join(m.Home, ".cursor")} },
	},
	{
		Name: "vscode", Title: "VS Code", servers: "servers", stdio: "stdio", http: "http", comments: true,
		addresses: true, variable: "${input:gatehouse-token}", Next: "type \"MCP: List Servers\" into VS Code's command palette, and start the server there",
		project: filepath.Join(".vscode", "mcp.json"),
		user:    func(m Machine) string { return filepath.Join(m.config(), "Code", "User", "mcp.json") },
		signs:   func(m Machine) []string { return []string{filepath.Join(m.config(), "Code")} },
	},
}

// Find returns the client of a name. The error says which there are.
func Find(name string) (Client, error) {
	var names []string
	for _, c := range clients {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Client{}, fmt.Errorf("there is no client %q; known are %s", name, strings.Join(names, ", "))
}

// UserFile is the path of the file for all that its user does.
func (c Client) UserFile(m Machine) string { return c.user(m) }

// ErrNoProjects is in the chain when a client has no files of projects.
var ErrNoProjects = errors.New("has no file for a project")

// ProjectFile is the path of the file for one project, which lies in dir.
func (c Client) ProjectFile(dir string) (string, error) {
	if c.project == "" {
		return "", fmt.Errorf("%s %w, only one for its user", c.Title, ErrNoProjects)
	}
	return filepath.Join(dir, c.project), nil
}

// OfProject reports whether a path is that of a project's file, of whichever client, by its last names. That
// of a user is none, though it may be called alike.
func OfProject(path string, m Machine) bool {
	path = resolved(path)
	if slices.ContainsFunc(clients, func(c Client) bool { return path == resolved(c.user(m)) }) {
		return false
	}
	return slices.ContainsFunc(clients, func(c Client) bool {
		return c.project != "" && strings.HasSuffix(path, string(filepath.Separator)+c.project)
	})
}

// resolved is the absolute path, without symbolic links when all of it exists.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Present reports whether the client has been here: whether it left files, or is installed where it always
// is.
func (c Client) Present(m Machine, exists func(path string) bool) bool {
	return slices.ContainsFunc(c.signs(m), func(path string) bool { return path != "" && exists(path) })
}

// Addresses reports whether the file can name a server by its address, rather than by a program to be
// started.
func (c Client) Addresses() bool { return c.addresses }
