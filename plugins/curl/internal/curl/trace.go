package curl

import (
	"io"
	"regexp"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// The lines of --trace-ascii that matter. Each piece of what is sent and received is announced by a line of
// its own, and its text stands behind an offset: "0000: HTTP/1.1 200 OK".
var (
	// Newer ones name the group and the signature as well.
	tlsRE = regexp.MustCompile(
		`\A== Info: SSL connection using (TLSv1(?:\.[0-3])?|SSLv3) / ([A-Za-z0-9_-]{1,64})(?: / .{0,128})?\z`)
	alpnRE = regexp.MustCompile(`\A== Info: ALPN[:,] server accepted (?:to use )?(h2|http/1\.[01])\z`)
)

// trace is what curl does, by its own words. Behind the first line about the connection's TLS stands text of
// the certificate, in which there may be anything, line feeds too: nothing that comes later is used for
// facts.
type trace struct {
	version, suite, alpn string
	connected            bool
	stage                string // of the request, in words
	tell                 func(stage string)
}

// read takes the whole of it.
func (t *trace) read(r io.Reader) error {
	lines := command.Lines(256, t.line)
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		lines(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *trace) line(line string) {
	switch m := tlsRE.FindStringSubmatch(line); {
	case m != nil && t.version == "":
		t.version, t.suite, t.connected = m[1], m[2], true
		t.reach("TLS is agreed on")
	case t.version != "" && t.alpn == "" && t.stage == "TLS is agreed on":
		// It is the next line, or there is none of its kind.
		if m := alpnRE.FindStringSubmatch(line); m != nil {
			t.alpn = m[1]
		}
		t.stage = "TLS stands"
	case strings.HasPrefix(line, "== Info:   Trying "):
		t.reach("connecting")
	case strings.HasPrefix(line, "== Info: Connected to "),
		strings.HasPrefix(line, "== Info: Established connection to "): // newer ones, behind TLS
		t.connected = true
		t.reach("connected")
	case strings.HasPrefix(line, "=> Send header, "):
		t.reach("the request is sent")
	}
}

func (t *trace) reach(stage string) {
	if stage != t.stage {
		t.stage = stage
		t.tell(stage)
	}
}
