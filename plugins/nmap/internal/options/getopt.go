package options

import (
	"bufio"
	_ "embed" // for the program in C
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

//go:embed c/read.c
var readC []byte

// Getopt reads command lines as nmap does: it is the C library's getopt_long_only(3) with a [Table], in a
// process of its own.
type Getopt struct {
	cmd *exec.Cmd

	mu  sync.Mutex // guards both, from a question to the end of its answer
	in  io.WriteCloser
	out *bufio.Reader
}

// Line is a command line as nmap understands it.
type Line struct {
	Options     []Option
	Positionals []string // what nmap takes for targets
	Wrong       int      // options that are unknown, ambiguous, or without their value
}

// Option is one that was recognised.
type Option struct {
	Name  string // a letter, or the name in full, without hyphens
	Value string
}

// NewGetopt compiles the program into a directory and starts it. [Getopt.Close] ends it.
func NewGetopt(t Table, dir string) (*Getopt, error) {
	var header strings.Builder
	fmt.Fprintf(&header, "#define LETTERS %q\n#define NAMES", t.Short)
	for _, o := range t.Long {
		fmt.Fprintf(&header, " \\\n{ %q, %d, 0, 1 },", o.Name, o.Argument)
	}
	header.WriteString("\n")
	if err := os.WriteFile(filepath.Join(dir, "table.h"), []byte(header.String()), 0o600); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "getopt")
	if err := compile(readC, program, "-D_GNU_SOURCE", "-I", dir); err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = []string{} // POSIXLY_CORRECT would change the rules
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Getopt{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// Close ends the process.
func (g *Getopt) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.in.Close() // it ends at the end of its input
	return g.cmd.Wait()
}

// Read reads argv, whose first word is the program's name. No word has a zero byte.
func (g *Getopt) Read(argv []string) (Line, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	question := fmt.Sprintf("%d\x00%s\x00", len(argv), strings.Join(argv, "\x00"))
	if _, err := io.WriteString(g.in, question); err != nil {
		return Line{}, err
	}
	var l Line
	for {
		text, err := g.out.ReadString(0)
		if err != nil {
			return l, err
		}
		kind, rest := text[0], text[1:len(text)-1]
		switch kind {
		case 'o':
			l.Options = append(l.Options, Option{Name: rest})
		case 'v':
			l.Options[len(l.Options)-1].Value = rest
		case 'p':
			l.Positionals = append(l.Positionals, rest)
		case '?':
			l.Wrong++
		case '.':
			return l, nil
		}
	}
}
