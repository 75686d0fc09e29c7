package tool

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Each row is a block and its form in MCP.
var blocks = []struct {
	block Content
	want  string
}{
	{Content{Type: TextContent, Text: "3 hosts"}, `{"type":"text","text":"3 hosts"}`},
	{Content{Type: TextContent}, `{"type":"text","text":""}`},
	{Content{Type: ImageContent, MIMEType: "image/png", Data: []byte("png")},
		`{"type":"image","data":"cG5n","mimeType":"image/png"}`},
	{Content{Type: AudioContent, MIMEType: "audio/wav", Data: []byte("wav")},
		`{"type":"audio","data":"d2F2","mimeType":"audio/wav"}`},
	{Content{Type: LinkContent, URI: "https://wiki/dns", Name: "dns"},
		`{"type":"resource_link","uri":"https://wiki/dns","name":"dns"}`},
	{Content{Type: LinkContent, URI: "https://wiki/dns", Name: "dns", Title: "DNS", About: "names", MIMEType: "text/html"},
		`{"type":"resource_link","uri":"https://wiki/dns","name":"dns","title":"DNS","description":"names",` +
			`"mimeType":"text/html"}`},
	{Content{Type: ResourceText, URI: "report:1", MIMEType: "text/plain; charset=utf-8", Text: "all is well"},
		`{"type":"resource","resource":{"uri":"report:1","mimeType":"text/plain; charset=utf-8","text":"all is well"}}`},
	{Content{Type: ResourceText, URI: "report:2"}, `{"type":"resource","resource":{"uri":"report:2","text":""}}`},
	{Content{Type: ResourceText, URI: "report:3", Data: []byte{0}},
		`{"type":"resource","resource":{"uri":"report:3","blob":"AA=="}}`},
}

func TestContentIsWrittenAsMCPHasIt(t *testing.T) {
	for _, row := range blocks {
		raw, err := json.Marshal(row.block)
		if err != nil || string(raw) != row.want {
			t.Errorf("Marshal(%+v) = %s, %v\nwant %s", row.block, raw, err, row.want)
		}
		if err := row.block.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v", row.block, err)
		}
		var got Content
		if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, row.block) {
			t.Errorf("Unmarshal(%s) = %+v, %v\nwant %+v", raw, got, err, row.block)
		}
	}
}

func TestTextsOfContentAreCleaned(t *testing.T) {
	const dirty, clean = "a\x1b\u202eb", `a\\x1B\\u{202E}b`
	for _, c := range []Content{
		{Type: TextContent, Text: dirty},
		{Type: "of the future", Text: dirty},
		{Type: ResourceText, URI: "r:1", Text: dirty},
		{Type: LinkContent, URI: "r:1", Name: dirty},
		{Type: LinkContent, URI: "r:1", Name: "n", Title: dirty},
		{Type: LinkContent, URI: "r:1", Name: "n", About: dirty},
	} {
		raw, err := json.Marshal(c)
		if err != nil || !strings.Contains(string(raw), clean) {
			t.Errorf("Marshal(%+v) = %s, %v; want what cannot be seen written out", c, raw, err)
		}
	}
}

