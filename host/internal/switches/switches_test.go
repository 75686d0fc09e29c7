package switches

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, dir string) *Switches {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatalf("Open(%s) = %v", dir, err)
	}
	return s
}

func TestASwitchOutlivesTheHost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state") // made when it is needed
	s := open(t, dir)
	if _, said := s.Get("NmapTool"); said {
		t.Error("Get(NmapTool) says something before anybody did")
	}
	for _, on := range []bool{false, true, false} {
		if err := s.Set("NmapTool", on); err != nil {
			t.Fatalf("Set = %v", err)
		}
		if got, said := s.Get("NmapTool"); !said || got != on {
			t.Errorf("Get(NmapTool) = %t, %t, want %t", got, said, on)
		}
		if got, said := open(t, dir).Get("NmapTool"); !said || got != on {
			t.Errorf("after a restart: %t, %t, want %t", got, said, on)
		}
	}
	info, err := os.Stat(s.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v; want mode 0600", info, err)
	}
}

func TestHostsOfOneDirectoryShareTheSwitches(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.Set("A", false); err != nil {
		t.Fatal(err)
	}
	if err := b.Set("B", false); err != nil { // has not heard of A
		t.Fatal(err)
	}
	if changed, err := a.Reload(); err != nil || !changed {
		t.Errorf("Reload = %t, %v, want a change", changed, err)
	}
	if changed, err := a.Reload(); err != nil || changed {
		t.Errorf("a second Reload = %t, %v, want none", changed, err)
	}
	if got := fmt.Sprint(a.All(), b.All()); got != "map[A:false B:false] map[A:false B:false]" {
		t.Errorf("switches = %s, want both in both", got)
	}
}

func TestManySwitchAtATimeAndNoneIsLost(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 20 {
		s := open(t, dir)
		wg.Go(func() {
			if err := s.Set(fmt.Sprintf("Tool%d", i), false); err != nil {
				t.Errorf("Set = %v", err)
			}
		})
	}
	wg.Wait()
	if got := len(open(t, dir).All()); got != 20 {
		t.Errorf("%d switches, want 20", got)
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	for _, text := range []string{"", "{", `{"tools": {"A": false}}`, `[]`, strings.Repeat(" ", maxFile+1)} {
		dir := t.TempDir()
		name := filepath.Join(dir, fileName)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Open with %.20q = %v, want an error that names the file", text, err)
		}
	}
}

func TestWhatCannotBeKeptIsNotInForce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Switches{dir: filepath.Join(file, "state"), set: map[string]bool{}}
	if err := s.Set("A", false); err == nil {
		t.Error("Set below a file went well")
	}
	if _, said := s.Get("A"); said {
		t.Error("the switch is in force all the same")
	}
}

func TestWithoutADirectoryTheyAreInMemory(t *testing.T) {
	s := open(t, "")
	if err := s.Set("A", false); err != nil || s.Path() != "" {
		t.Errorf("Set = %v, Path = %q", err, s.Path())
	}
	if on, said := s.Get("A"); on || !said {
		t.Errorf("Get(A) = %t, %t, want switched off", on, said)
	}
}

func TestOnlyNamesOfToolsAreTaken(t *testing.T) {
	if err := open(t, t.TempDir()).Set("a\nb", true); err == nil {
		t.Error("Set took a name with a newline")
	}
}
