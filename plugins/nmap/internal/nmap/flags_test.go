package nmap

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/plugins/nmap/internal/options"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// values are examples of each flag's value, of those that nmap is quick with.
var values = map[string][]string{
	"-p":          {"1", "1-3", "7,9,1-2", "T:1", "-"},
	"--top-ports": {"1", "20"}, "--exclude-ports": {"25", "25,100-110"},
	"-PS": {"", "22", "22,80-81"}, "-PA": {"", "80"}, "-PU": {"", "53,161"}, "-PY": {"", "132"},
	"--exclude": {"10.0.0.9", "127.0.0.9,127.1.0.0/30"}, "--version-intensity": {"0", "9"},
	"--max-os-tries": {"1", "5"}, "--script": {"banner", "ssl-cert,version", "default"},
	"--script-timeout": {"5", "2s", "1m"}, "-T": {"3", "4", "5"},
	"--min-rate": {"1", "1000", "10000"}, "--max-rate": {"1000", "10000"},
	"--min-parallelism": {"1", "100"}, "--max-parallelism": {"1", "100"},
	"--min-hostgroup": {"1", "256"}, "--max-hostgroup": {"1", "256"}, "--max-retries": {"0", "10"},
	"--host-timeout": {"30", "5000ms", "1h"}, "--scan-delay": {"1ms", "5ms"},
	"--max-scan-delay": {"10ms", "1s"}, "--min-rtt-timeout": {"5ms", "50ms"},
	"--max-rtt-timeout": {"100ms", "10s"}, "--initial-rtt-timeout": {"50ms", "100ms"},
	"--mtu": {"8", "16", "1400"}, "--source-port": {"53", "65535"}, "--data-length": {"1", "1400"},
	"--ttl": {"1", "255"}, "--scanflags": {"0", "255", "SYNFIN", "URGACKPSH"},
}

// spellings writes a flag in each way that it may be written, with each of its examples.
func spellings(t testing.TB, f command.Flag) []string {
	t.Helper()
	if f.Value.Read == nil {
		extra := f.Name
		if f.Name == "--defeat-icmp-ratelimit" {
			extra += " -sU"
		}
		return []string{extra}
	}
	if len(values[f.Name]) == 0 {
		t.Fatalf("there is no example of a value for %s", f.Name)
	}
	var all []string
	for _, v := range values[f.Name] {
		switch {
		case f.Optional, f.Write == command.Attached:
			all = append(all, f.Name+v)
		case strings.HasPrefix(f.Name, "--"):
			all = append(all, f.Name+" "+v, f.Name+"="+v)
		default:
			all = append(all, f.Name+v)
			if v != "-" {
				all = append(all, f.Name+" "+v)
			}
		}
		for _, alias := range f.Aliases {
			all = append(all, alias+v, alias+" "+v)
		}
	}
	return all
}

func TestEveryFlagIsTakenInEachSpelling(t *testing.T) {
	needNmap(t)
	off := newPlanner(t, root, sdktest.Options{})
	on := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for _, f := range table() {
		if f.Refused != "" {
			continue
		}
		for _, extra := range spellings(t, f) {
			args := map[string]any{"extra_args": extra}
			if p := on.plan(t, "10.0.0.1", args); p.Verdict != sdk.Accept {
				t.Errorf("Plan(%q), intrusive = %s (%s), want it accepted", extra, p.Verdict, p.Rule)
			}
			p := off.plan(t, "10.0.0.1", args)
			if (p.Verdict == sdk.Gated) != (f.Gated != "") && !strings.HasSuffix(extra, "10000") {
				t.Errorf("Plan(%q) = %s (%s); the flag is gated: %q", extra, p.Verdict, p.Rule, f.Gated)
			}
		}
	}
}

// No option of nmap's is forgotten: each is taken, or refused with a reason.
func TestEveryOptionOfNmapHasAVerdict(t *testing.T) {
	verdicts := make(map[string]command.Flag)
	for _, f := range table() {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			verdicts[name] = f
		}
	}
	var names []string
	for _, o := range options.Nmap.Long {
		names = append(names, "--"+o.Name)
	}
	for _, o := range options.Nmap.Letters() {
		names = append(names, "-"+o.Name)
	}
	for _, name := range names {
		if f, ok := verdicts[name]; !ok || f.Refused == "" && f.About == "" {
			t.Errorf("nmap has the option %s, and the table says nothing of it", name)
		}
	}
}

