package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/doctor"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// visit runs doctor on a machine of the test's own.
func visit(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	environ := []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}
	code = run(t.Context(), append([]string{"doctor"}, args...), environ, strings.NewReader(""), &stdout, &stderr, nil)
	return code, stdout.String(), stderr.String()
}

func TestDoctorOfAHostWithoutPlugins(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := visit(t, "--plugins-dir", dir)
	if code != exitFailure || errs != "" {
		t.Errorf("doctor exits with %d, and says %q; want %d and nothing", code, errs, exitFailure)
	}
	for _, want := range []string{"ok    configuration:", "ok    state directory:", "FAIL  plugins:"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor prints\n%s\nwant %q", out, want)
		}
	}
}

func TestDoctorOfABrokenConfigurationSaysWhereItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("server:\n  prot: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := visit(t, "--config", file)
	if code != exitFailure || !strings.Contains(out, "FAIL  configuration: "+file+":2") {
		t.Errorf("doctor exits with %d and prints\n%s\nwant %d and the place", code, out, exitFailure)
	}
}

func TestDoctorOfATakenPortAsJSON(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	left := make(chan struct{})
	go func() { // whoever asks gets nothing
		defer close(left)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	defer func() {
		_ = l.Close() // the goroutine sees it
		<-left
	}()
	code, out, _ := visit(t, "--json", "--plugins-dir", t.TempDir(), "--transport", "http", "--port", fmt.Sprint(port))
	var got struct {
		Status   doctor.Status
		Findings []doctor.Finding
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("doctor --json prints %s: %v", out, err)
	}
	taken := false
	for _, f := range got.Findings {
		taken = taken || f.Area == "port" && f.Status == doctor.Fail && strings.Contains(f.Fix, fmt.Sprint(port))
	}
	if code != exitFailure || got.Status != doctor.Fail || !taken {
		t.Errorf("doctor exits with %d: %+v; want %d, and the port taken", code, got, exitFailure)
	}
}

func TestDoctorOfWrongFlags(t *testing.T) {
	if code, _, errs := visit(t, "--no-such-flag"); code != exitUsage || errs == "" {
		t.Errorf("doctor exits with %d, and says %q; want %d and the flag", code, errs, exitUsage)
	}
}

func TestALayerThatTheConfigurationSwitchesOffIsNotInForce(t *testing.T) {
	layers := []tool.Layer{{Name: "own user", Active: true}, {Name: "landlock", Active: true}}
	for runAs, want := range map[string]bool{"auto": true, "none": false} {
		got := inForce(layers, runAs)
		if got[0].Active != want || !got[1].Active {
			t.Errorf("inForce(run_as %s) = %+v, want own user in force: %t", runAs, got, want)
		}
	}
}
