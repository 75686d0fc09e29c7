package fleet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDirectoriesOfDeadHostsAreSwept(t *testing.T) {
	tmp := t.TempDir()
	alive, remove, err := ownRuntimeDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(tmp, runtimePrefix+"dead")
	young := filepath.Join(tmp, runtimePrefix+"young") // between its making and its locking
	for _, dir := range []string{dead, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dead, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other, removeOther, err := ownRuntimeDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{alive: true, other: true, young: true, dead: false} {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) == want {
			t.Errorf("%s is there: %t, want %t", filepath.Base(dir), !want, want)
		}
	}
	remove()
	removeOther()
	if _, err := os.Stat(alive); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there after remove: %v", err)
	}
}
