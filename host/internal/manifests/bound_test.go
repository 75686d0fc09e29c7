package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheLeastRecentlyKeptGoFirst(t *testing.T) {
	c := open(t, t.TempDir())
	clock := time.Now()
	c.now = func() time.Time { clock = clock.Add(time.Second); return clock }
	sumOf := func(i int) string { return fmt.Sprintf("%064x", i) }
	gone := func(i int) bool {
		_, err := os.Lstat(c.file(sumOf(i)))
		return errors.Is(err, fs.ErrNotExist)
	}
	for i := range MaxManifests {
		keep(t, c, program{path: "/gone", sum: sumOf(i)}, manifest("m"))
	}
	keep(t, c, program{path: "/gone", sum: sumOf(0)}, manifest("m")) // again
	if gone(0) || gone(1) {
		t.Fatalf("a full cache dropped something")
	}
	for i := MaxManifests; i < MaxManifests+3; i++ {
		keep(t, c, program{path: "/gone", sum: sumOf(i)}, manifest("m"))
	}
	for i, want := range map[int]bool{
		0: false, 1: true, 2: true, 3: true, 4: false, MaxManifests - 1: false, MaxManifests + 2: false,
	} {
		if gone(i) != want {
			t.Errorf("manifest %d is gone: %v, want %v", i, gone(i), want)
		}
	}
}

func TestTheIndexIsBounded(t *testing.T) {
	index := make(map[string]entry)
	for i := range MaxManifests + 5 {
		index[fmt.Sprint(i)] = entry{Kept: int64(i)}
	}
	trim(index)
	for i, want := range map[string]bool{"4": false, "5": true, fmt.Sprint(MaxManifests + 4): true} {
		if _, ok := index[i]; ok != want {
			t.Errorf("entry %s of the index is there: %v, want %v", i, ok, want)
		}
	}
	if len(index) != MaxManifests {
		t.Errorf("the index has %d entries, want %d", len(index), MaxManifests)
	}
}

func TestTemporaryFilesThatWereLeftBehindGo(t *testing.T) {
	c := open(t, t.TempDir())
	old, young := filepath.Join(c.dir, temporary+"old"), filepath.Join(c.dir, temporary+"young")
	for path, age := range map[string]time.Duration{old: 2 * time.Hour, young: 0} {
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
	}
	keep(t, c, newProgram(t, filepath.Join(t.TempDir(), "a"), "a"), manifest("one"))
	if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one: %v, want it gone", err)
	}
	if _, err := os.Lstat(young); err != nil {
		t.Errorf("the one that another host may be writing: %v, want it there", err)
	}
}
