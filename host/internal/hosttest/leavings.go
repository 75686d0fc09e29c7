package hosttest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// orphan leaves a process behind that no signal but SIGKILL ends, which has a session and a process group of
// its own, whose parent has ended, and which holds the plugin's stderr. Arguments: {"bare": true} takes the
// environment from it as well. Metadata "orphan" is its process id.
func orphan(ctx context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
	var args struct{ Bare bool }
	if err := arguments(r, &args); err != nil {
		return tool.Result{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "find myself: %w", err)
	}
	between := exec.CommandContext(ctx, self)
	between.Args = []string{"orphan-parent"}
	between.Stderr = realStderr
	if args.Bare {
		between.Env = []string{"GORACE=atexit_sleep_ms=0"} // which is no mark of anybody
	}
	out, err := between.Output()
	if err != nil {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "start the one between: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return tool.Result{}, tool.Errorf(tool.KindExecution, "read the orphan's process id: %w", err)
	}
	return tool.Result{Metadata: map[string]any{"orphan": pid}}, nil
}

// orphanParent is the process between, which ends when it has started the orphan.
func orphanParent() {
	self, err := os.Executable()
	if err == nil {
		child := exec.Cmd{
			Path: self, Args: []string{"deaf-child"}, Env: os.Environ(), Stderr: os.Stderr,
			SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		}
		if err = child.Start(); err == nil {
			fmt.Println(child.Process.Pid)
			return
		}
	}
	say("orphan-parent: %v", err)
	os.Exit(6)
}

// leaks is what leaky keeps.
var leaks struct {
	sync.Mutex // guards kept
	kept       [][]byte
}

// leaky keeps {"mib": N} of memory for good, and answers with what it holds by now: data {"rss": bytes}, on
// Linux.
func leaky(_ context.Context, r tool.Request, _ func(tool.Event)) (tool.Result, error) {
	var args struct{ MiB int }
	if err := arguments(r, &args); err != nil {
		return tool.Result{}, err
	}
	block := make([]byte, args.MiB<<20)
	for i := 0; i < len(block); i += os.Getpagesize() {
		block[i] = 1 // memory that is not touched is not there
	}
	leaks.Lock()
	leaks.kept = append(leaks.kept, block)
	leaks.Unlock()
	return answer(map[string]any{"rss": residentBytes()})
}

// residentBytes reads the second field of /proc/self/statm; 0 where there is none.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// fds answers with the descriptors that were open before it had opened any itself: data {"fds": {"0":
// "pipe:[1]", ...}}.
func fds() {
	open := make(map[string]string)
	links, _ := filepath.Glob("/proc/self/fd/*") // the pattern is a good one
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil { // else it was that of Glob
			open[filepath.Base(link)] = to
		}
	}
	Serve(fakeFor("fds", func(context.Context, tool.Request, func(tool.Event)) (tool.Result, error) {
		return answer(map[string]any{"fds": open})
	}))
}

// arguments reads the arguments of a call; none are like {}.
func arguments(r tool.Request, into any) error {
	if len(r.Arguments) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Arguments, into); err != nil {
		return tool.Errorf(tool.KindValidation, "arguments: %w", err)
	}
	return nil
}

func answer(data any) (tool.Result, error) {
	text, err := json.Marshal(data)
	return tool.Result{Data: text}, err
}
