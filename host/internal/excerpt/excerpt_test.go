package excerpt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const id = "019a0000-0000-7000-8000-000000000001"

// decode reads what was shaped, which must be strict JSON of valid UTF-8.
func decode(t *testing.T, s Shaped) map[string]any {
	t.Helper()
	if !jsontext.Value(s.JSON).IsValid() {
		t.Fatalf("the report is not valid JSON: %.300s", s.JSON)
	}
	return read(t, s.JSON)
}

// read keeps numbers as they are written.
func read(t *testing.T, raw []byte) (m map[string]any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAReportThatFitsIsThatOfTheToolWithANotice(t *testing.T) {
	failed := tool.Errorf(tool.KindTimeout, "too late <&>").Suggest("ask for \"more\"").With("after", 1.5)
	failed.RetryAfter = 1500 * time.Millisecond
	for _, row := range []struct {
		says   string
		res    tool.Result
		err    error
		notice bool
	}{
		{"nothing at all", tool.Result{}, nil, false},
		{"output", tool.Result{Stdout: "a\tb\n\"c\" \\ é <b>&amp;\n", Stderr: "x", ReturnCode: -3}, nil, true},
		{"stderr alone", tool.Result{Stderr: "x", TruncatedStderr: true, TimedOut: true}, nil, true},
		{"data", tool.Result{Data: json.RawMessage(`{ "n": 12345678901234567890, "f": 1.50e3, "s": "é\u003c" }`)}, nil, true},
		{"metadata", tool.Result{Metadata: map[string]any{"b": []any{1.0, nil, true}, "a": "<x>"}}, nil, false},
		{"an error", tool.Result{Elapsed: 1234567, ExecutionID: id, CorrelationID: "c"},
			failed.About("NmapTool", "10.0.0.1"), false},
		{"content", tool.Result{Content: []tool.Content{{Type: tool.TextContent, Text: "x"}}}, nil, false},
	} {
		rep := tool.NewReport(row.res, row.err)
		got := decode(t, Report(rep, Options{}))
		if _, told := got["notice"]; told != row.notice {
			t.Errorf("%s: notice: %v, want %v", row.says, told, row.notice)
		}
		delete(got, "notice")
		raw, _ := json.Marshal(rep)
		want := read(t, raw)
		delete(want, "content")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Report = %v, want %v", row.says, got, want)
		}
	}
}

func TestAModelReadsTheNoticeAndWhatIsLeftOutFirst(t *testing.T) {
	rep := tool.NewReport(tool.Result{Stdout: strings.Repeat("x", 30000), ExecutionID: id}, nil)
	s := string(Report(rep, Options{}).JSON)
	if want := `{"notice":"` + Notice + `","left_out":[{"part":"stdout",`; !strings.HasPrefix(s, want) {
		t.Errorf("the report begins with %.200s, want %s", s, want)
	}
}

func TestNumbersOfDataStayAsTheyWereWritten(t *testing.T) {
	for _, data := range []string{
		`[1e400,1.10,-0,12345678901234567890.000]`, `["\u001b",1e400,1.10,-0,12345678901234567890.000]`,
	} {
		s := string(Report(tool.NewReport(tool.Result{Data: json.RawMessage(data)}, nil), Options{}).JSON)
		if !strings.Contains(s, `1e400,1.10,-0,12345678901234567890.000]`) {
			t.Errorf("Report of %s = %s", data, s)
		}
	}
}

