package clientconfig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

var entry = Entry{Command: "/opt/gatehouse", Args: []string{"--config", "/etc/g.yaml"}}

func mustFind(t *testing.T, name string) Client {
	t.Helper()
	c, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, path, raw string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(raw), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func install(t *testing.T, c Client, path string, e Entry, o Options) Change {
	t.Helper()
	change, err := c.Install(path, "gatehouse", e, o)
	if err != nil {
		t.Fatalf("Install() = %v", err)
	}
	return change
}

func save(t *testing.T, c Change, at time.Time) string {
	t.Helper()
	backup, err := c.Write(at)
	if err != nil {
		t.Fatalf("Write() = %v", err)
	}
	return backup
}

func TestEachClientGetsTheEntryThatItReads(t *testing.T) {
	for _, row := range []struct {
		client string
		entry  Entry
		want   string
	}{
		{"claude-desktop", entry, `{"mcpServers":{"gatehouse":{"command":"/opt/gatehouse","args":["--config","/etc/g.yaml"]}}}`},
		{"claude-code", Entry{Command: "/g", Env: []Var{{"B", "2"}, {"A", "<1>"}}},
			`{"mcpServers":{"gatehouse":{"type":"stdio","command":"/g","args":[],"env":{"B":"2","A":"<1>"}}}}`},
		{"claude-code", Entry{URL: "http://h/mcp", Token: "s"},
			`{"mcpServers":{"gatehouse":{"type":"http","url":"http://h/mcp","headers":{"Authorization":"Bearer s"}}}}`},
		{"cursor", Entry{Command: "/g"}, `{"mcpServers":{"gatehouse":{"type":"stdio","command":"/g","args":[]}}}`},
		{"cursor", Entry{URL: "http://h/mcp"}, `{"mcpServers":{"gatehouse":{"url":"http://h/mcp"}}}`},
		{"vscode", Entry{Command: "/g"}, `{"servers":{"gatehouse":{"type":"stdio","command":"/g","args":[]}}}`},
		{"vscode", Entry{URL: "http://h/mcp"}, `{"servers":{"gatehouse":{"type":"http","url":"http://h/mcp"}}}`},
	} {
		c := mustFind(t, row.client)
		change := install(t, c, filepath.Join(t.TempDir(), "x.json"), row.entry, Options{})
		if !same(change.After, []byte(row.want)) {
			t.Errorf("Install(%s, %+v) = %s, want %s", row.client, row.entry, change.After, row.want)
		}
		if got := c.Snippet("gatehouse", row.entry); !row.entry.Secret() && got != string(change.After) {
			t.Errorf("Snippet() of %s = %s, want what Install writes: %s", row.client, got, change.After)
		}
	}
}

func TestAClientWithoutAddressesIsGivenNone(t *testing.T) {
	_, err := mustFind(t, "claude-desktop").Install(filepath.Join(t.TempDir(), "x"), "gatehouse", Entry{URL: "http://h"}, Options{})
	if err == nil || !strings.Contains(err.Error(), "takes no address") {
		t.Errorf("Install() = %v, want that there are no addresses", err)
	}
}

func TestFilesLieWhereTheirClientsLook(t *testing.T) {
	linux, mac := Machine{OS: "linux", Home: "/h"}, Machine{OS: "darwin", Home: "/h", XDGConfigHome: "/x"}
	moved := Machine{OS: "linux", Home: "/h", XDGConfigHome: "/x", ClaudeConfigDir: "/c"}
	for _, row := range []struct {
		client, project     string
		linux, moved, apple string
	}{
		{"claude-desktop", "", "/h/.config/Claude/claude_desktop_config.json", "/x/Claude/claude_desktop_config.json",
			"/h/Library/Application Support/Claude/claude_desktop_config.json"},
		{"claude-code", "/p/.mcp.json", "/h/.claude.json", "/c/.claude.json", "/h/.claude.json"},
		{"cursor", "/p/.cursor/mcp.json", "/h/.cursor/mcp.json", "/h/.cursor/mcp.json", "/h/.cursor/mcp.json"},
		{"vscode", "/p/.vscode/mcp.json", "/h/.config/Code/User/mcp.json", "/x/Code/User/mcp.json",
			"/h/Library/Application Support/Code/User/mcp.json"},
	} {
		c := mustFind(t, row.client)
		if a, b, m := c.UserFile(linux), c.UserFile(moved), c.UserFile(mac); a != row.linux || b != row.moved || m != row.apple {
			t.Errorf("UserFile() of %s = %s, %s, %s, want %s, %s, %s", c.Name, a, b, m, row.linux, row.moved, row.apple)
		}
		got, err := c.ProjectFile("/p")
		if got != row.project || errors.Is(err, ErrNoProjects) != (row.project == "") {
			t.Errorf("ProjectFile() of %s = %q, %v, want %q", c.Name, got, err, row.project)
		}
		dir := filepath.Dir(row.linux)
		if c.Present(linux, func(string) bool { return false }) {
			t.Errorf("Present() of %s on an empty machine = true", c.Name)
		}
		if c.Name != "claude-code" && c.Name != "vscode" && !c.Present(linux, func(p string) bool { return p == dir }) {
			t.Errorf("Present() of %s with %s = false", c.Name, dir)
		}
	}
	if _, err := Find("emacs"); err == nil || !strings.Contains(err.Error(), "claude-desktop, claude-code, cursor, vscode") {
		t.Errorf("Find(emacs) = %v, want those that there are", err)
	}
}

func TestInstallingTwiceChangesNothingTheSecondTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "x.json")
	for _, c := range Clients() {
		own := filepath.Join(path, c.Name)
		if backup := save(t, install(t, c, own, entry, Options{}), noon); backup != "" {
			t.Errorf("Write() of a new file left the backup %s", backup)
		}
		second := install(t, c, own, entry, Options{})
		if !second.Nothing() || second.Diff() != "" {
			t.Errorf("Install() of %s again = %q, want nothing to do", c.Name, second.Diff())
		}
		save(t, second, noon)
		if all, _ := filepath.Glob(own + "*"); len(all) != 1 {
			t.Errorf("beside the file of %s stand %v", c.Name, all)
		}
	}
}

func TestWhatAUserAddedToOurEntryStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	put(t, path, `{
  "servers": {
    "gatehouse": {
      "type": "stdio",
      "command": "/old/gatehouse",
      "args": ["--config", "/etc/g.yaml"], // mine
      "env": {"A": "1"},
      "dev": {"watch": "x"}
    }
  }
}
`, 0o600)
	want := `{
  "servers": {
    "gatehouse": {
      "type": "stdio",
      "command": "/opt/gatehouse",
      "args": ["--config", "/etc/g.yaml"], // mine
      "dev": {"watch": "x"}
    }
  }
}
`
	if got := install(t, mustFind(t, "vscode"), path, entry, Options{}); string(got.After) != want {
		t.Errorf("Install() over ours:\n%s\nwant\n%s", got.After, want)
	}
}

func TestAnEntryOfAnotherIsLeftAloneUnlessForced(t *testing.T) {
	c, path := mustFind(t, "cursor"), filepath.Join(t.TempDir(), "mcp.json")
	const before = `{"mcpServers":{"gatehouse":{"command":"npx","timeout":5}}}`
	put(t, path, before, 0o600)
	_, err := c.Install(path, "gatehouse", entry, Options{})
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), `npx, is not Gatehouse's; take another name`) {
		t.Errorf("Install() over another's = %v", err)
	}
	_, err = c.Uninstall(path, "gatehouse", Options{})
	if !errors.Is(err, ErrForeign) {
		t.Errorf("Uninstall() of another's = %v", err)
	}
	forced := install(t, c, path, entry, Options{Force: true})
	if !strings.Contains(string(forced.After), `"command":"/opt/gatehouse"`) || !strings.Contains(string(forced.After), `"timeout":5`) {
		t.Errorf("Install() by force = %s", forced.After)
	}
	gone, err := c.Uninstall(path, "gatehouse", Options{Force: true})
	if err != nil || string(gone.After) != `{"mcpServers":{}}` {
		t.Errorf("Uninstall() by force = %v, %s", err, gone.After)
	}
}

func TestAnEntryIsKnownAsOurs(t *testing.T) {
	dir := t.TempDir()
	self, link := filepath.Join(dir, "build"), filepath.Join(dir, "link")
	put(t, self, "x", 0o755)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		found Found
		want  bool
	}{
		{Found{Name: "x", Command: "/anywhere/gatehouse"}, true},
		{Found{Name: "x", Command: link}, true},
		{Found{Name: "gatehouse", Command: "/anywhere/other"}, false},
		{Found{Name: "gatehouse", Command: "docker", URL: "http://h/mcp"}, false},
		{Found{Name: "gatehouse-lab", URL: "http://h/mcp"}, true},
		{Found{Name: "lab", URL: "http://h/mcp"}, false},
		{Found{Name: "gatehouse"}, false},
	} {
		if got := row.found.Ours(self); got != row.want {
			t.Errorf("Ours(%+v) = %v, want %v", row.found, got, row.want)
		}
	}
}

