package audit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mustDo fails the test when something that the test itself does goes wrong.
func mustDo(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func wantRefused(t *testing.T, trail *Trail, why string) {
	t.Helper()
	err := trail.Append(typical(Accept))
	if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "another process") {
		t.Errorf("Append = %v, want a refusal with %q", err, why)
	}
}

func TestATrailGoesOnWhenItsDirectoryWasMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept), typical(Exec))
	had := wantUnbroken(t, dir).Last
	mustDo(t, os.RemoveAll(dir))
	wantRefused(t, trail, "mkdir -m 700 "+dir)
	wantRefused(t, trail, "mkdir -m 700 "+dir)
	if err := trail.Append(typical(Finish)); !errors.Is(err, ErrKept) {
		t.Errorf("Append = %v, want ErrKept", err)
	}
	mustDo(t, os.Mkdir(dir, 0o700))
	appendAll(t, trail, typical(Accept))
	closeTrail(t, trail)
	if got := strings.Join(events(t, dir), " "); got != "recover finish accept" {
		t.Errorf("the trail has %q, want recover, finish and accept", got)
	}
	l := lines(t, dir)[0]
	if l["seq"] != 3.0 || l["prev"] != had.Hash.String() || l["had_seq"] != 2.0 || l["problem"] != linesGone ||
		l["had_hash"] != had.Hash.String() {
		t.Errorf("the first line is %v, want seq 3 after %v", l, had)
	}
	wantBroken(t, dir, linesGone)
	wantBroken(t, dir, "begins with seq 3, and should begin with seq 1")
	before, _ := verify(t, dir, Options{})
	closeTrail(t, open(t, Config{Dir: dir})) // a restart finds nothing more
	if after, _ := verify(t, dir, Options{}); after != before {
		t.Errorf("Verify = %+v after a restart, want %+v", after, before)
	}
}

func TestAChainThatWasBegunAnewIsNeverTakenForARotatedOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	trail := open(t, Config{Dir: dir, MaxFileSize: 4096, MaxFiles: 100})
	appendAll(t, trail, typical(Accept))
	mustDo(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700))
	for range 20 {
		appendAll(t, trail, typical(Accept))
	}
	closeTrail(t, trail)
	wantBroken(t, dir, linesGone)
	if r, found := verify(t, dir, Options{}); r.Removed != 0 {
		t.Errorf("Verify = %+v, %v, want no lines that a rotation removed", r, found)
	}
}

func TestATrailGoesOnWhenItsDirectoryComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	for range 2 {
		mustDo(t, os.Rename(dir, dir+".away"))
		trail.retry() // a second later
		wantRefused(t, trail, "is gone")
		_ = trail.Append(typical(Finish))
		mustDo(t, os.Rename(dir+".away", dir))
		appendAll(t, trail, typical(Accept))
	}
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Notes > 0 || r.Lines != 5 {
		t.Errorf("Verify = %+v, want 5 lines and nothing to tell", r)
	}
}

func TestAnOlderCopyOfTheDirectoryIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	mustDo(t, os.CopyFS(dir+".copy", os.DirFS(dir)), os.Chmod(dir+".copy", 0o700))
	appendAll(t, trail, typical(Accept), typical(Accept))
	mustDo(t, os.RemoveAll(dir), os.Rename(dir+".copy", dir))
	appendAll(t, trail, typical(Accept))
	closeTrail(t, trail)
	if got := events(t, dir); !slices.Equal(got, []string{"accept", "recover", "accept"}) {
		t.Errorf("the trail has %q, want accept, recover and accept", got)
	}
	wantBroken(t, dir, "knew of lines through seq 3")
}

func TestTwoProcessesMeetInADirectoryThatWasMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	one, two := open(t, Config{Dir: dir}), open(t, Config{Dir: dir})
	appendAll(t, one, typical(Accept))
	appendAll(t, two, typical(Accept))
	mustDo(t, os.RemoveAll(dir))
	wantRefused(t, one, "is gone")
	wantRefused(t, two, "is gone")
	mustDo(t, os.Mkdir(dir, 0o700))
	for range 5 {
		appendAll(t, one, typical(Accept))
		appendAll(t, two, typical(Accept))
	}
	closeTrail(t, one)
	closeTrail(t, two)
	got := events(t, dir)
	last := lines(t, dir)[len(got)-1]
	if count(got, Accept) != 10 || last["seq"] != float64(1+len(got)) && last["seq"] != float64(2+len(got)) {
		t.Errorf("the trail has %q and ends with %v, want one chain of 10 calls", got, last["seq"])
	}
	if _, found := verify(t, dir, Options{}); len(found) > 3 {
		t.Errorf("Verify found %v, want what is gone, and one chain after it", found)
	}
}

func TestADirectoryIntoWhichOthersWriteIsRefusedWhenItComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	mustDo(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
	wantRefused(t, trail, "others may write")
	mustDo(t, os.Chmod(dir, 0o700))
	appendAll(t, trail, typical(Accept))
}

func TestAHeadThatCannotBeLockedIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	mustDo(t, trail.chain.head.file.Close())
	appendAll(t, trail, typical(Accept))
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Lines != 2 || r.Notes > 0 {
		t.Errorf("Verify = %+v, want 2 lines", r)
	}
}
