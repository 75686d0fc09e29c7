package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// plugin serves one tool, BrokenTool.
type plugin struct {
	ending context.Context // ends with the plugin
	end    context.CancelFunc
	calls  sync.WaitGroup

	mu         sync.Mutex // guards what follows
	configured bool
	busy       bool
}

var _ tool.Handler = (*plugin)(nil)

func newPlugin() *plugin {
	p := &plugin{}
	p.ending, p.end = context.WithCancel(context.Background())
	return p
}

const (
	inputSchema = `{"type": "object", "required": ["mode"], "properties": {
	"target": {"type": "string"}, "mode": {"enum": ["quick", "slow", "flood"]}}}`
	outputSchema = `{"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}`
)

// slowStart is longer than a host waits.
const slowStart = 11 * time.Second

// Describe implements [tool.Handler].
func (p *plugin) Describe(ctx context.Context) (tool.Manifest, error) {
	if sin == "start" {
		select {
		case <-time.After(slowStart):
		case <-p.ending.Done():
		}
	}
	s := tool.Spec{
		Name: "BrokenTool", Description: "Does what it should, but for one thing: " + sins[sin] + ".",
		InputSchema: json.RawMessage(inputSchema), OutputSchema: json.RawMessage(outputSchema),
		Targets: []tool.TargetArgument{{Argument: "target"}},
	}
	switch sin {
	case "one-at-a-time":
		s.Concurrency = 1
	case "manifest":
		s.Targets[0].Argument = "host"
	case "schema":
		s.OutputSchema = json.RawMessage(`{"type": "object", "properties": {"ok": {"$ref": "file:///etc/passwd"}}}`)
	}
	return tool.Manifest{Name: "broken", Version: "1.0.0", Tools: []tool.Spec{s}}, nil
}

// Configure implements [tool.Handler].
func (p *plugin) Configure(context.Context, tool.Policy) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.configured && sin == "configure" {
		return tool.Errorf(tool.KindValidation, "there is a policy already")
	}
	p.configured = true
	return nil
}

type input struct {
	Target string `json:"target"`
	Mode   string `json:"mode"`
}

// read holds the arguments to the schema.
func read(r tool.Request) (in input, err error) {
	if r.Tool != "BrokenTool" {
		return in, tool.Errorf(tool.KindToolNotFound, "there is no tool %q", r.Tool)
	}
	if sin == "bad-arguments" {
		_ = json.Unmarshal(r.Arguments, &in)
		return in, nil
	}
	if sin == "deaf" && !json.Valid(r.Arguments) {
		time.Sleep(slowStart)
	}
	if sin == "panic" && bytes.Contains(r.Arguments, []byte("[[[[[[[[")) {
		os.Exit(2)
	}
	if sin == "unknown" && string(r.Arguments) == "null" {
		return in, tool.Errorf(tool.KindUnknown, "TypeError: null has no attribute 'mode'")
	}
	dec := json.NewDecoder(bytes.NewReader(r.Arguments))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || dec.More() {
		return in, tool.Errorf(tool.KindValidation, "the arguments do not fit the schema%s", repeated(r.Arguments))
	}
	if _, pinned := r.Target("target"); in.Target != "" && !pinned {
		return in, tool.Errorf(tool.KindOutOfScope, "the target is not pinned%s", repeated(r.Arguments))
	}
	switch in.Mode {
	case "quick", "slow", "flood":
		return in, nil
	}
	return in, tool.Errorf(tool.KindValidation, "mode must be quick, slow or flood%s", repeated(r.Arguments))
}

// repeated is what a caller wrote, where it is no text.
func repeated(arguments []byte) string {
	switch {
	case utf8.Valid(arguments):
	case sin == "utf8":
		return ": " + garbled
	case sin == "says-utf8":
		return ": invalid UTF-8"
	}
	return ""
}

// Plan implements [tool.Handler].
func (p *plugin) Plan(_ context.Context, r tool.Request) (tool.Plan, error) {
	if _, err := read(r); err != nil {
		return tool.RefusedPlan(err), nil
	}
	plan := tool.Plan{Verdict: tool.Accept, Rule: "it is allowed"}
	if sin == "plan" {
		plan.Program, plan.Argv = "/bin/true", []string{"/bin/true"}
	}
	return plan, nil
}

