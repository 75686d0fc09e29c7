package ping

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// getopt reads command lines as ping itself does: with getopt(3) of this machine's library, and the letters that
// the installed ping has.
type getopt struct {
	letters string

	mu  sync.Mutex // guards in and out
	in  io.Writer
	out *bufio.Reader
}

// lettersRE finds the letters in the program; -h and -? come first.
var lettersRE = regexp.MustCompile(`h\?[0-9A-Za-z:]{30,}`)

func newGetopt(t testing.TB) *getopt {
	t.Helper()
	path, err := exec.LookPath("ping")
	if err != nil {
		t.Fatal("ping is not installed; make setup does it")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	letters := lettersRE.Find(program)
	if letters == nil {
		t.Fatalf("%s has no list of options in it; the policy is that of iputils", path)
	}
	binary := filepath.Join(t.TempDir(), "getopt")
	if out, err := exec.Command("cc", "-o", binary, "testdata/getopt.c").CombinedOutput(); err != nil {
		t.Fatalf("cc does not work here; apt-get install gcc libc6-dev: %v: %s", err, out)
	}
	cmd := exec.Command(binary, string(letters))
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
		in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("getopt = %v", err)
		}
	})
	return &getopt{letters: string(letters), in: in, out: bufio.NewReader(out)}
}

// read is what getopt makes of an argv.
func (g *getopt) read(t testing.TB, argv []string) (options, positional []string) {
	t.Helper()
	for _, word := range argv {
		if strings.ContainsAny(word, "\x00\x1f\n") {
			t.Fatalf("argv = %q: %q has a byte that no word may have", argv, word)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := io.WriteString(g.in, "\x1f"+strings.Join(argv, "\x1f")+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := g.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Split(strings.TrimSuffix(line, "\n"), "\x1f")[1:] {
		if value, ok := strings.CutPrefix(word, "="); ok {
			positional = append(positional, value)
		} else {
			options = append(options, word)
		}
	}
	return options, positional
}

// allowed are the options that ping may ever be given.
const allowed = "cisWwtMn4qDOvfAlpRT"

// check holds an argv to what ping is to make of it: the target alone, no option twice, all of them allowed and
// with a value where they take one, and always -w, -n and -4.
func (g *getopt) check(t testing.TB, argv []string, target string) {
	t.Helper()
	options, positional := g.read(t, argv)
	if !slices.Equal(positional, []string{target}) {
		t.Errorf("getopt of %q has the targets %q, want %s alone", argv, positional, target)
	}
	var seen string
	for _, o := range options {
		letter, value, valued := o[1:2], "", len(o) > 2
		if valued {
			value = o[3:]
		}
		if o[0] != '-' || !strings.Contains(allowed, letter) || strings.Contains(seen, letter) {
			t.Errorf("getopt of %q has %q, which is unknown, not allowed, or there twice", argv, o)
		}
		if takes := strings.Contains(g.letters, letter+":"); takes != valued || valued && value == "" {
			t.Errorf("getopt of %q has %q, want a value: %t", argv, o, takes)
		}
		seen += letter
	}
	for _, must := range "4nw" {
		if !strings.ContainsRune(seen, must) {
			t.Errorf("getopt of %q has no -%c", argv, must)
		}
	}
}

// The test would not notice much if getopt were asked in the wrong way.
func TestGetoptSeesWhatPingWouldSee(t *testing.T) {
	g := newGetopt(t)
	for _, c := range []struct{ argv, options, positional string }{
		{"ping -c 4 -- 10.0.0.1", "-c=4", "10.0.0.1"},
		{"ping -c4 10.0.0.1 -n", "-c=4 -n", "10.0.0.1"},
		{"ping -qn 8.8.8.8 10.0.0.1", "-q -n", "8.8.8.8 10.0.0.1"},
		{"ping -n -- -4 10.0.0.1", "-n", "-4 10.0.0.1"},
		{"ping -Z -c", "?Z ?c", ""},
	} {
		options, positional := g.read(t, strings.Fields(c.argv))
		if strings.Join(options, " ") != c.options || strings.Join(positional, " ") != c.positional {
			t.Errorf("getopt of %q = %q and %q, want %s and %s", c.argv, options, positional, c.options, c.positional)
		}
	}
}
