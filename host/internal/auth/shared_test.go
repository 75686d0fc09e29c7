package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched opens a store that tells what it hears of others.
func watched(t testing.TB, dir string) (s *Store, heard func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	note := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, text)
	}
	cfg := StoreConfig{Dir: dir}
	cfg.Changed = func(list []Change) {
		if _, err := s.List(); err != nil { // which would wait for ever if a lock were held
			note(err.Error())
		}
		for _, c := range list {
			note(fmt.Sprintf("%s %s", c.Name, c.Action))
		}
	}
	cfg.Problem = func(err error) {
		_, _ = s.List()
		note("problem: " + err.Error())
	}
	s, err := OpenStore(cfg)
	if err != nil {
		t.Fatalf("OpenStore = %v, want a store", err)
	}
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		heard := all
		all = nil
		return heard
	}
}

func checkHeard(t testing.TB, says string, heard func() []string, want ...string) {
	t.Helper()
	if got := heard(); !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", says, got, want)
	}
}

func TestWhatAnotherProcessChangesIsInForceWithTheNextLook(t *testing.T) {
	dir := t.TempDir()
	store, heard := watched(t, dir)
	tokens := joined(t, store)
	force(t, tokens, TokensInForce{Generated: true})
	clients := NewClients(Config{Tokens: tokens})
	other := openStore(t, dir)

	a := create(t, other, "a")
	_, id := as(t, clients, a)
	checkHeard(t, "created", heard, "a created")
	b := rotate(t, other, "a", 0)
	if clients.Valid(id) {
		t.Error("rotated: Valid(who came in before) = true, want false")
	}
	checkKnown(t, "rotated, the old secret", tokens, a, "")
	checkKnown(t, "rotated, the new secret", tokens, b, "a")
	checkHeard(t, "rotated", heard, "a rotated")

	_, id = as(t, clients, b)
	revoke(t, other, "a")
	if clients.Valid(id) {
		t.Error("revoked: Valid(who came in before) = true, want false")
	}
	checkKnown(t, "revoked", tokens, b, "")
	checkHeard(t, "revoked", heard, "a revoked")

	create(t, other, "a")
	c := create(t, other, "b")
	revoke(t, other, "a")
	create(t, other, "a")
	checkKnown(t, "several", tokens, c, "b")
	checkHeard(t, "several", heard, "a created", "b created")
	revoke(t, other, "a")
	create(t, other, "a")
	checkKnown(t, "exchanged", tokens, c, "b")
	checkHeard(t, "exchanged", heard, "a revoked", "a created")
}

func TestWhatAnotherProcessDoesToTheGeneratedToken(t *testing.T) {
	dir := t.TempDir()
	store, heard := watched(t, dir)
	tokens := joined(t, store)
	force(t, tokens, TokensInForce{Generated: true})
	other := openStore(t, dir)
	first, _, err := other.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	checkKnown(t, "made", tokens, first, GeneratedName)
	checkHeard(t, "made", heard, "default created")
	second := rotate(t, other, GeneratedName, 0)
	checkKnown(t, "rotated, the old secret", tokens, first, "")
	checkKnown(t, "rotated, the new secret", tokens, second, GeneratedName)
	checkHeard(t, "rotated", heard, "default rotated")
	revoke(t, other, GeneratedName)
	checkKnown(t, "revoked", tokens, second, "")
	checkHeard(t, "revoked", heard, "default revoked")
}

func TestOwnChangesAreNotTold(t *testing.T) {
	dir := t.TempDir()
	store, heard := watched(t, dir)
	other := openStore(t, dir)
	if _, _, err := store.Ensure(); err != nil {
		t.Fatal(err)
	}
	create(t, store, "a")
	rotate(t, store, "a", 0)
	rotate(t, store, GeneratedName, 0)
	create(t, other, "b")
	revoke(t, store, "a") // which finds b
	revoke(t, store, GeneratedName)
	if _, err := store.List(); err != nil {
		t.Fatal(err)
	}
	checkHeard(t, "own changes, and b", heard, "b created")
}

func TestWhatAnEditorChangesIsTold(t *testing.T) {
	dir := t.TempDir()
	store, heard := watched(t, dir)
	tokens := joined(t, store)
	a := create(t, store, "a")
	text := strings.Replace(readText(t, dir, storeFile), `"caller"`, `"viewer"`, 1)
	writeFile(t, dir, storeFile, text, 0o600) // into the file that is there
	if id, err := show(t, tokens, a); err != nil || id.Role != Viewer {
		t.Errorf("Authenticate = %+v, %v, want the role viewer", id, err)
	}
	checkHeard(t, "edited", heard, "a changed")
	if err := os.Remove(filepath.Join(dir, storeFile)); err != nil {
		t.Fatal(err)
	}
	checkKnown(t, "removed", tokens, a, "")
	checkHeard(t, "removed", heard, "a revoked")
}

