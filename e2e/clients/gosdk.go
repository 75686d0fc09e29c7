package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	stepsOfCall = 10
	crowdSize   = 10
)

// goSDK is the client of the official Go SDK, speaking one revision or, if that is empty, the newest that both know.
func goSDK(revision string) func(context.Context, seat) ([]step, error) {
	return func(ctx context.Context, s seat) (steps []step, err error) {
		g := &gopher{seat: s, changes: make(chan struct{}, 100), told: make(map[any]chan *mcp.ProgressNotificationParams)}
		if err := g.connect(ctx, revision); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, g.session.Close()) }()
		for _, c := range []struct {
			name string
			try  func(context.Context) error
		}{
			{checkList, g.list}, {checkCall, g.call}, {checkAsk, g.ask}, {checkProgress, g.progress},
			{checkCrowd, g.crowd}, {checkCancel, g.cancel}, {checkChanged, g.changed},
		} {
			begun := time.Now()
			err := c.try(ctx)
			steps = append(steps, step{check: c.name, took: time.Since(begun), err: err})
		}
		return steps, nil
	}
}

// gopher is one client of the Go SDK.
type gopher struct {
	seat    seat
	session *mcp.ClientSession
	changes chan struct{} // one for each tools/list_changed; closed by nobody

	mu   sync.Mutex                                   // guards told
	told map[any]chan *mcp.ProgressNotificationParams // token -> in order; closed by nobody
}

func (g *gopher) connect(ctx context.Context, revision string) (err error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e-go", Version: "1.0.0"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { g.changes <- struct{}{} },
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{
				Action: "accept", Content: map[string]any{"username": "test", "email": "test@example.com"},
			}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			g.progressOf(r.Params.ProgressToken) <- r.Params
		},
	})
	transport, err := g.transport()
	if err != nil {
		return err
	}
	g.session, err = client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	want := revision
	if want == "" {
		want = "2026-07-28"
	}
	if got := g.session.InitializeResult().ProtocolVersion; got != want {
		return fmt.Errorf("it speaks %s, want %s", got, want)
	}
	return nil
}

func (g *gopher) transport() (mcp.Transport, error) {
	if g.seat.url != "" {
		return &mcp.StreamableClientTransport{Endpoint: g.seat.url}, nil
	}
	log, err := os.Create(g.seat.place.Log())
	if err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	cmd := exec.Command(g.seat.place.Program(), g.seat.place.Args()...)
	cmd.Stderr = log // held by the host as long as it runs
	for name, value := range g.seat.place.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return &mcp.CommandTransport{Command: cmd}, nil
}

func (g *gopher) names(ctx context.Context) (names []string, err error) {
	for t, err := range g.session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		names = append(names, t.Name)
	}
	return names, nil
}

// list waits for the plugin: a host that serves stdio answers before it has started, if that takes long, and then
// tells of the change.
func (g *gopher) list(ctx context.Context) error {
	names, err := g.names(ctx)
	for err == nil && !slices.Contains(names, "test_simple_text") {
		if err = g.change(ctx); err == nil {
			names, err = g.names(ctx)
		}
	}
	for _, want := range []string{"test_simple_text", "test_steps", "test_slow"} {
		if err == nil && !slices.Contains(names, want) {
			err = fmt.Errorf("%s is not in the list: %v", want, names)
		}
	}
	return err
}

// change waits for a tools/list_changed.
func (g *gopher) change(ctx context.Context) error {
	select {
	case <-g.changes:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nothing was told of the change: %w", context.Cause(ctx))
	}
}

// says calls a tool, and looks for a text in what it shows.
func (g *gopher) says(ctx context.Context, tool string, args map[string]any, want string) error {
	result, err := g.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return err
	}
	raw, err := json.Marshal(result)
	if err == nil && (result.IsError || !strings.Contains(string(raw), want)) {
		err = fmt.Errorf("%q is not there: %s", want, raw)
	}
	return err
}

