package executions

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// BenchmarkACall is what a call of a ping pays: Begin, Start, two events, End.
func BenchmarkACall(b *testing.B) {
	for name, cfg := range map[string]Config{"memory": {}, "database": {Dir: b.TempDir()}} {
		b.Run(name, func(b *testing.B) {
			book := open(b, cfg)
			text := "PING 10.0.0.7 (10.0.0.7) 56(84) bytes of data.\n64 bytes from 10.0.0.7: icmp_seq=1 ttl=64 time=0.03 ms\n"
			e := Execution{
				Tool: "PingTool", Plugin: "ping", Version: "1.0.0", Client: "alice", Door: "rest", Target: "10.0.0.7",
				Arguments: []byte(`{"target":"10.0.0.7","count":1}`),
			}
			out := tool.Event{Output: &tool.Output{Data: []byte(text)}}
			progress := tool.Event{Progress: &tool.Progress{Done: 1, Total: 1}}
			o := Outcome{Result: tool.Result{
				Stdout: text, Data: []byte(`{"sent":1,"received":1}`), Metadata: map[string]any{"argv": []any{"ping"}},
			}}
			_, cancel := context.WithCancelCause(b.Context())
			defer cancel(nil)
			names := make([]string, 1<<16)
			for i := range names {
				names[i] = uuid.Must(uuid.NewV7()).String()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				e.ID = names[i%len(names)]
				if err := book.Begin(e, cancel); err != nil {
					b.Fatal(err)
				}
				book.Start(e.ID)
				book.Event(e.ID, out)
				book.Event(e.ID, progress)
				book.End(e.ID, o)
			}
		})
	}
}

// BenchmarkRead is a page of a large output, from the database.
func BenchmarkRead(b *testing.B) {
	book := open(b, Config{Dir: b.TempDir()})
	id := newID()
	if err := book.Begin(Execution{ID: id}, nil); err != nil {
		b.Fatal(err)
	}
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "%d/tcp open http\n", i)
	}
	text := lines.String()
	book.End(id, Outcome{Result: tool.Result{Stdout: text}})
	if err := book.flush(b.Context(), true); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := book.Read(id, Stdout, int64(i*7919%len(text)), 4096); err != nil {
			b.Fatal(err)
		}
	}
}
