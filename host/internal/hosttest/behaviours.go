package hosttest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// Behaviours are the plugins that the test binary can be, name -> main. Those that offer a tool name it after
// themselves ("echo" offers "echo_tool"), and end when their stdin does unless it says otherwise.
func Behaviours() map[string]func() {
	return map[string]func(){
		// Good ones.
		"echo":  served("echo", echo),   // arguments back as data, in chunks as output
		"wait":  served("wait", wait),   // says "started", then waits for the end of its context
		"flood": served("flood", flood), // 1 GiB of output
		"slow":  served("slow", slow),   // like wait, and deaf to the end of its context

		// Those that never become a plugin.
		"crash-at-start": func() { say("no database"); os.Exit(4) },
		"hang-at-start":  untilEOF,
		"not-a-plugin":   func() { fmt.Println("usage: frobnicate [-v] FILE"); untilEOF() },
		"silent":         func() {},
		"wrong-version":  func() { fmt.Println("1|99|unix|/nowhere|grpc|"); untilEOF() },
		"elsewhere":      func() { fmt.Println("1|1|tcp|127.0.0.1:1|grpc|"); untilEOF() }, // not its own socket
		"half-hand":      halfHand,                                                        // then never answers

		// Those whose manifest is refused.
		"bad-manifest": func() { Serve(&Fake{Manifest: OneTool("bad name!", "x")}) },
		"bad-schema":   func() { Serve(badSchema()) },

		// Those that misbehave in a call.
		"crash-in-call": served("crash-in-call", crash),
		"panic":         served("panic", boom),    // which the wire makes an error of
		"die":           served("die", die),       // a panic in a goroutine, which ends the process
		"freeze":        served("freeze", freeze), // stops itself
		"lies":          served("lies", lies),

		// Those that leave something behind, or hold on to it.
		"orphan":        served("orphan", orphan), // a child of a child, in a session of its own
		"orphan-parent": orphanParent,
		"leaky":         served("leaky", leaky), // keeps the memory of each call
		"fds":           fds,                    // tells which descriptors it was started with

		// Those that must be killed.
		"deaf":       func() { ignoreSignals(); wire.Serve(fakeFor("deaf", echo)) },
		"parent":     served("parent", parent), // leaves a child that holds its stderr
		"deaf-child": deafChild,
	}
}

// realStderr is the process's own, where go-plugin puts a pipe of its making in os.Stderr's place.
var realStderr = os.Stderr

type call = func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error)

func fakeFor(name string, c call) *Fake {
	return &Fake{Manifest: OneTool(name, strings.ReplaceAll(name, "-", "_")+"_tool"), OnCall: c}
}

func served(name string, c call) func() { return func() { Serve(fakeFor(name, c)) } }

// Serve serves a handler as a plugin does, and ends the process when stdin ends.
func Serve(h tool.Handler) {
	go func() {
		drainStdin()
		os.Exit(0)
	}()
	wire.Serve(h)
}

func drainStdin() { _, _ = io.Copy(io.Discard, os.Stdin) } // an error is the end as well

func untilEOF() { drainStdin() }

func ignoreSignals() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
}

// deafChild does nothing until it is killed. Built without cgo, Go ends a process that only waits in select{}
// as deadlocked; one that reads may hear something yet.
func deafChild() {
	ignoreSignals()
	if r, w, err := os.Pipe(); err == nil {
		_, _ = io.Copy(io.Discard, r) // nothing is ever written
		_ = w.Close()
	}
}

func echo(_ context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	emit(tool.Event{Progress: &tool.Progress{Task: "echo", Percent: 50, Message: "half way"}})
	for _, word := range strings.SplitAfter(string(r.Arguments), " ") {
		emit(tool.Event{Output: &tool.Output{Stream: tool.Stdout, Data: []byte(word)}})
	}
	return tool.Result{Data: r.Arguments, Metadata: map[string]any{"pid": os.Getpid()}}, nil
}

func wait(ctx context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	emit(tool.Event{Progress: &tool.Progress{Message: "started"}})
	<-ctx.Done()
	return tool.Result{}, tool.AsError(context.Cause(ctx))
}

func slow(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	emit(tool.Event{Progress: &tool.Progress{Message: "started"}})
	select {}
}

func flood(ctx context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	chunk := []byte(strings.Repeat("all work and no play\n", 3<<10))
	for sent := 0; sent < 1<<30 && ctx.Err() == nil; sent += len(chunk) {
		emit(tool.Event{Output: &tool.Output{Data: chunk}})
	}
	return tool.Result{}, nil
}

func crash(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
	os.Exit(3)
	panic("not reached")
}

func boom(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) { panic("boom") }

func freeze(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // a process may always stop itself
	select {}                                      // the thread that asked may run on for a moment
}

func die(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
	go func() { panic("nil map of ports") }()
	select {}
}

// lies says of its call what cannot be true.
func lies(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	emit(tool.Event{Progress: &tool.Progress{Percent: 4000, Done: -1, Total: -7, Message: "\xff\x1b[31m"}})
	emit(tool.Event{Output: &tool.Output{Stream: 42, Data: []byte("\xc3\x28 \xff")}})
	e := tool.Errorf("no_such_kind", "I am fine")
	return tool.Result{ReturnCode: 1 << 20, Data: json.RawMessage(`{not json`), ExecutionID: "forged"}, e
}

// badSchema has a pattern that no regular expression is.
func badSchema() *Fake {
	m := OneTool("bad-schema", "bad_schema_tool")
	m.Tools[0].InputSchema = json.RawMessage(
		`{"type":"object","properties":{"target":{"type":"string","pattern":"("}}}`)
	return &Fake{Manifest: m}
}

// halfHand shakes hands with a socket on which nobody ever answers.
func halfHand() {
	path := os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/plugin0"
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = syscall.Listen(fd, 1) // and never accept
	}
	if err != nil {
		say("half-hand: %v", err)
		os.Exit(5)
	}
	fmt.Printf("1|1|unix|%s|grpc|\n", path)
	untilEOF()
}

// parent starts a child in its own process group which nothing but a signal ends and which holds the plugin's
// stderr: as long as it lives, who waits for that pipe to close waits in vain.
func parent(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "find myself: %w", err)
	}
	child := exec.Cmd{Path: self, Args: []string{"deaf-child"}, Stderr: realStderr}
	if err := child.Start(); err != nil {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "start a child: %w", err)
	}
	emit(tool.Event{Progress: &tool.Progress{Message: "started"}})
	return tool.Result{Metadata: map[string]any{"child": child.Process.Pid}}, nil
}
