package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := group("token", "The credential of HTTP clients")
	cmd.AddCommand(&cobra.Command{
		Use: "show", Args: cobra.NoArgs,
		Short: "Print the generated token; it is made when there is none yet",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if len(cfg.Auth.Tokens) > 0 || cfg.Auth.Mode == config.AuthNone {
				return &exitError{code: exitFailure, err: errors.New(
					"no token is generated: the configuration says who may come in (auth)")}
			}
			token, _, err := auth.EnsureToken(cfg.Server.StateDir)
			if err != nil {
				return failure(err)
			}
			_, err = fmt.Fprintln(a.stdout, token)
			return failure(err)
		},
	})
	return cmd
}
