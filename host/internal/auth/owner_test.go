package auth

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// stranger owns files in the tests that root runs.
const stranger = 4242

func TestWhoseFileIsBelievedIn(t *testing.T) {
	const root, host, other = 0, 1000, 1001
	for _, row := range []struct {
		says            string
		user, file, dir int
		good            bool
	}{
		{"the host's own, in its own directory", host, host, host, true},
		{"the host's own, in a volume of root's", host, host, root, true}, // an emptyDir of Kubernetes
		{"what root left there", host, root, root, true},
		{"what root left in the host's directory", host, root, host, false},
		{"another's, in a volume of root's", host, other, root, false},
		{"another's, in the host's directory", host, other, host, false},
		{"the directory's owner's, for another", other, host, host, true},
		{"root's own, in its own directory", root, root, root, true},
		{"the host's, for root", root, host, host, true},
		{"root's own, in the host's directory", root, root, host, false}, // a hard link of /etc/shadow
		{"a user's, in a volume of root's, for root", root, host, root, false},
	} {
		if got := mayOwn(row.user, row.file, row.dir); got != row.good {
			t.Errorf("%s: mayOwn(%d, %d, %d) = %t, want %t", row.says, row.user, row.file, row.dir, got, row.good)
		}
	}
}

// giveAway makes a directory that of an unprivileged user, where root runs the tests, and returns whose it is.
func giveAway(t *testing.T, dir string) (owner uint32) {
	t.Helper()
	if os.Geteuid() != 0 {
		return uint32(os.Geteuid())
	}
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	return stranger
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Uid
}

// linked is a state directory in which name is another name (a hard link) of a file of the one who runs the
// tests, whose path is returned too.
func linked(t *testing.T, name, text string) (dir, victim string) {
	t.Helper()
	base := t.TempDir()
	dir, victim = filepath.Join(base, "state"), filepath.Join(base, "shadow")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	giveAway(t, dir)
	writeFile(t, base, "shadow", text, 0o600)
	if err := os.Link(victim, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return dir, victim
}

// Whoever owns the directory could have any file of root's, by another name of it.
func TestTheLockGivesNoFileAway(t *testing.T) {
	dir, victim := linked(t, lockName, "root:x")
	store := openStore(t, dir)
	create(t, store, "ci")
	if _, _, err := store.Ensure(); err != nil {
		t.Fatal(err)
	}
	if uid, own := ownerOf(t, victim), os.Geteuid(); int(uid) != own {
		t.Errorf("after Create the file belongs to %d, want %d", uid, own)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "root:x" {
		t.Errorf("after Create the file holds %q, %v, want it as it was", text, err)
	}
}

func TestTheLockIsNoLink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	for what, act := range map[string]func() error{
		"Create": func() error {
			_, err := openStore(t, dir).Create(Wanted{Name: "ci", Role: Caller})
			return err
		},
		"Ensure":      func() error { _, _, err := openStore(t, dir).Ensure(); return err },
		"EnsureToken": func() error { _, _, err := EnsureToken(dir); return err },
	} {
		if err := act(); err == nil || !strings.Contains(err.Error(), "is a symbolic link; put") {
			t.Errorf("%s = %v, want an error: the lock is a link", what, err)
		}
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("Create made the file to which the lock points")
	}
}

// A link in the place of the generated token would make commands read, and send away, another secret.
func TestTheGeneratedTokenIsNoLink(t *testing.T) {
	dir, base := t.TempDir(), t.TempDir()
	writeFile(t, base, "vault-token", "hvs.0123456789012345678901234567890123456789", 0o600)
	if err := os.Symlink(filepath.Join(base, "vault-token"), filepath.Join(dir, tokenFile)); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadToken(dir); err == nil || !strings.Contains(err.Error(), "is a symbolic link; put") {
		t.Errorf("ReadToken = %q, %v, want an error: it is a link", got, err)
	}
}

// Who runs the tests as somebody else owns both names, and may read them.
func TestTheGeneratedTokenIsNoSecondNameOfRootsFile(t *testing.T) {
	dir, _ := linked(t, tokenFile, "hvs.0123456789012345678901234567890123456789")
	got, err := ReadToken(dir)
	if os.Geteuid() != 0 {
		if err != nil || got == "" {
			t.Errorf("ReadToken = %q, %v, want the token of the user's own file", got, err)
		}
		return
	}
	const want = "belongs to the user 0, the state directory to the user 4242; have the user 4242 write it anew, or"
	if err == nil || got != "" || !strings.Contains(err.Error(), want) {
		t.Errorf("ReadToken = %q, %v, want an error with %q", got, err, want)
	}
}

func TestAFileOfSomebodyElseLetsNobodyIn(t *testing.T) {
	dir := t.TempDir()
	store, heard := watched(t, dir)
	tokens := joined(t, store)
	secret := create(t, store, "a")
	path := filepath.Join(dir, storeFile)
	if os.Geteuid() != 0 { // nobody can give a file away; it is the host's own
		checkKnown(t, "its own file", tokens, secret, "a")
		return
	}
	for _, row := range []struct {
		says   string
		change string // whose owner changes, and nothing else
		to     int
		client string
		want   string // in what is heard; empty: nothing is
	}{
		{"a stranger's file", path, stranger, "", "do this as the user 4242, or remove it: rm " + path},
		{"a stranger's file, in the stranger's directory", dir, stranger, "a", ""},
		{"root's file, in the stranger's directory", path, 0, "", "have the user 4242 write it anew, or remove"},
		{"root's file, in root's directory", dir, 0, "a", ""},
	} {
		if err := os.Chown(row.change, row.to, -1); err != nil {
			t.Fatal(err)
		}
		checkKnown(t, row.says, tokens, secret, row.client)
		if told := strings.Join(heard(), "\n"); !strings.Contains(told, row.want) || (told == "") != (row.want == "") {
			t.Errorf("%s: heard %q, want %q", row.says, told, row.want)
		}
	}
}

// Who makes a token waits for the one who changes others; else what is written of it could be of another.
func TestATokenIsMadeUnderTheLock(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		for what, ensure := range map[string]func() (string, bool, error){
			"Ensure": store.Ensure, "EnsureToken": func() (string, bool, error) { return EnsureToken(dir) },
		} {
			unlock, err := lockDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if token, _, err := ensure(); err == nil || !strings.Contains(err.Error(), "another process") {
				t.Errorf("%s under the lock of another = %q, %v, want an error", what, token, err)
			}
			time.AfterFunc(time.Second, unlock)
			begin := time.Now()
			if _, created, err := ensure(); err != nil || !created || time.Since(begin) < time.Second {
				t.Errorf("%s = %t, %v after %v, want a token when the lock is free", what, created, err,
					time.Since(begin))
			}
			revoke(t, store, GeneratedName)
		}
	})
}

