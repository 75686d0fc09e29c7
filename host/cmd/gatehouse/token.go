package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// tokenCommand works on the state directory, whether or not a host runs: one that does sees it with its next
// request.
func (a *app) tokenCommand() *cobra.Command {
	cmd := group("token", "Make, list, revoke and rotate the tokens of HTTP clients")
	cmd.AddCommand(a.createTokenCommand(), a.listTokensCommand(), a.revokeTokenCommand(), a.rotateTokenCommand(),
		&cobra.Command{
			Use: "show", Short: "Print the generated token; it is made when there is no credential yet",
			Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.showToken() },
		})
	return cmd
}

// tokens opens the tokens of the state directory.
func (a *app) tokens() (config.Config, *auth.Store, error) {
	cfg, err := a.load()
	if err != nil {
		return cfg, nil, err
	}
	store, err := auth.OpenStore(auth.StoreConfig{Dir: cfg.Server.StateDir})
	return cfg, store, failure(err)
}

func (a *app) createTokenCommand() *cobra.Command {
	var w wish
	cmd := &cobra.Command{
		Use: "create NAME", Args: cobra.ExactArgs(1),
		Short: "Make a token, and print it, which is done this once",
		Example: "  gatehouse token create ci --tools 'Ping*,NmapTool' --rate 100/60s --expires 720h\n" +
			"  gatehouse token create desk --role viewer --expires 2030-01-31T12:00:00Z",
		RunE: func(_ *cobra.Command, args []string) error { return a.createToken(args[0], w) },
	}
	f := cmd.Flags()
	f.StringVar(&w.role, "role", string(auth.Caller), "viewer, caller or admin")
	f.StringSliceVar(&w.tools, "tools", nil, "names or globs of the tools that it may call, with commas (default: all)")
	f.StringVar(&w.rate, "rate", "", "calls of each tool within a time, such as 100/60s (default: as for others)")
	f.StringVar(&w.expires, "expires", "", "when it ends: a time from now, such as 720h, or RFC 3339 (default: never)")
	f.BoolVar(&w.asJSON, "json", false, "print as JSON")
	return cmd
}

// wish is what the flags of create say.
type wish struct {
	role, rate, expires string
	tools               []string
	asJSON              bool
}

func (w wish) wanted(name string, now time.Time) (auth.Wanted, error) {
	rate, err := parseRate(w.rate)
	if err != nil {
		return auth.Wanted{}, err
	}
	expires, err := parseExpiry(w.expires, now)
	return auth.Wanted{Name: name, Role: auth.Role(w.role), Tools: w.tools, Rate: rate, Expires: expires}, err
}

func parseRate(text string) (auth.Rate, error) {
	if text == "" {
		return auth.Rate{}, nil
	}
	calls, per, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(calls)
	d, bad := time.ParseDuration(per)
	if err != nil || bad != nil || n < 1 || d <= 0 {
		return auth.Rate{}, fmt.Errorf("--rate %q is no rate; allowed: calls and a time, such as 100/60s", text)
	}
	return auth.Rate{Requests: n, Per: d}, nil
}

func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("--expires %q is no time; allowed: a time from now, such as 720h, or one such as "+
			"2030-01-31T12:00:00Z", text)
	}
	return at, nil
}

func (a *app) createToken(name string, w wish) error {
	wanted, err := w.wanted(name, time.Now())
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	cfg, store, err := a.tokens()
	if err != nil {
		return err
	}
	if configured(cfg, name) {
		return &exitError{code: exitUsage, err: fmt.Errorf(
			"the configuration has a client named %s, which would win; take another name", line(name))}
	}
	secret, err := store.Create(wanted)
	if err != nil {
		return tokenFailure(err)
	}
	return a.printSecret(cfg, name, secret, w.asJSON)
}

