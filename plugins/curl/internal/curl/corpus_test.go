package curl

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// row is one line of the corpus: what somebody asks for, and what has to come of it.
type row struct {
	Target    string         `json:"target"`
	Arguments map[string]any `json:"arguments"`
	Verdict   sdk.Verdict    `json:"verdict"`
	Why       string         `json:"why"`
	Resolves  []string       `json:"resolves"`
}

func corpus(t testing.TB) (rows []row) {
	t.Helper()
	f, err := os.Open("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var r row
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		r.Arguments["target"] = r.Target
		rows = append(rows, r)
	}
	if s.Err() != nil || len(rows) < 100 {
		t.Fatalf("the corpus has %d rows: %v", len(rows), s.Err())
	}
	return rows
}

func TestCorpusVerdicts(t *testing.T) {
	hosts := make(map[string][]string)
	rows := corpus(t)
	for i := range rows {
		if r := &rows[i]; len(r.Resolves) > 0 { // each name has answers of its own
			name := fmt.Sprintf("h%d.%s", i, r.Target)
			hosts[name], r.Target, r.Arguments["target"] = r.Resolves, name, name
		}
	}
	for _, intrusive := range []bool{false, true} {
		b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: intrusive, Hosts: hosts})
		for _, r := range rows {
			p := b.Plan("CurlTool", r.Arguments)
			if p.Verdict != r.Verdict {
				t.Errorf("Plan(%.200v) = %s (%s), want %s: %s", r.Arguments, p.Verdict, p.Rule, r.Verdict, r.Why)
			}
			if p.Verdict == sdk.Accept {
				checkArgv(t, p.Argv, slices.Concat(r.Resolves, []string{r.Target})[0])
			}
		}
	}
}

// checkArgv reads a command line as curl does, and holds it to what must be true of each: it is one request,
// to the pinned address, that reads and writes no file but its trace.
func checkArgv(t *testing.T, argv []string, literal string) {
	t.Helper()
	fixed := []string{
		"-q", "-s", "-i", "-N", "--globoff", "--path-as-is", "--proto", "=http,https", "--noproxy", "*",
		"--disallow-username-in-url", "--limit-rate", "2M", "--trace-ascii", "/dev/fd/3", "--write-out",
		"%{stderr}%{json}",
	}
	if len(argv) < len(fixed)+5 || !slices.Equal(argv[1:1+len(fixed)], fixed) {
		t.Errorf("argv %q does not begin with what is always there", argv)
		return
	}
	rest, end := argv[1+len(fixed):len(argv)-2], argv[len(argv)-2:]
	pinned := false
	for i := 0; i < len(rest); i++ {
		value := ""
		if valued := strings.Contains(withValue, rest[i]+" "); valued && i+1 < len(rest) {
			i++
			value = rest[i]
		} else if valued || !strings.Contains(alone, rest[i]+" ") {
			t.Errorf("argv %q has the word %q", argv, rest[i])
		}
		switch {
		case rest[max(i-1, 0)] == "--connect-to":
			pinned = regexp.MustCompile(`\A::` + regexp.QuoteMeta(literal) + `:[0-9]{1,5}\z`).MatchString(value)
		case rest[max(i-1, 0)] == "--header" && !regexp.MustCompile(`\A[^@:]+: [ -~]+\z`).MatchString(value),
			rest[max(i-1, 0)] == "--request" && value != "OPTIONS":
			t.Errorf("argv %q has the value %q", argv, value)
		}
	}
	u, err := url.Parse(end[1])
	if end[0] != "--" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !pinned ||
		u.Fragment != "" || strings.ContainsAny(end[1], " \r\n\t\\{}[]#") {
		t.Errorf("argv %q: %+v, %v; want one URL, pinned to %s", argv, u, err, literal)
	}
}

// The words that may stand in argv, each followed by a blank.
const (
	withValue = "--request --header --range --max-filesize --connect-timeout --max-time --tls-max --connect-to "
	alone     = "--head --insecure --http1.0 --http1.1 --http2 --http2-prior-knowledge --tlsv1.2 --tlsv1.3 " +
		"--no-alpn "
)

