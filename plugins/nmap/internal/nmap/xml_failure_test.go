package nmap

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestARunThatScannedNobodyHasFailed(t *testing.T) {
	const (
		gaveUp = `<nmaprun><runstats><finished time="1" exit="error" errormsg="no such device"/>` +
			`<hosts up="0" down="0" total="0"/></runstats></nmaprun>`
		later = `<runstats><finished exit="error" errormsg="no such device"/>` +
			`<hosts up="1" down="0" total="1"/></runstats></nmaprun>`
	)
	long := strings.Repeat("é", 400) + "\n"
	for _, c := range []struct {
		name, document, stderr string
		code                   int
		says                   string // "": no error
	}{
		{"it did not begin", "", "nmap: unrecognized option '--x'\nSee nmap -h.\n", 255,
			"nmap ended with 255 before it began to scan: nmap: unrecognized option '--x'"},
		{"a warning comes first", "", "WARNING: careful\n\nno such device\nQUITTING!\n", 1, "scan: no such device"},
		{"it only warned", "", "Warning: careful\n", 1, "scan: Warning: careful"},
		{"it does not say why", "", "", 1, "scan: it does not say why"},
		{"the line has no end", "", "half", 1, "scan: half"},
		{"the line is long", "", long, 1, "scan: " + long[:300]},
		{"the line has what nobody sees", "", "a\x1b[2J\xff\n", 1, `scan: a\x1B[2J\xFF`},
		{"it gave up at once", gaveUp, "no such device\nQUITTING!\n", 1,
			"nmap gave up before it had scanned a host: no such device"},
		{"it gave up without a word in the document", strings.Replace(gaveUp, "no such device", "", 1),
			"oh\nno\n", 1, "a host: oh"},
		{"it failed after a host", host("") + later, "no such device\nQUITTING!\n", 1, ""},
		{"it was cut at its beginning", begin, "", 143, ""},
		{"it warned and went on", host("") + later, "Warning: careful\n", 0, ""},
	} {
		d := &document{progress: func(sdk.Progress) {}, complaints: newComplaints()}
		for _, b := range []byte(c.stderr) {
			d.complaints.chunk([]byte{b})
		}
		if err := d.read(strings.NewReader(c.document)); err != nil {
			t.Fatalf("%s: read() = %v", c.name, err)
		}
		v, err := d.data(sandbox.Outcome{ExitCode: c.code})
		if _, ok := v.(Report); ok != (c.document != "") {
			t.Errorf("%s: data() = %v, want a report just when there is one", c.name, v)
		}
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: data() = %v, want no error", c.name, err)
			}
			continue
		}
		if sdk.KindOf(err) != sdk.KindExecution || !strings.HasSuffix(sdk.AsError(err).Message, c.says) ||
			sdk.AsError(err).Suggestion == "" {
			t.Errorf("%s: data() = %v, want an %s that ends with %q, and what to do", c.name, err,
				sdk.KindExecution, c.says)
		}
	}
}

// A real nmap that has not the memory to be loaded.
func TestARunThatCannotBeginHasFailed(t *testing.T) {
	needNmap(t)
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
	b.Configure(sdk.Policy{MaxMemory: 8 << 20})
	res, err := b.Call(t.Context(), "NmapTool", `{"target": "127.0.0.1", "extra_args": "-sT -p 1"}`)
	if sdk.KindOf(err) != sdk.KindExecution || res.ReturnCode == 0 || len(res.Data) > 0 ||
		!strings.Contains(err.Error(), "nmap: error while loading shared libraries") {
		t.Errorf("Call() = %d, %s, %v; want an %s with the first line of %q", res.ReturnCode, res.Data, err,
			sdk.KindExecution, res.Stderr)
	}
}