func TestContentThatIsRefused(t *testing.T) {
	png := []byte("png")
	for why, c := range map[string]Content{
		"no type":                   {Text: "x"},
		"a type of the future":      {Type: "video", MIMEType: "video/mp4", Data: png},
		"an image that is a text":   {Type: ImageContent, MIMEType: "text/html", Data: png},
		"an image without data":     {Type: ImageContent, MIMEType: "image/png"},
		"an image without a type":   {Type: ImageContent, Data: png},
		"a type that is half one":   {Type: ImageContent, MIMEType: "image/", Data: png},
		"a type of two lines":       {Type: ImageContent, MIMEType: "image/png\n", Data: png},
		"a sound that is an image":  {Type: AudioContent, MIMEType: "image/png", Data: png},
		"a link without a name":     {Type: LinkContent, URI: "https://x/"},
		"a link of a long name":     {Type: LinkContent, URI: "https://x/", Name: strings.Repeat("n", 257)},
		"a link that leads nowhere": {Type: LinkContent, Name: "n"},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
	for _, uri := range []string{
		"", "x", "/etc/passwd", "//host/x", "file:///etc/passwd", "FILE:/x", "javascript:alert(1)", "JavaScript:x",
		"data:text/html,x", "vbscript:x", "execution://1/stdout", "gatehouse://policy", "https://x/ y", "https://x/\u202e",
		"https://x/\x00", "https://x/\xff", "https://x/" + strings.Repeat("y", 2048), "1:x",
	} {
		for _, c := range []Content{
			{Type: LinkContent, Name: "n", URI: uri}, {Type: ResourceText, URI: uri},
		} {
			if err := c.Validate(); err == nil {
				t.Errorf("the URI %.60q is accepted in a %s", uri, c.Type)
			}
		}
	}
}

func TestWhatAResultShowsAndAsksIsBounded(t *testing.T) {
	question := func(id string) Question {
		return Question{ID: id, Message: "Which?", Schema: json.RawMessage(`{"type":"object"}`)}
	}
	text := Content{Type: TextContent, Text: strings.Repeat("x", MaxContentBytes/MaxContents)}
	full := Result{State: make([]byte, MaxState)}
	for range MaxContents {
		full.Content = append(full.Content, text)
	}
	for i := range MaxQuestions {
		full.Questions = append(full.Questions, question(string(rune('a'+i))))
	}
	if err := full.Validate(); err != nil {
		t.Fatalf("Validate of all that is allowed = %v", err)
	}
	for why, spoil := range map[string]func(*Result){
		"one block too many":      func(r *Result) { r.Content = append(r.Content, Content{Type: TextContent}) },
		"one byte too many":       func(r *Result) { r.Content[0].Text += "x" },
		"one byte of a title":     func(r *Result) { r.Content[0].Title = "x" },
		"one question too many":   func(r *Result) { r.Questions = append(r.Questions, question("z")) },
		"a state that is too big": func(r *Result) { r.State = append(r.State, 0) },
		"a bad block":             func(r *Result) { r.Content[3].Type = "video" },
		"a bad question":          func(r *Result) { r.Questions[0].ID = "" },
		"a question twice":        func(r *Result) { r.Questions[1].ID = r.Questions[0].ID },
	} {
		r := full
		r.Content, r.Questions = append([]Content(nil), full.Content...), append([]Question(nil), full.Questions...)
		spoil(&r)
		if err := r.Validate(); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
}

func TestAReportHasItsContent(t *testing.T) {
	raw, err := json.Marshal(NewReport(Result{Content: []Content{{Type: TextContent, Text: "x"}}}, nil))
	if want := `"content":[{"type":"text","text":"x"}]`; err != nil || !strings.Contains(string(raw), want) {
		t.Errorf("Marshal = %s, %v; want %s in it", raw, err, want)
	}
	if raw, err := json.Marshal(NewReport(Result{}, nil)); err != nil || strings.Contains(string(raw), `"content"`) {
		t.Errorf("Marshal without content = %s, %v; want no member", raw, err)
	}
}

// FuzzContent holds that what is valid can be written, and read again as it was but for what is written out.
func FuzzContent(f *testing.F) {
	for _, row := range blocks {
		c := row.block
		f.Add(string(c.Type), c.Text, c.Data, c.MIMEType, c.URI, c.Name)
	}
	f.Add("resource_link", "", []byte{}, "", "javascript:x", "\x1b")
	f.Add("text", "\xff\u202e", []byte{1}, "a/b; c", "file:x", "")
	f.Fuzz(func(t *testing.T, kind, text string, data []byte, mime, uri, name string) {
		c := Content{Type: ContentType(kind), Text: text, Data: data, MIMEType: mime, URI: uri, Name: name}
		if c.Validate() != nil {
			return
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("Marshal(%+v) = %v", c, err)
		}
		var again Content
		if err := json.Unmarshal(raw, &again); err != nil || again.Validate() != nil && len(again.Name) <= maxContentName {
			t.Errorf("Unmarshal(%s) = %+v, %v", raw, again, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(raw) {
			t.Errorf("what was written as %s is written as %s, %v, the second time", raw, second, err)
		}
	})
}
