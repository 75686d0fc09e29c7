package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/clientconfig"
)

// typed runs a command line in a home of its own, and returns its code and all that it printed.
func typed(t *testing.T, home string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), args, []string{"HOME=" + home}, strings.NewReader(""), &out, &out, nil)
	return code, out.String()
}

func TestAWarningComesBeforeATokenIsExposed(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	token := filepath.Join(home, "token")
	save(t, token, "gth_secret\n", 0o600)
	for _, row := range []struct {
		says string
		args []string
		want string // empty: no warning
	}{
		{"to a network", []string{"--path", home + "/a", "--url", "http://192.0.2.1/mcp"}, "unencrypted to 192.0.2.1"},
		{"over TLS", []string{"--path", home + "/b", "--url", "https://192.0.2.1/mcp"}, ""},
		{"on this machine", []string{"--path", home + "/c", "--url", "http://localhost:1"}, ""},
		{"on this machine, by its other address", []string{"--path", home + "/d", "--url", "http://[::1]:1"}, ""},
		{"in a project", []string{"--project", project, "--force", "--url", "http://127.0.0.1"}, "out of version control"},
	} {
		code, out := typed(t, home, append([]string{"install", "cursor", "--token-file", token}, row.args...)...)
		if code != exitOK || strings.Contains(out, "gth_secret") || strings.Contains(out, "warning") != (row.want != "") ||
			!strings.Contains(out, row.want) {
			t.Errorf("install of a token %s = %d, %s; want the warning %q", row.says, code, out, row.want)
		}
	}
}

func save(t *testing.T, path, raw string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(raw), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestNoTokenIsShownAndNoneIsLeftReadable(t *testing.T) {
	home := t.TempDir()
	first, second, file := filepath.Join(home, "t1"), filepath.Join(home, "t2"), filepath.Join(home, "mcp it's.json")
	save(t, first, "gth_secret1", 0o600)
	save(t, second, "gth_secret2", 0o600)
	save(t, file, `{"servers": {"x": {"env": {"KEY": "gth_secret0"}}}}`, 0o644)
	for _, row := range []struct {
		says string
		args []string
		want string
	}{
		{"at first, as a diff", []string{"install", "vscode", "--url", "http://[::1]:1", "--token-file", first, "--dry-run"},
			"# mode 0644 becomes 0600"},
		{"at first", []string{"install", "vscode", "--url", "http://[::1]:1", "--token-file", first}, "nobody but you can read"},
		{"over another, as a diff", []string{"install", "vscode", "--url", "http://[::1]:1", "--token-file", second, "--dry-run"},
			"# ******** stands for what is not shown"},
		{"as variables, as a diff", []string{"install", "vscode", "--env", "A=gth_secret3", "--dry-run"}, `"A":"********"`},
		{"by hand", []string{"install", "vscode", "--name", "x", "--env", "A=gth_secret3"}, "by hand, this belongs into it"},
		{"away, as a diff", []string{"uninstall", "vscode", "--dry-run"}, `"Authorization":"********"`},
		{"away", []string{"uninstall", "vscode"}, `when you need them no more: rm -- '` + home + `/mcp it'\''s.json.gatehouse-backup-`},
		{"that is away", []string{"uninstall", "vscode"}, "are still in these backups"},
	} {
		_, out := typed(t, home, append(row.args, "--path", file)...)
		out = strings.ReplaceAll(out, `": `, `":`)
		if strings.Contains(out, "gth_secret") || !strings.Contains(out, row.want) {
			t.Errorf("a token %s: %s; want %q and no token", row.says, out, row.want)
		}
	}
	all, err := filepath.Glob(file + "*")
	if err != nil || len(all) != 3 {
		t.Errorf("there are %v, %v; want the file and two backups", all, err)
	}
	for _, path := range all {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
}

func TestATokenIsKeptOutOfAProject(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	token := filepath.Join(home, "token")
	save(t, token, "gth_secret", 0o600)
	for _, where := range [][]string{{"--project", project}, {"--path", filepath.Join(project, ".mcp.json")}} {
		args := append([]string{"install", "claude-code", "--url", "http://[::1]:1", "--token-file", token}, where...)
		code, out := typed(t, home, args...)
		if code != exitFailure || !strings.Contains(out, "all who have the project would get the token; leave --token-file out") ||
			strings.Contains(out, "by hand, this") || exists(filepath.Join(project, ".mcp.json")) {
			t.Errorf("%q = %d, %s; want a refusal that says why", args, code, out)
		}
	}
	code, out := typed(t, home, "install", "cursor", "--path", home+"/.cursor/mcp.json", "--url", "http://[::1]:1", "--token-file", token)
	if code != exitOK {
		t.Errorf("install into the user's own file by its path = %d, %s", code, out)
	}
}

func TestAPasswordInAnAddressIsNotRepeated(t *testing.T) {
	code, out := typed(t, t.TempDir(), "install", "cursor", "--url", "http://me:gth_secret@h/mcp")
	if code != exitUsage || strings.Contains(out, "gth_secret") || !strings.Contains(out, "use --token-file") {
		t.Errorf("install of a password = %d, %s", code, out)
	}
}

func TestAProgramThatWillBeGoneIsWarnedOf(t *testing.T) {
	_, out := typed(t, t.TempDir(), "install", "cursor", "--dry-run") // go test builds it there
	if !strings.Contains(out, "is a temporary file") || !strings.Contains(out, "no sign of Cursor") {
		t.Errorf("install = %s, want two warnings", out)
	}
	if temporary("/usr/local/bin/gatehouse") || temporary("") {
		t.Error("temporary() of an installed program = true")
	}
}

func TestAFileOfNobodyKnowsWhereIsAskedFor(t *testing.T) {
	var out bytes.Buffer
	code := run(t.Context(), []string{"install", "cursor"}, nil, strings.NewReader(""), &out, &out, nil)
	if code != exitUsage || !strings.Contains(out.String(), "name it with --path") {
		t.Errorf("install without HOME = %d, %s", code, &out)
	}
}

func TestVariablesAreReadOnce(t *testing.T) {
	all, err := variables([]string{"A=1", "_b2=x=y", "C="})
	want := []clientconfig.Var{{Name: "A", Value: "1"}, {Name: "_b2", Value: "x=y"}, {Name: "C"}}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("variables() = %v, %v, want %v", all, err, want)
	}
	for _, bad := range [][]string{{"A"}, {"=1"}, {"2A=1"}, {"A B=1"}, {"A=1", "A=2"}, {"A=\x00"}} {
		if _, err := variables(bad); err == nil {
			t.Errorf("variables(%q) = nil, want an error", bad)
		}
	}
}
