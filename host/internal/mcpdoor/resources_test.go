package mcpdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// execID is the n-th execution id.
func execID(n int) string { return fmt.Sprintf("0199c2f0-6f3e-7c1a-9d52-%012x", n) }

// withBook keeps executions, and shows each client its own.
func withBook(t testing.TB) (*executions.Book, func(*Config)) {
	t.Helper()
	book, err := executions.Open(executions.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	return book, func(cfg *Config) {
		cfg.Executions = func(ctx context.Context) Executions {
			client := origin.From(ctx).Client
			if client == "" {
				client = "stdio"
			}
			return book.For(executions.Viewer{Client: client})
		}
	}
}

// began is an execution of a client that has printed something.
func began(t testing.TB, book *executions.Book, n int, client, target, stdout string) {
	t.Helper()
	x := executions.Execution{ID: execID(n), Tool: "ATool", Client: client, Target: target}
	if err := book.Begin(x, nil); err != nil {
		t.Fatal(err)
	}
	book.Start(x.ID)
	book.Event(x.ID, tool.Event{Output: &tool.Output{Data: []byte(stdout)}})
}

type contents struct {
	Contents []struct {
		URI      string         `json:"uri"`
		MIMEType string         `json:"mimeType"`
		Text     string         `json:"text"`
		Meta     map[string]any `json:"_meta"`
	} `json:"contents"`
}

// readURI reads a resource that is there.
func readURI(t testing.TB, c talker, uri string) (text, mime string, meta map[string]any) {
	t.Helper()
	m := c.send("resources/read", uriParams(uri))
	var res contents
	if err := json.Unmarshal(m.Result, &res); err != nil || len(res.Contents) != 1 ||
		res.Contents[0].URI != uri {
		t.Fatalf("%s: read %s = %v %+v, want its one text", c.says, uri, m, m.Error)
	}
	return res.Contents[0].Text, res.Contents[0].MIMEType, res.Contents[0].Meta
}

func uriParams(uri string) string {
	raw, _ := json.Marshal(map[string]string{"uri": uri}) // of two texts
	return string(raw)
}

// checkAbsent holds that a resource is not there, as the revision of the client has it.
func checkAbsent(t testing.TB, c talker, uri string) {
	t.Helper()
	m := c.send("resources/read", uriParams(uri))
	if m.Error == nil || m.Error.Code != c.notFound() {
		t.Errorf("%s: read %.100q = %v %+v, want %d", c.says, uri, m, m.Error, c.notFound())
		return
	}
	var data struct{ URI string }
	if err := json.Unmarshal(m.Error.Data, &data); err != nil || data.URI != clippedURI(uri) ||
		len(m.Error.Message) > 2000 {
		t.Errorf("%s: read %.100q: data = %.200s, %.200q; want the URI", c.says, uri, m.Error.Data, m.Error.Message)
	}
}

func listedURIs(t testing.TB, c talker) []string {
	t.Helper()
	var res struct{ Resources []struct{ URI string } }
	if m := c.send("resources/list", "{}"); json.Unmarshal(m.Result, &res) != nil {
		t.Fatalf("%s: resources/list = %v %+v", c.says, m, m.Error)
	}
	uris := []string{}
	for _, r := range res.Resources {
		uris = append(uris, r.URI)
	}
	slices.Sort(uris)
	return uris
}

func TestThePolicyInForceIsRead(t *testing.T) {
	now := "strict"
	b := bedWith(t, func(cfg *Config) {
		cfg.Policy = func(context.Context) any { return map[string]string{"now": now} }
	})
	for _, c := range talkers(t, b, "{}") {
		for _, now = range []string{"strict", "loose"} {
			text, mime, _ := readURI(t, c, "gatehouse://policy")
			if mime != "application/json" || !same(t, []byte(text), fmt.Appendf(nil, `{"now":"%s"}`, now)) {
				t.Errorf("%s: the policy = %s %s, want what is in force", c.says, mime, text)
			}
		}
	}
	if text, _, _ := readURI(t, talkers(t, newBed(t), "{}")[0], "gatehouse://policy"); text != "{}" {
		t.Errorf("the policy of a door that knows none = %s, want nothing", text)
	}
	broken := bedWith(t, func(cfg *Config) { cfg.Policy = func(context.Context) any { return func() {} } })
	m := talkers(t, broken, "{}")[0].send("resources/read", uriParams(policyURI))
	if m.String() != "1: error -32603" {
		t.Errorf("a policy that cannot be written = %v, want -32603", m)
	}
}

func TestTheManualOfAToolIsThereWhereTheToolIs(t *testing.T) {
	b := bedWith(t, func(cfg *Config) {
		cfg.Visible = func(_ context.Context, name string) bool { return name != "SecretTool" }
	}, entry("ATool", func(e *catalog.Entry) {
		e.Plugin, e.Version = "plugin", "1.2"
		e.Spec.Facts = tool.Facts{Command: "scan", Templates: map[string]string{"quick": "-F {target}"},
			AllowedFlags: []string{"-F", "-v"}, GatedFlags: []string{"--loud"},
			Details: json.RawMessage(`{"deep":[1,2]}`)}
		e.Spec.Description = "does it \x1b[31m"
	}), entry("OffTool", disabled), entry("SecretTool"),
		entry("BadTool", func(e *catalog.Entry) { e.Spec.InputSchema = nil }))
	for _, c := range talkers(t, b, "{}") {
		if got := listedURIs(t, c); !slices.Equal(got, []string{"gatehouse://policy", "gatehouse://tools/ATool"}) {
			t.Errorf("%s: resources/list = %q, want the policy and the tool that can be called", c.says, got)
		}
		text, mime, _ := readURI(t, c, "gatehouse://tools/ATool")
		for _, want := range []string{"# ATool\n", `does it \x1B[31m`, "plugin 1.2", "`quick`: `-F {target}`",
			"`-F` `-v`", "`--loud`",
			"Runs `scan`", `"target": {`, `"deep": [`} {
			if !strings.Contains(text, want) || mime != "text/markdown" {
				t.Errorf("%s: the manual has no %q: %s\n%s", c.says, want, mime, text)
			}
		}
		for _, uri := range []string{"gatehouse://tools/OffTool", "gatehouse://tools/SecretTool",
			"gatehouse://tools/BadTool",
			"gatehouse://tools/NoTool", "gatehouse://tools/atool", "gatehouse://tools/ATool/",
			"gatehouse://tools/ATool?x=1",
			"gatehouse://tools/%41Tool", "gatehouse://tools/", "GATEHOUSE://tools/ATool"} {
			checkAbsent(t, c, uri)
		}
	}
	b.offer(entry("OffTool")) // it comes and goes with the tool
	b.Refresh()
	for _, c := range talkers(t, b, "{}") {
		if got := listedURIs(t, c); !slices.Equal(got, []string{"gatehouse://policy",
			"gatehouse://tools/OffTool"}) {
			t.Errorf("%s: resources/list = %q", c.says, got)
		}
		checkAbsent(t, c, "gatehouse://tools/ATool")
	}
}

func TestWhatIsOfNoSchemeOfOursIsNotThere(t *testing.T) {
	for _, c := range talkers(t, newBed(t, entry("ATool")), "{}") {
		for _, uri := range []string{"file:///etc/passwd", "https://wiki/", "", "x", "gatehouse://",
			"gatehouse://policy/", "gatehouse:policy",
			"x:" + strings.Repeat("y", 10_000), "x:\u202e\x00", "execution:" + execID(1)} {
			if uri == "" && c.modern && c.client != "stdio" {
				continue // its header cannot be empty
			}
			checkAbsent(t, c, uri)
		}
	}
}

func TestTheTemplatesAreWhatCanBeRead(t *testing.T) {
	for _, c := range talkers(t, newBed(t), "{}") {
		var res struct {
			ResourceTemplates []struct{ URITemplate, Description, MIMEType string }
		}
		if m := c.send("resources/templates/list", "{}"); json.Unmarshal(m.Result, &res) != nil {
			t.Fatalf("%s: %v", c.says, m)
		}
		var got []string
		for _, r := range res.ResourceTemplates {
			got = append(got, r.URITemplate+" "+r.MIMEType)
		}
		want := []string{
			"execution://{id}/stdout{?offset,limit} text/plain", "execution://{id}/stderr{?offset,limit} text/plain",
			"execution://{id}/data{?offset,limit} application/json", "gatehouse://tools/{name} text/markdown",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the templates = %q, want %q", c.says, got, want)
		}
	}
}

func TestWhatAnExecutionPrintedIsReadInPages(t *testing.T) {
	book, config := withBook(t)
	b := bedWith(t, config)
	for n, client := range []string{"", "stdio", "ci"} {
		if client != "" {
			began(t, book, n, client, "10.0.0.7", "0123456789é\x1b[31mred\r\n\xff")
		}
	}
	for _, c := range talkers(t, b, "{}") {
		n := map[string]int{"stdio": 1, "ci": 2}[c.client]
		base := "execution://" + execID(n) + "/"
		for _, row := range []struct {
			query, text, next string
			offset            int
		}{
			{"", "0123456789é\\x1B[31mred\n\\xFF", "", 0},
			{"?offset=0&limit=4", "0123", "?offset=4&limit=4", 0},
			{"?limit=4&offset=8", "89é", "?offset=12&limit=4", 8},
			{"?offset=4&limit=7", "456789", "?offset=10&limit=7", 4}, // characters are whole
			{"?offset=11&limit=4", "é\\x1B[3", "?offset=15&limit=4", 10},
			{"?offset=2", "23456789é\\x1B[31mred\n\\xFF", "", 2},
			{"?limit=99999999999", "0123456789é\\x1B[31mred\n\\xFF", "", 0},
		} {
			text, mime, meta := readURI(t, c, base+"stdout"+row.query)
			if text != row.text || mime != "text/plain" || meta["gatehouse/untrusted"] != true ||
				meta["gatehouse/complete"] != false ||
				meta["gatehouse/offset"] != float64(row.offset) || meta["gatehouse/total"] != 23.0 {
				t.Errorf("%s: %s = %q %s %v, want %q", c.says, row.query, text, mime, meta, row.text)
			}
			if next, _ := meta["gatehouse/next"].(string); next != "" && next != base+"stdout"+row.next ||
				(next == "") != (row.next == "") {
				t.Errorf("%s: %s: next = %q, want %q", c.says, row.query, next, row.next)
			}
		}
		var all strings.Builder
		for uri := base + "stdout?limit=7"; uri != ""; {
			text, _, meta := readURI(t, c, uri)
			all.WriteString(text)
			uri, _ = meta["gatehouse/next"].(string)
		}
		if want := "0123456789é\\x1B[31mred\n\\xFF"; all.String() != want {
			t.Errorf("%s: the pages together = %q, want %q", c.says, all.String(), want)
		}
		if text, _, meta := readURI(t, c, base+"stderr"); text != "" || meta["gatehouse/total"] != 0.0 {
			t.Errorf("%s: stderr = %q %v, want nothing", c.says, text, meta)
		}
	}
}

func TestTheDataOfAnExecutionIsJSON(t *testing.T) {
	book, config := withBook(t)
	began(t, book, 1, "stdio", "10.0.0.7", "")
	const data = "{\"a\":\"x\u202e\u200b\\u001b\",\r\n\"\u2066\":[1,\"\\\"é\"]}"
	book.End(execID(1), executions.Outcome{Result: tool.Result{Data: json.RawMessage(data)}})
	c := talkers(t, bedWith(t, config), "{}")[0]
	text, mime, meta := readURI(t, c, "execution://"+execID(1)+"/data")
	if want := `{"a":"x\\u{202E}\\u{200B}\u001b","\\u{2066}":[1,"\"é"]}`; mime != "application/json" ||
		meta["gatehouse/complete"] != true || !same(t, []byte(text), []byte(want)) {
		t.Errorf("data = %s %q %v, want what %s says", mime, text, meta, want)
	}
}

func TestABadURIOfAnExecutionIsNotThere(t *testing.T) {
	book, config := withBook(t)
	began(t, book, 1, "stdio", "10.0.0.7", "x")
	began(t, book, 2, "ci", "10.0.0.7", "x")
	began(t, book, 3, "other", "10.0.0.7", "x")
	b := bedWith(t, config)
	for _, c := range talkers(t, b, "{}") {
		id := execID(map[string]int{"stdio": 1, "ci": 2}[c.client])
		readURI(t, c, "execution://"+id+"/stdout")
		readURI(t, c, "execution://"+strings.ToUpper(id)+"/stdout") // a UUID has no case
		for _, uri := range []string{
			"execution://" + execID(3) + "/stdout", "execution://" + execID(9) + "/stdout",
			// another's is as one that never was
			"execution://", "execution:///stdout", "execution://" + id, "execution://" + id + "/", "execution://" +
				id + "/stdin",
			"execution://" + id + "/stdout/", "execution://" + id + "//stdout", "execution://" + id + "/../stdout",
			"execution://" + id + "/STDOUT", "execution://me@" + id + "/stdout", "execution://me:pw@" + id + "/stdout",
			"execution://" + id + ":80/stdout", "execution://" + id + "/stdout#top", "execution://" + id +
				"/stdout?offset=1&offset=2",
			"execution://" + id + "/stdout?offset=-1", "execution://" + id + "/stdout?limit=-5", "execution://" + id +
				"/stdout?limit=0",
			"execution://" + id + "/stdout?offset=99999999999999999999", "execution://" + id + "/stdout?offset=0x10",
			"execution://" + id + "/stdout?offset=", "execution://" + id + "/stdout?offset", "execution://" + id +
				"/stdout?offset=1;limit=2",
			"execution://" + id + "/stdout?offset=%zz", "execution://" + id + "/stdout?format=raw", "execution://%" +
				id + "/stdout",
			"execution://%30" + id[1:] + "/stdout", "EXECUTION://" + id + "/stdout", "Execution://" + id + "/stdout",
			"execution://" + strings.Repeat("a", 5000) + "/stdout", "execution://" + id[1:] + "/stdout",
			"execution://" + id + "/stdout\x00",
			"execution://[::1]/stdout", "execution://\u202e/stdout", "execution://" + id + "/stdout?%6fffset=-1",
		} {
			checkAbsent(t, c, uri)
		}
		other := c.send("resources/read", uriParams("execution://"+execID(3)+"/stdout"))
		never := c.send("resources/read", uriParams("execution://"+execID(9)+"/stdout"))
		if strings.ReplaceAll(other.Error.Message, execID(3), "X") != strings.ReplaceAll(never.Error.Message,
			execID(9), "X") {
			t.Errorf("%s: another's is told from one that never was: %q and %q", c.says, other.Error.Message,
				never.Error.Message)
		}
	}
	for _, c := range talkers(t, newBed(t), "{}") { // a host that keeps none
		checkAbsent(t, c, "execution://"+execID(1)+"/stdout")
	}
}

// What cannot be read now may well be there.
func TestAnExecutionThatCannotBeReadIsNoMissingOne(t *testing.T) {
	b := bedWith(t, func(cfg *Config) {
		cfg.Executions = func(context.Context) Executions { return closedBook{} }
	})
	for _, c := range talkers(t, b, "{}") {
		m := c.send("resources/read", uriParams("execution://"+execID(1)+"/stdout"))
		if m.String() != "1: error -32603" || !strings.Contains(string(m.Error.Data), execID(1)) {
			t.Errorf("%s: %v %+v, want -32603", c.says, m, m.Error)
		}
	}
}

type closedBook struct{ noExecutions }

func (closedBook) Read(string, executions.Part, int64, int) (executions.Chunk, error) {
	return executions.Chunk{}, tool.Errorf(tool.KindUnavailable, "the database cannot be read")
}

// FuzzPageOf holds that a URI is a page of one execution, or an error.
func FuzzPageOf(f *testing.F) {
	for _, uri := range []string{"execution://a/stdout", "execution://a/data?offset=1&limit=2",
		"execution://me@a/stderr#x", "execution://a/stdout?offset=-1", "execution://a/data?limit=99999999999", "x"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		p, err := pageOf(uri)
		if err == nil && (p.id == "" || strings.ContainsAny(p.id, "/?#@") || p.offset < 0 || p.limit < 1 ||
			p.limit > maxPage ||
			!slices.Contains([]executions.Part{"stdout", "stderr", "data"}, p.part)) {
			t.Errorf("pageOf(%q) = %+v", uri, p)
		}
	})
}