func TestUninstallTakesBackWhatInstallDid(t *testing.T) {
	c, path := mustFind(t, "claude-code"), filepath.Join(t.TempDir(), ".claude.json")
	const before = "{\n  \"numStartups\": 7,\n  \"mcpServers\": {\n    \"other\": {}\n  },\n  \"projects\": {\"/p\": {}}\n}"
	put(t, path, before, 0o640)
	backup := save(t, install(t, c, path, entry, Options{}), noon)
	if backup != path+".gatehouse-backup-20261128T120000.000Z" || content(t, backup) != before {
		t.Errorf("Write() left the backup %s with %q", backup, content(t, backup))
	}
	wantMode(t, path, 0o640)
	wantMode(t, backup, 0o600)
	found, err := c.Look(path, "gatehouse")
	if err != nil || found == nil || found.Command != entry.Command {
		t.Errorf("Look() = %+v, %v, want the entry", found, err)
	}
	gone, err := c.Uninstall(path, "gatehouse", Options{})
	if err != nil {
		t.Fatal(err)
	}
	save(t, gone, noon)
	if got := content(t, path); got != before {
		t.Errorf("the file after both = %q, want %q", got, before)
	}
	again, err := c.Uninstall(path, "gatehouse", Options{})
	if err != nil || !again.Nothing() {
		t.Errorf("Uninstall() again = %q, %v, want nothing to do", again.Diff(), err)
	}
	nowhere, err := c.Uninstall(path+"x", "gatehouse", Options{})
	if err != nil || !nowhere.Nothing() {
		t.Errorf("Uninstall() without a file = %q, %v, want nothing to do", nowhere.Diff(), err)
	}
}

func TestTheNewestFiveBackupsStay(t *testing.T) {
	c, dir := mustFind(t, "cursor"), t.TempDir()
	path := filepath.Join(dir, "mcp.json")
	others := []string{path + ".gatehouse-backup-mine", path + ".bak", filepath.Join(dir, "x.json.gatehouse-backup-20200101T000000.000Z")}
	for _, other := range others {
		put(t, other, "", 0o600)
	}
	var backups []string
	for i := range 8 {
		e := entry
		e.Args = slices.Repeat([]string{"x"}, i)
		if backup := save(t, install(t, c, path, e, Options{}), noon); backup != "" { // all at one time
			backups = append(backups, backup)
		}
	}
	all, err := filepath.Glob(path + ".gatehouse-backup-2*")
	if err != nil || !slices.Equal(all, backups[len(backups)-5:]) {
		t.Errorf("backups %v, %v, want the last five of %v", all, err, backups)
	}
	for _, other := range others {
		content(t, other)
	}
	if stray, _ := filepath.Glob(filepath.Join(dir, ".*")); len(stray) > 0 {
		t.Errorf("left over: %v", stray)
	}
}

func TestAFileThatChangedMeanwhileIsNotOverwritten(t *testing.T) {
	c, path := mustFind(t, "cursor"), filepath.Join(t.TempDir(), "mcp.json")
	fresh := install(t, c, path, entry, Options{})
	put(t, path, `{"a":1}`, 0o600)
	if _, err := fresh.Write(noon); !errors.Is(err, errChanged) {
		t.Errorf("Write() over a file that came = %v", err)
	}
	change := install(t, c, path, entry, Options{})
	put(t, path, `{"a":2}`, 0o600)
	if _, err := change.Write(noon); !errors.Is(err, errChanged) {
		t.Errorf("Write() over a file that changed = %v", err)
	}
	if all, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(all) != 1 || content(t, path) != `{"a":2}` {
		t.Errorf("after that stand %v with %q", all, content(t, path))
	}
}

