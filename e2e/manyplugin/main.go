// Command manyplugin is a plugin for tests and the benchmark that want many of them: its tool is named after
// its file, so that each copy is a plugin of its own.
package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

func main() {
	name := filepath.Base(os.Args[0])
	os.Exit(sdk.Main(sdk.Plugin{Name: name, Version: "1.0.0", Tools: []sdk.Tool{pid(name)}}))
}

type nothing struct{}

type answer struct {
	Pid int `json:"pid"`
}

func pid(name string) sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: name + "Tool", Description: "Tells the process that it runs in.", Concurrency: 64,
	}, func(context.Context, *sdk.Call, nothing) (answer, error) {
		return answer{Pid: os.Getpid()}, nil
	})
}
