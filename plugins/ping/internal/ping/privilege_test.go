package ping

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestEchoSockets(t *testing.T) {
	own := os.Getegid()
	for text, want := range map[string]bool{
		"1\t0\n": false, "0\t2147483647\n": true, fmt.Sprintf("%d %d", own, own): true,
		"": false, "all of them": false, "7": false,
	} {
		file := filepath.Join(t.TempDir(), "range")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := echoSockets(file, []int{os.Getegid()}); (got != "") != want {
			t.Errorf("echoSockets of %q = %q, want something: %t", text, got, want)
		}
	}
	if got := echoSockets("/no/such/file", []int{0}); got != "" {
		t.Errorf("echoSockets without the setting = %q, want nothing", got)
	}
}
