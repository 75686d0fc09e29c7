package plugintest

import (
	"encoding/base64"
	"strings"
	"testing"
)

// certificateOf is the certificate of a line of the handshake.
func certificateOf(t testing.TB) string {
	t.Helper()
	side, err := newHostSide()
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawStdEncoding.EncodeToString(side.pair.Certificate[0])
}

func TestALineOfTheHandshakeIsRead(t *testing.T) {
	for _, more := range []string{"", "|true"} { // newer plugins may say more
		got, err := parseHandshake("1|1|unix|/run/p/socket|grpc|"+certificateOf(t)+more, "/run/p")
		if err != nil || got.version != 1 || got.socket != "/run/p/socket" || got.certificate == nil {
			t.Errorf("parseHandshake() = %+v, %v, want version 1, the socket and the certificate", got, err)
		}
	}
	for _, bare := range []string{"1|1|unix|/run/p/socket|grpc", "1|1|unix|/run/p/socket|grpc|"} {
		if got, err := parseHandshake(bare, "/run/p"); err != nil || got.certificate != nil {
			t.Errorf("parseHandshake(%q) = %+v, %v, want no certificate", bare, got, err)
		}
	}
}

func TestABadLineOfTheHandshakeIsToldApart(t *testing.T) {
	for line, says := range map[string]string{
		"":                                        "wanted is 1|1|unix",
		"hello":                                   `"hello"`,
		"2|1|unix|/run/p/s|grpc|":                 "version of the handshake",
		"1|one|unix|/run/p/s|grpc|":               "version of the protocol",
		"1|1|tcp|127.0.0.1:1234|grpc|":            "wanted is unix",
		"1|1|unix|/run/q/s|grpc|":                 "directly in the directory",
		"1|1|unix|/run/p/in/s|grpc|":              "directly in the directory",
		"1|1|unix|/run/p/in/../s|grpc|":           "directly in the directory",
		"1|1|unix|s|grpc|":                        "directly in the directory",
		"1|1|unix|/run/p/s|netrpc|":               "wanted is grpc",
		"1|1|unix|/run/p/s|grpc|AA==":             "without padding",
		"1|1|unix|/run/p/s|grpc|AAAA":             "cannot be read",
		strings.Repeat("x", 1<<20):                "…",
		"1|1|unix|/run/p/" + "s\x1b[2J" + "|x|":   "wanted is grpc",
		"1|" + strings.Repeat("9", 40) + "|u|s|g": "version of the protocol",
	} {
		_, err := parseHandshake(line, "/run/p")
		if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 1000 {
			t.Errorf("parseHandshake(%.80q) = %v, want it to say %q", line, err, says)
		}
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add("1|1|unix|/run/p/socket|grpc|" + certificateOf(f))
	f.Add("1|1|unix|/run/p/../p/socket|grpc|")
	f.Add("||||||")
	f.Fuzz(func(t *testing.T, line string) {
		h, err := parseHandshake(line, "/run/p")
		if err == nil && (!strings.HasPrefix(h.socket, "/run/p/") || strings.Contains(h.socket[len("/run/p/"):],
			"/")) {
			t.Errorf("parseHandshake(%q) = %+v, want a socket directly in the directory", line, h)
		}
	})
}
