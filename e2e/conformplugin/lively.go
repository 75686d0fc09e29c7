package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// pace is the time between two things that a tool tells. A host passes on ten a second of one call.
const pace = 120 * time.Millisecond

// livelyTools tell something while they run.
func livelyTools() []sdk.Tool {
	return []sdk.Tool{
		sdk.Func(define("test_tool_with_logging", "Logs three messages."), logs),
		sdk.Func(define("test_logging_tool", "Logs three messages."), logs),
		sdk.Func(define("test_tool_with_progress", "Tells of its progress three times."), progresses),
		sdk.Func(define("test_steps", "Takes some steps, and tells of each."), steps),
		sdk.Func(define("test_slow", "Holds a connection until it is cancelled."), slow),
	}
}

func logs(ctx context.Context, c *sdk.Call, _ nothing) (nothing, error) {
	for i, message := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		if i > 0 {
			if err := wait(ctx); err != nil {
				return nothing{}, err
			}
		}
		c.Logf(sdk.LogInfo, "%s", message)
	}
	c.Show(text("Tool with logging executed successfully"))
	return nothing{}, nil
}

func progresses(ctx context.Context, c *sdk.Call, _ nothing) (nothing, error) {
	for i, done := range []int64{0, 50, 100} {
		if i > 0 {
			if err := wait(ctx); err != nil {
				return nothing{}, err
			}
		}
		c.Progress(sdk.Progress{Percent: float64(done), Done: done, Total: 100, Message: fmt.Sprintf("%d of 100", done)})
	}
	c.Show(text("Tool with progress executed successfully"))
	return nothing{}, nil
}

type stepsInput struct {
	Steps int `json:"steps" jsonschema:"how many"`
}

type stepsData struct {
	Taken int `json:"taken"`
}

// steps tells of the last one right before it returns.
func steps(ctx context.Context, c *sdk.Call, in stepsInput) (out stepsData, err error) {
	for out.Taken < in.Steps {
		if err := wait(ctx); err != nil {
			return out, err
		}
		out.Taken++
		c.Progress(sdk.Progress{
			Percent: 100 * float64(out.Taken) / float64(in.Steps), Done: int64(out.Taken), Total: int64(in.Steps),
			Message: fmt.Sprintf("step %d", out.Taken),
		})
	}
	return out, nil
}

type slowInput struct {
	Witness string `json:"witness" jsonschema:"address, host:port, that is connected to as long as the call runs"`
}

// slow ends with its context alone. Who listens at the witness sees when it begins and when it has ended.
func slow(ctx context.Context, _ *sdk.Call, in slowInput) (nothing, error) {
	witness, err := net.Dial("tcp", in.Witness)
	if err != nil {
		return nothing{}, err
	}
	defer witness.Close()
	<-ctx.Done()
	return nothing{}, context.Cause(ctx)
}

func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pace):
		return nil
	}
}
