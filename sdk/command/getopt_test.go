package command_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// gnu is a tool whose program uses getopt_long(3).
func gnu(d *command.Definition) {
	d.Getopt = &command.Getopt{
		Short: "c:fi:nvO::",
		Long: []string{
			"count:", "color::", "colour::", "help", "interval:", "verbose", "version", "verify", "output:", "flood",
		},
		Same: map[string]string{"count": "c", "colour": "color", "interval": "i", "verbose": "v", "flood": "f"},
	}
	d.Fixed = []string{"-n"}
	d.Flags = []command.Flag{
		{Name: "--count", Aliases: []string{"-c"}, Value: command.Int(0, 10)},
		{Name: "-i", Aliases: []string{"--interval"}, Value: command.Decimal(0.1, 9)},
		{Name: "--color", Value: command.Enum("always", "never"), Optional: true},
		{Name: "-v", Aliases: []string{"--verbose"}},
		{Name: "-f", Gated: "it floods"},
		{Name: "-n", Implied: true},
		{Name: "-O", Value: command.Int(0, 3), Optional: true},
		{Name: "--output", Value: command.Enum("x"), Refused: "files are the host's"},
		{Name: "--old", Refused: "only old versions have it"},
	}
}

func TestCallersWriteWhatGetoptTakes(t *testing.T) {
	b := sdktest.New(t, shell("", gnu), sdktest.Options{AllowIntrusive: true})
	for _, c := range []struct{ extra, want string }{
		{"", ""},
		{"--count 3", "--count 3"}, {"--count=3", "--count 3"}, {"--cou=3", "--count 3"}, {"--cou 3", "--count 3"},
		{"-c3", "--count 3"}, {"-c 3", "--count 3"},
		{"-nvc3", "-v --count 3"}, {"-vnc 3 -f", "-v --count 3 -f"},
		{"--col", "--color"}, {"--colo=never", "--color=never"}, {"--colour=always", "--color=always"},
		{"--verb", "-v"}, {"--int .5", ""}, {"--int 0.50", "-i 0.5"}, {"--fl", "-f"},
		{"-O", "-O"}, {"-O2", "-O2"}, {"-vO2", "-v -O2"},
	} {
		p := b.Plan("Sh", map[string]any{"extra_args": c.extra})
		if c.extra == "--int .5" {
			if p.Verdict != sdk.Reject {
				t.Errorf("Plan(%q) = %s, want the grammar to be asked", c.extra, p.Verdict)
			}
			continue
		}
		if p.Verdict != sdk.Accept {
			t.Errorf("Plan(%q) = %s: %s", c.extra, p.Verdict, p.Rule)
			continue
		}
		if got := strings.Join(p.Argv[2:], " "); got != c.want {
			t.Errorf("Plan(%q).Argv = %s, want %s", c.extra, got, c.want)
		}
	}
}

func TestWhatGetoptWouldNotTakeIsRefused(t *testing.T) {
	b := sdktest.New(t, shell("", gnu), sdktest.Options{})
	for _, c := range []struct {
		extra string
		says  []string
	}{
		{"--ver", []string{`"--ver" is ambiguous: it may mean --verbose, --version or --verify`, "in full"}},
		{"--co=3", []string{"ambiguous", "--count, --color or --colour"}},
		{"--vers", []string{"--vers is read as --version; --version is not among the flags"}},
		{"--version", []string{"--version is not among the flags", "extra_args lists all flags"}},
		{"--out=x", []string{"--out=x is read as --output; --output is not allowed: files are the host's", "leave it out"}},
		{"--out", []string{"--out is read as --output; --output is not allowed: files are the host's"}},
		{"--old", []string{"unknown flag", "only old versions have it"}},
		{"--verbose=1", []string{"-v takes no value"}},
		{"--verb=1", []string{"--verb=1 is read as --verbose; -v takes no value"}},
		{"--count", []string{"--count has no value", "write --count <a whole"}},
		{"--count --verbose", []string{`--count: "--verbose"`, "digits"}},
		{"-c -1", []string{`--count: "-1"`, "digits"}},
		{"-c=3", []string{`--count: "=3"`, "digits"}},
		{"-nvx", []string{`unknown flag "-nvx": there is no "-x"`}},
		{"-nvxc3", []string{`unknown flag "-nvxc3": there is no "-x"`}},
		{"-x", []string{`unknown flag "-x"`}},
		{"--COUNT=3", []string{"another spelling of --count", "write --count"}},
		{"--cuont 3", []string{"did you mean --count?"}},
		{"-O 2", []string{`"2" is no flag`, "write -O2"}},
		{"--color never", []string{`"never" is no flag`, "write --color=never"}},
		{"--col=", []string{`--color: ""`, "not one of the words"}},
		{"-v --verb", []string{"-v is given twice"}},
		{"-f", []string{"-f needs allow_intrusive"}},
		{"-- -v", []string{`"--" is no flag`}},
		{"-v x", []string{`"x" is no flag`}},
		{"--=3", []string{"ambiguous"}},
	} {
		p := b.Plan("Sh", map[string]any{"extra_args": c.extra})
		if p.Error == nil || p.Error.Suggestion == "" || len(p.Argv) > 0 {
			t.Errorf("Plan(%q) = %s (%q), want a refusal with a suggestion", c.extra, p.Verdict, p.Argv)
			continue
		}
		for _, want := range c.says {
			if text := p.Error.Message + "; " + p.Error.Suggestion; !strings.Contains(text, want) {
				t.Errorf("Plan(%q) says %q, want it to contain %q", c.extra, text, want)
			}
		}
	}
}

