// Package e2e tries the whole program: the real binaries, real nmap and ping on loopback, real clients.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is where TestMain builds the programs: bin/gatehouse, bin/plugins/{nmap,ping}, bin/lab/lab, bin/many/many,
// bin/stray, bin/issuer.
var bin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gatehouse-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // programs run as another user, where they can
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	for to, pkg := range map[string]string{
		"gatehouse":        "../host/cmd/gatehouse",
		"plugins/nmap":     "../plugins/nmap",
		"plugins/ping":     "../plugins/ping",
		"lab/lab":          "./labplugin",
		"stray":            "./labplugin/stray",
		"many/many":        "./manyplugin",
		"issuer":           "./issuer",
		"broken/plugin":    "./brokenplugin",
		"tools/curl":       "../plugins/curl",
		"tools/dig":        "../plugins/dig",
		"tools/tls":        "../plugins/tls",
		"tools/traceroute": "../plugins/traceroute",
	} {
		if err := build(filepath.Join(dir, to), pkg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

func build(to, pkg string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return os.Chmod(to, 0o755)
}
