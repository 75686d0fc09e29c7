package main

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// pluginPrefix begins the name of this program where it is a plugin.
const pluginPrefix = "soaked"

// The tools of the soak's own plugin, besides those of the lab plugin.
const (
	slowTool = "SlowTool" // has few slots, and takes as long as it is told
	failTool = "FailTool" // fails
	rareTool = "RareTool" // may be called a few times a second
)

type wait struct {
	Milliseconds int `json:"ms,omitempty" jsonschema:"how long it takes"`
}

type done struct {
	OK bool `json:"ok"`
}

// plugin is what the lab plugin lacks.
func plugin() sdk.Plugin {
	return sdk.Plugin{Name: pluginPrefix, Version: "1.0.0", Tools: []sdk.Tool{
		sdk.Func(sdk.Definition{Name: slowTool, Description: "Waits.", Concurrency: 3}, slow),
		sdk.Func(sdk.Definition{Name: failTool, Description: "Fails.", Concurrency: 8}, fail),
		sdk.Func(sdk.Definition{Name: rareTool, Description: "Does nothing.", Concurrency: 8}, rare),
	}}
}

func slow(ctx context.Context, _ *sdk.Call, in wait) (done, error) {
	timer := time.NewTimer(time.Duration(in.Milliseconds) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return done{OK: true}, nil
	case <-ctx.Done():
		return done{}, ctx.Err()
	}
}

func fail(context.Context, *sdk.Call, wait) (done, error) {
	return done{}, errors.New("this tool fails")
}

func rare(context.Context, *sdk.Call, wait) (done, error) { return done{OK: true}, nil }
