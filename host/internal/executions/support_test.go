package executions

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// victimEnv makes the test binary a host that waits to be killed; it names the directory.
const victimEnv = "EXECUTIONS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		victim(dir)
		return
	}
	if dir := os.Getenv(powerlessEnv); dir != "" {
		powerless(dir)
		return
	}
	os.Exit(m.Run())
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// open opens a book that is closed with the test.
func open(t testing.TB, cfg Config) *Book {
	t.Helper()
	b, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open(%+v) = %v", cfg, err)
	}
	t.Cleanup(func() { _ = b.Close() }) // tests that care close it themselves
	return b
}

// healthy is open, and the database must work.
func healthy(t testing.TB, cfg Config) *Book {
	t.Helper()
	b := open(t, cfg)
	if err := b.Healthy(); err != nil {
		t.Fatalf("Healthy = %v, want a database that works", err)
	}
	return b
}

// begin begins an execution of alice's and returns its id.
func begin(t testing.TB, b *Book, change func(*Execution)) string {
	t.Helper()
	e := Execution{
		ID: newID(), CorrelationID: "corr-1", Tool: "NmapTool", Plugin: "nmap", Version: "1.2.3", Client: "alice",
		Door: "mcp", Target: "lab.internal", Timeout: 90 * time.Second,
		Arguments: []byte(`{"target":"lab.internal"}`),
		Targets: []tool.Target{
			{Argument: "target", Label: "lab.internal", Prefix: netip.MustParsePrefix("10.0.0.7/32")},
		},
	}
	if change != nil {
		change(&e)
	}
	err := b.Begin(e, nil)
	if errors.Is(err, errBusy) { // the machine has much to do, and a detached one does not wait long
		err = b.flush(t.Context(), true)
	}
	if err != nil {
		t.Fatalf("Begin = %v", err)
	}
	return e.ID
}

func detached(e *Execution) { e.Detached = true }

func of(client string) func(*Execution) { return func(e *Execution) { e.Client = client } }

func print(b *Book, id string, s tool.Stream, text string) {
	b.Event(id, tool.Event{Output: &tool.Output{Stream: s, Data: []byte(text)}})
}

// run runs an execution that prints a text, to its end.
func run(t testing.TB, b *Book, text string, change func(*Execution)) string {
	t.Helper()
	id := begin(t, b, change)
	b.Start(id)
	print(b, id, tool.Stdout, text)
	b.End(id, Outcome{Result: tool.Result{Stdout: text, Elapsed: time.Second}})
	return id
}

// flush writes what is due, which must work.
func flush(t testing.TB, b *Book) {
	t.Helper()
	if err := b.flush(t.Context(), true); err != nil {
		t.Fatalf("flush = %v", err)
	}
}

func get(t testing.TB, b *Book, id string) Execution {
	t.Helper()
	x, err := b.Get(id)
	if err != nil {
		t.Fatalf("Get(%s) = %v", id, err)
	}
	return x
}

// readAll reads a part in pages of some bytes.
func readAll(t testing.TB, b *Book, id string, p Part, page int) string {
	t.Helper()
	var text strings.Builder
	for at := int64(0); ; {
		c, err := b.Read(id, p, at, page)
		if err != nil {
			t.Fatalf("Read(%s, %s, %d) = %v", id, p, at, err)
		}
		if len(c.Data) == 0 {
			return text.String()
		}
		if c.Offset != at {
			t.Fatalf("Read(%s, %s, %d) begins at %d, want no gap and nothing twice", id, p, at, c.Offset)
		}
		text.Write(c.Data)
		at = c.Next()
	}
}

func ids(list []Execution) []string {
	var ids []string
	for _, x := range list {
		ids = append(ids, x.ID)
	}
	return ids
}

// reason is what the metadata of an error say.
func reason(err error) any {
	var e *tool.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("no *tool.Error, but %v", err)
	}
	return e.Metadata["reason"]
}

// inMemoryCount is how many executions a book holds in memory.
func inMemoryCount(b *Book) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all)
}

// execute runs a statement on the database of a book.
func execute(t testing.TB, b *Book, query string, args ...any) {
	t.Helper()
	if _, err := b.store.Load().writer.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// count is a number that the database of a book has.
func count(t testing.TB, b *Book, query string, args ...any) (n int) {
	t.Helper()
	if err := b.store.Load().writer.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func fileSize(t testing.TB, dir, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// canceller is the cancel function of a call, and what it was told.
func canceller(t testing.TB) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(t.Context())
	return ctx, cancel
}
