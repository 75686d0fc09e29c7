package nmap

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Bounds of a script database. That of nmap 7.93 has 604 entries in 52 KiB.
const (
	maxDatabase   = 4 << 20 // bytes
	maxEntries    = 20_000
	maxCategories = 32 // of one script
)

// scriptDB is nmap's own list of its scripts, and of the categories that each is in.
type scriptDB struct {
	path    string
	sha256  string                // of the file, 64 lower-case hexadecimal digits
	scripts map[string]categories // name, without .nse -> what it is
	counts  map[string]int        // category -> how many scripts a request for it runs
}

// categories is a set of categories: bit i is categoryNames[i].
type categories uint16

var categoryNames = []string{
	"auth", "broadcast", "brute", "default", "discovery", "dos", "exploit", "external", "fuzzer", "intrusive",
	"malware", "safe", "version", "vuln",
}

// unknownCategory stands for a category that is none of categoryNames, as a script of somebody's own may
// have.
const unknownCategory categories = 1 << 15

// setOf is the set of some categories.
func setOf(names ...string) categories {
	var set categories
	for _, name := range names {
		if i := slices.Index(categoryNames, name); i >= 0 {
			set |= 1 << i
		} else {
			set |= unknownCategory
		}
	}
	return set
}

// names are the categories of a set, for people.
func (c categories) names() []string {
	var names []string
	for i, name := range categoryNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if c&unknownCategory != 0 {
		names = append(names, "one that nmap does not have")
	}
	return names
}

// parseScriptDB reads a database. nmap runs it as a program in Lua; here it is a list of lines of one form,
// and anything else is an error:
//
//	Entry { filename = "ssl-cert.nse", categories = { "default", "discovery", "safe", } }
func parseScriptDB(text string) (map[string]categories, error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, errors.New("it does not end with the end of a line; is it cut off?")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > maxEntries {
		return nil, fmt.Errorf("it has %d lines; at most %d are read", len(lines), maxEntries)
	}
	scripts := make(map[string]categories, len(lines))
	for i, line := range lines {
		name, set, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if _, twice := scripts[name]; twice {
			return nil, fmt.Errorf("line %d: %s is there twice", i+1, name)
		}
		scripts[name] = set
	}
	return scripts, nil
}

func parseEntry(line string) (string, categories, error) {
	bad := fmt.Errorf("%.80q is no entry of a script", line)
	rest, ok := strings.CutPrefix(line, `Entry { filename = "`)
	if !ok {
		return "", 0, bad
	}
	name, rest, ok := strings.Cut(rest, `.nse", categories = { `)
	if !ok || !isWord(name, wordBytes+".-_") {
		return "", 0, bad
	}
	if slices.Contains(categoryNames, name) || slices.Contains(notNames, name) {
		return "", 0, fmt.Errorf("a script has the name %q, which means something else", name)
	}
	var set categories
	for n := 0; rest != "} }"; n++ {
		rest, ok = strings.CutPrefix(rest, `"`)
		category, after, closed := strings.Cut(rest, `", `)
		if !ok || !closed || n == maxCategories || !isWord(category, wordBytes+"-_") {
			return "", 0, bad
		}
		set |= setOf(strings.ToLower(category)) // nmap does not tell capitals from small letters either
		rest = after
	}
	if set == 0 {
		return "", 0, bad
	}
	return name, set, nil
}

const wordBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// isWord reports whether text consists of some bytes, and begins with a letter or digit.
func isWord(text, bytes string) bool {
	return text != "" && strings.Trim(text, bytes) == "" && strings.Contains(wordBytes, text[:1])
}

// library keeps the database of the nmap that is installed. It is read again when the file has changed, so
// that an upgrade of nmap needs no restart.
type library struct {
	locate func() (program string, ok bool) // finds nmap

	mu      sync.Mutex // guards what follows; no I/O but that on these two files
	program file       // nmap, as long as it is the same file
	data    file       // its database
	db      *scriptDB  // nil when err is not
	err     error
}

// file is a file as it was last seen; the zero file was not.
type file struct {
	path string
	info fs.FileInfo
}

// seen looks at the file again, and reports whether it is there, and whether it is the same.
func (f *file) seen() (same bool, err error) {
	before := f.info
	if f.info, err = os.Stat(f.path); err != nil {
		f.info = nil
		return false, err
	}
	same = before != nil && os.SameFile(before, f.info) && before.ModTime().Equal(f.info.ModTime()) &&
		before.Size() == f.info.Size()
	return same, nil
}

// current returns the database. The error is a not_found when there is none, and an execution_error when it
// cannot be understood.
func (l *library) current() (*scriptDB, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if same, err := l.program.seen(); !same || err != nil {
		path, ok := l.locate()
		if !ok {
			return nil, sdk.Errorf(sdk.KindNotFound, "nmap is not installed, and with it no scripts are").
				Suggest("install it on the host's machine: %s", install)
		}
		l.program, l.data = file{path: path}, file{path: scriptDBOf(path)}
		_, _ = l.program.seen() // one that is gone again is looked for again
	}
	same, err := l.data.seen()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindNotFound, "the list of nmap's scripts is not there: %w", err).
			Suggest("install nmap's scripts on the host's machine: %s; or leave scripts out", install)
	}
	if !same {
		l.read()
	}
	return l.db, l.err
}

// last is the database that current returned last, or nil.
func (l *library) last() *scriptDB {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.db
}

func (l *library) read() {
	db, err := readScriptDB(l.data.path)
	l.db, l.err = db, nil
	if err == nil {
		return
	}
	l.err = sdk.Errorf(sdk.KindExecution, "the list of nmap's scripts, %s, cannot be understood: %w",
		l.data.path, err).
		Suggest("install nmap's scripts again on the host's machine (apt-get install --reinstall " +
			"nmap-common); requests without scripts work")
}

// scriptDBOf is where an nmap has its list of scripts: beside the directory that it lies in itself.
func scriptDBOf(program string) string {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return filepath.Join(filepath.Dir(program), "..", "share", "nmap", "scripts", "script.db")
}

func readScriptDB(path string) (*scriptDB, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDatabase+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxDatabase {
		return nil, fmt.Errorf("it has more than %d bytes", maxDatabase)
	}
	scripts, err := parseScriptDB(string(text))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	db := &scriptDB{
		path: path, sha256: hex.EncodeToString(sum[:]), scripts: scripts, counts: make(map[string]int),
	}
	for category := range expressions {
		db.counts[category] = len(db.members(category))
	}
	return db, nil
}
