package options

import (
	"os/exec"
	"slices"
	"testing"
)

func installed(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nmap")
	if err != nil {
		t.Fatal("nmap is not installed; make setup does it")
	}
	return path
}

// A newer nmap may have options that are not in the table. They are refused as every unknown flag is; and
// none that is in the table may have changed what it takes.
func TestTheTableIsThatOfTheInstalledNmap(t *testing.T) {
	have, err := Read(installed(t))
	if err != nil {
		t.Fatal(err)
	}
	if have.Version == Nmap.Version {
		if have.Short != Nmap.Short || !slices.Equal(have.Long, Nmap.Long) {
			t.Errorf("Read() = %+v, want %+v; go generate makes a new table", have, Nmap)
		}
		return
	}
	for _, o := range have.Long {
		i := slices.IndexFunc(Nmap.Long, func(l Long) bool { return l.Name == o.Name })
		if i >= 0 && Nmap.Long[i] != o {
			t.Errorf("--%s of nmap %s takes a value %d, that of %s %d", o.Name, have.Version, o.Argument,
				Nmap.Version, Nmap.Long[i].Argument)
		}
	}
}

func TestLetters(t *testing.T) {
	letters := Table{Short: "46D:d::e"}.Letters()
	want := []Letter{{"4", None}, {"6", None}, {"D", Required}, {"d", Optional}, {"e", None}}
	if !slices.Equal(letters, want) {
		t.Errorf("Letters() = %v, want %v", letters, want)
	}
}

// nmap reads its command line loosely. These are the ways that a policy has to know of.
func TestGetoptReadsAsNmapDoes(t *testing.T) {
	g, err := NewGetopt(Nmap, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, c := range []struct {
		name        string
		words       []string
		options     []Option
		positionals []string
		wrong       int
	}{
		{"a plain line", []string{"-n", "--", "10.0.0.1"}, []Option{{"n", ""}}, []string{"10.0.0.1"}, 0},
		{"options behind targets", []string{"10.0.0.1", "-n"}, []Option{{"n", ""}}, []string{"10.0.0.1"}, 0},
		{"one hyphen for a long name", []string{"-top-ports", "5"}, []Option{{"top-ports", "5"}}, nil, 0},
		{"an abbreviation that looks like -p", []string{"-pa"}, []Option{{"packet-trace", ""}}, nil, 0},
		{"a cluster", []string{"-nV"}, []Option{{"n", ""}, {"V", ""}}, nil, 0},
		{"an optional value is attached", []string{"-O", "2"}, []Option{{"O", ""}}, []string{"2"}, 0},
		{"an ambiguous abbreviation", []string{"--vers", "x"}, nil, []string{"x"}, 1},
		{"a value that is missing", []string{"--top-ports"}, nil, nil, 1},
		{"an empty word", []string{""}, nil, []string{""}, 0},
		{"the same again, after all that", []string{"-n", "--", "-n"}, []Option{{"n", ""}}, []string{"-n"}, 0},
	} {
		l, err := g.Read(append([]string{"nmap"}, c.words...))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.Options, c.options) || !slices.Equal(l.Positionals, c.positionals) ||
			l.Wrong != c.wrong {
			t.Errorf("%s: Read(%q) = %+v, want %v %q %d", c.name, c.words, l, c.options, c.positionals,
				c.wrong)
		}
	}
}
