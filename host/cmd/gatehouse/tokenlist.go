package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// listedToken is a token without what would let anybody in.
type listedToken struct {
	Name    string    `json:"name"`
	Role    auth.Role `json:"role"`
	Tools   []string  `json:"tools"` // empty: all
	Rate    string    `json:"rate,omitempty"`
	Created string    `json:"created,omitempty"`
	Rotated string    `json:"rotated,omitempty"`
	Expires string    `json:"expires,omitempty"`
	Source  string    `json:"source"` // configuration, store or generated
	State   string    `json:"state"`
	Problem string    `json:"problem,omitempty"`
}

// Where a token is from, and whether it lets anybody in.
const (
	fromConfiguration = "configuration"
	fromStore         = "store"
	fromGenerated     = "generated"

	tokenValid    = "valid"
	tokenExpired  = "expired"
	tokenShadowed = "shadowed" // the configuration has one of its name
	tokenUnused   = "unused"   // the configuration says who may come in
	tokenUnsafe   = "unsafe"
)

func (a *app) listTokensCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the tokens of the configuration and the state directory, without their secrets",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, store, err := a.tokens()
			if err != nil {
				return err
			}
			stored, err := store.List()
			if err != nil {
				return tokenFailure(err)
			}
			list := listTokens(cfg, stored)
			if asJSON {
				return failure(writeJSON(a.stdout, map[string]any{"tokens": list, "total": len(list)}))
			}
			return failure(printTokens(a.stdout, list))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func listTokens(cfg config.Config, stored []auth.Stored) []listedToken {
	list := []listedToken{} // [], not null
	for _, t := range cfg.Auth.Tokens {
		rate := auth.Rate{Requests: t.RateRequests, Per: t.RatePer.Duration()}
		l := listedToken{
			Name: t.Name, Role: role(t.Role), Tools: tools(t.Tools), Rate: rateText(rate),
			Expires: timeText(t.ExpiresAt()), Source: fromConfiguration, State: tokenValid,
		}
		if past(t.ExpiresAt()) {
			l.State = tokenExpired
		}
		list = append(list, l)
	}
	for _, t := range stored {
		list = append(list, listStored(cfg, t))
	}
	return list
}

func listStored(cfg config.Config, t auth.Stored) listedToken {
	l := listedToken{
		Name: t.Name, Role: t.Role, Tools: tools(t.Tools), Rate: rateText(t.Rate), Created: timeText(t.Created),
		Rotated: timeText(t.Rotated), Expires: timeText(t.Expires), Source: fromStore, State: tokenValid,
		Problem: t.Problem,
	}
	if t.Generated {
		l.Source = fromGenerated
	}
	switch {
	case t.Problem != "":
		l.State = tokenUnsafe
	case past(t.Expires):
		l.State = tokenExpired
	case configured(cfg, t.Name):
		l.State = tokenShadowed
	case t.Generated && namesClients(cfg):
		l.State = tokenUnused
	}
	return l
}

func tools(list []string) []string { return append([]string{}, list...) }

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// rateText is a rate as create takes it; what is as for others is left out.
func rateText(r auth.Rate) string {
	switch {
	case r == auth.Rate{}:
		return ""
	case r.Per == 0:
		return fmt.Sprint(r.Requests)
	case r.Requests == 0:
		return "/" + r.Per.String()
	}
	return fmt.Sprintf("%d/%v", r.Requests, r.Per)
}

func printTokens(out io.Writer, list []listedToken) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tTOOLS\tRATE\tCREATED\tEXPIRES\tSTATE")
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.Role,
			line(cmp.Or(strings.Join(t.Tools, ","), "all")), cmp.Or(t.Rate, "-"), cmp.Or(t.Created, "-"),
			cmp.Or(t.Expires, "never"), t.state())
		if t.Problem != "" {
			fmt.Fprintf(w, "  %s\n", line(t.Problem))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// state says in one word what is to be known, in two where that is needed.
func (t listedToken) state() string {
	from := map[string]string{fromConfiguration: "configured", fromGenerated: "generated"}[t.Source]
	switch {
	case from == "":
		return t.State
	case t.State == tokenValid:
		return from
	}
	return from + ", " + t.State
}
