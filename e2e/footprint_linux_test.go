package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
)

// wantSmallInMemory starts a host with the plugin of a directory, and looks at what that has in memory.
func wantSmallInMemory(t *testing.T, dir, name string) {
	t.Helper()
	h := serve(t, dir)
	var p struct {
		Pid   int
		State string
	}
	h.ask(t, http.MethodGet, "/plugins/"+name, "", 200, &p)
	if p.State != "ready" {
		t.Fatalf("%s is %s, want it ready", name, p.State)
	}
	got := resident(t, p.Pid)
	t.Logf("it keeps %.1f MiB", float64(got)/(1<<20))
	if got >= pluginMemory {
		t.Errorf("it keeps %d bytes in memory, want fewer than %d", got, pluginMemory)
	}
}

// resident are the bytes of a process that are in memory; see proc(5), VmRSS.
func resident(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %d has no VmRSS", pid)
	return 0
}