// No byte in any place of a path or a header makes another request of it.
func TestEveryByteInEveryPlace(t *testing.T) {
	b := sdktest.New(t, plugin(), sdktest.Options{})
	for name, text := range map[string]string{
		"path": "/a?b=%20c", "headers": "X-A: b", "server_name": "a.example", "range": "0-9",
		"extra_args": "-k -m 5",
	} {
		for place := range len(text) + 1 {
			for c := range 256 {
				changed := text[:place] + string(rune(c)) + text[place:]
				args := map[string]any{"target": "10.0.0.1", name: changed}
				if name == "headers" {
					args[name] = []string{changed}
				}
				p := b.Plan("CurlTool", args)
				if p.Verdict != sdk.Accept {
					continue
				}
				if c < ' ' || c >= 0x7f {
					t.Errorf("Plan(%s %q) = accept", name, changed)
				}
				checkArgv(t, p.Argv, "10.0.0.1")
			}
		}
	}
}

// Each option that this curl has is one that we have thought of, under all its names, or is refused as
// unknown; and no beginning of it is taken for it.
func TestNoOtherOptionOfCurlIsTaken(t *testing.T) {
	help, err := exec.Command("curl", "--help", "all").Output()
	if err != nil {
		t.Fatalf("curl does not work here; make setup installs it: %v", err)
	}
	b := sdktest.New(t, plugin(), sdktest.Options{AllowIntrusive: true})
	taken := func(text string) bool {
		return b.Plan("CurlTool", map[string]any{"target": "10.0.0.1", "extra_args": text}).Verdict == sdk.Accept
	}
	n := 0
	options := regexp.MustCompile(`(?m)^ *(?:(-.), )?(--[a-z0-9.-]+)( <[^>]*>)?`)
	for _, m := range options.FindAllStringSubmatch(string(help), -1) {
		n++
		for _, name := range m[1:3] {
			if name == "" || strings.Contains(taking, " "+name+" ") {
				continue
			}
			for _, form := range []string{name, name + " x", name + " 5", name + "=x", name + "x", "--no-" +
				name[1:]} {
				if taken(form) {
					t.Errorf("Plan(%q) = accept, want it refused: curl has %s", form, m[0])
				}
			}
		}
		for cut := 3; cut < len(m[2]); cut++ {
			short := m[2][:cut]
			if strings.Contains(taking, " "+short+" ") {
				continue
			}
			if taken(short) || taken(short+" 5") {
				t.Errorf("Plan(%q) = accept, which is the beginning of %s", short, m[2])
			}
		}
	}
	if n < 200 {
		t.Errorf("curl --help all has %d options, want more: the test looked in the wrong place", n)
	}
}

// taking are the names that may be accepted.
const taking = " -X --request -I --head --max-redirs -H --header -k --insecure -r --range --max-filesize " +
	"--connect-timeout -m --max-time -0 --http1.0 --http1.1 --http2 --http2-prior-knowledge --tlsv1.2 " +
	"--tlsv1.3 --tls-max --no-alpn -s -i -N -g -q " +
	"--path-as-is "

func FuzzPlan(f *testing.F) {
	for _, r := range corpus(f) {
		text := func(name string) string { s, _ := r.Arguments[name].(string); return s }
		f.Add(text("path"), text("server_name"), text("extra_args"), "X-A: b")
	}
	h := sdktest.New(f, plugin(), sdktest.Options{}).Handler()
	target := sdk.Target{Argument: "target", Label: "10.0.0.1", Prefix: netip.MustParsePrefix("10.0.0.1/32")}
	f.Fuzz(func(t *testing.T, path, name, extra, header string) {
		raw, err := json.Marshal(map[string]any{
			"target": "10.0.0.1", "path": path, "server_name": name, "extra_args": extra, "headers": []string{header},
		})
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Plan(t.Context(), sdk.Request{Tool: "CurlTool", Arguments: raw, Targets: []sdk.Target{target}})
		if err != nil {
			t.Fatalf("Plan(%s) = %v", raw, err)
		}
		if p.Verdict == sdk.Accept {
			checkArgv(t, p.Argv, "10.0.0.1")
		}
	})
}