func TestWhatCannotBeSeenIsWrittenOutEverywhere(t *testing.T) {
	const bad, good = "a\r\nb\rc\x1b[31m\u202e\u200b\x7f\u009b\ufeff", `a` + "\n" +
		`b\x0Dc\x1B[31m\u{202E}\u{200B}\x7F\x9B\u{FEFF}`
	kind := tool.Kind(bad)
	text := bad
	member, _ := json.Marshal(map[string]any{bad: []any{bad}})
	rep := tool.Report{
		Stdout: bad + "\xff", Stderr: bad, Error: &text, ErrorType: &kind, CorrelationID: bad, ExecutionID: bad,
		Metadata: map[string]any{bad: map[string]any{"x": bad}}, Data: member,
		Suggestion: bad, Tool: bad, Target: bad,
	}
	got := decode(t, Report(rep, Options{}))
	want := map[string]any{
		"stdout": good + `\xFF`, "stderr": good, "error": good, "error_type": good, "correlation_id": good,
		"execution_id": good, "metadata": map[string]any{good: map[string]any{"x": good}},
		"data": map[string]any{good: []any{good}}, "recovery_suggestion": good, "tool": good, "target": good,
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func TestALongOutputKeepsItsBeginningAndItsEnd(t *testing.T) {
	var out strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&out, "line %d of the scan\n", i)
	}
	rep := tool.NewReport(tool.Result{Stdout: out.String(), Stderr: "warning\n", ExecutionID: id}, nil)
	s := Report(rep, Options{})
	got := decode(t, s)
	stdout := got["stdout"].(string)
	head, rest, found := strings.Cut(stdout, "[... ")
	line, tail, _ := strings.Cut(rest, " ...]\n")
	if !found || !strings.HasPrefix(stdout, "line 0 of") || !strings.HasSuffix(stdout, "line 4999 of the scan\n") ||
		!strings.HasSuffix(head, "scan\n") || !strings.HasPrefix(tail, "line ") {
		t.Fatalf("stdout = %.100s ... %q", stdout, line)
	}
	if len(head) < 3*len(tail)/2 || len(tail) < len(head)/3 {
		t.Errorf("%d bytes of the beginning and %d of the end, want two thirds and one", len(head), len(tail))
	}
	left := len(out.String()) - len(head) - len(tail)
	lines := strings.Count(out.String()[len(head):len(head)+left], "\n")
	want := fmt.Sprintf("%d characters in %d lines left out here by the host; read them: "+
		`execution_read {"execution_id":"%s","part":"stdout","offset":%d}`, left, lines, id, len(head))
	if line != want {
		t.Errorf("between stands %s, want %s", line, want)
	}
	if got["stderr"] != "warning\n" {
		t.Errorf("stderr = %q, want it whole", got["stderr"])
	}
	wantLeft := []LeftOut{{Part: "stdout", Characters: left, Bytes: left, Lines: lines, From: len(head),
		Read:     &Call{"execution_read", map[string]any{"execution_id": id, "part": "stdout", "offset": len(head)}},
		Resource: "execution://" + id + "/stdout"}}
	if !reflect.DeepEqual(s.LeftOut, wantLeft) {
		t.Errorf("LeftOut = %+v, want %+v", s.LeftOut, wantLeft)
	}
	if n := utf8.RuneCount(s.JSON); n > DefaultMaxChars || n < DefaultMaxChars*3/4 {
		t.Errorf("%d characters, want nearly %d", n, DefaultMaxChars)
	}
}

