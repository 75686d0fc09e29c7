package nmap

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// longest are 2048 bytes of accepted arguments, as many flags and items as go in, and blanks.
func longest() string {
	flags := "-sSUV -O --osscan-guess -T4 --min-rate 100 --max-rate 1000 --max-retries 3 --host-timeout 30m " +
		"--scan-delay 1ms --max-scan-delay 10s --min-rtt-timeout 50ms --max-rtt-timeout 1s --max-parallelism 50 " +
		"--min-hostgroup 16 --max-hostgroup 64 --version-intensity 7 --open --reason -vv --randomize-hosts -n -4 " +
		"-PE -PS22,80,443 -PA80,443 -PU53,161 --traceroute --script-timeout 60s -r --disable-arp-ping " +
		"--script=default,safe,version,ssl-cert,http-title,ssh-hostkey,smb-os-discovery,ftp-anon,nbstat,banner " +
		"--exclude " + strings.Repeat("10.0.3.128/25,", 31) + "10.0.3.9 --exclude-ports 25,110,137-139 "
	items := strings.Repeat("T:60000-60001,", 49) + strings.Repeat("U:161,", 50) + "7"
	text := flags + "-p " + items
	return text + strings.Repeat(" ", 2048-len(text))
}

// A plan is the validation of a request and the explanation of each word of argv.
func BenchmarkPlanOfTheLongestRequest(b *testing.B) {
	h, r := longestRequest(b, root)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := h.Plan(b.Context(), r); err != nil || p.Verdict != sdk.Accept {
			b.Fatalf("Plan() = %s, %v, want it accepted", p.Verdict, err)
		}
	}
}

func longestRequest(b *testing.B, p Privileges) (*sdk.Handler, sdk.Request) {
	b.Helper()
	return sdktest.New(b, plugin(p), sdktest.Options{}).Handler(), sdk.Request{
		ID: "1", Tool: "NmapTool", Arguments: object(b, map[string]any{"target": "10.0.3.7", "extra_args": longest()}),
		Targets: []sdk.Target{{Argument: "target", Label: "10.0.3.7", Prefix: single("10.0.3.7")}},
	}
}