// Call implements [tool.Handler].
func (p *plugin) Call(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error) {
	in, err := read(r)
	if err != nil {
		return tool.Result{}, err
	}
	if !p.enter() {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "there is a call already")
	}
	defer p.leave()
	if (sin == "cancel" || sin == "waits" || sin == "busy") && in.Mode == "slow" {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ending, cancel)()
	if sin != "deadline" || in.Mode != "slow" {
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
		defer cancel()
	}
	c := &run{ctx: ctx, request: r, emit: emit}
	switch in.Mode {
	case "slow":
		return tool.Result{}, c.slow()
	case "flood":
		return c.flood()
	}
	return c.quick()
}

// enter counts a call in.
func (p *plugin) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy && (sin == "concurrent" || sin == "one-at-a-time") {
		return false
	}
	p.busy = true
	p.calls.Add(1)
	return true
}

func (p *plugin) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	p.calls.Done()
}

// run is one call.
type run struct {
	ctx     context.Context
	request tool.Request
	emit    func(tool.Event)
	printed int64
	cut     bool
}

// print sends output up to the cap.
func (r *run) print(text []byte) {
	room := r.request.MaxStdout - r.printed
	if int64(len(text)) > room && sin != "output-cap" {
		text, r.cut = text[:max(room, 0)], true
	}
	r.printed += int64(len(text))
	if len(text) > 0 {
		r.emit(tool.Event{Output: &tool.Output{Data: text}})
	}
}

// quickTime is how long a quick call takes, so that two can meet.
const quickTime = 100 * time.Millisecond

func (r *run) quick() (tool.Result, error) {
	if sin != "silent" {
		r.print([]byte(strings.Repeat("a line of output\n", 100)))
	}
	switch sin {
	case "environment-run":
		r.emit(tool.Event{Exec: &tool.Exec{Program: "/bin/true", Argv: []string{"true"}}})
		_ = exec.CommandContext(r.ctx, "/bin/true").Run() // it does nothing
	case "stdout":
		fmt.Println("a line that nobody asked for")
	case "environment-out":
		r.print([]byte(strings.Join(os.Environ(), "\n")))
	}
	if err := r.wait(quickTime); err != nil {
		return tool.Result{}, err
	}
	data := `{"ok": true}`
	if sin == "answers" {
		data = `{"ok": "yes"}`
	}
	return tool.Result{Data: json.RawMessage(data), TruncatedStdout: r.cut && sin != "truncated"}, nil
}

// wait waits, unless the call ends.
func (r *run) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// slow runs a program that sleeps, under a name by which it is known for this plugin's. The kernel kills it
// with the thread that forked it, which is why that waits.
func (r *run) slow() error {
	switch sin {
	case "waits":
		return r.wait(time.Minute)
	case "busy":
		for r.ctx.Err() == nil {
		}
		return r.ctx.Err()
	case "forked":
		if err := keep(); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(r.ctx, "/bin/sleep", "30")
	cmd.Args[0] = os.Args[0] + "/sleep"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if sin != "orphans" {
		endsWithThread(cmd.SysProcAttr)
	}
	switch sin {
	case "stdin":
		cmd.Stdin = os.Stdin
	case "environment":
		cmd.Env = os.Environ()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	switch {
	case sin == "late" && r.ctx.Err() != nil:
		return nil
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	}
	return err
}

// keep executes this program again, to end with it and not before.
func keep() error {
	cmd := exec.Command(os.Args[0], kept)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	return cmd.Start()
}

const (
	chunk    = 32 << 10
	gathered = 256 << 20 // more than which not even this plugin gathers
)

// flood prints until the call ends. Who does not read holds it up.
func (r *run) flood() (tool.Result, error) {
	text := bytes.Repeat([]byte("x"), chunk)
	if sin == "silent" {
		return tool.Result{}, r.wait(time.Minute)
	}
	if sin == "flood" {
		text = bytes.Repeat(text, gathered/chunk)
	}
	for {
		r.print(text[:min(len(text), chunk)])
		pause := time.Duration(0)
		if r.cut {
			pause = time.Millisecond // the rest is lost
		}
		if err := r.wait(pause); err != nil {
			return tool.Result{TruncatedStdout: r.cut}, err
		}
	}
}
