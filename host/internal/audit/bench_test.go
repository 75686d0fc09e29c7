package audit

import (
	"crypto/sha256"
	"fmt"
	"runtime"
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

// BenchmarkAppendInParallel has 8 appenders on each processor: 16 with -cpu 2.
func BenchmarkAppendInParallel(b *testing.B) {
	for _, sync := range []Sync{SyncInterval, SyncAlways} {
		b.Run(fmt.Sprintf("sync=%s", sync), func(b *testing.B) {
			trail := open(b, Config{Dir: b.TempDir(), Sync: sync, MaxFiles: 4})
			entry := typical(Finish)
			b.ReportAllocs()
			b.SetParallelism(8) // times GOMAXPROCS
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := trail.Append(entry); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkCalls is what a trail adds to calls of about 300 microseconds of work on two processors, 16 at a
// time: compare the two.
func BenchmarkCalls(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("trail=%t", kept), func(b *testing.B) {
			trail := open(b, Config{Dir: b.TempDir(), MaxFiles: 4})
			accept, exec, finish := typical(Accept), typical(Exec), typical(Finish)
			exec.Arguments, finish.Arguments = nil, nil
			b.SetParallelism(8)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					for _, e := range []Entry{accept, exec, finish} {
						if kept {
							_ = trail.Append(e)
						}
						work()
					}
				}
			})
		})
	}
}

// work keeps a processor busy for 100 microseconds or so, and waits for others meanwhile as a call does.
func work() {
	var sum Hash
	for range 20 {
		for range 50 {
			sum = sha256.Sum256(sum[:])
		}
		runtime.Gosched()
	}
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