func TestAPlanTellsWhatAWordWasReadAs(t *testing.T) {
	b := sdktest.New(t, shell("", gnu), sdktest.Options{})
	for extra, want := range map[string]string{
		"--verb --cou=3": "-n: always there: -n is in the table\n" +
			"-v: extra_args: -v is in the table; --verb is read as --verbose\n" +
			"--count 3: extra_args: --count is in the table; --cou=3 is read as --count",
		"-vc3": "-n: always there: -n is in the table\n" +
			"-v: extra_args: -v is in the table; -vc3 is read as -v\n" +
			"--count 3: extra_args: --count is in the table; -vc3 is read as -c",
		"-c3 --int=1 -v": "-n: always there: -n is in the table\n" +
			"--count 3: extra_args: --count is in the table\n" +
			"-i 1: extra_args: -i is in the table; --int=1 is read as --interval\n" +
			"-v: extra_args: -v is in the table",
		"-nvx --ver --count 3": "-nvx: extra_args: -n is in the table; -nvx is read as -n\n" +
			"-nvx: extra_args: -v is in the table; -nvx is read as -v\n" +
			`-nvx: unknown flag "-nvx": there is no "-x"` + "\n" +
			`--ver: "--ver" is ambiguous: it may mean --verbose, --version or --verify` + "\n" +
			"--count 3: extra_args: --count is in the table",
	} {
		var got []string
		for _, tok := range b.Plan("Sh", map[string]any{"extra_args": extra}).Tokens {
			got = append(got, tok.Text+": "+tok.Why)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("Plan(%q), tokens\n%s\nwant\n%s", extra, strings.Join(got, "\n"), want)
		}
	}
}

// A long option may begin with one hyphen, and letters are letters where they can be.
func TestLongOptionsWithOneHyphen(t *testing.T) {
	b := sdktest.New(t, shell("", func(d *command.Definition) {
		d.Fixed = nil
		d.Getopt = &command.Getopt{Short: "nc:o", Long: []string{"count:", "number", "name"}, LongOnly: true}
		d.Flags = []command.Flag{
			{Name: "-count", Aliases: []string{"-c"}, Value: command.Int(0, 10)}, {Name: "-n"}, {Name: "--number"}, {Name: "-o"},
		}
	}), sdktest.Options{})
	for _, c := range []struct{ extra, want string }{
		{"-count=3", "-count 3"}, {"--count 3", "-count 3"}, {"-cou 3", "-count 3"}, {"-c3", "-count 3"},
		{"-n", "-n"}, {"-nu", "--number"}, {"-no", "-n -o"}, {"-on", "-o -n"},
		{"-na", "-na is read as --name; --name is not among"}, {"-num=1", "takes no value"},
	} {
		p := b.Plan("Sh", map[string]any{"extra_args": c.extra})
		got := p.Rule
		if p.Verdict == sdk.Accept {
			got = strings.Join(p.Argv[1:], " ")
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("Plan(%q) = %s, want %s", c.extra, got, c.want)
		}
	}
}

