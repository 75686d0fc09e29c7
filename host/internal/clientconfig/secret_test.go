package clientconfig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var secrets = []Entry{{URL: "http://h/mcp", Token: "s"}, {Command: "/opt/gatehouse", Env: []Var{{"A", "1"}}}}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %v, want %v", path, got, want)
	}
}

func TestAFileThatASecretComesIntoIsItsUsersAlone(t *testing.T) {
	for _, e := range secrets {
		path := filepath.Join(t.TempDir(), "mcp.json")
		put(t, path, "{}", 0o644)
		change := install(t, mustFind(t, "cursor"), path, e, Options{})
		if got := change.Diff(); !change.Closed() || !strings.Contains(got, "# mode 0644 becomes 0600: something secret") {
			t.Errorf("Closed() = %v; Diff() = %s", change.Closed(), got)
		}
		backup := save(t, change, noon)
		wantMode(t, path, 0o600)
		wantMode(t, backup, 0o600)
		if again := install(t, mustFind(t, "cursor"), path, e, Options{}); !again.Nothing() || again.Closed() {
			t.Errorf("Install() again = %s, want nothing to do", again.Diff())
		}
	}
}

func TestAnOpenFileThatHasTheSecretAlreadyIsClosed(t *testing.T) {
	c, path := mustFind(t, "cursor"), filepath.Join(t.TempDir(), "mcp.json")
	save(t, install(t, c, path, secrets[0], Options{}), noon)
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	change := install(t, c, path, secrets[0], Options{})
	if got := change.Diff(); got != "# mode 0604 becomes 0600: something secret comes into it\n" {
		t.Errorf("Diff() = %q, want the mode alone", got)
	}
	save(t, change, noon)
	wantMode(t, path, 0o600)
}

func TestABackupIsNeverOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	put(t, path, "{}", 0o644)
	f, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	backup, err := f.backUp(noon)
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, backup, 0o600)
}

func TestAnEntryWithoutSecretsLeavesTheModeAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	put(t, path, "{}", 0o644)
	change := install(t, mustFind(t, "cursor"), path, entry, Options{})
	save(t, change, noon)
	if wantMode(t, path, 0o644); change.Closed() {
		t.Error("Closed() = true")
	}
}

func TestBackupsOfEarlierVersionsAreClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	old, other := path+".gatehouse-backup-20200101T000000.000Z", filepath.Join(filepath.Dir(path), "other")
	link := path + ".gatehouse-backup-20200102T000000.000Z"
	for _, p := range []string{path, old, other} {
		put(t, p, "{}", 0o644)
	}
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	save(t, install(t, mustFind(t, "cursor"), path, entry, Options{}), noon)
	wantMode(t, old, 0o600)
	wantMode(t, other, 0o644) // a link is no backup of ours
}

func TestATokenComesIntoAProjectsFileByForceAlone(t *testing.T) {
	for _, c := range Clients() {
		path := filepath.Join(t.TempDir(), "mcp.json")
		if !c.Addresses() {
			continue
		}
		_, err := c.Install(path, "gatehouse", secrets[0], Options{Project: true})
		var refused *Refused
		if !errors.As(err, &refused) || !errors.Is(err, ErrShared) || !strings.Contains(refused.Do, "Bearer ${") {
			t.Errorf("Install() of %s = %v, want that it is shared and what to write instead", c.Name, err)
		}
		save(t, install(t, c, path, secrets[0], Options{Project: true, Force: true}), noon)
		wantMode(t, path, 0o600)
	}
}

func TestAProjectsFileIsKnownByItsPath(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	m := Machine{OS: "linux", Home: home}
	link := filepath.Join(home, "link.json")
	put(t, filepath.Join(project, ".mcp.json"), "{}", 0o600)
	if err := os.Symlink(filepath.Join(project, ".mcp.json"), link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		filepath.Join(project, ".mcp.json"):           true,
		filepath.Join(project, ".cursor", "mcp.json"): true,
		filepath.Join(project, ".vscode", "mcp.json"): true,
		filepath.Join(project, "mcp.json"):            false,
		filepath.Join(project, "x.mcp.json"):          false,
		filepath.Join(home, ".cursor", "mcp.json"):    false,
		".mcp.json": true,
		link:        true,
	} {
		if got := OfProject(path, m); got != want {
			t.Errorf("OfProject(%s) = %v, want %v", path, got, want)
		}
	}
}

func TestBackupsThatHoldOurSecretsAreNamed(t *testing.T) {
	c, path := mustFind(t, "cursor"), filepath.Join(t.TempDir(), "mcp.json")
	at := func(day string) string { return path + ".gatehouse-backup-202001" + day + "T000000.000Z" }
	for day, raw := range map[string]string{
		"01": `{"mcpServers": {"other": {"url": "http://h", "headers": {"A": "s"}}}}`,
		"02": `{"mcpServers": {"gatehouse": {"url": "http://h", "headers": {"A": "s"}}}} // mine`,
		"03": `{"mcpServers": {"gatehouse": {"command": "/gatehouse", "env": {}}}}`,
		"04": `{"mcpServers": {"gatehouse": {"command": "/gatehouse", "env": {"A": "s"}}}}`,
		"05": `{"mcpServers": {"gatehouse": {"command": "npx", "env": {"A": "s"}}}}`,
		"06": `{`,
		"07": `{"mcpServers": {"gatehouse": []}}`,
		"08": ``, "09": ``,
	} {
		put(t, at(day), raw, 0o600)
	}
	if err := os.Truncate(at("09"), maxFile+1); err != nil { // too large to be read
		t.Fatal(err)
	}
	for force, want := range map[bool][]string{
		false: {at("02"), at("04"), at("06"), at("07"), at("09")},
		true:  {at("02"), at("04"), at("05"), at("06"), at("07"), at("09")},
	} {
		got, err := c.Remains(path, "gatehouse", Options{Force: force})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Remains(by force: %v) = %v, %v, want %v", force, got, err, want)
		}
	}
}
