package executions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAPartIsReadInPagesThatSplitNoCharacter(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		text := strings.Repeat("a€😀é\n", 30_000) // 3 blocks and more
		data, _ := json.Marshal(map[string]string{"text": text})
		id := begin(t, b, nil)
		b.End(id, Outcome{Result: tool.Result{Stdout: text, Stderr: "é", Data: data}})
		settle()
		for p, want := range map[Part]string{Stdout: text, Stderr: "é", Data: string(data)} {
			for _, page := range []int{1009, 65536, 65537, 1 << 20} {
				if got := readAll(t, b, id, p, page); got != want {
					t.Errorf("Read(%s) in pages of %d = %d bytes, want the %d that there are", p, page, len(got), len(want))
				}
			}
		}
		for offset, want := range map[int64]string{0: "a", 1: "€", 2: "€", 3: "€", 4: "😀", 6: "😀", 8: "é", 9: "é", 10: "\n"} {
			c, err := b.Read(id, Stdout, offset, 1)
			if err != nil || string(c.Data) != want || !c.Complete || c.Total != int64(len(text)) {
				t.Errorf("Read(%d, 1) = %+v, %v; want %q", offset, c, err, want)
			}
		}
		if c, err := b.Read(id, Stdout, int64(len(text)), 0); err != nil || len(c.Data) != 0 {
			t.Errorf("Read at the end = %+v, %v; want nothing", c, err)
		}
		if c, err := b.Read(id, Stdout, 11, 0); err != nil || len(c.Data) > DefaultChunk || len(c.Data) < DefaultChunk-4 {
			t.Errorf("Read without a limit = %d bytes, %v; want %d", len(c.Data), err, DefaultChunk)
		}
	})
}

func TestABadRangeIsRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		id := run(t, b, "abc", nil)
		settle()
		for _, row := range []struct {
			part   Part
			offset int64
			limit  int
		}{
			{"stdin", 0, 1}, {"", 0, 1}, {Stdout, -1, 1}, {Stdout, 0, -1}, {Stdout, 4, 1}, {Data, 1, 1},
		} {
			_, err := b.Read(id, row.part, row.offset, row.limit)
			if tool.KindOf(err) != tool.KindValidation || reason(err) != ReasonBadRange {
				t.Errorf("Read(%q, %d, %d) = %v, want a refusal", row.part, row.offset, row.limit, err)
			}
		}
	})
}

func TestAListIsNewestFirstAndPaged(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		var want []string
		for i := range 25 {
			want = append(want, run(t, b, "x", nil))
			if i == 12 {
				settle()
			}
		}
		want = append(want, begin(t, b, nil), begin(t, b, detached))
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 7, 26, 27, 28, MaxList} {
			var got []string
			for cursor := ""; ; {
				list, next, err := b.List(Filter{Before: cursor, Limit: limit})
				if err != nil || len(list) > limit {
					t.Fatalf("List = %d, %v; want at most %d", len(list), err, limit)
				}
				got = append(got, ids(list)...)
				if cursor = next; next == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: %v\nwant %v", limit, got, want)
			}
		}
	})
}

func TestAListHasWhatMatches(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		a := run(t, b, "x", nil)
		c := run(t, b, "x", func(e *Execution) { e.Client, e.Tool, e.Target, e.Targets = "bob", "PingTool", "10.0.0.9", nil })
		failed := begin(t, b, nil)
		b.End(failed, Outcome{Err: tool.Errorf(tool.KindExecution, "broken")})
		settle()
		running := begin(t, b, detached)
		b.Start(running)
		for _, row := range []struct {
			f    Filter
			want []string
		}{
			{Filter{}, []string{running, failed, c, a}},
			{Filter{Client: "alice"}, []string{running, failed, a}},
			{Filter{Client: "mallory"}, nil},
			{Filter{Tool: "PingTool"}, []string{c}},
			{Filter{State: Running}, []string{running}},
			{Filter{State: Queued}, nil},
			{Filter{State: Failed}, []string{failed}},
			{Filter{Target: "lab.internal"}, []string{running, failed, a}},
			{Filter{Target: "10.0.0.7"}, []string{running, failed, a}},
			{Filter{Target: "10.0.0.9", Client: "bob"}, []string{c}},
			{Filter{Target: "10.0.0"}, nil},
			{Filter{Target: "lab.internal\n10.0.0.7"}, nil},
			{Filter{Target: "%"}, nil},
			{Filter{Before: failed}, []string{c, a}},
		} {
			list, next, err := b.List(row.f)
			if got := ids(list); err != nil || next != "" || !slices.Equal(got, row.want) {
				t.Errorf("List(%+v) = %v, %q, %v; want %v", row.f, got, next, err, row.want)
			}
		}
		for _, bad := range []Filter{{State: "done"}, {Limit: -1}, {Limit: MaxList + 1}, {Before: "x"}} {
			if _, _, err := b.List(bad); tool.KindOf(err) != tool.KindValidation {
				t.Errorf("List(%+v) = %v, want a refusal", bad, err)
			}
		}
	})
}

func TestRecentTargetsAreTheLatestOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		for i, target := range []string{"a", "b", "a", "c", "", "b"} {
			run(t, b, "x", func(e *Execution) { e.Target = target })
			if i == 3 {
				settle()
			}
		}
		run(t, b, "x", func(e *Execution) { e.Client, e.Target = "bob", "z" })
		for n, want := range map[int]string{0: "[]", 2: "[b c]", 9: "[b c a]"} {
			if got := fmt.Sprint(b.RecentTargets("alice", n)); got != want {
				t.Errorf("RecentTargets(alice, %d) = %s, want %s", n, got, want)
			}
		}
	})
}
