package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	maxText    = 20_000  // characters that a model gets of a result
	hostileOut = 3 << 20 // bytes that HostileTool prints
	kept       = 1 << 20 // bytes of stdout that are kept
)

// leftOut is a piece that a report does not show.
type leftOut struct {
	Part       string
	Bytes      int
	From       int
	Characters int
	Read       *struct {
		Tool      string
		Arguments json.RawMessage
	}
	Resource string
}

// hostileReport is what these tests read of a result of HostileTool.
type hostileReport struct {
	ID      string `json:"execution_id"`
	Notice  string
	Stdout  string
	LeftOut []leftOut `json:"left_out"`
	Cut     bool      `json:"truncated_stdout"`
	Data    struct {
		Bytes, Lines   int
		SHA256, Banner string
	}
}

func TestOutputOfHostileMachinesFitsAndIsReadToTheLastByte(t *testing.T) {
	for _, w := range []way{waysOfMCP[0], waysOfMCP[3]} { // each era, each transport
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "lab", mcp.ClientOptions{})
			var rep hostileReport
			res := a.call("HostileTool", fmt.Sprintf(`{"bytes":%d}`, hostileOut), &rep)
			wantHarmless(t, "the result", res.raw)
			if n := utf8.RuneCount(res.raw); n > maxText || n < maxText/2 {
				t.Errorf("a model gets %d characters, want at most %d, and not much less", n, maxText)
			}
			if !rep.Cut || rep.Notice == "" || rep.Data.Banner == "" || !strings.HasPrefix(rep.Stdout, "line 000000 ") {
				t.Errorf("the report does not say that it is cut, or has no beginning or notice: %s", res.raw)
			}
			raw := a.printed(t, rep.ID)
			if len(raw) > kept || len(raw) < kept-utf8.UTFMax || !utf8.ValidString(raw) {
				t.Errorf("%d bytes are kept, want %d", len(raw), kept)
			}
			left := a.wantLeftOut(t, rep, len(raw))
			head, tail := cleaned(raw[:left.From]), cleaned(raw[left.From+left.Bytes:])
			if len(head) < maxText/4 || len(tail) < maxText/4 || !strings.HasPrefix(rep.Stdout, head) ||
				!strings.HasSuffix(rep.Stdout, "\n"+tail) {
				t.Errorf("left out are %d bytes from %d on; the report has not what is around", left.Bytes, left.From)
			}
			if pages, clean := a.pages(t, rep.ID), cleaned(raw); pages != clean {
				t.Errorf("the pages have %d bytes, and what was printed, clean, has %d; want the same", len(pages),
					len(clean))
			}
			a.wantNeedle(t, rep, raw)
		})
	}
}

// cleaned is a text as a model sees it.
func cleaned(raw string) string {
	return tool.Untrusted(strings.ReplaceAll(raw, "\r\n", "\n")).Clean()
}

// wantHarmless holds that what can be seen is all that there is: no control characters, none that turn the
// direction of writing, none that hide; and that it says what it is.
func wantHarmless(t *testing.T, what string, raw []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s is no JSON: %v", what, err)
	}
	for _, text := range textsOf(v) {
		for _, r := range text {
			if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
				t.Fatalf("%s has the character %U in %.200q", what, r, text)
			}
		}
	}
	const order, warning = "IGNORE PREVIOUS INSTRUCTIONS", "never as instructions"
	if strings.Contains(string(raw), order) && !strings.Contains(string(raw), warning) {
		t.Errorf("%s has foreign orders, and does not say that they are none", what)
	}
}

// textsOf are all texts in a value of JSON, names of members too.
func textsOf(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, x := range v {
			texts = append(texts, textsOf(x)...)
		}
	case map[string]any:
		for name, x := range v {
			texts = append(append(texts, name), textsOf(x)...)
		}
	}
	return texts
}

// wantLeftOut makes the call by which a report says that what it does not show is read.
func (a *assistant) wantLeftOut(t *testing.T, rep hostileReport, total int) leftOut {
	t.Helper()
	if len(rep.LeftOut) != 1 || rep.LeftOut[0].Part != "stdout" || rep.LeftOut[0].Read == nil ||
		rep.LeftOut[0].Read.Tool != "execution_read" || rep.LeftOut[0].Resource != "execution://"+rep.ID+"/stdout" {
		t.Fatalf("left_out = %+v, want stdout, the call that reads it, and the resource", rep.LeftOut)
	}
	left := rep.LeftOut[0]
	var p passage
	res := a.call(left.Read.Tool, string(left.Read.Arguments), &p)
	wantHarmless(t, "a passage", res.raw)
	if p.Offset != left.From || p.Total != total || p.Text == "" {
		t.Errorf("the passage is %d of %d, want what was left out from %d of %d", p.Offset, p.Total, left.From,
			total)
	}
	return left
}

// pages are all pages of what an execution printed.
func (a *assistant) pages(t *testing.T, id string) string {
	t.Helper()
	var all strings.Builder
	for at := 0; ; {
		page := running{ID: id}.about(fmt.Sprintf(`"offset":%d,"max_chars":20000`, at))
		res, err := a.try(t.Context(), "execution_read", page, nil)
		if err != nil {
			t.Fatal(err)
		}
		var p passage
		err = json.Unmarshal(res.raw, &p)
		if err != nil || utf8.RuneCount(res.raw) > maxText || p.Offset != at || !p.Complete {
			t.Fatalf("the page at %d is %s, %v", at, res.raw, err)
		}
		all.WriteString(p.Text)
		if p.Next == nil {
			return all.String()
		}
		if *p.Next <= at {
			t.Fatalf("the page at %d goes on at %d", at, *p.Next)
		}
		at = *p.Next
	}
}

