package command_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// teaching is a table with flags that are easily taken for others.
func teaching(d *command.Definition) {
	fielded(d)
	d.Flags = append(d.Flags, command.Flag{Name: "-v"}, command.Flag{Name: "-vv"},
		command.Flag{Name: "-sD", Refused: "write -sA"}, command.Flag{Name: "--no-wait"},
		command.Flag{Name: "--needless"},
		command.Flag{Name: "--hidden", Refused: "it is the host's"},
		command.Flag{Name: "-O", Refused: "it is not -o"})
}

// Each row is what a caller wrote, and pieces of what he is told.
func TestRefusalsSayWhatToWrite(t *testing.T) {
	b := sdktest.New(t, shell("", teaching), sdktest.Options{})
	for _, c := range []struct {
		name, extra string
		want        []string
	}{
		{"a value that a flag does not take", "-n5", []string{`"-n5": -n takes no value`, "write -n"}},
		{"a number for a letter written twice", "-v2", []string{"-v takes no value", "write -vv"}},
		{"a number beyond the letters that there are", "-v7", []string{"write -vv"}},
		{"one letter as a number", "-v1", []string{"write -v"}},
		{"the same with a blank", "-v 2", []string{"-v takes no value", "write -vv"}},
		{"joined flags", "-nv", []string{"write -n -v; flags are not joined"}},
		{"a letter joined to itself", "-nn", []string{"write -n"}},
		{"a letter that is none", "-sAX", []string{"no -sX", "behind -s may stand one or more of A B C"}},
		{"a letter that is refused", "-sAD", []string{"it has -sD; -sD is not allowed: write -sA"}},
		{"a refused flag with a value", "-Ox.txt", []string{"-Ox.txt is -O with a value; -O is not allowed",
			"leave it out"}},
		{"a value attached to a long name", "--count5", []string{"write --count 5"}},
		{"an underscore", "--no_wait", []string{"another spelling of --no-wait", "write --no-wait"}},
		{"capitals", "--COUNT 1", []string{"write --count"}},
		{"one hyphen", "-count 1", []string{"write --count"}},
		{"two hyphens", "--n", []string{"write -n"}},
		{"a refused flag in other letters", "--Hidden", []string{"--hidden is not allowed: it is"}},
		{"the same letters win over the same hyphens", "--O", []string{"-O is not allowed: it is not -o"}},
		{"the beginning of one name", "--cou 3", []string{"short for --count", "write --count in full"}},
		{"the beginning of several", "--nee", []string{"short for several", "such as --needless or --needy"}},
		{"the beginning of a refused one", "--hid", []string{"--hidden is not allowed"}},
		{"letters in another order", "--cuont 3", []string{"did you mean --count?"}},
		{"a letter too few", "--dager", []string{"did you mean --danger?"}},
		{"a refused name mistyped", "--hiden", []string{"did you mean --hidden? It is not allowed"}},
		{"one behind many that are right", "-sA -n" + strings.Repeat(" --many 1", 9) + " --cou 3",
			[]string{"write --count in full"}},
		{"one that nobody knows", "-x", []string{`unknown flag "-x"`, "extra_args lists all flags"}},
		{"a number behind a flag that wants it attached", "-P 22", []string{`"22" is no flag`, "write -P22"}},
		{"a second number of a list", "-p 80 443", []string{"write -p 80,443"}},
		{"a second item attached", "-P80 443", []string{"write -P80,443"}},
		{"a number behind a flag that takes no list", "--count 1 2", []string{"an argument of its own"}},
		{"a value behind a blank", "-T 1", []string{"-T1 is written without a blank", "write -T1"}},
		{"all ports behind a blank", "-p -", []string{"-p- is written without a blank", "write -p-"}},
		{"a number below zero", "--count -1", []string{`"-1" begins with a hyphen`, "write --count <"}},
		{"an equals sign", "-p=80", []string{"equals sign", "write -p 80"}},
		{"an equals sign, attached", "-T=1", []string{"write -T1"}},
		{"a comma at the end", "-p 22,", []string{"-p: \"22,\": an empty item"}},
		{"a comma at the beginning", "-p ,22", []string{"an empty item"}},
		{"a range without an end", "-p 80-", []string{"an open range; write 80-65535"}},
		{"a range without a beginning", "-p-80", []string{"an open range; write 1-80"}},
		{"an item of several", "-p 22,80-,90", []string{`in "80-": an open range`}},
		{"addresses with a comma at the end", "--except 10.0.0.1,", []string{"--except:", "an empty item"}},
		{"addresses out of scope", "--except 8.8.8.8", []string{"--except: 8.8.8.8 is outside", "are 10."}},
		{"a range of addresses", "--except 10.0.0.1-5", []string{
			`--except: "10.0.0.1-5" is neither an address nor a network: it is a range`, "give 10.0.0.0/29",
		}},
		{"a large network", "--except 10.0.0.0/21", []string{
			"--except: 10.0.0.0/21 has 2048 addresses; at most 1024",
			"/22 or longer, for example 10.0.0.0/22",
		}},
		{"IPv6", "--except ::1", []string{"--except: ::1 is an IPv6 address", "IPv4"}},
		{"an underscore in an address", "--except 10.0.0.1_", []string{"--except:", "(10.0.3.7)"}},
		{"a time", "--wait 61m", []string{"a time from 1ms to 1h, such as 500ms, 5s, 30s, 5m or 1h"}},
		{"a letter of two bytes", "-sAé", []string{`byte 4 ("é") is not allowed`}},
		{"half a letter", "-sA\xc3", []string{`byte 4 (`, "is not allowed"}},
	} {
		text := told(t, b, map[string]any{"extra_args": c.extra})
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: Plan(%q) says %q, want it to contain %q", c.name, c.extra, text, want)
			}
		}
	}
}

