package options

import (
	"bufio"
	"bytes"
	_ "embed" // for the library in C
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

//go:embed c/table.c
var tableC []byte

var versionRE = regexp.MustCompile(`\ANmap version (\S+)`)

// Read asks an nmap for its table. nmap builds it on its stack when it starts, so that no look into the file
// finds it; a library that stands in for getopt_long_only(3) is handed it. That takes a C compiler, cc, and
// an nmap that is linked dynamically, as those of all distributions are.
func Read(path string) (Table, error) {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return Table{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	version := versionRE.FindSubmatch(out)
	if version == nil {
		return Table{}, fmt.Errorf("%s does not say its version as nmap does", path)
	}
	dir, err := os.MkdirTemp("", "options-")
	if err != nil {
		return Table{}, err
	}
	defer os.RemoveAll(dir)
	library := filepath.Join(dir, "table.so")
	if err := compile(tableC, library, "-shared", "-fPIC"); err != nil {
		return Table{}, err
	}
	cmd := exec.Command(path, "-n") // without arguments it does not look
	cmd.Env = []string{"LD_PRELOAD=" + library}
	if out, err = cmd.Output(); err != nil {
		return Table{}, fmt.Errorf("run %s with %s: %w", path, library, err)
	}
	return parse(string(version[1]), out)
}

func parse(version string, out []byte) (Table, error) {
	t := Table{Version: version}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		var o Long
		switch n, _ := fmt.Sscanf(s.Text(), "long %d %s", &o.Argument, &o.Name); {
		case n == 2:
			t.Long = append(t.Long, o)
		default:
			_, _ = fmt.Sscanf(s.Text(), "letters %s", &t.Short) // another line is nmap's own
		}
	}
	if t.Short == "" || len(t.Long) == 0 {
		return t, fmt.Errorf("nmap printed %q and no table of options; is it linked statically?", out)
	}
	return t, nil
}

// compile makes a program or a library of a file in C.
func compile(source []byte, to string, flags ...string) error {
	cmd := exec.Command("cc", append(flags, "-O1", "-x", "c", "-", "-o", to)...)
	cmd.Stdin = bytes.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cc (make setup installs it): %w: %s", err, out)
	}
	return nil
}
