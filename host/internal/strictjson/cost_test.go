package strictjson

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hostile are documents of a mebibyte that cost as much as one can make them.
func hostile() map[string]string {
	var keys, objects strings.Builder
	keys.WriteByte('{')
	for i := range 100_000 {
		fmt.Fprintf(&keys, `"%05x":1,`, i)
	}
	keys.WriteString(`"":1}`)
	objects.WriteByte('[')
	for range 5_000 { // each with just enough names for an index of its own
		objects.WriteByte('{')
		for i := range few + 1 {
			fmt.Fprintf(&objects, `"%x":1,`, i)
		}
		objects.WriteString(`"":1},`)
	}
	objects.WriteString("0]")
	return map[string]string{
		"keys":     keys.String(),
		"objects":  objects.String(),
		"key":      `{"` + strings.Repeat("k", 1<<20) + `":1}`,
		"escapes":  `{"` + strings.Repeat(`\u017f`, 1<<20/6) + `":1}`,
		"brackets": strings.Repeat("[", 1<<20),
		"digits":   strings.Repeat("9", 1<<20),
		"blanks":   strings.Repeat(" ", 1<<19) + "[1," + strings.Repeat(" ", 1<<19) + "2]",
	}
}

// Allocations do not grow with what a stranger can repeat cheaply; an index of names grows by doubling.
func TestAHostileDocumentCostsFewAllocations(t *testing.T) {
	for says, doc := range hostile() {
		limit := 1000.0
		if says == "objects" {
			limit = 5_000 * 8 // an index each
		}
		raw := []byte(doc)
		if n := testing.AllocsPerRun(1, func() { _ = Check(raw, Limits{Depth: 64}) }); n > limit {
			t.Errorf("%s: Check of %d bytes allocates %v times, want at most %v", says, len(raw), n, limit)
		}
	}
}

// The race detector empties pools now and then, so that a few are to be had.
func TestAPlainBodyCostsNoAllocationPerMember(t *testing.T) {
	for _, raw := range [][]byte{body(200), body(64 << 10)} {
		if n := testing.AllocsPerRun(50, func() { _ = Object(raw, Limits{Depth: 32}) }); n > 24 {
			t.Errorf("Object of %d bytes allocates %v times, want at most 24", len(raw), n)
		}
	}
}

// body is a call of about so many bytes.
func body(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"target":"127.0.0.1","extra_args":"-sn -T4","timeout_sec":15.5,"id":"0191-ab","rest":[`)
	for i := 0; b.Len() < size-30; i++ {
		fmt.Fprintf(&b, `{"port":%d,"state":"open"},`, i)
	}
	b.WriteString(`{}]}`)
	return []byte(b.String())
}

// Behind Check a document becomes what its values make of it, whatever its text is: the most of them that are taken
// are small, the whole mebibyte of text is 50 MB.
func TestADocumentOfFewValuesIsSmallInMemory(t *testing.T) {
	const values, limit = 4096, 2 << 20
	for _, item := range []string{`{"a":{}}`, `{"a":{"a":{"a":{}}}}`, `{}`, `[]`, `1`} {
		list := func(items int) []byte { return []byte("[" + strings.Repeat(item+",", items) + "0]") }
		if raw := list(1 << 20 / len(item)); Check(raw, Limits{Depth: 8, Values: values}) == nil {
			t.Errorf("Check(%q, and on for a mebibyte) = nil, want it refused", item)
		}
		items := 0
		for Check(list(items+50), Limits{Depth: 8, Values: values}) == nil {
			items += 50
		}
		if n := decoded(list(items)); items == 0 || n > limit {
			t.Errorf("%d times %q become %d bytes, want at most %d", items, item, n, limit)
		}
	}
}

// decoded is how much is allocated for what a document becomes.
func decoded(raw []byte) uint64 {
	var before, after runtime.MemStats
	var v any
	runtime.ReadMemStats(&before)
	_ = json.Unmarshal(raw, &v)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkCheck(b *testing.B) {
	docs := hostile()
	docs["plain200B"], docs["plain64KiB"] = string(body(200)), string(body(64<<10))
	for says, doc := range docs {
		b.Run(says, func(b *testing.B) {
			raw := []byte(doc)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				_ = Check(raw, Limits{Depth: 64})
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := []byte(`{"target":"127.0.0.1","timeout_sec":15.5,"retries":3,"ports":[80,443,8080],"quiet":true,` +
		`"from":"192.168.100.200","scope":{"hosts":{"one.lab.internal":"10.0.0.1","two":"10.0.0.2"}}}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode[call](raw); err != nil {
			b.Fatal(err)
		}
	}
}