// told is what a caller reads who is refused.
func told(t *testing.T, b *sdktest.Bench, args map[string]any) string {
	t.Helper()
	p := b.Plan("Sh", args)
	if p.Verdict != sdk.Reject || p.Error == nil || p.Error.Suggestion == "" {
		t.Errorf("Plan(%.80v) = %s (%s), want it refused with a suggestion", args, p.Verdict, p.Rule)
		return ""
	}
	return p.Error.Message + "\n" + p.Error.Suggestion
}

func TestRefusalsOfFieldsSayWhatIsWanted(t *testing.T) {
	b := sdktest.New(t, shell("", teaching), sdktest.Options{})
	for _, c := range []struct {
		args map[string]any
		want string
	}{
		{map[string]any{"ports": "22;id"}, "byte 3 (\";\") is not allowed\nallowed is up to 5 ports"},
		{map[string]any{"ports": "２"}, "byte 1 (\"２\")"},
		{map[string]any{"ports": "22,"}, "argument ports: \"22,\": an empty item"},
		{map[string]any{"except": []string{"8.8.8.8"}}, "argument except: 8.8.8.8 is outside"},
		{map[string]any{"except": []string{"10.0.0.0/8"}}, "argument except: 10.0.0.0/8 has 16777216"},
	} {
		if text := told(t, b, c.args); !strings.Contains(text, c.want) {
			t.Errorf("Plan(%v) says %q, want it to contain %q", c.args, text, c.want)
		}
	}
}

func TestTheSizeOfNetworksIsThePolicys(t *testing.T) {
	b := sdktest.New(t, shell("", teaching), sdktest.Options{})
	for _, c := range []struct {
		most  int
		extra string
		want  sdk.Verdict
	}{
		{1024, "--except 10.0.0.0/22", sdk.Accept}, {1024, "--except 10.0.0.0/21", sdk.Reject},
		{16, "--except 10.0.0.0/28", sdk.Accept}, {16, "--except 10.0.0.1,10.0.0.0/27", sdk.Reject},
		{1, "--except 10.0.0.1,10.0.0.2/32", sdk.Accept}, {1 << 16, "--except 10.0.0.0/16", sdk.Accept},
	} {
		b.Configure(sdk.Policy{MaxNetworkSize: c.most})
		if p := b.Plan("Sh", map[string]any{"extra_args": c.extra}); p.Verdict != c.want {
			t.Errorf("with networks of %d addresses: Plan(%q) = %s (%s), want %s", c.most, c.extra, p.Verdict,
				p.Rule, c.want)
		}
	}
	b.Configure(sdk.Policy{MaxNetworkSize: 16})
	if p := b.Plan("Sh", `{"extra_args": "--except 10.0.0.0/24"}`); p.Error == nil ||
		p.Error.Metadata["max_network_size"] != 16 {
		t.Errorf("Plan(--except 10.0.0.0/24) = %+v, want the facts of the size in its metadata", p.Error)
	}
}

