package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// remote is a command's way to a host that runs already.
type remote struct {
	url, tokenFile, reason string
	certFile, keyFile      string // of a client; empty: none is shown
}

func (o *remote) flags(cmd *cobra.Command) {
	o.whereFlags(cmd)
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the audit trail")
}

// whereFlags are those of a command that only looks.
func (o *remote) whereFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "address of the running host (default: admin.listen, else server.host:server.port)")
	f.StringVar(&o.tokenFile, "token-file", "",
		"file with a token (default: GATEHOUSE_TOKEN of the environment, else the generated token)")
	f.StringVar(&o.certFile, "cert-file", "", "client certificate, PEM, where tls.client_auth wants one")
	f.StringVar(&o.keyFile, "key-file", "", "its key, PEM")
}

const (
	remoteTimeout = time.Minute // starting a plugin takes twice plugins.start_timeout at most, as a rule 20 s
	maxAnswer     = 4 << 20     // bytes
)

// errNoHost is in the chain of an error when there is no host to ask, or none that lets us in.
var errNoHost = errors.New("no host answers")

// ask asks the running host for something, or to do something, and returns its answer.
func (a *app) ask(ctx context.Context, o remote, method, path string) ([]byte, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	w, err := a.way(o, cfg)
	if err != nil {
		return nil, err
	}
	body, err := o.body(method)
	if err != nil {
		return nil, failure(err)
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	req, err := w.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return w.answer(req)
}

// way is how a running host is asked.
type way struct {
	place
	token string // empty: none is shown
}

// way finds the host of a configuration, and what to show to it.
func (a *app) way(o remote, cfg config.Config) (way, error) {
	at, err := o.place(cfg)
	if err != nil {
		return way{}, &exitError{code: exitUsage, err: err}
	}
	token, err := a.clientToken(o, cfg, at)
	return way{place: at, token: token}, failure(err)
}

func (w way) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, body)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	return req, nil
}

// body is what is sent along: of a POST, the reason.
func (o remote) body(method string) (io.Reader, error) {
	if method != http.MethodPost {
		return http.NoBody, nil
	}
	raw, err := json.Marshal(map[string]string{"reason": o.reason})
	return bytes.NewReader(raw), err
}

// answer returns what the host says when the status is 200, or one that is good as well.
func (p place) answer(req *http.Request, good ...int) ([]byte, error) {
	resp, raw, err := p.exchange(req, maxAnswer)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || slices.Contains(good, resp.StatusCode) {
		return raw, nil
	}
	return nil, refusal(resp, raw)
}

// exchange returns what the host says, whatever it is: the head of the answer, and at most limit bytes of its
// body.
func (p place) exchange(req *http.Request, limit int64) (head *http.Response, raw []byte, err error) {
	resp, err := p.client.Do(req)
	defer p.client.CloseIdleConnections()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil, failure(errors.New("the host did not answer in time; ask again: gatehouse plugins list"))
	}
	if errors.Is(err, errStranger) {
		return nil, nil, failure(err)
	}
	if err != nil && strings.Contains(err.Error(), "certificate required") { // crypto/tls has no type for it
		return nil, nil, failure(fmt.Errorf("the host wants a client certificate: %w; name one with --cert-file and "+
			"--key-file, or let administrators come in by a socket: admin.listen", err))
	}
	if err != nil {
		return nil, nil, failure(fmt.Errorf("%w: %w; say where it is with --url, or start one with: "+
			"gatehouse serve --transport http", errNoHost, err))
	}
	defer resp.Body.Close() // only read
	raw, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, nil, failure(fmt.Errorf("read the answer: %w", err))
	}
	return resp, raw, nil
}

// refusal is an answer that is not what was asked for.
func refusal(resp *http.Response, raw []byte) error {
	var problem struct {
		Detail     string `json:"detail"`
		Suggestion string `json:"recovery_suggestion"`
	}
	if json.Unmarshal(raw, &problem) != nil || problem.Detail == "" {
		problem.Detail = "the host answers " + resp.Status
	}
	err := errors.New(line(problem.Detail))
	if problem.Suggestion != "" {
		err = fmt.Errorf("%w; %s", err, line(problem.Suggestion))
	}
	return &exitError{code: exitRefused, err: err}
}

// clientToken is the credential to show; empty when none is asked for.
func (a *app) clientToken(o remote, cfg config.Config, at place) (string, error) {
	switch {
	case o.tokenFile != "":
		raw, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		return strings.TrimSpace(string(raw)), nil
	case a.getenv("GATEHOUSE_TOKEN") != "":
		return a.getenv("GATEHOUSE_TOKEN"), nil
	case cfg.Auth.Mode == config.AuthNone, at.socket: // of a socket the kernel says who we are
		return "", nil
	case o.certFile != "" && len(cfg.Auth.Certificates) > 0: // the certificate says so
		return "", nil
	}
	token, err := auth.ReadToken(cfg.Server.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w to one without a token, and none was generated in the state directory: "+
			"name a file with --token-file, or set GATEHOUSE_TOKEN", errNoHost)
	}
	at.guard(cfg.Server.StateDir)
	return token, err
}

// switchCommand makes the command that switches a tool.
func (a *app) switchCommand(verb, short string) *cobra.Command {
	var o remote
	cmd := &cobra.Command{
		Use: verb + " TOOL", Short: short, Args: cobra.ExactArgs(1),
		Example: "  gatehouse tools " + verb + " NmapTool --reason 'maintenance of the lab is " +
			map[string]string{"enable": "over", "disable": "under way"}[verb] + "'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := a.ask(cmd.Context(), o, http.MethodPost, "/tools/"+url.PathEscape(args[0])+"/"+verb); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.stdout, "%s: %sd\n", line(args[0]), verb)
			return failure(err)
		},
	}
	o.flags(cmd)
	return cmd
}

func (a *app) breakerCommand() *cobra.Command {
	cmd := group("breaker", "Open or close the circuit breaker of a tool in a running host")
	for verb, short := range map[string]string{
		"open":  "Refuse all calls of a tool until its breaker is closed by hand, or the host restarts",
		"close": "Let calls through again, whoever opened the breaker, and forget the failures",
	} {
		var o remote
		sub := &cobra.Command{
			Use: verb + " TOOL", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if _, err := a.ask(cmd.Context(), o, http.MethodPost, "/tools/"+url.PathEscape(args[0])+"/breaker/"+verb); err != nil {
					return err
				}
				_, err := fmt.Fprintf(a.stdout, "%s: breaker %s\n", line(args[0]), map[string]string{
					"open": "opened", "close": "closed",
				}[verb])
				return failure(err)
			},
		}
		o.flags(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}
