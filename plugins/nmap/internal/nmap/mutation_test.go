package nmap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/plugins/nmap/internal/options"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// The corpus is a sample. A verdict must not hang on how a line of it happens to be written: what is the same
// in another spelling gets the same verdict, and what is refused stays so whatever stands beside it.
func TestVerdictsDoNotHangOnSpelling(t *testing.T) {
	needNmap(t)
	off := newPlanner(t, root, sdktest.Options{})
	on := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	random := rand.New(rand.NewPCG(1, 2))
	tried := 0
	for _, l := range corpus(t) {
		if strings.HasPrefix(l.Target, "8.") {
			continue // the host's to refuse
		}
		variants := sameInOtherWords(l, random)
		wantOff, wantOn := sdk.Verdict(l.Verdict), sdk.Accept
		switch {
		case l.Verdict == "reject":
			variants, wantOn = refusedInOtherCompany(l.ExtraArgs), sdk.Reject
		case strings.HasPrefix(l.Target, "127."):
			wantOff = sdk.Accept // gated by its target, which is in scope here
		}
		for _, extra := range variants {
			tried++
			args := map[string]any{"extra_args": extra}
			if p := off.plan(t, l.Target, args); p.Verdict != wantOff {
				t.Errorf("Plan(%q), of %q = %s (%s), want %s", extra, l.ExtraArgs, p.Verdict, p.Rule, wantOff)
			}
			if p := on.plan(t, l.Target, args); p.Verdict != wantOn {
				t.Errorf("Plan(%q), of %q, intrusive = %s (%s), want %s", extra, l.ExtraArgs, p.Verdict, p.Rule,
					wantOn)
			}
		}
	}
	if tried < 1000 {
		t.Errorf("%d variants, want a thousand or more", tried)
	}
}

// unit is a flag with its value, in its words.
type unit []string

func units(extra string) []unit {
	var all []unit
	for _, word := range strings.Fields(extra) {
		if word[0] != '-' && len(all) > 0 {
			all[len(all)-1] = append(all[len(all)-1], word)
			continue
		}
		all = append(all, unit{word})
	}
	return all
}

func written(all []unit, blank string) string {
	var words []string
	for _, u := range all {
		words = append(words, u...)
	}
	return strings.Join(words, blank)
}

// sameInOtherWords writes a line that is accepted in other ways that are.
func sameInOtherWords(l line, random *rand.Rand) []string {
	all := units(l.ExtraArgs)
	variants := []string{written(all, "  "), "  " + written(all, " "), written(all, "    ") + " "}
	for range 8 { // in other orders, values behind an equals sign or as a word, other numbers
		other := make([]unit, len(all))
		for i, at := range random.Perm(len(all)) {
			other[at] = respelt(all[i], random)
		}
		if len(all) == 1 && !strings.Contains(l.Target, "/") {
			other[0] = renumbered(other[0], random)
		}
		variants = append(variants, written(other, " "))
	}
	// What says nothing more about what is scanned is welcome beside it.
	for _, neutral := range []string{"--open", "--reason", "-n", "--max-hostgroup 64"} {
		if !strings.Contains(l.ExtraArgs, neutral) {
			variants = append(variants, l.ExtraArgs+" "+neutral, neutral+" "+l.ExtraArgs)
		}
	}
	return variants
}

// respelt turns --name value into --name=value and back, -p80 into -p 80 and back, sometimes.
func respelt(u unit, random *rand.Rand) unit {
	name, value, equals := strings.Cut(u[0], "=")
	switch {
	case random.IntN(2) == 0:
		return u
	case equals:
		return unit{name, value}
	case len(u) == 2 && strings.HasPrefix(name, "--"):
		return unit{name + "=" + u[1]}
	case len(u) == 2: // -p or -g
		return unit{name + u[1]}
	case strings.HasPrefix(name, "-p") && name != "-p-", strings.HasPrefix(name, "-g"):
		return unit{name[:2], name[2:]}
	}
	return u
}

// renumbered puts another number for the last one; a smaller one is in range wherever the range begins at 1.
func renumbered(u unit, random *rand.Rand) unit {
	if !slices.ContainsFunc([]string{"-p", "-g", "--top", "--max-r", "--source-port"}, func(p string) bool {
		return strings.HasPrefix(u[0], p)
	}) {
		return u
	}
	last := u[len(u)-1]
	digits := last[len(strings.TrimRight(last, "0123456789")):]
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return u
	}
	other := slices.Clone(u)
	other[len(u)-1] = strings.TrimSuffix(last, digits) + strconv.Itoa(1+random.IntN(n))
	return other
}

// refusedInOtherCompany puts what is accepted around what is refused, and blanks that change nothing.
func refusedInOtherCompany(extra string) []string {
	if strings.HasPrefix(extra, "AAAA") {
		return []string{extra, " " + extra, extra + " -v", "-v " + extra}
	}
	return []string{
		extra, " " + extra, extra + "  ", strings.ReplaceAll(extra, " ", "   "), "-r " + extra, extra + " -r",
		"--reason " + extra + " --open", "-v " + extra, extra + " -n --max-hostgroup 64", extra + " " + extra,
		"--disable-arp-ping " + extra, extra + " --traceroute",
	}
}

// A word that nmap would understand as something else than the table does must not get through: whatever is
// one edit away from a flag is refused, or nmap reads it as the table does, which the planner checks.
func TestOneEditAwayFromAFlag(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	const bytes = "-=0aSnpTUx,./:_ "
	accepted := 0
	for _, f := range table() {
		word := f.Name
		if f.Refused == "" {
			word = spellings(t, f)[0]
		}
		for at := range len(word) + 1 {
			edits := []string{word[:at] + word[min(at+1, len(word)):]}
			for i := range len(bytes) {
				edits = append(edits, word[:at]+bytes[i:i+1]+word[at:])
			}
			for _, edit := range edits {
				if p := pl.ask(t, edit); p.Verdict == sdk.Accept {
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no edit is accepted, so that nothing was read by getopt")
	}
}

// Options that nobody may use, in every spelling that nmap would take for them.
func TestDangerousOptionsInEverySpelling(t *testing.T) {
	pl := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	refused := make(map[string]bool)
	for _, f := range table() {
		refused[f.Name] = f.Refused != ""
	}
	read := 0
	for _, o := range options.Nmap.Long {
		if !refused["--"+o.Name] {
			continue
		}
		for n := 1; n <= len(o.Name); n++ {
			for _, hyphens := range []string{"-", "--"} {
				word := hyphens + o.Name[:n]
				l, err := pl.getopt.Read([]string{"nmap", word, "x"})
				if err != nil {
					t.Fatal(err)
				}
				if len(l.Options) != 1 || l.Options[0].Name != o.Name || word == "-vv" {
					continue // another option, or none, or the one of these that is taken in one form
				}
				read++
				for _, form := range []string{
					"%s", "%s x", "%s=x", "%s=/tmp/x", "-T4 %s x", "%s x -T4", "-sS%s",
				} {
					extra := fmt.Sprintf(form, word)
					if p := pl.ask(t, extra); p.Verdict != sdk.Reject {
						t.Errorf("Plan(%q), to nmap --%s = %s, want %s", extra, o.Name, p.Verdict, sdk.Reject)
					}
				}
			}
		}
	}
	if read < 300 {
		t.Errorf("%d spellings of options that are refused, want 300 or more", read)
	}
}