// Whatever is refused, the answer is one that somebody reads.
func TestRefusalsAreShort(t *testing.T) {
	b := sdktest.New(t, shell("", wide), sdktest.Options{})
	for _, extra := range []string{
		"-x", "--n", "-" + strings.Repeat("x", 2000), "--" + strings.Repeat("number", 300),
		"-s" + strings.Repeat("x", 2000),
		"-T" + strings.Repeat("4", 2000), "--number-5" + strings.Repeat("1", 2000), strings.Repeat("x", 2000),
		"-p " + strings.Repeat("80,", 600), "-p 80 " + strings.Repeat("4", 1900),
		"--refused-1" + strings.Repeat("0", 1900),
		"--top=" + strings.Repeat("1", 2000), "--exclude " + strings.Repeat("1.", 900),
		strings.Repeat("-x ", 680),
	} {
		text := told(t, b, map[string]any{"target": "10.0.0.1", "extra_args": extra})
		if len(text) > 400 {
			t.Errorf("Plan(%.40q...) says %d bytes, %q, want at most 400", extra, len(text), text)
		}
	}
}

func TestAPlanHasAVerdictOnEachOfManyUnknownWords(t *testing.T) {
	p := sdktest.New(t, shell("", table), sdktest.Options{}).Plan("Sh",
		map[string]any{"extra_args": strings.Repeat("-x ", 100) + "-sA"})
	if len(p.Tokens) != 101 || p.Tokens[99].Verdict != sdk.Reject || p.Tokens[99].Why == "" ||
		p.Tokens[100].Verdict != sdk.Accept {
		t.Errorf("Plan() = %d tokens, want a verdict on each of 101", len(p.Tokens))
	}
}

func TestNearest(t *testing.T) {
	names := []string{"http-title", "http-titles", "ssl-cert", "a", "ab", "abc"}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"http-title", []string{"http-title", "http-titles"}},
		{"htp-titel", []string{"http-title", "http-titles"}},
		{"sslcret", []string{"ssl-cert"}},
		{"ac", []string{"a", "ab", "abc"}},
		{"b", nil},
		{"", nil},
		{"nothing of it", nil},
		{strings.Repeat("x", 65), nil},
		{strings.Repeat("x", 64), nil},
	} {
		if got := command.Nearest(c.text, slices.Values(names)); !slices.Equal(got, c.want) {
			t.Errorf("Nearest(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	long := strings.Repeat("y", 64)
	got := command.Nearest(long, slices.Values([]string{long + "yyyy", long + "yyyyy"}))
	if !slices.Equal(got, []string{long + "yyyy"}) {
		t.Errorf("Nearest(%q) = %q, want the name that is four letters longer", long, got)
	}
}

// Two mistakes are forgiven in texts of five to seven letters. They are counted here without any short cut.
func TestNearestCountsMistakes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[random.IntN(2)]
		}
		return string(b)
	}
	near := 0
	for range 1000 {
		text, name := word(5+random.IntN(3)), word(3+random.IntN(6))
		want := mistakes(text, name) <= 2
		if got := len(command.Nearest(text, slices.Values([]string{name}))) == 1; got != want {
			t.Errorf("Nearest(%q, %q) finds it: %t, want %t: %d mistakes", text, name, got, want,
				mistakes(text, name))
		}
		if want {
			near++
		}
	}
	if near < 100 || near > 900 {
		t.Errorf("%d of 1000 pairs are near, want some of both", near)
	}
}

// mistakes counts letters put in, left out, changed, or swapped with their neighbour.
func mistakes(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	n := mistakes(a[1:], b[1:])
	if a[0] == b[0] {
		return n
	}
	n = 1 + min(n, mistakes(a[1:], b), mistakes(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		n = min(n, 1+mistakes(a[2:], b[2:]))
	}
	return n
}
