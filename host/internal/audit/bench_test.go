package audit

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, sync := range []Sync{SyncNever, SyncInterval, SyncAlways} {
		b.Run(fmt.Sprintf("sync=%s", sync), func(b *testing.B) {
			trail := open(b, Config{Dir: b.TempDir(), Sync: sync, MaxFiles: 4})
			entry := typical(Finish)
			b.ReportAllocs()
			for b.Loop() {
				if err := trail.Append(entry); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendInParallel(b *testing.B) {
	trail := open(b, Config{Dir: b.TempDir(), MaxFiles: 4})
	entry := typical(Finish)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := trail.Append(entry); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkAppendAmongProcesses appends where another process appended just before.
func BenchmarkAppendAmongProcesses(b *testing.B) {
	dir := b.TempDir()
	trails := []*Trail{open(b, Config{Dir: dir, MaxFiles: 4}), open(b, Config{Dir: dir, MaxFiles: 4})}
	entry := typical(Finish)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := trails[i%2].Append(entry); err != nil {
			b.Fatal(err)
		}
	}
}
