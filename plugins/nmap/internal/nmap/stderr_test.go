package nmap

import (
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestComplaints(t *testing.T) {
	const full = "NSOCK ERROR [0.5190s] nsock_make_socket(): Socket trouble: Too many open files\n"
	for _, c := range []struct {
		name   string
		chunks []string
		want   sdk.Kind
	}{
		{"nothing", nil, ""},
		{"a warning", []string{"Warning: 127.0.0.1 giving up on port because retransmission cap hit (0).\n"}, ""},
		{"no descriptors", []string{full}, sdk.KindResourceExhausted},
		{"no descriptors, in pieces", []string{"x\nNSO", full[3:40], full[40:]}, sdk.KindResourceExhausted},
		{"another trouble of the library", []string{"NSOCK ERROR [0.1s] x: Network is unreachable\n"}, ""},
		{"a banner that says so", []string{"| banner: NSOCK ERROR Too many open files\n"}, ""},
	} {
		said := newComplaints()
		for _, chunk := range c.chunks {
			said.chunk([]byte(chunk))
		}
		if got := sdk.KindOf(said.err()); got != c.want {
			t.Errorf("%s: err() = %v, want %q", c.name, said.err(), c.want)
		}
	}
}

// With few descriptors nmap leaves out services, and ends with 0.
func TestARunWithoutDescriptorsHasFailed(t *testing.T) {
	needNmap(t)
	var ports []string
	for range 30 {
		ports = append(ports, strconv.Itoa(listen(t))) // each keeps a connection open, and says nothing
	}
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
	b.Configure(sdk.Policy{MaxOpenFiles: 16})
	res, err := b.Call(t.Context(), "NmapTool", map[string]any{
		"target": "127.0.0.1", "ports": strings.Join(ports, ","),
		"extra_args": "-sT -sV --version-light -T5 --host-timeout 2s",
	})
	if sdk.KindOf(err) != sdk.KindResourceExhausted {
		t.Errorf("Call() = %d, %v, want a %s; stderr: %s", res.ReturnCode, err, sdk.KindResourceExhausted,
			res.Stderr)
	}
}
