package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/clientconfig"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// stdio is the transport by which a client speaks to what it starts.
const stdio = "stdio"

// entry is what the client is told, and the path of this program.
func (a *app) entry(c clientconfig.Client, o installation) (clientconfig.Entry, string, error) {
	self, err := invoked()
	if err != nil {
		return clientconfig.Entry{}, "", failure(fmt.Errorf("find this program: %w", err))
	}
	var e clientconfig.Entry
	if o.url != "" {
		e, err = a.addressed(c, o)
	} else {
		e, err = a.started(self, o)
	}
	if err != nil {
		return e, self, &exitError{code: exitUsage, err: err}
	}
	return e, self, nil
}

// addressed is the entry of a host that runs already.
func (a *app) addressed(c clientconfig.Client, o installation) (clientconfig.Entry, error) {
	if !c.Addresses() {
		return clientconfig.Entry{}, fmt.Errorf("%s takes no address from its file; leave --url out, so that it starts "+
			"the program, or add a connector in its settings", c.Title)
	}
	if len(o.env) > 0 || len(a.flags) > 0 || a.configFile != "" {
		return clientconfig.Entry{}, errors.New("--env, --config and the like are for a host that the client starts; " +
			"with --url it runs already, so leave them out")
	}
	u, err := url.Parse(o.url)
	if err == nil && u.User != nil {
		return clientconfig.Entry{}, errors.New("--url has a user in it; leave that out, and use --token-file")
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return clientconfig.Entry{}, fmt.Errorf("--url %q is not an address such as http://127.0.0.1:8080/mcp", o.url)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/mcp"
	}
	e := clientconfig.Entry{URL: u.String()}
	if o.tokenFile == "" {
		return e, nil
	}
	raw, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return e, fmt.Errorf("read the token: %w", err)
	}
	e.Token = strings.TrimSpace(string(raw))
	if len(e.Token) > maxToken || !tokenRE.MatchString(e.Token) {
		return e, fmt.Errorf("--token-file %s holds no token; one is a line of letters, digits and -._~+/, of at most %d "+
			"characters", o.tokenFile, maxToken)
	}
	return e, nil
}

const maxToken = 8192 // what servers take as a header

// tokenRE is what RFC 6750 has as a token.
var tokenRE = regexp.MustCompile(`\A[A-Za-z0-9._~+/-]+=*\z`)

// started is the entry of a host that the client starts. Its configuration is read as that host will read it,
// since what is wrong with it would be seen in the client's log alone.
func (a *app) started(self string, o installation) (clientconfig.Entry, error) {
	e := clientconfig.Entry{Command: self}
	if o.tokenFile != "" {
		return e, errors.New("--token-file is shown to a host at an address; say which with --url")
	}
	var err error
	if e.Env, err = variables(o.env); err != nil {
		return e, err
	}
	later := *a
	later.environ = a.inClient(e.Env)
	if later.configFile != "" {
		if later.configFile, err = filepath.Abs(a.configFile); err != nil {
			return e, err
		}
	}
	cfg, err := later.load()
	if err != nil {
		return e, err
	}
	for _, name := range config.UnknownVariables(later.environ) {
		fmt.Fprintf(a.stderr, "warning: --env %s: looks like a setting and is none\n", line(name))
	}
	if cfg.Server.Transport != stdio {
		e.Args = append(e.Args, "serve", "--transport", stdio)
	}
	if later.configFile != "" {
		e.Args = append(e.Args, "--config", later.configFile)
	}
	rest, err := a.flagArguments()
	e.Args = append(e.Args, rest...)
	return e, err
}

// flagArguments are the flags of every command that were given, as the host's own.
func (a *app) flagArguments() ([]string, error) {
	var args []string
	dirs, _ := a.flags["plugins.dirs"].([]string)
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		args = append(args, "--plugins-dir", abs)
	}
	for _, f := range []struct{ name, key string }{
		{"--log-level", "logging.level"}, {"--log-format", "logging.format"},
	} {
		if value, ok := a.flags[f.key].(string); ok {
			args = append(args, f.name, value)
		}
	}
	return args, nil
}

// inClient is the environment of a host that a client starts: without the settings of this shell, with those
// of --env.
func (a *app) inClient(own []clientconfig.Var) []string {
	var environ []string
	for _, name := range []string{"HOME", "PATH"} {
		environ = append(environ, name+"="+a.getenv(name))
	}
	for _, v := range own {
		environ = append(environ, v.Name+"="+v.Value)
	}
	return environ
}

var variableRE = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

func variables(given []string) ([]clientconfig.Var, error) {
	var all []clientconfig.Var
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		switch {
		case !ok || !variableRE.MatchString(name):
			return nil, errors.New("--env wants KEY=VALUE, with a key of letters, digits and _") // the value may be secret
		case strings.ContainsRune(value, 0):
			return nil, fmt.Errorf("--env %s: its value has a zero byte", name)
		case slices.ContainsFunc(all, func(v clientconfig.Var) bool { return v.Name == name }):
			return nil, fmt.Errorf("--env %s stands twice; say it once", name)
		}
		all = append(all, clientconfig.Var{Name: name, Value: value})
	}
	return all, nil
}

// invoked is the absolute path by which this program was started: a symbolic link stays one, so that what it
// leads to can be exchanged by an upgrade.
func invoked() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	own, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	typed, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil //nolint:nilerr // who started us wrote something else there
	}
	if typed, err = filepath.Abs(typed); err != nil {
		return "", err
	}
	if info, err := os.Stat(typed); err != nil || !os.SameFile(own, info) {
		return self, nil //nolint:nilerr // likewise
	}
	return typed, nil
}

// temporary reports whether a program will be gone soon: go run builds it below the directory of temporary
// files.
func temporary(path string) bool {
	return strings.HasPrefix(path, filepath.Clean(os.TempDir())+"/") || strings.Contains(path, "/go-build")
}
