package executions

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestTheOldestEndsGoFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		if err := b.SetLimits(Limits{MaxCount: 5}); err != nil {
			t.Fatal(err)
		}
		long := begin(t, b, nil) // it begins first, and ends last
		queued := begin(t, b, detached)
		var all []string
		for range 12 {
			all = append(all, run(t, b, "x", nil))
			if len(all)%5 == 0 {
				settle()
			}
		}
		b.End(long, Outcome{})
		settle()
		want := append([]string{long, queued}, all[8:]...)
		slices.Sort(want)
		slices.Reverse(want)
		list, _, err := b.List(Filter{})
		if got := ids(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("List = %v, %v; want %v", got, err, want)
		}
		if _, err := b.Get(all[0]); reason(err) != ReasonNoSuch {
			t.Errorf("Get of the oldest = %v, want %s", err, ReasonNoSuch)
		}
	})
}

func TestManyQuickCallsDoNotPushOutADetachedOne(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		if err := b.SetLimits(Limits{MaxCount: 10}); err != nil {
			t.Fatal(err)
		}
		var scans []string
		for range 8 {
			scans = append(scans, run(t, b, "scan", detached))
		}
		settle()
		for i := range 40 {
			run(t, b, "ping", nil)
			if i%9 == 0 {
				settle()
			}
		}
		settle()
		list, _, err := b.List(Filter{})
		if err != nil || len(list) != 10 {
			t.Fatalf("List = %d, %v; want 10", len(list), err)
		}
		if got := ids(list[5:]); !slices.Equal(got, []string{scans[7], scans[6], scans[5], scans[4], scans[3]}) {
			t.Errorf("of the scans %v are left, want the latest half of what is kept", got)
		}
	})
}

func TestOutputsAreBoundedTogether(t *testing.T) {
	everywhere(t, func(t *testing.T, b *Book, settle func()) {
		if err := b.SetLimits(Limits{MaxBytes: 400 << 10}); err != nil {
			t.Fatal(err)
		}
		var all []string
		for range 10 {
			all = append(all, run(t, b, noise(100<<10), nil))
		}
		settle()
		list, _, err := b.List(Filter{})
		if err != nil || len(list) < 3 || len(list) > 5 { // it deflates by a quarter
			t.Fatalf("List = %d, %v; want what fits into 400 KiB", len(list), err)
		}
		if list[0].ID != all[9] {
			t.Errorf("the latest is not there")
		}
	})
}

// noise is text that can hardly be deflated.
func noise(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[rng.IntN(len(letters))]
	}
	return string(text)
}

func TestWhatIsTooOldGoes(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "database": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, Config{Dir: dir, Limits: Limits{MaxAge: time.Hour}})
				defer b.Close() // within the bubble
				run(t, b, "x", nil)
				running := begin(t, b, detached)
				b.Start(running)
				<-time.After(50 * time.Minute)
				young := run(t, b, "x", nil)
				if list, _, err := b.List(Filter{}); err != nil || len(list) != 3 {
					t.Errorf("List = %v, %v; want all three", ids(list), err)
				}
				<-time.After(12 * time.Minute)
				synctest.Wait()
				list, _, err := b.List(Filter{})
				if got := ids(list); err != nil || !slices.Equal(got, []string{young, running}) {
					t.Errorf("List = %v, %v; want what is younger than an hour, and what runs", got, err)
				}
			})
		})
	}
}

func TestTheFlusherWritesWithinSeconds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := healthy(t, Config{Dir: dir})
		defer a.Close() // within the bubble
		done, running := run(t, a, "done", nil), begin(t, a, nil)
		print(a, running, tool.Stdout, "so far")
		if n := count(t, a, `select count(*) from executions`); n != 0 {
			t.Errorf("%d rows at once, want none: callers do not wait for the disk", n)
		}
		<-time.After(3 * time.Second)
		synctest.Wait()
		b := healthy(t, Config{Dir: dir})
		defer b.Close()
		if x := get(t, b, done); x.State != Completed {
			t.Errorf("what ended is %s for another host, want completed", x.State)
		}
		if got := readAll(t, b, running, Stdout, 100); got != "so far" {
			t.Errorf("another host reads %q of what runs, want so far", got)
		}
	})
}