func (g *gopher) call(ctx context.Context) error {
	return g.says(ctx, "test_simple_text", map[string]any{}, "This is a simple text response")
}

func (g *gopher) ask(ctx context.Context) error {
	return g.says(ctx, "test_elicitation", map[string]any{"message": "Who are you?"}, "test@example.com")
}

func (g *gopher) progress(ctx context.Context) error { return g.takeSteps(ctx, "one") }

func (g *gopher) crowd(ctx context.Context) error {
	errs := make([]error, crowdSize)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = g.takeSteps(ctx, fmt.Sprintf("crowd-%d", i)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// progressOf is where the progress of a call is told, with room for more than there may be.
func (g *gopher) progressOf(token any) chan *mcp.ProgressNotificationParams {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.told[token] == nil {
		g.told[token] = make(chan *mcp.ProgressNotificationParams, 10*stepsOfCall)
	}
	return g.told[token]
}

// takeSteps sees every step, in order. That they come before the result the clients on node see: this SDK queues
// notifications, and hands a result out past its queue.
func (g *gopher) takeSteps(ctx context.Context, token string) error {
	params := &mcp.CallToolParams{Name: "test_steps", Arguments: map[string]any{"steps": stepsOfCall}}
	params.SetProgressToken(token)
	result, err := g.session.CallTool(ctx, params)
	if err != nil {
		return err
	}
	if result.IsError {
		return errors.New("it is an error")
	}
	told := g.progressOf(token)
	last := &mcp.ProgressNotificationParams{}
	for n := 1; n <= stepsOfCall; n++ {
		select {
		case next := <-told:
			if next.Progress <= last.Progress {
				return fmt.Errorf("%g was told after %g", next.Progress, last.Progress)
			}
			last = next
		case <-ctx.Done():
			return fmt.Errorf("%d of %d steps were told: %w", n-1, stepsOfCall, context.Cause(ctx))
		}
	}
	if last.Progress != last.Total || len(told) > 0 {
		return fmt.Errorf("the last of %d is %g of %g, and %d were told after it",
			stepsOfCall, last.Progress, last.Total, len(told))
	}
	return nil
}

// cancel has the tool hold a connection to us as long as it runs: that it ends is an event.
func (g *gopher) cancel(ctx context.Context) error {
	witness, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer witness.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan error, 1) // closed by nobody
	go func() {
		_, err := g.session.CallTool(ctx, &mcp.CallToolParams{
			Name: "test_slow", Arguments: map[string]any{"witness": witness.Addr().String()}})
		_ = witness.Close() // nobody will come any more
		answered <- err
	}()
	conn, err := witness.Accept()
	if err != nil {
		return fmt.Errorf("it ended before it ran: %w", <-answered)
	}
	defer conn.Close()
	begun := time.Now()
	cancel()
	if _, err := io.Copy(io.Discard, conn); err != nil { // until the tool hangs up
		return err
	}
	if took := time.Since(begun); took > time.Second {
		return fmt.Errorf("the call ended %v after it was cancelled", took)
	}
	if err := <-answered; !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the cancelled call came back with %v, want that it was cancelled", err)
	}
	return nil
}

// changed wants one notification when the plugin comes, and one when it goes: a second one for its coming would
// be taken for that of its going, and the list would still have the tool.
func (g *gopher) changed(ctx context.Context) error {
	for len(g.changes) > 0 { // of a plugin that started late
		<-g.changes
	}
	here, there := g.seat.place.Spare, g.seat.place.Into
	for _, comes := range []bool{true, false} {
		if err := os.Rename(here, there); err != nil {
			return err
		}
		here, there = there, here
		if err := g.change(ctx); err != nil {
			return err
		}
		names, err := g.names(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(names, "test_spare") != comes {
			return fmt.Errorf("the plugin is there: %t; its tool is in the list: %t", comes, !comes)
		}
	}
	if err := g.call(ctx); err != nil {
		return err
	}
	if n := len(g.changes); n > 0 {
		return fmt.Errorf("%d notifications came for 2 changes", 2+n)
	}
	return nil
}