func TestHowTheRoomIsShared(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	data := func(n int) json.RawMessage { return json.RawMessage(`"` + text(n-2) + `"`) }
	for _, row := range []struct {
		says           string
		res            tool.Result
		left           []string // parts, sorted
		stdout, stderr int      // characters shown at least
	}{
		{"data of half the room is kept", tool.Result{Data: data(10000), Stdout: text(20000)}, []string{"stdout"}, 6000, 0},
		{"data of more is left out whole", tool.Result{Data: data(13000), Stdout: text(20000)},
			[]string{"data", "stdout"}, 16000, 0},
		{"data of nearly all is kept if all fits", tool.Result{Data: data(19000)}, nil, 0, 0},
		{"data that is larger than all is left out", tool.Result{Data: data(20000), Stdout: "x"},
			[]string{"data"}, 1, 0},
		{"stderr gets a quarter", tool.Result{Stdout: text(20000), Stderr: text(20000)},
			[]string{"stderr", "stdout"}, 13000, 4000},
		{"stderr gets what stdout does not need", tool.Result{Stdout: text(100), Stderr: text(30000)},
			[]string{"stderr"}, 100, 17000},
		{"stdout gets what stderr does not need", tool.Result{Stdout: text(30000), Stderr: text(100)},
			[]string{"stdout"}, 17000, 100},
		{"large metadata is left out", tool.Result{Stdout: text(15000), Metadata: map[string]any{"a": text(9000)}},
			[]string{"metadata"}, 15000, 0},
		{"small metadata is kept", tool.Result{Stdout: text(20000), Metadata: map[string]any{"a": text(2000)}},
			[]string{"stdout"}, 15000, 0},
	} {
		row.res.ExecutionID = id
		s := Report(tool.NewReport(row.res, nil), Options{})
		got := decode(t, s)
		if n := utf8.RuneCount(s.JSON); n > DefaultMaxChars {
			t.Errorf("%s: %d characters", row.says, n)
		}
		var left []string
		for _, l := range s.LeftOut {
			left = append(left, l.Part)
		}
		slices.Sort(left)
		if !slices.Equal(left, row.left) {
			t.Errorf("%s: left out %v, want %v", row.says, left, row.left)
		}
		if out, err := len(got["stdout"].(string)), len(got["stderr"].(string)); out < row.stdout || err < row.stderr {
			t.Errorf("%s: %d and %d characters, want %d and %d at least", row.says, out, err, row.stdout, row.stderr)
		}
		if _, there := got["data"]; there == slices.Contains(left, "data") && len(row.res.Data) > 0 {
			t.Errorf("%s: data is there: %v", row.says, there)
		}
	}
}

func TestWhatCannotBeWrittenIsLeftOutWithItsReason(t *testing.T) {
	for _, row := range []struct {
		data string
		meta map[string]any
		part string
	}{
		{data: `{"a":`, part: "data"},
		{data: `{"a":1,"a":2}`, part: "data"},
		{data: `{"a\u001b":1,"a\\x1B":2}`, part: "data"},
		{data: strings.Repeat("[", 20000) + strings.Repeat("]", 20000), part: "data"},
		{meta: map[string]any{"f": math.NaN()}, part: "metadata"},
		{meta: map[string]any{"f": func() {}}, part: "metadata"},
		{meta: map[string]any{"a\x1b": 1, `a\x1B`: 2}, part: "metadata"},
	} {
		s := Report(tool.Report{ExecutionID: id, Data: json.RawMessage(row.data), Metadata: row.meta}, Options{})
		decode(t, s)
		if len(s.LeftOut) != 1 || s.LeftOut[0].Part != row.part || s.LeftOut[0].Why == "" {
			t.Errorf("Report of %.40s and %v left out %+v, want %s", row.data, row.meta, s.LeftOut, row.part)
		}
	}
}

func TestWithoutAnExecutionNothingIsOfferedToBeRead(t *testing.T) {
	for _, id := range []string{"", "a b", strings.Repeat("x", 65), "x\"}", "../x"} {
		s := Report(tool.Report{ExecutionID: id, Stdout: strings.Repeat("x", 30000)}, Options{})
		if l := s.LeftOut[0]; l.Read != nil || l.Resource != "" || strings.Contains(string(s.JSON), "execution_read") {
			t.Errorf("with the id %q: LeftOut = %+v", id, l)
		}
	}
}

func TestTheReaderIsNamedAsTheHostOffersIt(t *testing.T) {
	rep := tool.Report{ExecutionID: id, Stdout: strings.Repeat("x", 30000)}
	if s := string(Report(rep, Options{Read: "read_it"}).JSON); strings.Count(s, "read_it") != 2 {
		t.Errorf("Report = %.300s, want read_it in left_out and in the text", s)
	}
}

