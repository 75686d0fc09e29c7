package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest file that is read.
const maxFile = 1 << 20

// readFile returns the content of a configuration file, without the mark that some editors put in front, and
// the fingerprint of it as it is.
func readFile(name string) ([]byte, Fingerprint, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, Fingerprint{}, explain(name, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, Fingerprint{}, explain(name, err)
	case len(raw) > maxFile:
		return nil, Fingerprint{}, fmt.Errorf("%s: is larger than 1 MiB; a configuration is not", printable(name))
	}
	sum := Fingerprint(sha256.Sum256(raw))
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if at := invalid(raw); at >= 0 {
		return nil, Fingerprint{}, fmt.Errorf("%s:%s: is not UTF-8; save the file in that encoding", printable(name),
			offset(raw, at))
	}
	return raw, sum, nil
}

// explain says what to do about a file that cannot be read.
func explain(name string, err error) error {
	what := printable(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file; name another with --config or MCP_CONFIG_FILE, "+
			"or leave both out to use the defaults", what)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: may not be read by this user (uid %d); change its owner or mode", what,
			os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s: is a directory; name a file in it", what)
	}
	return fmt.Errorf("%s: cannot be read: %w", what, err)
}

// invalid is where the first byte stands that is not UTF-8; negative: nowhere.
func invalid(raw []byte) int {
	for at := 0; at < len(raw); {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
	return -1
}

// String is a position as compilers write it.
func (p position) String() string { return fmt.Sprintf("%d:%d", p.line, p.column) }

// offset is the position of a byte; columns count characters.
func offset(raw []byte, at int) position { return position{1, 1}.after(raw[:at]) }

// after is the position behind a text that begins at p.
func (p position) after(text []byte) position {
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		p = position{line: p.line + bytes.Count(text, []byte("\n")), column: 1}
		text = text[i+1:]
	}
	p.column += utf8.RuneCount(text)
	return p
}

// parseFile returns the one value that a file holds; nil: none. A file that is JSON, by its name or its
// content, is read as that, because YAML knows other escapes and numbers.
func parseFile(name string, raw []byte) (*yaml.Node, error) {
	node, err := parseJSON(raw)
	if err != nil && !strings.HasSuffix(strings.ToLower(name), ".json") {
		node, err = parseYAML(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%w", printable(name), err)
	}
	return node, nil
}

func parseYAML(raw []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("%d:%d: a second document begins; a configuration is one: take the --- out",
			more.Line, more.Column)
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// syntaxError is what the parser says, behind the number of the line.
func syntaxError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := ""
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, why, ok := strings.Cut(rest, ": "); ok {
			line, text = n+":", why
		}
	}
	return fmt.Errorf("%s is not YAML: %s", line, strings.Map(onlyPrintable, text))
}
