package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTheTokenIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "gatehouse")
	token, created, err := EnsureToken(dir)
	if err != nil || !created || !strings.HasPrefix(token, TokenPrefix) || len(token) < 40 {
		t.Fatalf("EnsureToken = %q, %t, %v, want a new token of 256 bits", token, created, err)
	}
	for name, want := range map[string]fs.FileMode{tokenFile: 0o600, ".": fs.ModeDir | 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("Stat(%q) = %v, %v, want mode %v", name, info.Mode(), err, want)
		}
	}
	again, created, err := EnsureToken(dir)
	if again != token || created || err != nil {
		t.Errorf("EnsureToken, again = %q, %t, %v, want the same token", again, created, err)
	}
	if read, err := ReadToken(dir); read != token || err != nil {
		t.Errorf("ReadToken = %q, %v, want %q", read, err, token)
	}
	checkAlone(t, dir)
}

// checkAlone holds that there is nothing in dir but the token and the lock under which it was made.
func checkAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != lockName || entries[1].Name() != tokenFile {
		t.Errorf("ReadDir = %v, %v, want the token and the lock alone", entries, err)
	}
}

// Hosts and `gatehouse token show` may start at the same moment.
func TestAllWhoStartTogetherGetOneToken(t *testing.T) {
	dir := t.TempDir()
	const hosts = 32
	var (
		wg     sync.WaitGroup
		start  = make(chan struct{}) // closed by the test
		tokens [hosts]string
		made   [hosts]bool
		errs   [hosts]error
	)
	for i := range hosts {
		wg.Go(func() {
			<-start
			tokens[i], made[i], errs[i] = EnsureToken(dir)
		})
	}
	close(start)
	wg.Wait()
	makers := 0
	for i := range hosts {
		if errs[i] != nil || tokens[i] == "" || tokens[i] != tokens[0] {
			t.Errorf("EnsureToken = %q, %v, want %q for all", tokens[i], errs[i], tokens[0])
		}
		if made[i] {
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d say that they made the token, want 1", makers)
	}
	checkAlone(t, dir)
}

func TestATokenThatIsNotSafeIsRefused(t *testing.T) {
	good := Generate()
	for _, row := range []struct {
		says, text string
		mode       fs.FileMode
		want       string // in the error; empty: none
	}{
		{"for the owner only", good, 0o600, ""},
		{"read only", good, 0o400, ""},
		{"with a line end of another system", good + "\r\n", 0o600, ""},
		{"readable by the group", good, 0o640, "chmod 600"},
		{"readable by all", good, 0o604, "chmod 600"},
		{"writable by all", good, 0o602, "chmod 600"},
		{"too short", "gth_short", 0o600, "too short"},
		{"empty", "", 0o600, "too short"},
		{"blanks only", strings.Repeat(" ", 64), 0o600, "too short"},
		{"far too long", strings.Repeat("x", maxTokenFile+1), 0o600, "allowed are"},
	} {
		dir := t.TempDir()
		writeFile(t, dir, tokenFile, row.text, row.mode)
		for what, read := range map[string]func(string) (string, error){
			"ReadToken":   ReadToken,
			"EnsureToken": func(dir string) (string, error) { token, _, err := EnsureToken(dir); return token, err },
		} {
			token, err := read(dir)
			switch {
			case row.want == "" && (err != nil || token != good):
				t.Errorf("%s: %s = %q, %v, want the token", row.says, what, token, err)
			case row.want != "" && (err == nil || token != "" || !strings.Contains(err.Error(), row.want)):
				t.Errorf("%s: %s = %q, %v, want an error with %q", row.says, what, token, err, row.want)
			}
		}
		if text := readText(t, dir, tokenFile); text != row.text {
			t.Errorf("%s: the file has been changed to %q", row.says, text)
		}
	}
}

func TestWithoutATokenThereIsNone(t *testing.T) {
	if _, err := ReadToken(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadToken = %v, want %v", err, fs.ErrNotExist)
	}
}

func TestAStateDirectoryThatCannotBeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if token, created, err := EnsureToken(filepath.Join(file, "state")); err == nil {
		t.Errorf("EnsureToken below a file = %q, %t, want an error", token, created)
	}
}