func TestTextThatFitsIsKeptAndOtherIsCutInTheMiddle(t *testing.T) {
	long := strings.Repeat("line\r\n", 1000)
	for _, row := range []struct {
		text  string
		limit int
		want  string // whole; empty: cut
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"a\r\nb", 3, "a\nb"},
		{"\x1b", 4, `\x1B`},
		{"ééé", 3, "ééé"},
	} {
		if got, cut := Text(row.text, row.limit); got != row.want || cut {
			t.Errorf("Text(%q, %d) = %q, %v; want %q", row.text, row.limit, got, cut, row.want)
		}
	}
	got, cut := Text(long, 500)
	if !cut || utf8.RuneCountInString(got) > 500 || !strings.HasPrefix(got, "line\nline\n") ||
		!strings.HasSuffix(got, "line\n") || !strings.Contains(got, "\n[... ") || strings.Contains(got, `\x0D`) {
		t.Errorf("Text = %q, %v", got, cut)
	}
	if got, cut := Text("abcdef", 4); got != "abcd" || !cut {
		t.Errorf("Text(abcdef, 4) = %q, %v; want the beginning alone", got, cut)
	}
	if got, cut := Text("\x1b", 3); got != "" || !cut {
		t.Errorf("Text(ESC, 3) = %q, %v; want no part of what stands for it", got, cut)
	}
	if got, cut := Text("abc", -1); got != "" || !cut {
		t.Errorf("Text(abc, -1) = %q, %v; want nothing", got, cut)
	}
}

func TestTheEndsOfATextKnowWhereTheyAre(t *testing.T) {
	for _, row := range []struct {
		text  string
		limit int
		head  string
		size  int
		tail  string
		start int
	}{
		{"", 5, "", 0, "", 0},
		{"abc", 5, "abc", 3, "abc", 0},
		{"a\r\nb", 2, "a\n", 3, "\nb", 1},
		{"a\x1bb", 2, "a", 1, "b", 2},
		{"\x1b\x1b", 1, `\x1B`, 1, "", 2},
		{"1234567\n9abc\nefg", 10, "1234567\n", 8, "9abc\nefg", 8},
		{"é\xffé", 5, `é\xFF`, 3, `\xFFé`, 2},
	} {
		if head, size := Head(row.text, row.limit); head != row.head || size != row.size {
			t.Errorf("Head(%q, %d) = %q, %d; want %q, %d", row.text, row.limit, head, size, row.head, row.size)
		}
		if tail, start := Tail(row.text, row.limit); tail != row.tail || start != row.start {
			t.Errorf("Tail(%q, %d) = %q, %d; want %q, %d", row.text, row.limit, tail, start, row.tail, row.start)
		}
	}
}

func TestLengthsInJSONCountItsEscapes(t *testing.T) {
	const text = "a\"\n\x1b\r\né"
	inside := `a\"\n\\x1B\né`
	if n := CountJSON(text); n != utf8.RuneCountInString(inside) {
		t.Errorf("CountJSON = %d, want those of %s", n, inside)
	}
	if head, size := HeadJSON(text, 9); head != "a\"\n" || size != 3 {
		t.Errorf("HeadJSON = %q, %d", head, size)
	}
	if whole, cut := TextJSON(text, CountJSON(text)); whole != Clean(text) || cut {
		t.Errorf("TextJSON = %q, %v", whole, cut)
	}
	if short, cut := TextJSON(text, CountJSON(text)-1); CountJSON(short) >= CountJSON(text) || !cut {
		t.Errorf("TextJSON = %q, %v", short, cut)
	}
}

func TestALimitThatIsTooSmallIsRaised(t *testing.T) {
	s := Report(tool.Report{ExecutionID: id, Stdout: strings.Repeat("x", 9000)}, Options{MaxChars: 1})
	if n := utf8.RuneCount(s.JSON); n > MinMaxChars || n < MinMaxChars/2 {
		t.Errorf("%d characters, want about %d", n, MinMaxChars)
	}
}

