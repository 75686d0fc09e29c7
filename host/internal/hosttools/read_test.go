package hosttools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestPagesTogetherAreTheText(t *testing.T) {
	b := newBed(t)
	text := strings.Repeat("é\x1b\u202e\r\na line\n💥", 50) + "\r"
	b.done(1, text)
	for _, chars := range []int{1, 7, 100, 20000} {
		var all strings.Builder
		for at := 0; at >= 0; {
			got := b.call("execution_read", args(1, fmt.Sprintf(`"offset":%d,"max_chars":%d`, at, chars)))
			page := got["text"].(string)
			if n := len([]rune(page)); n > max(chars, 10) {
				t.Fatalf("%d characters, want %d at most", n, chars)
			}
			all.WriteString(page)
			next, more := got["next_offset"].(float64)
			if at = int(next); !more {
				at = -1
			}
		}
		if all.String() != excerpt.Clean(text) {
			t.Errorf("pages of %d characters are not the text: %.100q", chars, all.String())
		}
	}
}

func TestWhatIsReadFitsWhateverItIs(t *testing.T) {
	b := newBed(t)
	b.done(1, strings.Repeat("\"\\\x1b\n", 20000))
	for _, more := range []string{"", `,"grep":"x1B|.","max_matches":200,"context":10`} {
		v, err := b.run(t.Context(), "execution_read", args(1, `"max_chars":20000`+more))
		if err != nil {
			t.Fatal(err)
		}
		if n := size(v); n > 20000 || more == "" && n < 17000 {
			t.Errorf("execution_read with %q: %d characters", more, n)
		}
	}
}

func TestAnOffsetFromTheEnd(t *testing.T) {
	b := newBed(t)
	b.done(1, "0123456789")
	for offset, want := range map[int]string{-3: "789", -100: "0123456789", 0: "0123456789", 10: "", 4: "456789"} {
		got := b.call("execution_read", args(1, fmt.Sprintf(`"offset":%d`, offset)))
		if got["text"] != want || got["total"] != 10.0 || got["complete"] != true || got["next_offset"] != nil {
			t.Errorf("execution_read from %d = %v, want %q", offset, got, want)
		}
	}
}

func TestOutputThatGrowsIsReadOn(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", nil)
	b.print(1, "one\n")
	got := b.call("execution_read", args(1, ""))
	if got["text"] != "one\n" || got["next_offset"] != 4.0 || !strings.Contains(got["next"].(string), "execution_wait") {
		t.Errorf("execution_read = %v", got)
	}
	b.print(1, "two\n")
	if got := b.call("execution_read", args(1, `"offset":4`)); got["text"] != "two\n" || got["notice"] == nil {
		t.Errorf("execution_read = %v", got)
	}
	if got := b.call("execution_read", args(1, `"part":"data"`)); got["text"] != "" || got["next"] == nil || got["next_offset"] != nil {
		t.Errorf("execution_read of data = %v", got)
	}
}

func TestAllPartsCanBeRead(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", nil)
	b.book.Event(id(1), tool.Event{Output: &tool.Output{Stream: tool.Stderr, Data: []byte("warning")}})
	b.end(1, tool.Result{Data: json.RawMessage(`{"hosts":[]}`)}, nil)
	for part, want := range map[string]string{"stdout": "", "stderr": "warning", "data": `{"hosts":[]}`} {
		if got := b.call("execution_read", args(1, `"part":"`+part+`"`)); got["text"] != want || got["part"] != part {
			t.Errorf("execution_read of %s = %v, want %q", part, got, want)
		}
	}
	if got := b.call("execution_read", args(1, "")); !strings.Contains(got["next"].(string), "no stdout") {
		t.Errorf("execution_read of nothing = %v", got)
	}
}

const scan = "Nmap scan\r\n22/tcp open ssh\r\n80/tcp closed http\n443/tcp OPEN https\n\x1b[31m8080/tcp " +
	"open\nend é.1\nend .1"

