package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// TestMain lets the test binary be a host process of its own; see children_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv("AUDIT_TEST_CHILD"); role != "" {
		os.Exit(child(role))
	}
	os.Exit(m.Run())
}

func open(t testing.TB, cfg Config) *Trail {
	t.Helper()
	trail, err := New(cfg)
	if err != nil {
		t.Fatalf("New(%+v) = %v, want a trail", cfg.Dir, err)
	}
	t.Cleanup(func() { _ = trail.Close() })
	return trail
}

func appendAll(t testing.TB, trail *Trail, entries ...Entry) {
	t.Helper()
	for _, e := range entries {
		if err := trail.Append(e); err != nil {
			t.Fatalf("Append(%s) = %v, want nil", e.Event, err)
		}
	}
}

func closeTrail(t testing.TB, trail *Trail) {
	t.Helper()
	if err := trail.Close(); err != nil {
		t.Fatalf("Close() = %v, want nil", err)
	}
}

func verify(t testing.TB, dir string, opts Options) (Result, []Finding) {
	t.Helper()
	result, findings, err := Verify(context.Background(), dir, opts)
	if err != nil {
		t.Fatalf("Verify = %v, want nil", err)
	}
	return result, findings
}

func wantUnbroken(t testing.TB, dir string) Result {
	t.Helper()
	result, findings := verify(t, dir, Options{})
	if result.Broken > 0 {
		t.Fatalf("Verify found %v, want an unbroken trail", findings)
	}
	return result
}

func wantBroken(t testing.TB, dir, what string) {
	t.Helper()
	result, findings := verify(t, dir, Options{})
	if result.Broken == 0 || !slices.ContainsFunc(findings, func(f Finding) bool {
		return !f.Note && strings.Contains(f.String(), what)
	}) {
		t.Errorf("Verify found %v, want a finding with %q", findings, what)
	}
}

func read(t testing.TB, dir string, number int) []byte {
	t.Helper()
	raw, err := os.ReadFile(filePath(dir, number))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t testing.TB, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines reads all good lines of the trail as JSON.
func lines(t testing.TB, dir string) (all []map[string]any) {
	t.Helper()
	numbers, err := fileNumbers(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		for line := range strings.Lines(string(read(t, dir, n))) {
			if _, err := parseLine([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
				continue // torn
			}
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("the line %q is no JSON: %v", line, err)
			}
			all = append(all, m)
		}
	}
	return all
}

func events(t testing.TB, dir string) (all []string) {
	for _, l := range lines(t, dir) {
		all = append(all, l["event"].(string))
	}
	return all
}

// typical is a call's line as the host writes it.
func typical(event Event) Entry {
	return Entry{
		Event: event, ExecutionID: "019aa9d2-7c1f-7cc3-98c4-dc0c0c07398f", CorrelationID: "nightly-17",
		Origin: origin.Origin{Client: "ci", Door: origin.REST, Remote: "10.0.0.9"},
		Tool:   "NmapTool", Plugin: "nmap", PluginVersion: "1.2.0",
		Arguments: json.RawMessage(`{"target": "db.lab.internal", "extra_args": "-sV -p 22,80"}`),
		Target:    "db.lab.internal",
		Targets: []tool.Target{{
			Argument: "target", Label: "db.lab.internal", Prefix: netip.MustParsePrefix("10.0.3.7/32"),
		}},
		Verdict: tool.Accept, Program: "/usr/bin/nmap",
		Argv:  []string{"nmap", "-sV", "-p", "22,80", "-oX", "-", "--", "10.0.3.7"},
		Files: []tool.File{{Path: "/usr/bin/nmap", SHA256: "ab12"}, {Path: "/usr/share/nmap/scripts/script.db", SHA256: "cd"}},
	}
}

func TestATrailHoldsWhatWasAppended(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	finish := typical(Finish)
	finish.Time = time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	finish.Outcome = Outcome{ReturnCode: 3, Duration: 1500 * time.Millisecond, Stdout: "a", Stderr: "b"}
	appendAll(t, trail, typical(Accept), finish)
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Lines != 2 || r.Last.Seq != 2 || r.First != 1 {
		t.Errorf("Verify = %+v, want 2 lines", r)
	}
	l := lines(t, dir)[1]
	want := map[string]any{
		"seq": 2.0, "event": "finish", "client": "ci", "door": "rest", "remote": "10.0.0.9", "tool": "NmapTool",
		"time": "2026-01-02T02:04:05.000000006Z", "returncode": 3.0, "duration": 1.5, "stdout_bytes": 1.0,
		// printf 'a\0b' | sha256sum
		"output_sha256": "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138",
	}
	for name, value := range want {
		if l[name] != value {
			t.Errorf("%s = %v, want %v", name, l[name], value)
		}
	}
	files, _ := json.Marshal(l["files"])
	if want := `[{"path":"/usr/bin/nmap","sha256":"ab12"},{"path":"/usr/share/nmap/scripts/script.db","sha256":"cd"}]`; string(files) != want {
		t.Errorf("files = %s, want %s", files, want)
	}
	if pinned := l["targets"].([]any)[0].(map[string]any)["pinned"]; pinned != "10.0.3.7" {
		t.Errorf("pinned = %v, want 10.0.3.7", pinned)
	}
}

func TestEachFileOfATrailIsForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "audit")
	closeTrail(t, open(t, Config{Dir: dir}))
	for name, want := range map[string]os.FileMode{
		dir: 0o700, filePath(dir, 1): 0o600, filepath.Join(dir, headName): 0o600,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestAMisconfiguredTrailIsRefused(t *testing.T) {
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o770); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"absolute":      {Dir: "audit"},
		"too small":     {Dir: t.TempDir(), MaxFileSize: 100},
		"cannot be":     {Dir: t.TempDir(), MaxFiles: -1},
		"is not known":  {Dir: t.TempDir(), Sync: "sometimes"},
		"others may":    {Dir: shared},
		"not a directo": {Dir: "/dev/null/audit"},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want an error with %q", cfg, err, want)
		}
	}
}

func TestATrailGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		trail := open(t, Config{Dir: dir})
		appendAll(t, trail, Entry{Event: Start, Facts: map[string]string{"version": "1"}}, Entry{Event: Stop})
		closeTrail(t, trail)
	}
	if r := wantUnbroken(t, dir); r.Last.Seq != 6 || r.Notes > 0 {
		t.Errorf("Verify = %+v, want 6 lines and no notes", r)
	}
}

func TestAClosedTrailTakesNothing(t *testing.T) {
	trail := open(t, Config{Dir: t.TempDir()})
	closeTrail(t, trail)
	if err := trail.Append(typical(Accept)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append = %v, want ErrClosed", err)
	}
	closeTrail(t, trail) // twice is no harm
}

func TestRotationKeepsTheChain(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, MaxFileSize: 4096})
	for range 100 {
		appendAll(t, trail, typical(Accept))
	}
	closeTrail(t, trail)
	r := wantUnbroken(t, dir)
	if r.Files < 10 || r.Lines != 100+uint64(r.Files)-1 || r.Notes > 0 {
		t.Errorf("Verify = %+v, want 100 lines and a rotate record in each file but the first", r)
	}
	for n := range r.Files {
		if size := len(read(t, dir, n+1)); size > 4096 {
			t.Errorf("file %d has %d bytes, want at most 4096", n+1, size)
		}
	}
}

func TestTheOldestFilesGoAndVerifyKnowsWhereTheChainBegins(t *testing.T) {
	for _, most := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			dir := t.TempDir()
			trail := open(t, Config{Dir: dir, MaxFileSize: 4096, MaxFiles: most})
			for range 100 {
				appendAll(t, trail, typical(Accept))
			}
			closeTrail(t, trail)
			r := wantUnbroken(t, dir)
			if r.Files != most || r.First == 1 || r.Removed != r.First-1 || r.Notes != 1 {
				t.Errorf("Verify = %+v, want %d files that begin later than seq 1, and a note of it", r, most)
			}
			if most == 1 {
				return
			}
			numbers, _ := fileNumbers(dir)
			if err := os.Remove(filePath(dir, numbers[0])); err != nil {
				t.Fatal(err)
			}
			wantBroken(t, dir, "older lines are missing")
		})
	}
}

func TestALineLargerThanAFileStandsAlone(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir, MaxFileSize: 4096})
	large := typical(Accept)
	large.Argv = []string{strings.Repeat("a", 10_000)}
	appendAll(t, trail, large, typical(Accept), large, large, typical(Finish))
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Files != 5 {
		t.Errorf("Verify = %+v, want 5 files", r)
	}
}

func TestAnExpectedLineIsLookedFor(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	noted := wantUnbroken(t, dir).Last
	appendAll(t, trail, typical(Accept), typical(Finish))
	closeTrail(t, trail)
	parsed, err := ParsePoint(noted.String())
	if err != nil || parsed != noted {
		t.Fatalf("ParsePoint(%q) = %v, %v, want the same", noted, parsed, err)
	}
	if r, f := verify(t, dir, Options{Expect: noted}); r.Broken > 0 {
		t.Errorf("Verify found %v, want the expected line", f)
	}
	noted.Hash[5]++
	if r, f := verify(t, dir, Options{Expect: noted}); r.Broken != 1 {
		t.Errorf("Verify found %v, want the expected line to be missing", f)
	}
}

func TestOnlyAPlaceIsParsedAsOne(t *testing.T) {
	zero := strings.Repeat("0", 64)
	for _, s := range []string{
		"", "1", "1:", "0:" + zero, "-1:" + zero, "1:" + zero[1:], "1:" + strings.Repeat("A", 64),
	} {
		if p, err := ParsePoint(s); err == nil {
			t.Errorf("ParsePoint(%q) = %v, want an error", s, p)
		}
	}
}