func TestNumbersAreAlwaysJSON(t *testing.T) {
	for number, want := range map[float64]string{
		0: "0", 1.5: "1.5", 1e-9: "1e-09", 1e300: "1e+300", math.Inf(1): "0", math.NaN(): "0", -2e6: "-2000000",
	} {
		s := Report(tool.Report{ExecutionTime: number, RetryAfter: &number}, Options{})
		decode(t, s)
		if text := string(s.JSON); strings.Count(text, `:`+want+`,`)+strings.Count(text, `:`+want+`}`) < 2 {
			t.Errorf("Report of %v = %s, want %s", number, text, want)
		}
	}
}

func TestACutTextFitsWhateverTheRoom(t *testing.T) {
	text := strings.Repeat("some \"text\"\r\n\x1b", 2000)
	s := shaping{id: id, o: Options{}.complete()}
	for room := range 600 {
		kept, g := quoted.excerpt(text, room, s.mark(PartStdout))
		if n := CountJSON(kept.text()); n > room || g.from != len(kept.head) || kept.mark == "" && room > 250 {
			t.Fatalf("in a room of %d: %d characters, %+v", room, n, g)
		}
	}
	end := text[:len(text)-9] + strings.Repeat("\x1b", 9)
	if kept, _ := quoted.excerpt(end, CountJSON(end)-1, s.mark(PartStdout)); CountJSON(kept.text()) >= CountJSON(end) {
		t.Errorf("a text that needs one character more has %d of %d", CountJSON(kept.text()), CountJSON(end))
	}
}

func TestDataIsCleanWhateverIsWrongInIt(t *testing.T) {
	for data, want := range map[string]string{
		`"\u007f"`: `"\\x7F"`, "\"\x7f\"": `"\\x7F"`, `"\u009b"`: `"\\x9B"`, `"\r\n"`: `"\n"`, `"\u000d"`: `"\\x0D"`,
		`"\ud83d\udca5"`: `"💥"`, "\"\xff\"": `"\ufffd"`, `"\t\"\\\n\/"`: `"\t\"\\\n/"`, "[1 , 2]": "[1,2]",
	} {
		s := string(Report(tool.Report{Data: json.RawMessage(data)}, Options{}).JSON)
		want = strings.ReplaceAll(want, `\ufffd`, "\ufffd")
		if !strings.Contains(s, `"data":`+want) {
			t.Errorf("Report of %q = %s, want %s", data, s, want)
		}
	}
}

func TestAHostileErrorOfAMebibyteIsCut(t *testing.T) {
	long := strings.Repeat("\x1b", 1<<20)
	e := tool.Errorf(tool.KindExecution, "%s", long).Suggest("%s", long).With(long, long)
	rep := tool.NewReport(tool.Result{ExecutionID: id, Stdout: "the output"}, e.About(long, long))
	s := Report(rep, Options{})
	got := decode(t, s)
	if n := utf8.RuneCount(s.JSON); n > DefaultMaxChars {
		t.Errorf("%d characters", n)
	}
	if got["stdout"] != "the output" || len(got["error"].(string)) < 1000 {
		t.Errorf("stdout = %q, %d bytes of the error", got["stdout"], len(got["error"].(string)))
	}
}

