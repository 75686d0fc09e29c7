package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestVersionsOfBundlesAreSemantic(t *testing.T) {
	for given, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v0.6.0-3-gabc123": "0.6.0-3-gabc123", "v1.2.3-dirty": "1.2.3-dirty",
		"0123456": "0.0.0-g0123456", "b617d96-dirty": "0.0.0-gb617d96-dirty", "dev": "0.0.0-gdev",
		"v1.2": "0.0.0-gv1-2", "v01.2.3": "0.0.0-gv01-2-3", "release/x": "0.0.0-grelease-x",
	} {
		if got := semver(given); got != want {
			t.Errorf("semver(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestTheManifestOfTheRepositoryIsFilled(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/mcpb/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	filled, err := fill(string(raw), "1.2.3", "darwin")
	if err != nil {
		t.Fatalf("fill() = %v", err)
	}
	m, err := parse([]byte(filled))
	if err != nil || m.Version != "1.2.3" || !slices.Equal(m.Compatibility.Platforms, []string{"darwin"}) {
		t.Errorf("fill() made %+v, %v", m, err)
	}
	if got, want := m.expand(m.Server.Config.Command, "/x"), "/x/"+m.Server.EntryPoint; got != want {
		t.Errorf("the command is %s, want the entry point %s", got, want)
	}
	for name, value := range m.Server.Config.Env {
		if got := m.expand(value, "/x"); got != "" {
			t.Errorf("with all settings blank %s is %q, want nothing, which sets nothing", name, got)
		}
	}
	if _, err := fill(filled, "1.2.3", "darwin"); err == nil {
		t.Error("fill() of what is filled is no error")
	}
}

func TestASettingThatMayStayBlankNeedsADefault(t *testing.T) {
	_, err := parse([]byte(`{"user_config":{"x":{"required":false}}}`))
	if err == nil || !strings.Contains(err.Error(), "user_config.x") {
		t.Errorf("parse() = %v, want that x has no default", err)
	}
	if _, err := parse([]byte(`{"user_config":{"x":{"required":true},"y":{"default":""}}}`)); err != nil {
		t.Errorf("parse() = %v", err)
	}
}

func staged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"server/plugins/p": "plugin", "server/gatehouse": "host", "manifest.json": "{}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheSameFilesMakeTheSameBytes(t *testing.T) {
	var made [2][]byte
	for i := range made {
		dir, to := staged(t), filepath.Join(t.TempDir(), "x.mcpb")
		at := time.Unix(int64(1e9*(i+1)), 0)
		if err := os.Chtimes(filepath.Join(dir, "manifest.json"), at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, "manifest.json"), []os.FileMode{0o600, 0o666}[i]); err != nil {
			t.Fatal(err)
		}
		if err := pack(dir, to); err != nil {
			t.Fatalf("pack() = %v", err)
		}
		raw, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		made[i] = raw
	}
	if len(made[0]) == 0 || !bytes.Equal(made[0], made[1]) {
		t.Errorf("pack() made %x and %x of the same", made[0], made[1])
	}
}

func TestAnUnpackedBundleThatDiffersIsSeen(t *testing.T) {
	for says, spoil := range map[string]func(at func(string) string) error{
		"another content":      func(at func(string) string) error { return os.WriteFile(at("manifest.json"), []byte("x"), 0o644) },
		"a program without x":  func(at func(string) string) error { return os.Chmod(at("server/gatehouse"), 0o644) },
		"a plugin that lacks":  func(at func(string) string) error { return os.Remove(at("server/plugins/p")) },
		"one file too many":    func(at func(string) string) error { return os.WriteFile(at("x"), nil, 0o644) },
		"a link instead of it": func(at func(string) string) error { return os.Symlink("manifest.json", at("x")) },
	} {
		stage, unpacked := staged(t), staged(t)
		at := func(name string) string { return filepath.Join(unpacked, name) }
		for name, m := range map[string]os.FileMode{
			"server/plugins/p": 0o755, "server/gatehouse": 0o755, "manifest.json": 0o644,
		} {
			if err := os.Chmod(at(name), m); err != nil {
				t.Fatal(err)
			}
		}
		if err := sameTree(stage, unpacked); err != nil {
			t.Fatalf("sameTree() of the same = %v", err)
		}
		if err := spoil(at); err != nil {
			t.Fatal(err)
		}
		if err := sameTree(stage, unpacked); err == nil {
			t.Errorf("sameTree() with %s = nil", says)
		}
	}
}

func TestTheServerIsAskedUntilItsToolsAreThere(t *testing.T) {
	const hello = `{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"g"}}}` + "\n"
	const changed = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` + "\n"
	for _, row := range []struct{ says, server, want string }{
		{"at once", hello + `{"id":2,"result":{"tools":[{"name":"B"},{"name":"A"}]}}` + "\n", ""},
		{"later", hello + `{"id":2,"result":{"tools":[{"name":"A"}]}}` + "\n" + changed + changed +
			`{"id":3,"result":{"tools":[{"name":"A"},{"name":"B"}]}}` + "\n", ""},
		{"never", hello + `{"id":2,"result":{"tools":[{"name":"A"}]}}` + "\n", "does not offer [B]"},
		{"refused", hello + `{"id":2,"error":{"code":-1}}` + "\n", "refuses"},
		{"nameless", `{"id":1,"result":{}}` + "\n", "who it is"},
		{"noisy", "hello\n", "the server writes"},
		{"silent", "", "wait for the answer"},
	} {
		err := ask(io.Discard, bufio.NewReader(strings.NewReader(row.server)), []string{"A", "B"})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("ask() of a server whose tools come %s = %v, want %q", row.says, err, row.want)
		}
	}
}