// A flag that nmap does not have, or that takes a value where nmap takes none, would make nmap quit.
func TestEveryFlagIsAnOptionOfNmap(t *testing.T) {
	g, err := options.NewGetopt(options.Nmap, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, f := range table() {
		words := []string{"nmap", f.Name, "1"}
		l, err := g.Read(words)
		if err != nil {
			t.Fatal(err)
		}
		if l.Wrong > 0 || len(l.Options) != 1 && f.Refused == "" {
			t.Errorf("nmap reads %q as %+v, want one option", words, l)
		}
		takesNext := f.Value.Read != nil && !f.Optional
		if f.Refused == "" && takesNext != (len(l.Positionals) == 0) {
			t.Errorf("nmap reads %q as %+v; by the table it takes a value: %t", words, l, takesNext)
		}
	}
}

// nmap takes every unique beginning of a name, with one hyphen or two: more than a thousand spellings of a
// hundred options. None but the full ones is taken here.
func TestAbbreviationsAreRefused(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	taken := make(map[string]bool)
	for _, f := range table() {
		if f.Refused == "" {
			for _, name := range append([]string{f.Name}, f.Aliases...) {
				taken[name] = true
			}
		}
	}
	tried := 0
	for _, o := range options.Nmap.Long {
		for n := 1; n <= len(o.Name); n++ {
			for _, word := range []string{"-" + o.Name[:n], "--" + o.Name[:n]} {
				if taken[word] {
					continue
				}
				tried++
				for _, extra := range []string{word, word + " 1", word + "=1", "-F " + word} {
					if p := pl.ask(t, extra); p.Verdict != sdk.Reject {
						t.Errorf("Plan(%q), for --%s = %s, want %s", extra, o.Name, p.Verdict, sdk.Reject)
					}
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("%d spellings tried, want a thousand or more", tried)
	}
}

func TestRefusedFlagsStayRefused(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for _, f := range table() {
		if f.Refused == "" {
			continue
		}
		for _, extra := range []string{
			f.Name, f.Name + " 1", f.Name + "=1", f.Name + "1", f.Name + "/tmp/x", f.Name + " x",
			"-n" + f.Name[1:],
			"-F " + f.Name + " 1", f.Name + " 1 -F", "-v " + f.Name, "-s" + f.Name, "  " + f.Name + "  ",
		} {
			if p := pl.ask(t, extra); p.Verdict != sdk.Reject {
				t.Errorf("Plan(%q) = %s, want %s", extra, p.Verdict, sdk.Reject)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for name, lines := range map[string][]string{
		"the same twice": {
			"-v -vv", "-v -v", "-T3 -T4", "-T4 -T4", "-g 53 --source-port 53", "-n -n", "-sS -sSV", "-sVV",
			"--open --open", "-O -O", "--script=default --script=safe",
		},
		"what excludes each other": {
			"-p 80 -F", "-F --top-ports 5", "-sS -sA", "-sT -sX", "-sSF", "-sn -p 80", "-sn -F",
			"-sn --top-ports 5", "-sn -O", "-sn -A", "-sn -sV", "-sn -sU", "-sn -sS", "-sn -sO", "-sn -sY",
			"-sn -sL", "-sL -p 80", "-sL -sS", "-sL -sC", "-sL -O", "-sL -A", "-sL --script=default",
			"-sO -p 6", "-sO -F", "-sO --top-ports 5", "-sO -sS", "-sO -sU", "-sO -sV", "-sO -sC",
			"-sO -sY", "-Pn -PE", "-Pn -PS", "-PU53 -Pn", "-Pn -PP", "-Pn -PM -PY",
			"-sS --defeat-icmp-ratelimit", "-sT --defeat-rst-ratelimit", "-sn --defeat-rst-ratelimit",
			"-sT -f", "-sL -f -PS", "-sU --mtu 8", "-sn -f -PE", "-sn --mtu 16 -PM", "-p U:53",
			"-p 80,U:53 -sS", "--exclude-ports U:53",
		},
		"a minimum above its maximum": {
			"--min-rate 2 --max-rate 1", "--min-parallelism 20 --max-parallelism 10",
			"--scan-delay 2s --max-scan-delay 1s", "--min-hostgroup 9 --max-hostgroup 8",
			"--min-rtt-timeout 2s --max-rtt-timeout 1999ms",
			"--initial-rtt-timeout 3s --max-rtt-timeout 2s",
		},
		"numbers out of form or range": {
			"-p 0", "-p 65536", "-p 080", "-p 00000080", "-p 1-", "-p -5", "-p 5-4", "-p 1--2", "-p T:",
			"-p S:80", "-p t:80", "-p [1-2]", "-p=80", "--top-ports 65536", "--top-ports 0000001",
			"--top-ports +1", "--version-intensity 10", "--max-os-tries 0", "--max-os-tries 6",
			"--max-retries 11", "--min-parallelism 0", "--max-parallelism 101", "--max-hostgroup 257",
			"--max-rate 10001", "--min-rate 0", "--ttl 0", "--mtu 1408", "--mtu 12", "--data-length 0",
			"--scanflags 256", "--scanflags SYNSYN", "--scanflags SYN,FIN", "--scanflags 0x02", "-g 65536",
			"-g=53", "-PS0", "-PS-", "-PS1-", "-PST:80", "-PA1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
			"--exclude-ports=-",
		},
		"times out of form or range": {
			"--host-timeout 0", "--host-timeout 0s", "--host-timeout 999ms", "--host-timeout 3601",
			"--host-timeout 61m", "--host-timeout 2h", "--host-timeout 1000000ms", "--host-timeout 01s",
			"--host-timeout 1.5s", "--host-timeout 1S", "--host-timeout 1ms1s", "--scan-delay 61s",
			"--scan-delay 0ms", "--max-rtt-timeout 4ms", "--max-rtt-timeout 11s", "--script-timeout 601s",
			"--script-timeout 999ms", "--host-timeout ms",
		},
		"ways to write": {
			"-T 4", "-T=4", "-T44", "-T", "-PS 22", "-PS=22", "--top-ports", "--top-ports -1", "--top-ports=",
			"--top-ports5", "-p", "-p -", "--script", "-v1", "-O2", "-O 2", "-vn", "-nv", "-F80", "-sS80",
			"-s", "-sSx", "-s S", "--sS", "--p 80", "--F", "--n", "--Pn", "---F", "-", "--", "-- 10.0.0.9",
			"10.0.0.9", "-F 10.0.0.9", "-F=1", "--open=1", "--reason 1", "-A1", "-4 -6", "-46", "=", "-=",
			"--=", "-p=", "-g",
		},
		"addresses": {
			"--exclude 8.8.8.8", "--exclude 10.0.0.1,8.8.8.8", "--exclude 10.0.0.0/7",
			"--exclude 10.0.0.1/33", "--exclude 10.0.0.1/032", "--exclude 10.0.0.1-5", "--exclude 10.0.0.*",
			"--exclude db.lab.internal", "--exclude localhost", "--exclude 134744072",
			"--exclude 010.0.0.1", "--exclude ::1", "--exclude 10.0.0.1,",
			"--exclude " + strings.Repeat("10.0.0.1,", 32) + "10.0.0.1", "-p 80/tcp", "--script=a/b",
		},
	} {
		for _, extra := range lines {
			if p := pl.ask(t, extra); p.Verdict != sdk.Reject {
				t.Errorf("%s: Plan(%q) = %s, want %s", name, extra, p.Verdict, sdk.Reject)
			}
		}
	}
}

func TestWhatIsAtTheEdgeIsTaken(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	for _, extra := range []string{
		"-p " + strings.Repeat("1,", 99) + "1", "-PS" + strings.Repeat("1,", 15) + "1",
		"--exclude " + strings.Repeat("10.0.0.1,", 31) + "10.0.0.1", "-p 1,T:2-3 -sS", "-sU -p U:53,T:80,90",
		"-sn -f", "-sT -f -PA80", "-sU -sS --mtu 16", "-f -PE", "-sn -f -PM",
		"-sS --defeat-rst-ratelimit -sU",
	} {
		if p := pl.ask(t, extra); p.Verdict != sdk.Accept {
			t.Errorf("Plan(%q) = %s (%s), want it accepted", extra, p.Verdict, p.Rule)
		}
	}
}

func TestEveryRefusalHasAReason(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{})
	for _, f := range table() {
		if f.Refused == "" {
			continue
		}
		if p := pl.ask(t, f.Name); p.Error == nil || !strings.Contains(p.Error.Message, f.Refused) {
			t.Errorf("Plan(%s) = %+v, want the reason %q", f.Name, p.Error, f.Refused)
		}
	}
}

// What models write by mistake most: each gets an answer that says what to write. Rows are what was written,
// and pieces of the answer.
func TestRefusalsSayWhatToWrite(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{})
	for extra, want := range map[string][]string{
		"-v2":                      {"-v takes no value", "write -vv"},
		"-dd":                      {"-d is not allowed: it shows memory"},
		"-M5":                      {"-M5 is -M with a value; -M is not allowed", "write --max-parallelism"},
		"-oNx":                     {"-oNx is -oN with a value; -oN is not allowed: output belongs"},
		"-oN/tmp/x":                {"-oN is not allowed: output belongs to the host"},
		"-iLx":                     {"-iL is not allowed: it reads or writes files"},
		"-O2":                      {"-O takes no value", "write -O"},
		"-O 2":                     {"-O takes no value", "write -O"},
		"-PO1":                     {"-PO is not allowed", "write -PE, -PS, -PU or -PY"},
		"--Pn":                     {"write -Pn"},
		"-ON":                      {"-oN is not allowed"},
		"-dn":                      {"--dns-servers is not allowed: names are resolved by the host"},
		"--version_intensity 5":    {"write --version-intensity"},
		"--version-intensty 5":     {"did you mean --version-intensity?"},
		"--top-ports5":             {"write --top-ports 5"},
		"--opn":                    {"did you mean --open?"},
		"-script banner":           {"write --script"},
		"--max 5":                  {"--max-hostgroup, --max-os-tries", "in full"},
		"-nv":                      {"write -n -v"},
		"-sSx":                     {"there is no -sx", "S T U V C"},
		"-sSP":                     {"-sP is not allowed: write -sn"},
		"-x":                       {"the description of extra_args lists all flags"},
		"-T 4":                     {"write -T4"},
		"-PA 80":                   {"write -PA80"},
		"-p 80 443":                {"write -p 80,443"},
		"-p -":                     {"write -p-"},
		"-p 22,":                   {"an empty item"},
		"-p 80-":                   {"an open range; write 80-65535"},
		"--script banner ftp-anon": {"write --script banner,ftp-anon"},
		"--script=banner,":         {"--script:", "an empty item"},
		"--script=htp-titel":       {"--script:", "did you mean http-title?"},
		"--script-help":            {"it prints something and does nothing"},
		"--exclude 8.8.8.8":        {"--exclude: 8.8.8.8 is outside of the allowed", "allowed are 10.0.0.0/8"},
		"--exclude 10.0.0.1-5":     {"it is a range", "give 10.0.0.0/29"},
		"--exclude 10.0.0.0/8":     {"--exclude: 10.0.0.0/8 has 16777216 addresses", "10.0.0.0/22"},
		"--min-rtt-timeout 4ms":    {"a time from 5ms to 10s, such as 500ms or 5s"},
		"-sV\u00e9":                {"byte 4 (\"\u00e9\")"},
	} {
		p := pl.ask(t, extra)
		if p.Verdict != sdk.Reject || p.Error == nil {
			t.Errorf("Plan(%q) = %s, want %s", extra, p.Verdict, sdk.Reject)
			continue
		}
		text := p.Error.Message + "\n" + p.Error.Suggestion
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("Plan(%q) says %q, want it to contain %q", extra, text, w)
			}
		}
	}
}

// No answer repeats the table, whatever is asked of each of nmap's options.
func TestRefusalsAreShort(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{})
	for _, o := range options.Nmap.Long {
		for _, form := range []string{"--%sx", "-%s9", "--%s=x=y", "-x%s", "--%s 10.0.0.9"} {
			extra := strings.Replace(form, "%s", o.Name, 1)
			if p := pl.ask(t, extra); p.Error != nil && len(p.Error.Message+p.Error.Suggestion) > 500 {
				t.Errorf("Plan(%q) says %d bytes: %s; %s", extra, len(p.Error.Message+p.Error.Suggestion),
					p.Error.Message, p.Error.Suggestion)
			}
		}
	}
}

// The size of a network counts wherever one is named.
func TestTheSizeOfWhatIsExcluded(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{})
	for extra, want := range map[string]sdk.Verdict{
		"--exclude 10.0.0.0/22": sdk.Accept, "--exclude 10.0.0.0/21": sdk.Reject,
		"--exclude 10.0.0.0/8": sdk.Reject, "--exclude 10.0.0.1,192.168.0.0/16": sdk.Reject,
	} {
		if p := pl.ask(t, extra); p.Verdict != want {
			t.Errorf("Plan(%q) = %s (%s), want %s", extra, p.Verdict, p.Rule, want)
		}
	}
}
