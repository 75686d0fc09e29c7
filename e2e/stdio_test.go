package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// message is a JSON-RPC message as far as these tests look at it.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// Nothing but JSON-RPC ever reaches stdout, whatever a plugin prints; and the host ends when its client goes
// away.
func TestStdioIsClean(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "--plugins-dir", filepath.Join(bin, "lab"), "--log-level", "DEBUG")
	cmd.Env = environment(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
			`"clientInfo":{"name":"e2e","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"PrintTool","arguments":{}}}`,
	} {
		if _, err := io.WriteString(in, m+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	answered := false
	for sc := bufio.NewScanner(out); sc.Scan(); {
		var m message
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil || m.Version != "2.0" {
			t.Errorf("stdout has a line that is no JSON-RPC: %s", sc.Bytes())
		}
		if string(m.ID) == "2" {
			answered = true
			if !strings.Contains(string(m.Result), `"ok":true`) {
				t.Errorf("PrintTool = %s %s", m.Result, m.Error)
			}
			if err := in.Close(); err != nil { // the client goes away; what comes until the end must be clean too
				t.Fatal(err)
			}
		}
	}
	if !answered {
		t.Error("the call was not answered")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the host ended with %v, want success", err)
	}
}
