package executions

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// asides are the databases that were moved out of the way.
func asides(t testing.TB, dir string) (whole []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, asidePrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			whole = append(whole, name)
		}
	}
	return whole
}

func TestACorruptDatabaseIsMovedAside(t *testing.T) {
	dir := t.TempDir()
	garbage := bytes.Repeat([]byte("this is no database "), 1000)
	if err := os.WriteFile(filepath.Join(dir, fileName), garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := healthy(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	moved := asides(t, dir)
	if len(moved) != 1 {
		t.Fatalf("moved aside: %v, want one file", moved)
	}
	if got, err := os.ReadFile(moved[0]); err != nil || !bytes.Equal(got, garbage) {
		t.Errorf("moved aside: %d bytes, %v; want what was there", len(got), err)
	}
	if !strings.Contains(log.String(), "corrupt") || !strings.Contains(log.String(), moved[0]) {
		t.Errorf("log = %q, want it to say so", log.String())
	}
	id := run(t, b, "x", nil)
	flush(t, b)
	if x := get(t, b, id); x.State != Completed {
		t.Errorf("it is %s, want completed", x.State)
	}
}

// damage writes over the pages of a database that has been written.
func damage(t *testing.T, dir string, b *Book) {
	t.Helper()
	execute(t, b, `pragma wal_checkpoint(truncate)`)
	execute(t, b, `pragma shrink_memory`) // what is in memory is not damaged
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // what was written is seen by all
	size := fileSize(t, dir, fileName)
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, int(size)-4096), 4096); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseThatBecomesCorruptIsMovedAside(t *testing.T) {
	for _, who := range []string{"writer", "reader"} {
		t.Run(who, func(t *testing.T) {
			dir := t.TempDir()
			first := healthy(t, Config{Dir: dir})
			old := run(t, first, "old", nil)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			b := healthy(t, Config{Dir: dir})
			running := begin(t, b, detached)
			print(b, running, tool.Stdout, "it runs")
			damage(t, dir, b)
			if who == "reader" {
				_, err := b.Get(old)
				if tool.KindOf(err) != tool.KindUnavailable || reason(err) != ReasonStoreFails {
					t.Errorf("Get = %v, want that it cannot be read", err)
				}
			}
			fresh := run(t, b, "fresh", nil)
			flush(t, b)
			if moved := asides(t, dir); len(moved) != 1 {
				t.Fatalf("moved aside: %v, want one file", moved)
			}
			if _, err := b.Get(old); reason(err) != ReasonNoSuch {
				t.Errorf("Get of what was in it = %v, want %s", err, ReasonNoSuch)
			}
			if got := readAll(t, b, fresh, Stdout, 10); got != "fresh" {
				t.Errorf("stdout = %q, want fresh", got)
			}
			if n := count(t, b, `select count(*) from executions where id = ?`, running); n != 1 {
				t.Errorf("%d rows of what runs, want it in the new database", n)
			}
			if n := count(t, b, `select sum(size) from chunks`); n != len("it runs")+len("fresh") {
				t.Errorf("%d bytes in the new database, want all that was captured", n)
			}
		})
	}
}

func TestFewCorruptDatabasesAreKept(t *testing.T) {
	dir := t.TempDir()
	for i := range maxAside + 2 {
		if err := os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte{byte(i + 1)}, 5000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := healthy(t, Config{Dir: dir}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	moved := asides(t, dir)
	if len(moved) != maxAside {
		t.Fatalf("kept: %v, want %d", moved, maxAside)
	}
	if last, err := os.ReadFile(moved[maxAside-1]); err != nil || last[0] != maxAside+2 {
		t.Errorf("the last one begins with %d, %v; want the latest", last[0], err)
	}
}

func TestADatabaseThatCannotBeUsedIsLeftAlone(t *testing.T) {
	for name, row := range map[string]struct{ sql, want string }{
		"newer":   {fmt.Sprintf("create table t (a); pragma application_id = %d; pragma user_version = 99", applicationID), "schema 99"},
		"another": {"create table t (a)", "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(row.sql); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			b := open(t, Config{Dir: dir})
			if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Healthy = %v, want %q in it", err, row.want)
			}
			id := run(t, b, "in memory", nil)
			if got := readAll(t, b, id, Stdout, 100); got != "in memory" {
				t.Errorf("stdout = %q, want it from memory", got)
			}
			if _, err := b.Get(newID()); reason(err) != ReasonStoreFails {
				t.Errorf("Get = %v, want that the database cannot be read", err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			flush(t, b)
			if err := b.Healthy(); err != nil || b.Stats().Waiting != 0 {
				t.Errorf("Healthy = %v, %+v; want all written when the file is gone", err, b.Stats())
			}
			if got := readAll(t, b, id, Stdout, 100); got != "in memory" {
				t.Errorf("stdout = %q, want it from the database", got)
			}
		})
	}
}

func TestCallsGoOnWhenTheDatabaseIsFull(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir, Limits: Limits{MaxCount: 20}})
	before := run(t, b, "before", nil)
	running := begin(t, b, detached)
	flush(t, b)
	execute(t, b, `pragma max_page_count = 1`) // SQLite takes the size that there is
	noise := make([]byte, 40<<10)              // which deflates to nothing
	for i := range noise {
		noise[i] = byte('a' + i*i%23)
	}
	var last string
	for range 50 {
		last = run(t, b, string(noise), nil)
		if n := b.Stats().Waiting; n > 20 {
			t.Fatalf("%d wait in memory, want at most 20", n)
		}
	}
	err := b.flush(t.Context(), true)
	for range 100 { // until what is free in the file is used up
		if err != nil {
			break
		}
		last = run(t, b, string(noise), nil)
		err = b.flush(t.Context(), true)
	}
	if err == nil || b.Healthy() == nil {
		t.Fatalf("flush = %v, Healthy = %v; want a full database", err, b.Healthy())
	}
	if got := readAll(t, b, last, Stdout, 1<<20); got != string(noise) {
		t.Errorf("stdout = %d bytes, want it from memory", len(got))
	}
	if x, err := b.Get(before); err == nil && x.State != Completed {
		t.Errorf("Get = %+v, want what is in the database still to be read", x)
	}
	e := Execution{ID: newID(), Detached: true, Client: "alice"}
	if err := b.Begin(e, nil); !errors.Is(err, ErrMemoryOnly) {
		t.Errorf("Begin of a detached one = %v, want %v", err, ErrMemoryOnly)
	}
	if x := get(t, b, e.ID); x.State != Queued {
		t.Errorf("it is %s, want queued", x.State)
	}
	b.End(running, Outcome{})
	if err := b.Delete(running); err != nil {
		t.Errorf("Delete = %v, want it to be forgotten", err)
	}
	if _, err := b.Get(running); reason(err) != ReasonNoSuch {
		t.Errorf("Get = %v, want %s although the row is still there", err, ReasonNoSuch)
	}
	execute(t, b, `pragma max_page_count = 1000000`)
	flush(t, b)
	if err := b.Healthy(); err != nil || b.Stats().Waiting != 0 {
		t.Errorf("Healthy = %v, %+v; want all written", err, b.Stats())
	}
	if n := count(t, b, `select count(*) from executions where id = ?`, running); n != 0 {
		t.Errorf("%d rows of what was deleted, want none", n)
	}
	if n := count(t, b, `select count(*) from executions where id = ?`, e.ID); n != 1 {
		t.Errorf("%d rows of what began meanwhile, want one", n)
	}
}

func TestADatabaseThatIsTakenAwayIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir})
	running := begin(t, b, detached)
	print(b, running, tool.Stdout, "one ")
	flush(t, b)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, fileName+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	print(b, running, tool.Stdout, "two")
	flush(t, b)
	if n := count(t, b, `select sum(size) from chunks`); n != len("one two") {
		t.Errorf("%d bytes in the new database, want all that was captured", n)
	}
	b.End(running, Outcome{})
	flush(t, b)
	if got := readAll(t, b, running, Stdout, 10); got != "one two" {
		t.Errorf("stdout = %q, want one two", got)
	}
}

func TestADirectoryOfOthersIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	b := open(t, Config{Dir: dir})
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("Healthy = %v, want what to type", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it has %v, %v; want nothing", entries, err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close with nothing to write = %v", err)
	}
}

func TestWhatCannotBeWrittenAtTheEndIsCounted(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	b := open(t, Config{Dir: dir})
	run(t, b, "x", nil)
	run(t, b, "x", nil)
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "2 were not written") {
		t.Errorf("Close = %v, want it to count two", err)
	}
}

func TestAFailureIsLoggedOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	lines := map[slog.Level]int{}
	b := open(t, Config{Dir: dir, Logger: slog.New(counter{lines})})
	for range 5 {
		_ = b.flush(t.Context(), true) // it fails
	}
	if err := os.Remove(filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	flush(t, b)
	flush(t, b)
	if err := b.Close(); err != nil || lines[slog.LevelError] != 1 || lines[slog.LevelInfo] != 1 {
		t.Errorf("Close = %v, logged %v; want one failure and one recovery", err, lines)
	}
}

func TestADatabaseThatWorksAgainIsFoundByItself(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Config{Dir: dir})
		defer b.Close() // within the bubble
		run(t, b, "x", nil)
		<-time.After(10 * time.Minute)
		if err := b.Healthy(); err == nil || b.Stats().Waiting != 1 {
			t.Errorf("Healthy = %v, %+v; want a failure, and one in memory", err, b.Stats())
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		<-time.After(retryMost + 2*flushEvery)
		synctest.Wait()
		if err := b.Healthy(); err != nil || b.Stats().Waiting != 0 {
			t.Errorf("Healthy = %v, %+v; want all written", err, b.Stats())
		}
	})
}

func TestAStateDirectoryMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d&e#f%20g;é'\"")
	b := healthy(t, Config{Dir: dir})
	id := run(t, b, "x", nil)
	flush(t, b)
	if got := readAll(t, b, id, Stdout, 10); got != "x" || fileSize(t, dir, fileName) == 0 {
		t.Errorf("stdout = %q, want x, and the file in its place", got)
	}
}

func TestARowThatNobodyCanReadHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	b := healthy(t, Config{Dir: dir})
	bad, worse, good := run(t, b, "x", nil), begin(t, b, detached), run(t, b, "x", nil)
	flush(t, b)
	execute(t, b, `update executions set doc = '{' where id = ?`, bad)
	execute(t, b, `update executions set doc = '{', boot = 'gone' where id = ?`, worse)
	execute(t, b, `update chunks set data = x'00', packed = 1 where n = (select n from executions where id = ?)`, good)
	c := healthy(t, Config{Dir: dir})
	list, _, err := c.List(Filter{})
	if got := ids(list); err != nil || len(got) != 1 || got[0] != good {
		t.Errorf("List = %v, %v; want the good one", got, err)
	}
	if _, err := c.Get(bad); reason(err) != ReasonStoreFails {
		t.Errorf("Get = %v, want %s", err, ReasonStoreFails)
	}
	if _, err := c.Get(worse); reason(err) != ReasonNoSuch {
		t.Errorf("Get of what a dead host left = %v, want %s", err, ReasonNoSuch)
	}
	if _, err := c.Report(good); reason(err) != ReasonStoreFails {
		t.Errorf("Report with a bad chunk = %v, want %s", err, ReasonStoreFails)
	}
	execute(t, b, `delete from chunks`)
	if _, err := c.Read(good, Stdout, 0, 0); reason(err) != ReasonNoSuch {
		t.Errorf("Read of what is deleted at that moment = %v, want %s", err, ReasonNoSuch)
	}
	flush(t, c)
	if moved := asides(t, dir); len(moved) != 0 {
		t.Errorf("moved aside: %v, want the database left in its place", moved)
	}
}

// counter counts lines by level. A book logs under a lock of its own.
type counter struct{ lines map[slog.Level]int }

func (counter) Enabled(context.Context, slog.Level) bool { return true }
func (c counter) Handle(_ context.Context, r slog.Record) error {
	c.lines[r.Level]++
	return nil
}
func (c counter) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c counter) WithGroup(string) slog.Handler      { return c }
