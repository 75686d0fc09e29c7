package config

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileThatCannotBeReadSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct{ says, file, want string }{
		{"a missing file", filepath.Join(dir, "none.yaml"), "there is no such file; name another with --config"},
		{"a directory", dir, "is a directory; name a file in it"},
		{"a file without end", "/dev/zero", "is larger than 1 MiB"},
		{"another encoding", write(t, "c.yaml", "server:\n  host: \"m\xfcller\"\n"), ":2:11: is not UTF-8"},
		{"a name that would forge a line", dir + "/a\nb", `/a\nb": there is no such file`},
	} {
		problems := problemsOf(t, row.file)
		if len(problems) != 1 || !strings.Contains(problems[0], row.want) {
			t.Errorf("%s: Read(%q) = %q, want %q", row.says, row.file, problems, row.want)
		}
	}
	if err := explain("c.yaml", fs.ErrPermission); !strings.Contains(err.Error(), "change its owner or mode") {
		t.Errorf("explain(%v) = %v, want what to do", fs.ErrPermission, err)
	}
}

func TestWhatEditorsPutInFrontOfAFileIsNoMatter(t *testing.T) {
	for name, text := range map[string]string{
		"c.yaml": "\xef\xbb\xbfserver: {port: 7}\n", "c.json": "\xef\xbb\xbf{\"server\": {\"port\": 7}}",
		"d.yaml": "---\nserver: {port: 7}\n...\n",
		"e.json": "\t\r\n{\t\"server\":\t{\r\n\t\"port\"\t:\t7\t}}\t", "f.yaml": "server:\r\n  port: 7\r\n",
	} {
		if cfg := load(t, Source{File: write(t, name, text)}); cfg.Server.Port != 7 {
			t.Errorf("Load(%q) = port %d, want 7", text, cfg.Server.Port)
		}
	}
}

func TestAnEmptyFileSaysNothing(t *testing.T) {
	for _, name := range []string{"c.yaml", "c.json"} {
		for _, text := range []string{"", " \n"} {
			if cfg := load(t, Source{File: write(t, name, text)}); cfg.Server.Port != 8080 {
				t.Errorf("Load(%s, %q) = port %d, want the default", name, text, cfg.Server.Port)
			}
		}
	}
}

// A file of the largest size, of the most and the deepest, is read or refused, but never read for long: the
// test's own deadline is the bound.
func TestABombIsOnlyLarge(t *testing.T) {
	alias := "a: &a [x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		alias += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 8) + "]\n"
	}
	for _, row := range []struct{ name, text string }{
		{"aliases.yaml", alias},
		{"deep.yaml", "plugins: {config: {p: {a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}}}"},
		{"deep.json",
			`{"plugins": {"config": {"p": {"a": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}}}}"},
		{"wide.json", `{"tool": {"include": [` + strings.Repeat("1,", 60_000) + "1]}}"},
		{"long.yaml", "tool: {include: [" + strings.Repeat("1, ", 60_000) + "1]}"},
	} {
		problemsOf(t, write(t, row.name, row.text))
	}
}