func TestGrepShowsTheLinesThatMatch(t *testing.T) {
	b := newBed(t)
	b.done(1, scan)
	for _, row := range []struct{ args, want string }{
		{`"grep":"open"`, "2:22/tcp open ssh\n5:" + `\x1B[31m8080/tcp open` + "\n"},
		{`"grep":"open","ignore_case":true,"offset":-60`, "4:443/tcp OPEN https\n5:" +
			`\x1B[31m8080/tcp open` + "\n"},
		{`"grep":"^\\d+/tcp\\s+open ssh$"`, "2:22/tcp open ssh\n"},
		{`"grep":"[^3]1$"`, "6:end é.1\n7:end .1\n"},
		{`"grep":"é.1","fixed":true`, "6:end é.1\n"},
		{`"grep":"H.*P","ignore_case":true,"context":1`, "2-22/tcp open ssh\n3:80/tcp closed " +
			"http\n4:443/tcp OPEN https\n5-" + `\x1B[31m8080/tcp open` + "\n"},
		{`"grep":"scan|end \\.","context":1`, "1:Nmap scan\n2-22/tcp open ssh\n--\n6-end é.1\n7:end .1\n"},
		{`"grep":"nothing"`, ""},
	} {
		got := b.call("execution_read", args(1, row.args))
		if got["text"] != row.want || got["next_offset"] != nil {
			t.Errorf("execution_read %s = %v, want %q", row.args, got, row.want)
		}
		if matches, _ := got["matches"].([]any); len(matches) != strings.Count("\n"+got["text"].(string), ":") {
			t.Errorf("execution_read %s: matches %v of %q", row.args, matches, got["text"])
		}
	}
	got := b.call("execution_read", args(1, `"grep":"open"`))["matches"].([]any)
	second := got[1].(map[string]any)
	if want := strings.Index(scan, "open\nend"); second["line"] != 5.0 || second["offset"] != float64(want) {
		t.Errorf("matches = %v, want the second at %d", got, want)
	}
}

// Whatever the bounds of a page, the pages of a search have each match once.
func TestPagesOfASearchHaveEachMatchOnce(t *testing.T) {
	b := newBed(t)
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 12; n++ {
		var text strings.Builder
		for range 400 {
			text.WriteString([]string{"a", "b", "\n", "\r\n", "é", "\x1b", strings.Repeat("long", 300)}[random.IntN(7)])
		}
		b.done(n, text.String())
		want := 0
		re := regexp.MustCompile("ab|éb")
		for _, l := range strings.Split(text.String(), "\n") {
			if re.MatchString(l) {
				want++
			}
		}
		seen := map[float64]bool{}
		for at := 0.0; at >= 0; {
			chars := 1 + random.IntN(3000)
			got := b.call("execution_read", args(n, fmt.Sprintf(`"grep":"ab|éb","offset":%.0f,"max_matches":%d,"max_chars":%d,"context":%d`,
				at, 1+random.IntN(5), chars, random.IntN(4))))
			if n := excerpt.CountJSON(got["text"].(string)); n > max(chars, maxShown+30) {
				t.Fatalf("%d characters, want %d at most", n, chars)
			}
			for _, m := range got["matches"].([]any) {
				line := m.(map[string]any)["line"].(float64)
				if seen[line] {
					t.Fatalf("line %v is on two pages", line)
				}
				seen[line] = true
			}
			next, more := got["next_offset"].(float64)
			if more && next <= at && at > 0 {
				t.Fatalf("the page from %v goes on at %v", at, next)
			}
			if at = next; !more {
				at = -1
			}
		}
		if len(seen) != want {
			t.Errorf("%d lines were found, want %d", len(seen), want)
		}
	}
}