func TestWhatWasPushedOutIsNeverWritten(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir(), Limits: Limits{MaxCount: 10}})
	execute(t, b, `create temp table seen (id text)`)
	execute(t, b, `create temp trigger each after insert on main.executions begin
		insert into seen values (new.id); end`)
	_ = b.flushing.lock(t.Context()) // the flusher has no turn
	for range 100 {
		run(t, b, "x", nil)
	}
	b.flushing.unlock()
	flush(t, b)
	if n := count(t, b, `select count(*) from seen`); n != 10 {
		t.Errorf("%d of 100 were written, want the 10 that are kept", n)
	}
	if s := b.Stats(); s.Unwritten != 90 || s.Written != 10 || s.Kept != 10 {
		t.Errorf("Stats = %+v, want 10 written and 90 not", s)
	}
}

func TestMoreThanOneTransactionIsWrittenAtOnce(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir(), Limits: Limits{MaxCount: 3 * maxPages}})
	_ = b.flushing.lock(t.Context()) // the flusher has no turn
	for range 2*maxPages + 1 {
		run(t, b, "x", nil)
	}
	b.flushing.unlock()
	flush(t, b)
	if s := b.Stats(); s.Waiting != 0 || s.Kept != 2*maxPages+1 {
		t.Errorf("Stats = %+v, want all %d written", s, 2*maxPages+1)
	}
}

func TestTheFileShrinks(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir})
	for range 6 {
		run(t, b, noise(1<<20), nil)
	}
	flush(t, b)
	execute(t, b, `pragma wal_checkpoint(truncate)`)
	before := fileSize(t, dir, fileName)
	if err := b.SetLimits(Limits{MaxCount: 1}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // a portion each minute
		_ = b.flushing.lock(t.Context())
		b.tended = time.Time{}
		b.flushing.unlock()
		flush(t, b)
	}
	if after := fileSize(t, dir, fileName); before < 4<<20 || after > 5<<19 {
		t.Errorf("the file had %d bytes and has %d, want it to shrink", before, after)
	}
}

func TestOutputsAreStoredCompactly(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir()})
	text := strings.Repeat("Nmap scan report for 10.0.0.7\nHost is up (0.00012s latency).\n", 10_000)
	id := begin(t, b, nil)
	b.Start(id)
	print(b, id, tool.Stdout, text)
	b.End(id, Outcome{Result: tool.Result{Stdout: text}})
	flush(t, b)
	stored := count(t, b, `select sum(length(data)) from chunks`)
	if stored > len(text)/20 {
		t.Errorf("%d bytes are stored as %d, want them deflated", len(text), stored)
	}
	if s := b.Stats(); s.KeptBytes < int64(stored) || s.KeptBytes > int64(stored)+2000 {
		t.Errorf("Stats.KeptBytes = %d, want what is stored, %d, and the row", s.KeptBytes, stored)
	}
}

func TestStatsCount(t *testing.T) {
	b := healthy(t, Config{Dir: t.TempDir()})
	b.Start(begin(t, b, nil))
	begin(t, b, nil)
	begin(t, b, nil)
	_ = b.flushing.lock(t.Context())
	run(t, b, strings.Repeat("x", 1000), nil)
	s := b.Stats()
	b.flushing.unlock()
	if s.Running != 1 || s.Queued != 2 || s.Waiting != 1 || s.WaitingBytes < 1000 || s.WaitingBytes > 4000 {
		t.Errorf("Stats = %+v, want one running, two queued, one waiting", s)
	}
	flush(t, b)
	s = b.Stats()
	if got := fmt.Sprint(s.Waiting, s.WaitingBytes, s.Kept, s.Written); got != "0 0 1 1" {
		t.Errorf("Stats = %+v, want it written", s)
	}
}