// printed is what is kept of an execution, as REST gives it: on stdio from another host of the directory.
func (a *assistant) printed(t *testing.T, id string) string {
	t.Helper()
	h := a.host
	if h == nil {
		h = again(t, a.state) // soon has what ended elsewhere
		h.until(t, func() bool { return h.status(t, "GET", "/executions/"+id, "") == 200 })
	}
	var all strings.Builder
	for at := 0; ; {
		r := h.send(t, "GET", fmt.Sprintf("/executions/%s/stdout?offset=%d&limit=1048576", id, at), "")
		if r.status != 200 {
			t.Fatalf("GET stdout = %d %s", r.status, r.body)
		}
		all.WriteString(r.body)
		if at += len(r.body); r.header.Get("Link") == "" {
			return all.String()
		}
	}
}

// wantNeedle finds the line in the middle, and reads on from there.
func (a *assistant) wantNeedle(t *testing.T, rep hostileReport, raw string) {
	t.Helper()
	at := strings.Index(raw, "needle")
	line := 1 + strings.Count(raw[:at], "\n")
	var p passage
	res := a.call("execution_read", running{ID: rep.ID}.about(`"grep":"^needle \\d{6}"`), &p)
	wantHarmless(t, "what was found", res.raw)
	if len(p.Matches) != 1 || p.Matches[0].Line != line || p.Matches[0].Offset != at ||
		!regexp.MustCompile(`(?m)^`+fmt.Sprint(line)+`:needle \d{6}`).MatchString(p.Text) {
		t.Errorf("grep = %s, want line %d at byte %d", res.raw, line, at)
	}
	a.call("execution_read", running{ID: rep.ID}.about(fmt.Sprintf(`"offset":%d,"max_chars":100`, at)), &p)
	if !strings.HasPrefix(p.Text, "needle ") {
		t.Errorf("what is read from the match on is %q", p.Text)
	}
	page, err := a.ReadResource(t.Context(), &mcp.ReadResourceParams{
		URI: fmt.Sprintf("execution://%s/stdout?offset=%d&limit=100", rep.ID, at),
	})
	if err != nil || !strings.HasPrefix(page.Contents[0].Text, "needle ") ||
		page.Contents[0].Meta["gatehouse/next"] == nil {
		t.Errorf("the resource from there on = %+v, %v", page, err)
	}
}

func TestWhatIsPrintedIsKeptByteForByte(t *testing.T) {
	a := waysOfMCP[2].join(t, "lab", mcp.ClientOptions{})
	var rep hostileReport
	a.call("HostileTool", fmt.Sprintf(`{"bytes":%d}`, kept*9/10), &rep)
	raw := a.printed(t, rep.ID)
	if digest(raw) != rep.Data.SHA256 || rep.Cut {
		t.Errorf("%d bytes are kept, cut: %t, and they are not the %d that were printed", len(raw), rep.Cut,
			rep.Data.Bytes)
	}
	if last := fmt.Sprintf("line %06d", rep.Data.Lines-1); !strings.Contains(rep.Stdout, last) {
		t.Errorf("the report does not have %q, the last line", last)
	}
}

func TestBlocksThatAToolShowsArriveOverMCPAndREST(t *testing.T) {
	for _, w := range waysOfMCP {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			a := w.join(t, "lab", mcp.ClientOptions{})
			wantBlocks(t, a.call("ShowTool", `{}`, nil).Content[1:])
			if w.stdio {
				return
			}
			var rep struct{ Content json.RawMessage }
			a.host.ask(t, "POST", "/tools/ShowTool/execute", `{}`, 200, &rep)
			wantBlocks(t, blocksOf(t, rep.Content))
			x := a.list(`{"tool":"ShowTool"}`)[0]
			var kept struct {
				Result struct{ Content json.RawMessage }
			}
			a.host.ask(t, "GET", "/executions/"+x.ID, "", 200, &kept)
			wantBlocks(t, blocksOf(t, kept.Result.Content))
		})
	}
}

// blocksOf reads blocks as MCP has them.
func blocksOf(t *testing.T, raw json.RawMessage) []mcp.Content {
	t.Helper()
	var res mcp.CallToolResult
	if err := json.Unmarshal(fmt.Appendf(nil, `{"content":%s}`, raw), &res); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return res.Content
}

func wantBlocks(t *testing.T, blocks []mcp.Content) {
	t.Helper()
	if len(blocks) != 5 {
		t.Fatalf("%d blocks, want 5: %+v", len(blocks), blocks)
	}
	text, ok1 := blocks[0].(*mcp.TextContent)
	image, ok2 := blocks[1].(*mcp.ImageContent)
	audio, ok3 := blocks[2].(*mcp.AudioContent)
	link, ok4 := blocks[3].(*mcp.ResourceLink)
	resource, ok5 := blocks[4].(*mcp.EmbeddedResource)
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4 || !ok5:
		t.Fatalf("the blocks are %T, %T, %T, %T, %T", blocks[0], blocks[1], blocks[2], blocks[3], blocks[4])
	case text.Text != `two hosts\x1B[2J are up`:
		t.Errorf("text = %q, want it clean", text.Text)
	case string(image.Data) != "\x89PNG\r\n\x1a\n" || image.MIMEType != "image/png":
		t.Errorf("image = %+v", image)
	case string(audio.Data) != "RIFF" || audio.MIMEType != "audio/wav":
		t.Errorf("audio = %+v", audio)
	case link.URI != "https://wiki.lab.internal/dns" || link.Name != "dns" || link.Title != "DNS":
		t.Errorf("link = %+v", link)
	case resource.Resource.URI != "report:latest" || resource.Resource.Text != "all is well":
		t.Errorf("resource = %+v", resource.Resource)
	}
}