// check holds a shaped report to what is promised of every one.
func check(t *testing.T, rep tool.Report, o Options) {
	t.Helper()
	s := Report(rep, o)
	if n, limit := total(s), o.complete().MaxChars; n > limit || !utf8.Valid(s.JSON) {
		t.Fatalf("%d characters, want %d at most: %s", n, limit, s.JSON)
	}
	got := decode(t, s)
	clean(t, got)
	for _, l := range s.LeftOut {
		text := map[string]string{PartStdout: rep.Stdout, PartStderr: rep.Stderr}[l.Part]
		if text == "" {
			continue
		}
		shown, head, tail := got[l.Part].(string), legible(text[:l.From]), legible(text[l.From+l.Bytes:])
		if !strings.HasPrefix(shown, head) || !strings.HasSuffix(shown, tail) {
			t.Fatalf("%s is not what stands around what is left out, %+v: %q", l.Part, l, shown)
		}
		if strings.HasSuffix(text[:l.From], "\r") && text[l.From] == '\n' || !utf8.RuneStart(text[l.From]) && utf8.ValidString(text) {
			t.Fatalf("%s is parted within a character or a line end at %d", l.Part, l.From)
		}
	}
	for _, part := range []string{PartStdout, PartStderr} {
		text := map[string]string{PartStdout: rep.Stdout, PartStderr: rep.Stderr}[part]
		told := slices.ContainsFunc(s.LeftOut, func(l LeftOut) bool { return l.Part == part })
		if !told && got[part] != legible(text) {
			t.Fatalf("%s is not whole, and nobody says so", part)
		}
		if n := strings.Count(got[part].(string), mark); n > 1 || n == 1 && !told {
			t.Fatalf("%s has %d marks, and of what is left out is told: %t", part, n, told)
		}
	}
}

// clean holds every text in a value to be clean.
func clean(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if Clean(v) != v {
			t.Fatalf("%q is not clean", v)
		}
	case []any:
		for _, part := range v {
			clean(t, part)
		}
	case map[string]any:
		for key, part := range maps.All(v) {
			clean(t, key)
			clean(t, part)
		}
	}
}

// FuzzReport holds that no report is longer than allowed, or less than clean, strict JSON.
func FuzzReport(f *testing.F) {
	f.Add("out\r\n", "err", "message", `{"a":"\u001b"}`, "key", 1, 0, id)
	f.Add("\x1b\u202e\xff\r", "é\"\\\n", "\x00", `[1e999]`, "\x1b", 30000, 4000, "")
	f.Add("\r\n", "\r", "m", `"\ud800"`, "", 9999, 5000, "x")
	f.Add("\n[... 1", "[…", "[...", `"[... 2"`, "[", 900, 4000, id)
	f.Add("💥", "\n", "\\", "\"\xff\"", "a", 3000, 20000, strings.Repeat("i", 100))
	f.Fuzz(func(t *testing.T, out, errs, message, data, key string, times, limit int, id string) {
		times = min(max(times, 0), 40000/(1+len(out)+len(errs)+len(message)+len(key)))
		many := func(s string) string { return strings.Repeat(s, times) }
		e := tool.Errorf(tool.KindUnknown, "").Suggest("%s", many(message)).With(many(key), many(message))
		e.Message = many(message)
		rep := tool.NewReport(tool.Result{
			Stdout: many(out), Stderr: many(errs), ExecutionID: id, CorrelationID: many(key), Elapsed: math.MaxInt64,
			Data: json.RawMessage(data), ReturnCode: math.MinInt,
		}, errors.Join(e.About(many(key), many(out))))
		check(t, rep, Options{MaxChars: limit % 30000})
		for _, typ := range []tool.ContentType{tool.TextContent, tool.LinkContent, tool.ResourceText} {
			rep.Content = append(rep.Content, tool.Content{
				Type: typ, Text: many(out), About: many(errs), URI: key, Name: many(key), Title: message})
		}
		rep.Data = json.RawMessage("[" + many(data+",") + "1]")
		check(t, rep, Options{MaxChars: limit % 30000})
	})
}

// FuzzText holds that no text is longer than allowed, or less than clean.
func FuzzText(f *testing.F) {
	f.Add("abc\r\n\x1b", 100, 100)
	f.Add("\xe2\x82", 90, 300)
	f.Add("a[...[…", 90, 300)
	f.Fuzz(func(t *testing.T, s string, times, limit int) {
		s = strings.Repeat(s, min(max(times, 0), 10000/(1+len(s))))
		got, cut := Text(s, limit)
		if utf8.RuneCountInString(got) > max(limit, 0) || Clean(got) != got || cut == (got == legible(s)) ||
			strings.Count(got, mark) > 1 {
			t.Fatalf("Text(%q, %d) = %q, %v", s, limit, got, cut)
		}
	})
}