func TestANewFileIsItsUsersAloneUnlessAProjectSharesIt(t *testing.T) {
	for _, row := range []struct {
		says      string
		entry     Entry
		project   bool
		mode, dir os.FileMode
	}{
		{"a user's", entry, false, 0o600, 0o700},
		{"a project's", entry, true, 0o644, 0o755},
		{"a project's with a secret", Entry{Command: "/g", Env: []Var{{"A", "1"}}}, true, 0o600, 0o755},
	} {
		path := filepath.Join(t.TempDir(), "d", "mcp.json")
		save(t, install(t, mustFind(t, "cursor"), path, row.entry, Options{Project: row.project}), noon)
		for p, want := range map[string]os.FileMode{path: row.mode, filepath.Dir(path): row.dir} {
			t.Log(row.says)
			wantMode(t, p, want)
		}
	}
}

func TestASymbolicLinkStaysAndItsFileIsEdited(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "dotfiles.json"), filepath.Join(dir, "mcp.json")
	put(t, target, "{}", 0o600)
	if err := os.Symlink("dotfiles.json", link); err != nil {
		t.Fatal(err)
	}
	change := install(t, mustFind(t, "cursor"), link, entry, Options{})
	backup := save(t, change, noon)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info.Mode(), err)
	}
	real, err := filepath.EvalSymlinks(target)
	if err != nil || change.Path != real || !strings.HasPrefix(backup, real) || !strings.Contains(content(t, target), "opt") {
		t.Errorf("changed %s with the backup %s, want %s: %s", change.Path, backup, real, content(t, target))
	}
}

func TestAFileThatCannotBeReplacedWithoutLossIsRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put(t, at("one"), "{}", 0o600)
	put(t, at("locked"), "{}", 0o400)
	put(t, at("broken"), "{", 0o600)
	put(t, at("list"), `{"mcpServers":{"gatehouse":[]}}`, 0o600)
	put(t, at("large"), "", 0o600)
	for _, err := range []error{
		os.Link(at("one"), at("two")), os.Symlink("nowhere", at("dangling")), os.Mkdir(at("folder"), 0o700),
		os.Truncate(at("large"), maxFile+1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"one": "hard link", "locked": "write-protected", "broken": "ends too early", "dangling": "leads nowhere",
		"folder": "not a regular file", "large": "allowed are", "list": "it is no object",
	} {
		_, err := mustFind(t, "cursor").Install(at(name), "gatehouse", entry, Options{})
		var refused *Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) || refused.Do == "" {
			t.Errorf("Install(%s) = %v, want %q and what to do", name, err, want)
		}
	}
}

func TestWhatIsAnothersIsLeftToItsOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mcp.json")
	put(t, path, "{}", 0o600)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f := file{path: path, euid: os.Geteuid() + 1}
	if err := f.checkFile(info); err == nil || !strings.Contains(err.Error(), "type this as its owner") {
		t.Errorf("checkFile() of another's = %v", err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 1, -1); err != nil {
			t.Fatal(err)
		}
	}
	f = file{path: filepath.Join(dir, "deep", "er", "mcp.json")}
	if err := f.checkDir(); err == nil || !strings.Contains(err.Error(), "type this as that user") {
		t.Errorf("checkDir() of root in another's = %v", err)
	}
	f.euid = 1
	if err := f.checkDir(); err != nil {
		t.Errorf("checkDir() of another than root = %v", err)
	}
}

func TestTheDiffIsThatOfDiff(t *testing.T) {
	c, path := mustFind(t, "claude-desktop"), filepath.Join(t.TempDir(), "x.json")
	put(t, path, "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"mcpServers\": {\n    \"one\": 1\n  },\n  \"z\": 1\n}", 0o600)
	want := `--- PATH
+++ PATH
@@ -3,7 +3,14 @@
   "b": 2,
   "c": 3,
   "mcpServers": {
-    "one": 1
+    "one": 1,
+    "gatehouse": {
+      "command": "/opt/gatehouse",
+      "args": [
+        "--config",
+        "/etc/g.yaml"
+      ]
+    }
   },
   "z": 1
 }
\ No newline at end of file
`
	if got := install(t, c, path, entry, Options{}); got.Diff() != strings.ReplaceAll(want, "PATH", got.Path) {
		t.Errorf("Diff() =\n%s\nwant\n%s", got.Diff(), want)
	}
	fresh := install(t, c, path+"x", Entry{Command: "/g"}, Options{})
	if got := fresh.Diff(); !strings.HasPrefix(got, "--- /dev/null\n+++ "+fresh.Path+"\n@@ -0,0 +1,8 @@\n+{\n") {
		t.Errorf("Diff() of a new file =\n%s", got)
	}
}