// Making and changing take lock and turn in one order.
func TestMakingAndChangingAtTheSameTime(t *testing.T) {
	store := openStore(t, t.TempDir())
	done := make(chan struct{}) // closed when the changes are over
	go func() {
		defer close(done)
		for range 20 {
			_, err := store.Create(Wanted{Name: "a", Role: Caller})
			if err = errors.Join(err, store.Revoke("a")); err != nil {
				t.Errorf("Create, Revoke = %v, want no error", err)
			}
		}
	}()
	for range 20 {
		if _, _, err := store.Ensure(); err != nil {
			t.Errorf("Ensure = %v, want a token", err)
		}
		if err := store.Revoke(GeneratedName); err != nil {
			t.Errorf("Revoke = %v, want no error", err)
		}
	}
	<-done
}

// root does not write what a host of another user, whose files are there already, could not read.
func TestRootChangesNothingBesideAnotherUsersFiles(t *testing.T) {
	if os.Geteuid() != 0 { // who may do what is held for everybody by TestWhoseFileIsBelievedIn
		if err := checkOwners(t.TempDir()); err != nil {
			t.Errorf("checkOwners of an ordinary user = %v, want nil", err)
		}
		return
	}
	dir := t.TempDir()
	store, err := OpenStore(StoreConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Ensure(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, tokenFile), 4242, 4242); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create(Wanted{Name: "ci", Role: Caller}); err == nil || !strings.Contains(err.Error(), "4242") {
		t.Errorf("Create = %v, want it to say whose directory this is in use by", err)
	}
	if _, err := os.Stat(filepath.Join(dir, storeFile)); err == nil {
		t.Error("there is a tokens.json that the host of 4242 cannot read")
	}
}
