package command

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// real is getopt(3) of this machine's C library, in a process of its own.
type real struct {
	in  io.Writer
	out *bufio.Reader
}

const separator = "\x1f"

func newReal(t testing.TB) *real {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "getopt")
	build := exec.Command("/usr/bin/cc", "-O1", "-o", binary, "testdata/getopt.c")
	build.Env = []string{"PATH=/usr/bin:/bin"}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cc does not work here; apt-get install gcc libc6-dev: %v: %s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.Env = []string{} // POSIXLY_CORRECT would change the rules
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil { // which ends it
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("getopt = %v", err)
		}
	})
	return &real{in, bufio.NewReader(out)}
}

func (r *real) send(t testing.TB, fields ...string) {
	t.Helper()
	if _, err := fmt.Fprintf(r.in, "%s%s\n", separator, strings.Join(fields, separator)); err != nil {
		t.Fatal(err)
	}
}

// learn tells it the options of a program.
func (r *real) learn(t testing.TB, d Getopt, g *getopt) {
	t.Helper()
	how := "0"
	switch {
	case d.LongOnly:
		how = "2"
	case g.isLong:
		how = "1"
	}
	fields := []string{"l", how, d.Short}
	for _, o := range g.long {
		value := 256 + slices.IndexFunc(g.long, func(l longOption) bool { return "--"+l.name == o.same })
		if len(o.same) == 2 {
			value = int(o.same[1])
		}
		fields = append(fields, o.name, fmt.Sprint(int(o.takes-takesNone)), fmt.Sprint(value))
	}
	r.send(t, fields...)
}

// read is what it makes of an argv.
func (r *real) read(t testing.TB, words []string) []string {
	t.Helper()
	r.send(t, append([]string{"a", "program"}, words...)...)
	line, err := r.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(line, "\n"), separator)[1:]
}

// ours is the same by our own reading.
func (g *getopt) ours(words []string) []string {
	s := scan{getopt: g, words: words}
	var all []string
	for o, ok := s.next(); ok; o, ok = s.next() {
		if o.fault != noFault {
			all = append(all, "?")
			continue
		}
		text := "s" + o.name[1:]
		if name, isLong := strings.CutPrefix(o.name, "--"); isLong {
			text = fmt.Sprintf("l%d", slices.IndexFunc(g.long, func(l longOption) bool { return l.name == name }))
		}
		if o.valued {
			text += "=" + o.value
		} else {
			text += "-"
		}
		all = append(all, text)
	}
	for _, o := range s.operands {
		all = append(all, "o"+o)
	}
	return all
}

// chance makes grammars and command lines that have much to do with each other.
type chance struct{ *rand.Rand }

func pick[T any](c chance, all ...T) T { return all[c.IntN(len(all))] }

func (c chance) grammar() Getopt {
	d := Getopt{Short: pick(c, "", "", "", "+", ":", "+:"), Same: map[string]string{}}
	var letters []string
	for _, letter := range []string{"a", "b", "c", "v", "1", "#"} {
		if c.IntN(2) == 0 {
			letters = append(letters, letter)
			d.Short += letter + pick(c, "", "", ":", "::")
		}
	}
	if c.IntN(5) == 0 {
		return d
	}
	var names []string
	for _, name := range []string{
		"a", "ab", "abc", "abd", "abcd", "b-c", "b-d", "color", "colour", "count", "verbose", "version", "verb", "v1",
	} {
		if c.IntN(3) == 0 {
			names = append(names, name)
			d.Long = append(d.Long, name+pick(c, "", "", ":", "::"))
		}
	}
	d.LongOnly = len(names) > 0 && c.IntN(3) == 0
	for i, name := range names {
		switch other := c.IntN(6); {
		case other == 0 && i > 0 && d.Same[names[0]] == "":
			d.Same[name] = names[0]
		case other == 1 && i > 0 && len(letters) > 0:
			d.Same[name] = pick(c, letters...)
		}
	}
	return d
}

func (c chance) word(d Getopt) string {
	letters := strings.Trim(d.Short, "+") + "axv:="
	text := pick(c, "", "-", "--", "-", "--", "--", "=")
	for range c.IntN(3) {
		switch c.IntN(3) {
		case 0:
			text += string(letters[c.IntN(len(letters))])
		case 1:
			if len(d.Long) > 0 {
				name := strings.TrimRight(pick(c, d.Long...), ":")
				text += name[:c.IntN(len(name)+1)]
			}
		case 2:
			text += pick(c, "=", "=5", "5", "-", "x")
		}
	}
	return text
}

func (c chance) words(d Getopt) []string {
	words := make([]string, c.IntN(7))
	for i := range words {
		words[i] = c.word(d)
	}
	return words
}

// Our reading of the rules is held to the library's own, over grammars and command lines by chance.
func TestGetoptIsReadAsTheLibraryReadsIt(t *testing.T) {
	r := newReal(t)
	c := chance{rand.New(rand.NewPCG(8, 3))}
	seen := make(map[byte]int)
	for range 400 {
		d := c.grammar()
		g, err := newGetopt(d)
		if err != nil {
			t.Fatalf("newGetopt(%+v) = %v", d, err)
		}
		r.learn(t, d, g)
		for range 100 {
			words := c.words(d)
			got, want := g.ours(words), r.read(t, words)
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: %q is read as %q, and by the library as %q", d, words, got, want)
			}
			for _, o := range want {
				seen[o[0]]++
			}
		}
	}
	for _, kind := range []byte("sl?o") { // otherwise the test says nothing
		if seen[kind] < 1000 {
			t.Errorf("the command lines have %d of %c, want more", seen[kind], kind)
		}
	}
}