func TestALongLineIsShownWhereItMatches(t *testing.T) {
	b := newBed(t)
	long := strings.Repeat("é", 7000) + "needle" + strings.Repeat("x", 7000)
	b.begin(1, "NmapTool", nil)
	b.end(1, tool.Result{Data: json.RawMessage(`"` + long + `"`)}, nil)
	got := b.call("execution_read", args(1, `"part":"data","grep":"needle"`))
	text := got["text"].(string)
	if !strings.HasPrefix(text, "1:[...] é") || !strings.Contains(text, "needlexxx") || !strings.HasSuffix(text, "x [...]\n") ||
		len([]rune(text)) > maxShown+20 {
		t.Errorf("execution_read = %q", text)
	}
	if at := got["matches"].([]any)[0].(map[string]any)["offset"]; at != 14001.0 {
		t.Errorf("the match is at %v, want 14001", at)
	}
}

func TestALineThatIsStillBeingPrintedIsLeftForTheNextSearch(t *testing.T) {
	b := newBed(t)
	b.begin(1, "NmapTool", nil)
	b.print(1, "open 1\nop")
	got := b.call("execution_read", args(1, `"grep":"op"`))
	if got["text"] != "1:open 1\n" || got["next_offset"] != 7.0 {
		t.Errorf("execution_read = %v", got)
	}
	b.print(1, "en 2\n")
	if got := b.call("execution_read", args(1, `"grep":"op","offset":7`)); got["text"] != "2:open 2\n" {
		t.Errorf("execution_read = %v", got)
	}
}

// slow is a text that takes long to read.
type slow struct {
	Executions
	text string
}

func (s slow) Get(id string) (executions.Execution, error) {
	return executions.Execution{ID: id, State: executions.Completed, StdoutBytes: int64(len(s.text))}, nil
}

func (s slow) Read(_ string, _ executions.Part, offset int64, _ int) (executions.Chunk, error) {
	<-time.After(time.Second)
	end := min(offset+4, int64(len(s.text)))
	return executions.Chunk{Data: []byte(s.text[offset:end]), Offset: offset, Total: int64(len(s.text)), Complete: true}, nil
}

func TestASearchThatTakesTooLongGoesOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var err error
		b.tools, err = New(Config{Start: b.start, Executions: func(executions.Viewer) Executions {
			return slow{text: strings.Repeat("abc\n", 10)}
		}})
		if err != nil {
			t.Fatal(err)
		}
		got := b.call("execution_read", args(1, `"grep":"x"`))
		next, _ := got["next_offset"].(float64)
		if next <= 0 || next >= 40 || !strings.Contains(got["next"].(string), "next_offset") {
			t.Errorf("execution_read = %v, want that it goes on", got)
		}
		if got := b.call("execution_read", args(1, `"grep":"x","offset":36`)); got["next_offset"] != 36.0 {
			t.Errorf("execution_read from 36 = %v, want that it goes on there", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.run(ctx, "execution_read", args(1, `"grep":"x"`)); tool.KindOf(err) != tool.KindTimeout {
			t.Errorf("execution_read for who is gone = %v, want a timeout", err)
		}
	})
}

// slowBed is one where each search takes a second.
func slowBed(t *testing.T) *bed {
	t.Helper()
	b := newBed(t)
	var err error
	b.tools, err = New(Config{Start: b.start, Executions: func(executions.Viewer) Executions { return slow{text: "abc\n"} }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// search searches as a client, and says how that ended.
func (b *bed) search(ctx context.Context, client string) error {
	who := Caller{Viewer: executions.Viewer{Client: client}}
	_, err := b.tool("execution_read").Call(ctx, who, json.RawMessage(args(1, `"grep":"x"`)), nil)
	return err
}

func TestSearchesWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := slowBed(t)
		began, done := time.Now(), make(chan time.Duration, 2*maxSearches)
		for i := range 2 * maxSearches {
			go func() {
				_ = b.search(t.Context(), fmt.Sprint("client", i))
				done <- time.Since(began)
			}()
		}
		for i := range 2 * maxSearches {
			if took, want := <-done, time.Duration(1+i/maxSearches)*time.Second; took != want {
				t.Errorf("search %d ended after %v, want %v", i, took, want)
			}
		}
	})
}

func TestWhoSearchesALotWaitsForItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := slowBed(t)
		began, ends := time.Now(), make(chan error, 20)
		for range cap(ends) {
			go func() { ends <- b.search(t.Context(), "alice") }()
		}
		synctest.Wait()
		if len(ends) != cap(ends)-1-maxWaiting {
			t.Errorf("%d searches were refused at once, want all but %d", len(ends), 1+maxWaiting)
		}
		for range len(ends) {
			e := tool.AsError(<-ends)
			if e == nil || e.Kind != tool.KindOverloaded || e.Suggestion == "" || e.RetryAfter <= 0 || e.Tool != "execution_read" {
				t.Errorf("one search too many = %+v, want %s with a suggestion", e, tool.KindOverloaded)
			}
		}
		if err := b.search(t.Context(), "bob"); err != nil || time.Since(began) != time.Second {
			t.Errorf("the search of another took %v, %v; want a second", time.Since(began), err)
		}
		for range 1 + maxWaiting {
			if err := <-ends; err != nil {
				t.Errorf("a search that waited = %v", err)
			}
		}
		if took := time.Since(began); took != (1+maxWaiting)*time.Second {
			t.Errorf("%d searches of one client took %v, want one at a time", 1+maxWaiting, took)
		}
	})
}

func TestWhoStopsWaitingForASearchLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		leave, err := d.enter(t.Context(), "alice")
		other, err2 := d.enter(t.Context(), "bob")
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		ctx, stop := context.WithCancel(t.Context())
		ends := make(chan error, 2)
		for _, client := range []string{"alice", "carol"} { // one waits for its turn, one for a place
			go func() {
				_, err := d.enter(ctx, client)
				ends <- err
			}()
		}
		synctest.Wait()
		behind := make(chan func(), 1)
		go func() {
			leave, _ := d.enter(t.Context(), "carol") // who has another search, behind that one
			behind <- leave
		}()
		synctest.Wait()
		stop()
		for range cap(ends) {
			if err := <-ends; !errors.Is(err, context.Canceled) {
				t.Errorf("enter of who is gone = %v, want that", err)
			}
		}
		leave()
		(<-behind)()
		other()
		if len(d.clients)+len(d.places) > 0 {
			t.Errorf("%d clients and %d places are left, want none", len(d.clients), len(d.places))
		}
	})
}

// FuzzSearch holds that a search of any text for any pattern ends, gets further, and shows clean text alone.
func FuzzSearch(f *testing.F) {
	f.Add("a\r\nb\x1b\xff", "a|b", 0, 1, 1, 1)
	f.Add("é\n\n\n", "", 2, 3, 5, 100)
	f.Add(strings.Repeat("é", 9000), "é$", 1, 2, 3, 4)
	f.Fuzz(func(t *testing.T, text, pattern string, from, around, most, room int) {
		re, err := compile(readArgs{Grep: pattern[:min(len(pattern), 50)]})
		if err != nil {
			return
		}
		from = min(max(from, 0), len(text))
		s := &searching{
			pattern: re, from: int64(from), around: min(max(around, 0), 10), most: min(max(most, 1), 200),
			room: min(max(room, 1), 20000),
		}
		in := &lines{read: func(at int64) (executions.Chunk, error) {
			end := min(int(at)+5000, len(text))
			return executions.Chunk{Data: []byte(text[at:end]), Offset: at, Total: int64(len(text)), Complete: true}, nil
		}}
		for !s.full {
			l, ok, _ := in.next()
			if !ok {
				break
			}
			s.take(l)
		}
		out := s.out.String()
		if excerpt.Clean(out) != out || len(s.matches) > s.most {
			t.Fatalf("%d matches in %q", len(s.matches), out)
		}
		if next := s.goOn(in.at); s.full && next <= int64(from) && len(s.matches) == 0 || !s.full && next != int64(len(text)) {
			t.Fatalf("from %d it goes on at %d of %d, with %d matches", from, next, len(text), len(s.matches))
		}
	})
}