// A file that cannot be believed lets nobody in, and says so once.
func TestABadFileLetsNobodyIn(t *testing.T) {
	for _, row := range []struct {
		says  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"that others can read", func(t *testing.T, dir string) { chmod(t, dir, 0o640) }, "chmod 600"},
		{"that others can write", func(t *testing.T, dir string) { chmod(t, dir, 0o602) }, "chmod 600"},
		{"that is cut off", func(t *testing.T, dir string) {
			text := readText(t, dir, storeFile)
			writeFile(t, dir, storeFile, text[:len(text)/2], 0o600)
		}, "not JSON"},
		{"that is empty", func(t *testing.T, dir string) { writeFile(t, dir, storeFile, "", 0o600) }, "not JSON"},
		{"that is too large", func(t *testing.T, dir string) {
			writeFile(t, dir, storeFile, readText(t, dir, storeFile)+strings.Repeat(" ", maxStoreFile), 0o600)
		}, "allowed are 1048576"},
		{"that is a link", func(t *testing.T, dir string) {
			path := filepath.Join(dir, storeFile)
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path+".moved", path); err != nil {
				t.Fatal(err)
			}
		}, "is a symbolic link"},
		{"that is a directory", func(t *testing.T, dir string) {
			path := filepath.Join(dir, storeFile)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
	} {
		t.Run(row.says, func(t *testing.T) {
			dir := t.TempDir()
			store, heard := watched(t, dir)
			tokens := joined(t, store)
			force(t, tokens, TokensInForce{Generated: true})
			generated, _, err := store.Ensure()
			if err != nil {
				t.Fatal(err)
			}
			a := create(t, store, "a")
			good := readText(t, dir, storeFile)
			row.spoil(t, dir)
			for i := range 2 {
				at := time.Unix(int64(i), 0) // as if it had been written again
				if err := os.Chtimes(filepath.Join(dir, storeFile), at, at); err != nil {
					t.Fatal(err)
				}
				checkKnown(t, "bad", tokens, a, "")
				checkKnown(t, "bad, the generated one", tokens, generated, "")
			}
			told := heard()
			if len(told) != 1 || !strings.HasPrefix(told[0], "problem: ") || !strings.Contains(told[0], row.want) {
				t.Errorf("heard %q, want one problem with %q", told, row.want)
			}
			checkClosed(t, store, row.want)
			if err := os.RemoveAll(filepath.Join(dir, storeFile)); err != nil {
				t.Fatal(err)
			}
			writeFile(t, dir, storeFile, good, 0o600)
			checkKnown(t, "mended", tokens, a, "a")
			checkKnown(t, "mended, the generated one", tokens, generated, GeneratedName)
			checkHeard(t, "mended", heard)
		})
	}
}

func chmod(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(dir, storeFile), mode); err != nil {
		t.Fatal(err)
	}
}

// checkClosed holds that nothing can be done with a bad file, and that it stays as it is.
func checkClosed(t *testing.T, store *Store, want string) {
	t.Helper()
	_, list := store.List()
	_, create := store.Create(Wanted{Name: "b", Role: Caller})
	_, rotate := store.Rotate("a", 0)
	_, open := OpenStore(StoreConfig{Dir: store.cfg.Dir})
	for what, err := range map[string]error{
		"List": list, "Create": create, "Rotate": rotate, "Revoke": store.Revoke(GeneratedName), "OpenStore": open,
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), storeFile) {
			t.Errorf("%s = %v, want an error with %q that names the file", what, err, want)
		}
	}
}

// However fast files follow each other, and whatever inode they get, their stamps differ.
func TestEveryChangeIsSeenHoweverFast(t *testing.T) {
	dir := t.TempDir()
	other := openStore(t, dir)
	tokens := joined(t, openStore(t, dir))
	last := create(t, other, "a")
	for range 100 {
		next := rotate(t, other, "a", 0)
		checkKnown(t, "the new secret", tokens, next, "a")
		checkKnown(t, "the old secret", tokens, last, "")
		last = next
	}
}

func TestAFileIsLaterThanTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	create(t, store, "a")
	path := filepath.Join(dir, storeFile)
	ahead := time.Now().Add(time.Hour) // of a machine whose clock was put back
	if err := os.Chtimes(path, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	seen := []stamp{lookAt(path)}
	for range 50 {
		rotate(t, store, "a", 0)
		now := lookAt(path)
		if last := seen[len(seen)-1]; now.mtime <= last.mtime {
			t.Errorf("a file of %v replaces one of %v, want a later one", now.modified(), last.modified())
		}
		seen = append(seen, now)
	}
}

// Many look while others change.
func TestLooksAndChangesAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	store, _ := watched(t, dir)
	tokens := joined(t, store)
	steady := create(t, store, "steady")
	done := make(chan struct{}) // closed when the changes are over
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					checkKnown(t, "while others change", tokens, steady, "steady")
				}
			}
		})
	}
	for _, s := range []*Store{store, openStore(t, dir)} {
		for range 10 {
			create(t, s, "a")
			rotate(t, s, "a", time.Minute)
			revoke(t, s, "a")
		}
	}
	close(done)
	wg.Wait()
}
