package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestAnOutputThatNobodyReadsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var out bytes.Buffer
		l, err := New(Config{Output: writerFunc(func(b []byte) (int, error) {
			<-free
			return out.Write(b)
		})})
		if err != nil {
			t.Fatal(err)
		}
		value := strings.Repeat("x", 1000)
		for range 10_000 {
			l.Logger().Info("m", "v", value)
		}
		start := time.Now()
		if err := l.Close(); err == nil || time.Since(start) != farewell {
			t.Errorf("Close = %v after %v, want an error after %v", err, time.Since(start), farewell)
		}
		close(free)
		synctest.Wait()                                              // its goroutine has ended
		if out.Len() > 2*maxPending || out.Len() < maxPending-2000 { // those being written, and those behind
			t.Errorf("%d bytes waited, want about %d", out.Len(), maxPending)
		}
	})
}

func TestLinesThatWereLostAreToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		full := false
		l, err := New(Config{Format: Simple, Output: writerFunc(func(b []byte) (int, error) {
			if full {
				n, _ := out.Write(b[:min(3, len(b)-1)]) // as a disk does
				return n, errors.New("no space left on device")
			}
			return out.Write(b)
		})})
		if err != nil {
			t.Fatal(err)
		}
		log := func(msg string) {
			l.Logger().Info(msg)
			synctest.Wait()
		}
		log("one")
		full = true
		log("two")
		log("three")
		full = false
		log("four")
		log("five")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			_, rest, found := strings.Cut(line, "gatehouse: ")
			if found {
				got = append(got, strings.TrimSpace(rest))
			}
		}
		want := "[one lines of the log were lost: lines=2 four five]"
		if fmt.Sprint(got) != want {
			t.Errorf("log = %v, want %v; all of it:\n%s", got, want, out.String())
		}
	})
}

func TestCloseMayBeCalledTwiceAndLoggingGoesOn(t *testing.T) {
	l, err := New(Config{Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	}
	l.Logger().Info("nobody hears this")
}

// files are the contents of a log's files, the one that is written first.
func files(t *testing.T, path string) (contents []string) {
	t.Helper()
	for i := range 10 {
		name := (&file{path: path}).backup(i)
		b, err := os.ReadFile(name)
		if err != nil {
			break
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 0600", name, info.Mode(), err)
		}
		contents = append(contents, string(b))
	}
	return contents
}

func TestAFullFileMakesWayAndSomeAreKept(t *testing.T) {
	for backups, want := range map[int]string{
		0: `["5\n6\n"]`, 1: `["5\n6\n" "3\n4\n"]`, 2: `["5\n6\n" "3\n4\n" "1\n2\n"]`,
		5: `["5\n6\n" "3\n4\n" "1\n2\n"]`,
	} {
		f := &file{path: filepath.Join(t.TempDir(), "log"), max: 5, backups: backups}
		for i := range 6 {
			if _, err := f.Write(fmt.Appendf(nil, "%d\n", i+1)); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		if got := fmt.Sprintf("%q", files(t, f.path)); got != want {
			t.Errorf("with %d backups the files are %s, want %s", backups, got, want)
		}
	}
}

func TestALogFileIsWrittenOnAfterAStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, msg := range []string{"one", "two"} {
		l, err := New(Config{File: path, Format: Simple, Backups: 1})
		if err != nil {
			t.Fatal(err)
		}
		l.Logger().Info(msg)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := files(t, path)
	if len(got) != 1 || strings.Count(got[0], "\n") != 2 || !strings.Contains(got[0], "two") {
		t.Errorf("the files are %q, want one with two lines", got)
	}
}

func TestAFileThatCannotMakeWayIsWrittenOn(t *testing.T) {
	dir := t.TempDir()
	f := &file{path: filepath.Join(dir, "log"), max: 5, backups: 1}
	if err := os.MkdirAll(filepath.Join(dir, "log.1", "full"), 0o700); err != nil { // rename fails
		t.Fatal(err)
	}
	for range 4 {
		if n, err := f.Write([]byte("1234\n")); n != 5 || err != nil {
			t.Fatalf("Write = %d, %v, want 5 bytes", n, err)
		}
	}
	f.Close()
	if b, err := os.ReadFile(f.path); string(b) != strings.Repeat("1234\n", 4) || err != nil {
		t.Errorf("log = %q, %v, want all four lines", b, err)
	}
}

func TestALogFileComesBackWithItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := &file{path: filepath.Join(dir, "log"), max: 5}
	write := func() error {
		_, err := f.Write([]byte("1234\n"))
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := write(); err == nil {
		t.Error("Write into a directory that is gone = nil error, want one")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("Write after the directory came back: %v", err)
	}
	f.Close()
}