// printSecret writes the secret, and nothing else, to stdout: it goes into a file or a variable, as a rule.
func (a *app) printSecret(cfg config.Config, name, secret string, asJSON bool) error {
	fmt.Fprintf(a.stderr, "the token of %s is shown this once; a running host knows it from now on\n", name)
	if cfg.Auth.Mode == config.AuthNone {
		fmt.Fprintln(a.stderr, "nobody is asked for it as long as auth.mode is none")
	}
	if asJSON {
		return failure(writeJSON(a.stdout, map[string]string{"name": name, "token": secret}))
	}
	_, err := fmt.Fprintln(a.stdout, secret)
	return failure(err)
}

func (a *app) rotateTokenCommand() *cobra.Command {
	var overlap time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "rotate NAME", Args: cobra.ExactArgs(1),
		Short:   "Give a token another secret, and print it, which is done this once",
		Example: "  gatehouse token rotate ci --overlap 1h",
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, store, err := a.tokens()
			if err != nil {
				return err
			}
			secret, err := store.Rotate(args[0], overlap)
			if err != nil {
				return tokenFailure(inConfiguration(cfg, args[0], err))
			}
			return a.printSecret(cfg, args[0], secret, asJSON)
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "for how long the secret before stays good (default: it ends at once)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (a *app) revokeTokenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Let a token not come in any more", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, store, err := a.tokens()
			if err != nil {
				return err
			}
			if err := store.Revoke(args[0]); err != nil {
				return tokenFailure(inConfiguration(cfg, args[0], err))
			}
			all, err := store.List()
			if err != nil {
				return tokenFailure(err)
			}
			if !namesClients(cfg) && len(all) == 0 && cfg.Auth.Mode != config.AuthNone {
				fmt.Fprintln(a.stderr, "it was the only credential; the next start of a host makes another "+
					"(gatehouse token show)")
			}
			_, err = fmt.Fprintf(a.stdout, "revoked %s\n", line(args[0]))
			return failure(err)
		},
	}
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// showToken prints the generated token, which is made where a host would make it.
func (a *app) showToken() error {
	cfg, store, err := a.tokens()
	if err != nil {
		return err
	}
	if namesClients(cfg) || cfg.Auth.Mode == config.AuthNone {
		return failure(errors.New("no token is generated: the configuration says who may come in (auth, oidc); " +
			"make one with: gatehouse token create NAME"))
	}
	token, err := auth.ReadToken(cfg.Server.StateDir)
	if !errors.Is(err, fs.ErrNotExist) {
		return a.printToken(token, err)
	}
	all, err := store.List()
	if err != nil {
		return tokenFailure(err)
	}
	if len(all) > 0 {
		return failure(errors.New("no token is generated: there are others, whose secrets are kept nowhere " +
			"(gatehouse token list); make one with: gatehouse token create NAME"))
	}
	token, _, err = store.Ensure()
	return a.printToken(token, err)
}

func (a *app) printToken(token string, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(a.stdout, token)
	}
	return failure(err)
}

// namesClients reports whether the configuration says who may come in; the generated token is not good then.
func namesClients(cfg config.Config) bool {
	return len(cfg.Auth.Tokens)+len(cfg.Auth.Certificates) > 0 || cfg.OIDC.Issuer != ""
}

// configured reports whether the configuration has a client of this name.
func configured(cfg config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Auth.Tokens, func(t config.Token) bool { return t.Name == name }) ||
		slices.Contains(certificateNames(cfg.Auth), name)
}

// inConfiguration says why a token that there is is not in the store.
func inConfiguration(cfg config.Config, name string, err error) error {
	if errors.Is(err, auth.ErrNoToken) && configured(cfg, name) {
		return &exitError{code: exitRefused, err: fmt.Errorf(
			"%s is a client of the configuration; change it there (auth)", line(name))}
	}
	return err
}

// tokenFailure is a failure of the store, with what to do.
func tokenFailure(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	e := tool.AsError(err)
	code := map[tool.Kind]int{tool.KindValidation: exitUsage, tool.KindToolNotFound: exitRefused}[e.Kind]
	text := line(e.Message)
	if e.Suggestion != "" {
		text += "; " + line(e.Suggestion)
	}
	return &exitError{code: cmp.Or(code, exitFailure), err: errors.New(text)}
}