func TestATableThatTheProgramDoesNotAgreeWith(t *testing.T) {
	number := command.Int(1, 9)
	for _, c := range []struct {
		says   string
		getopt command.Getopt
		flag   command.Flag
	}{
		{"the program does not have it", command.Getopt{Short: "a"}, command.Flag{Name: "-b"}},
		{"the program does not have it", command.Getopt{Short: "a"}, command.Flag{Name: "-a", Aliases: []string{"--all"}}},
		{"the program does not have it", command.Getopt{Long: []string{"all"}}, command.Flag{Name: "-all"}},
		{"flag -a: it has no value", command.Getopt{Short: "a:"}, command.Flag{Name: "-a"}},
		{"the program takes no value", command.Getopt{Short: "a"}, command.Flag{Name: "-a", Value: number}},
		{"its value is optional", command.Getopt{Long: []string{"all:"}},
			command.Flag{Name: "--all", Value: number, Optional: true}},
		{"may stand in the next word", command.Getopt{Short: "a::"}, command.Flag{Name: "-a", Value: number}},
		{"not written as getopt reads it", command.Getopt{Short: "a:"},
			command.Flag{Name: "-a", Value: number, Write: command.Equals}},
		{"not written as getopt reads it", command.Getopt{Long: []string{"all:"}},
			command.Flag{Name: "--all", Value: number, Write: command.Attached}},
		{"one option of the program", command.Getopt{Short: "ab", Long: []string{"all"},
			Same: map[string]string{"all": "b"}}, command.Flag{Name: "--all"}},
		{"no letter", command.Getopt{Short: "a-b"}, command.Flag{Name: "-a"}},
		{"no letter", command.Getopt{Short: "aW;"}, command.Flag{Name: "-a"}},
		{"twice", command.Getopt{Short: "aa"}, command.Flag{Name: "-a"}},
		{"colons", command.Getopt{Short: "a:::"}, command.Flag{Name: "-a"}},
		{"Long has", command.Getopt{Short: "a", Long: []string{"--all"}}, command.Flag{Name: "-a"}},
		{"Long has all twice", command.Getopt{Short: "a", Long: []string{"all", "all:"}}, command.Flag{Name: "-a"}},
		{"no long options", command.Getopt{Short: "a", LongOnly: true}, command.Flag{Name: "-a"}},
		{"Same has", command.Getopt{Short: "a", Long: []string{"all"}, Same: map[string]string{"al": "a"}},
			command.Flag{Name: "-a"}},
		{"Same has", command.Getopt{Short: "a", Long: []string{"all"}, Same: map[string]string{"all": "b"}},
			command.Flag{Name: "-a"}},
	} {
		_, err := sdk.NewHandler(shell("", func(d *command.Definition) {
			d.Fixed, d.Getopt = nil, &c.getopt
			d.Flags = []command.Flag{c.flag}
			if strings.HasPrefix(c.says, "one option") {
				d.Flags = append(d.Flags, command.Flag{Name: "-b"})
			}
		}))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v with %s: NewHandler() = %v, want an error that says %q", c.getopt, c.flag.Name, err, c.says)
		}
	}
}

func TestFixedIsHeldToGetopt(t *testing.T) {
	for says, fixed := range map[string][]string{
		"does not take": {"-n", "-z"}, "does not take [\"-c": {"-c"}, "are operands": {"-n", "word"}, "Operands": {"--"},
	} {
		_, err := sdk.NewHandler(shell("", func(d *command.Definition) {
			gnu(d)
			d.Fixed = fixed
		}))
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(says, `["-c`, `["-c"]`)) {
			t.Errorf("Fixed %q: NewHandler() = %v, want an error that says %s", fixed, err, says)
		}
	}
}

// The last line of defence: what a hook wrote is read as the program will read it.
func TestACommandLineThatIsReadOtherwiseIsNotRun(t *testing.T) {
	for _, c := range []struct {
		says   string
		change func(*command.Definition)
	}{
		{"", func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "-i", "2", "--color") }
		}},
		{"", func(d *command.Definition) {
			d.Operands = func(*command.Job) []string { return []string{"a", "--", "-x"} }
		}},
		{"does not take", func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "-z") }
		}},
		{"does not take", func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "--ver") }
		}},
		{`reads the operands ["out" "127.0.0.1"]`, func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "-O", "out") }
		}},
		{`-i takes "--" of the operands`, func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "-i") }
		}},
		{"files are the host's", func(d *command.Definition) {
			d.Argv = func(j *command.Job) []string { return append(j.Args(), "--outp=x") }
		}},
		{"otherwise than it is meant", func(d *command.Definition) { // a grammar that lets more through than it says
			d.Flags[1].Value.Read = func(string, sdk.Policy) (command.Value, error) { return command.Value{}, nil }
		}},
	} {
		b := sdktest.New(t, shell("", func(d *command.Definition) {
			gnu(d)
			d.Target = command.OneHost
			d.Executes = append(d.Executes, "/bin")
			c.change(d)
		}), sdktest.Options{})
		args := `{"target": "127.0.0.1", "extra_args": "-i 1 -v --color=never"}`
		p := b.Plan("Sh", args)
		if c.says == "" {
			if p.Verdict != sdk.Accept {
				t.Errorf("Plan() = %s: %s; want %q accepted", p.Verdict, p.Rule, p.Argv)
			}
			continue
		}
		_, err := b.Call(t.Context(), "Sh", args)
		if sdk.KindOf(err) != sdk.KindUnknown || !strings.Contains(err.Error(), c.says) || len(b.Executed()) > 0 {
			t.Errorf("Call() = %v after %d runs, want a %s that says %q, and none", err, len(b.Executed()),
				sdk.KindUnknown, c.says)
		}
	}
}
