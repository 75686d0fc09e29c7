package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// straying is long enough for whatever a test does with a call.
const straying = 10 * time.Minute

// strayProgram is where the tests build the program of the directory stray: beside the directory of this
// plugin, as whatever lies in it is taken for a plugin.
func strayProgram() string { return filepath.Join(filepath.Dir(filepath.Dir(os.Args[0])), "stray") }

// stray runs the program of that name in the sandbox, and lasts until it is ended. No search path leads to
// it, which is why env(1) starts it.
func stray() sdk.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{
			Name: "StrayTool", Description: "Starts processes that are hard to find, or to end, and sleeps.",
			Concurrency: concurrency, DefaultTimeout: straying,
		},
		Program: command.Program{Name: "env", Install: "apt-get install coreutils"},
		Flags: []command.Flag{
			{Name: "--deaf", About: "ignore SIGTERM, SIGINT and SIGHUP"},
			{Name: "--escape", About: "sessions of their own, and no parent, for all but the first"},
			{Name: "--hold", About: "only the last generation keeps stdout and stderr"},
			{Name: "--depth", Value: command.Int(0, 4), About: "generations below the first"},
			{Name: "--mark", Value: command.Int(1, 1<<30), About: "a number that marks the processes"},
		},
		Argv:     func(j *command.Job) []string { return append([]string{strayProgram()}, j.Args()...) },
		Executes: []string{strayProgram()},
	})
}

// What OwnTool starts is put into one of these.
const (
	inPluginsGroup = "plugin's group"
	inGroup        = "group of its own"
	inSession      = "session of its own"
)

type ownProgram struct {
	Mark  int    `json:"mark"`
	Where string `json:"where" jsonschema:"plugin's group, group of its own, or session of its own"`
	Tidy  bool   `json:"tidy,omitempty" jsonschema:"end it when the call ends"`
}

// own starts the program past the sandbox, as a plugin does that is not written with the sdk: with the
// plugin's stderr, deaf to signals, and perhaps left to itself.
func own() sdk.Tool {
	return sdk.Func(sdk.Definition{
		Name: "OwnTool", Description: "Starts processes past the sandbox, and lasts until the call is ended.",
		Concurrency: concurrency, DefaultTimeout: straying,
	}, func(ctx context.Context, _ *sdk.Call, in ownProgram) (answer, error) {
		end, err := startOwn(in)
		if err != nil {
			return answer{}, err
		}
		<-ctx.Done()
		if in.Tidy {
			err = end()
		}
		return answer{OK: err == nil}, err
	})
}

// startOwn starts the program; end kills what was started.
func startOwn(in ownProgram) (end func() error, err error) {
	cmd := exec.Command(strayProgram(), "--deaf", "--hold", "--mark", fmt.Sprint(in.Mark))
	cmd.Stderr = os.Stderr
	switch in.Where {
	case inPluginsGroup:
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return func() error { return kill(cmd.Process.Pid) }, nil
	case inGroup:
		cmd.Args = append(cmd.Args, "--depth", "1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return func() error { return kill(-cmd.Process.Pid) }, nil
	case inSession:
		cmd.Args = append(cmd.Args, "--depth", "1", "--leave")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return startOrphan(cmd)
	}
	return nil, sdk.Errorf(sdk.KindValidation, "where is %q", in.Where)
}

// startOrphan runs a command that tells the pid of what it leaves.
func startOrphan(cmd *exec.Cmd) (end func() error, err error) {
	told, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer told.Close()
	cmd.Stdout = theirs
	err = cmd.Start()
	_ = theirs.Close() // the orphan has it, and may keep it open
	if err != nil {
		return nil, err
	}
	var pid int
	if _, err := fmt.Fscanln(told, &pid); err != nil {
		return nil, err
	}
	return func() error { return kill(-pid) }, cmd.Wait()
}

func kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
