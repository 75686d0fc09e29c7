package nmap

import "testing"

func TestProgressLinesAreKnownFromOthers(t *testing.T) {
	for line, want := range map[string]bool{
		"Stats: 0:00:06 elapsed; 0 hosts completed (1 up), 1 undergoing Service Scan": true,
		"Service scan Timing: About 0.00% done":                                       true,
		"NSE Timing: About 50.00% done; ETC: 19:46 (0:00:01 remaining)":               true,
		"Nmap scan report for 127.0.0.1":                                              false,
		"80/tcp open  http    evil Timing: About 50.00% done":                         false,
		"|_http-title: Stats: 0:00:06 elapsed; x":                                     false,
		"Nmap done: 1 IP address (1 host up) scanned in 87.85 seconds":                false,
	} {
		if got := progressRE.MatchString(line); got != want {
			t.Errorf("progress line %q = %t, want %t", line, got, want)
		}
	}
}
