package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// check lets the official program validate the manifest, and unpack the bundle into dir/unpacked.
func (j job) check(ctx context.Context, dir, stage, packed string) error {
	unpacked := filepath.Join(dir, "unpacked")
	mcpb, err := filepath.Abs(j.mcpb)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"validate", filepath.Join(stage, "manifest.json")},
		{"unpack", packed, unpacked},
		{"validate", filepath.Join(unpacked, "manifest.json")},
	} {
		cmd := exec.CommandContext(ctx, mcpb, args...)
		// It is a script for node; the one that lies beside it comes first.
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(mcpb)+":"+os.Getenv("PATH"))
		if err := loud(cmd); err != nil {
			return err
		}
	}
	return sameTree(stage, unpacked)
}

// patience is how long the bundle's server may take for all of it.
const patience = time.Minute

// tryOut starts the server of an unpacked bundle as its manifest says, and asks for its tools.
func tryOut(ctx context.Context, dir string, tools []string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	m, err := parse(raw)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.expand(m.Server.Config.Command, dir))
	for _, arg := range m.Server.Config.Args {
		cmd.Args = append(cmd.Args, m.expand(arg, dir))
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(filepath.Dir(dir), "home")}
	for name, value := range m.Server.Config.Env {
		cmd.Env = append(cmd.Env, name+"="+m.expand(value, dir))
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := converse(cmd, tools); err != nil {
		return fmt.Errorf("%w\n%s", err, &log)
	}
	return nil
}

// converse starts the server, speaks with it, and waits for its end, which it comes to when its input ends.
func converse(cmd *exec.Cmd, tools []string) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = ask(in, bufio.NewReader(out), tools)
	return errors.Join(err, in.Close(), cmd.Wait())
}

// message is what a server says.
type message struct {
	ID     int `json:"id"`
	Result struct {
		ServerInfo struct {
			Name string `json:"name"`
		} `json:"serverInfo"`
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	} `json:"result"`
	Error json.RawMessage `json:"error"`
}

// ask introduces itself, and asks for the tools until all that must be there are: plugins take a moment to
// start, and the server says when there are more.
func ask(in io.Writer, out *bufio.Reader, tools []string) error {
	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bundle","version":"1"}}}`
	m, err := exchange(in, out, hello, 1)
	if err != nil {
		return err
	}
	if m.Result.ServerInfo.Name == "" {
		return errors.New("the server does not say who it is")
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"); err != nil {
		return err
	}
	for id := 2; ; id++ {
		m, err := exchange(in, out, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, id), id)
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(tools), func(name string) bool {
			for _, t := range m.Result.Tools {
				if t.Name == name {
					return true
				}
			}
			return false
		})
		if len(missing) == 0 {
			return nil
		}
		if _, err := out.ReadBytes('\n'); err != nil {
			return fmt.Errorf("the server does not offer %v: %w", missing, err)
		}
	}
}

// exchange sends a request, and returns the answer to it; what the server says in between is passed over.
func exchange(in io.Writer, out *bufio.Reader, request string, id int) (message, error) {
	if _, err := io.WriteString(in, request+"\n"); err != nil {
		return message{}, err
	}
	for {
		line, err := out.ReadBytes('\n')
		if err != nil {
			return message{}, fmt.Errorf("wait for the answer to %s: %w", request, err)
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return m, fmt.Errorf("the server writes %.200q: %w", line, err)
		}
		if m.ID != id {
			continue
		}
		if m.Error != nil {
			return m, fmt.Errorf("the server refuses %s: %s", request, m.Error)
		}
		return m, nil
	}
}
