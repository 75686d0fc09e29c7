package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// changeTools change what the host offers. A plugin cannot do that, and must not be able to: they ring at whoever
// runs the suite, who puts the spare plugin into the host's directory or takes it out.
func changeTools() []sdk.Tool {
	return []sdk.Tool{
		sdk.Func(define("test_trigger_tool_change", "Has the list of tools change."), ring),
		sdk.Func(define("test_trigger_prompt_change", "Has the list of prompts change."), ring),
	}
}

// section is the plugin's own part of the host's configuration.
type section struct {
	Bell string `json:"bell"` // address, host:port, of who runs the suite
}

// ring returns when whoever answers the bell has hung up.
func ring(ctx context.Context, c *sdk.Call, _ nothing) (nothing, error) {
	var own section
	if raw := c.Policy().Config; len(raw) > 0 {
		if err := json.Unmarshal(raw, &own); err != nil {
			return nothing{}, fmt.Errorf("read my section: %w", err)
		}
	}
	if own.Bell == "" {
		return nothing{}, sdk.Errorf(sdk.KindExecution, "nobody is there to change anything").
			Suggest("set plugins.config.conformance.bell")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", own.Bell)
	if err != nil {
		return nothing{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return nothing{}, fmt.Errorf("wait for the change: %w", err)
	}
	c.Show(text("The list has changed."))
	return nothing{}, nil
}
