package nmap

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// A database with a script of each sort.
const sorts = `Entry { filename = "ssl-cert.nse", categories = { "default", "discovery", "safe", } }
Entry { filename = "ssl-enum-ciphers.nse", categories = { "discovery", "intrusive", } }
Entry { filename = "ftp-bounce.nse", categories = { "default", "safe", } }
Entry { filename = "docker-version.nse", categories = { "version", } }
Entry { filename = "clamav-exec.nse", categories = { "exploit", "vuln", } }
Entry { filename = "vulners.nse", categories = { "external", "safe", "vuln", } }
Entry { filename = "broadcast-ping.nse", categories = { "broadcast", "discovery", "safe", } }
Entry { filename = "http-git.nse", categories = { "default", "safe", "vuln", } }
Entry { filename = "own.nse", categories = { "safe", "ours", } }
`

func sortsDB(t *testing.T) *scriptDB {
	t.Helper()
	scripts, err := parseScriptDB(sorts)
	if err != nil {
		t.Fatal(err)
	}
	return &scriptDB{scripts: scripts}
}

func TestVerdictsOnScripts(t *testing.T) {
	db := sortsDB(t)
	for _, c := range []struct{ item, want string }{ // "" accepted, else in the reason; "!": refused with it
		{"ssl-cert", ""}, {"default", ""}, {"safe", ""}, {"discovery", ""}, {"version", ""}, {"auth", ""},
		{"ssl-enum-ciphers", "intrusive"}, {"docker-version", "not in category safe"},
		{"clamav-exec", "exploit and vuln"}, {"http-git", "vuln"}, {"own", "one that nmap does not have"},
		{"vuln", "scripts of category vuln"}, {"intrusive", "category"}, {"brute", "category"}, {"dos", "category"},
		{"exploit", "category"}, {"fuzzer", "category"}, {"malware", "category"},
		{"ftp-bounce", "!beyond the target"}, {"vulners", "!beyond the target"},
		{"broadcast-ping", "!beyond the target"}, {"external", "!beyond the target"},
		{"broadcast", "!beyond the target"}, {"ours", "!neither a category nor one"},
		{"all", "!no name"}, {"not", "!no name"}, {"true", "!no name"}, {"", "!an empty item"},
		{"Safe", "!no name"},
		{"ssl-*", "!no name"}, {"+ssl-cert", "!no name"}, {"./ssl-cert", "!no name"}, {"-ssl", "!no name"},
		{"ssl-cert.nse", "!neither"}, {"ssl", "!neither"}, {"ssl_cert", "!no name"}, {"(safe)", "!no name"},
	} {
		gated, err := db.judge(c.item)
		why, refused := strings.CutPrefix(c.want, "!")
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), why) ||
			(gated == "") != (why == "" || refused) || !refused && !strings.Contains(gated, why) {
			t.Errorf("judge(%q) = %q, %v, want %q", c.item, gated, err, c.want)
		}
	}
}

func TestUnknownNamesGetNearOnes(t *testing.T) {
	db := sortsDB(t)
	for item, want := range map[string]string{
		"sslcert": "did you mean ssl-cert?", "ssl-certs": "did you mean ssl-cert?",
		"defualt": "did you mean default?", "nothing-of-it": "the categories are auth default",
		"clamav-exce": "the categories are auth default", "vulnres": "the categories are auth default",
		strings.Repeat("s", 2000): "the categories are auth default",
	} {
		_, err := db.judge(item)
		if e := sdk.AsError(err); e == nil || !strings.HasPrefix(e.Suggestion, want) {
			t.Errorf("judge(%q) suggests %+v, want %q", item, e, want)
		}
	}
}

// A name that is no script's is compared with those of all scripts; it must cost next to nothing.
func BenchmarkRefusedScripts(b *testing.B) {
	if _, err := exec.LookPath("nmap"); err != nil {
		b.Fatal("nmap is not installed; make setup does it")
	}
	bench := sdktest.New(b, plugin(root), sdktest.Options{})
	for _, extra := range []string{
		"--script=" + strings.Repeat("a", 2030), "--script=htp-titel", "--script=http-vuln-cve2099-12345",
		strings.Repeat("-x ", 680),
	} {
		r := sdk.Request{
			ID: "1", Tool: "NmapTool",
			Arguments: object(b, map[string]any{"target": "10.0.3.7", "extra_args": extra}),
			Targets:   []sdk.Target{{Argument: "target", Label: "10.0.3.7", Prefix: single("10.0.3.7")}},
		}
		b.Run(extra[:min(len(extra), 20)], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, err := bench.Handler().Plan(b.Context(), r); err != nil || p.Verdict != sdk.Reject {
					b.Fatalf("Plan(%.60s) = %s, %v, want %s", extra, p.Verdict, err, sdk.Reject)
				}
			}
		})
	}
}

func TestDatabasesThatAreNotUnderstood(t *testing.T) {
	const good = `Entry { filename = "a.nse", categories = { "safe", } }` + "\n"
	if scripts, err := parseScriptDB(good); err != nil || len(scripts) != 1 {
		t.Fatalf("parseScriptDB(%q) = %v, %v", good, scripts, err)
	}
	for name, text := range map[string]string{
		"nothing":                       "",
		"cut off":                       strings.TrimSuffix(good, "\n"),
		"an empty line":                 good + "\n",
		"a comment":                     "-- x\n" + good,
		"Lua":                           good + "os.execute(\"id\")\n",
		"Lua behind an entry":           strings.TrimSuffix(good, "\n") + " os.exit()\n",
		"a script twice":                good + good,
		"a path":                        strings.Replace(good, "a.nse", "../a.nse", 1),
		"another ending":                strings.Replace(good, "a.nse", "a.lua", 1),
		"no category":                   strings.Replace(good, `"safe", `, "", 1),
		"a category with an escape":     strings.Replace(good, "safe", `sa\102fe`, 1),
		"a category with a quote":       strings.Replace(good, `"safe"`, `"sa"fe"`, 1),
		"a comma too few":               strings.Replace(good, `"safe",`, `"safe"`, 1),
		"more categories than any has":  strings.Replace(good, `"safe", `, strings.Repeat(`"safe", `, 33), 1),
		"a script named as a category":  strings.Replace(good, "a.nse", "safe.nse", 1),
		"a script named as an operator": strings.Replace(good, "a.nse", "not.nse", 1),
		"Windows":                       strings.ReplaceAll(good, "\n", "\r\n"),
		"a NUL":                         "\x00" + good,
		"more entries than any has":     strings.Repeat("\n", maxEntries+1),
	} {
		if scripts, err := parseScriptDB(text); err == nil {
			t.Errorf("%s: parseScriptDB(%.60q) = %v, want an error", name, text, scripts)
		}
	}
}

// Whatever a database is made of: its names and categories are words, and written down again they are the
// same database.
func FuzzScriptDB(f *testing.F) {
	f.Add(sorts)
	f.Add(`Entry { filename = "a.nse", categories = { "safe", } }`)
	f.Add("Entry { filename = \"A_b.c.nse\", categories = { \"X\", \"safe\", } }\n")
	f.Fuzz(func(t *testing.T, text string) {
		scripts, err := parseScriptDB(text)
		if err != nil {
			return
		}
		db := &scriptDB{scripts: scripts}
		for name, set := range scripts {
			if strings.ContainsAny(name, "/\\\"'*, ()\n\x00") || set == 0 {
				t.Errorf("a script %q in categories %v", name, set.names())
			}
			gated, err := db.judge(name)
			if err == nil && gated == "" && (set&safeSet == 0 || set&notSafeSet != 0) {
				t.Errorf("judge(%q), in %v, accepts it", name, set.names())
			}
			if err == nil && set&strangersSet != 0 {
				t.Errorf("judge(%q), in %v, does not refuse it", name, set.names())
			}
		}
		if n := strings.Count(text, "\n"); n != len(scripts) {
			t.Errorf("%d lines make %d scripts", n, len(scripts))
		}
	})
}

// installedDB is the database of this machine's nmap.
func installedDB(t *testing.T) *scriptDB {
	t.Helper()
	needNmap(t)
	made, err := New(root)
	if err != nil || made == nil {
		t.Fatal(err)
	}
	path, _ := exec.LookPath("nmap")
	db, err := readScriptDB(scriptDBOf(path))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// What the expressions mean: by the database as it is read here, by nmap itself, and by hand for the nmap
// that the policy was made with.
func TestExpressionsMeanTheSameToNmap(t *testing.T) {
	db := installedDB(t)
	want := map[string]int{"default": 118, "safe": 230, "discovery": 202, "version": 23, "auth": 12}
	if len(db.scripts) != 604 { // another nmap: the two still have to agree
		want = nil
	}
	for category, expression := range expressions {
		ours := db.members(category)
		if n, ok := want[category]; ok && len(ours) != n {
			t.Errorf("members(%s) = %d scripts, want %d", category, len(ours), n)
		}
		out, err := exec.Command("nmap", "--script-help", expression).Output() // prints, and sends nothing
		if err != nil {
			t.Errorf("nmap --script-help %q = %v", expression, err)
			continue
		}
		var theirs []string
		lines := strings.Split(string(out), "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "Categories: ") {
				theirs = append(theirs, lines[i-1])
			}
		}
		slices.Sort(theirs)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s means %d scripts, to nmap %d; to one of both: %q", category, len(ours), len(theirs),
				slices.Concat(without(ours, theirs), without(theirs, ours)))
		}
	}
}

// without is what of a is not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

func TestEveryScriptOfNmapHasAVerdict(t *testing.T) {
	db := installedDB(t)
	d := db.details()
	if sum := d.ByName["open"] + d.ByName["gated"] + d.ByName["refused"]; sum != len(db.scripts) {
		t.Errorf("details() = %+v, want a verdict on all of %d scripts", d, len(db.scripts))
	}
	if d.ByName["open"] != d.Open["safe"] {
		t.Errorf("%d scripts may be named by anybody, and category safe runs %d; want the same ones",
			d.ByName["open"], d.Open["safe"])
	}
}

// machine is an installation of nmap in a directory, as far as its list of scripts goes.
type machine struct {
	t       *testing.T
	program string
	db      string
}

func newMachine(t *testing.T) machine {
	dir := t.TempDir()
	m := machine{
		t, filepath.Join(dir, "bin", "nmap"), filepath.Join(dir, "share", "nmap", "scripts", "script.db"),
	}
	for _, path := range []string{m.program, m.db} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write(m.program, "")
	return m
}

func (m machine) write(path, text string) {
	m.t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // as package managers do
		m.t.Fatal(err)
	}
}

func TestTheDatabaseIsReadAgainWhenItChanges(t *testing.T) {
	m := newMachine(t)
	l := &library{locate: func() (string, bool) { return m.program, true }}
	read := l.scripts().Read
	for _, step := range []struct {
		name, db string
		want     sdk.Kind // of a request for the script ssl-cert
	}{
		{"without a database", "", sdk.KindNotFound},
		{"with one", sorts, ""},
		{"with one that is broken", "x" + sorts, sdk.KindExecution},
		{
			"with one that has no such script", strings.Replace(sorts, "ssl-cert", "ssh-cert", 1),
			sdk.KindValidation,
		},
		{"with the first again", sorts, ""},
	} {
		if step.db != "" {
			m.write(m.db, step.db)
		}
		for range 2 { // read, and kept
			if _, err := read("ssl-cert", sdk.Policy{}); sdk.KindOf(err) != step.want {
				t.Errorf("%s: --script ssl-cert = %v, want %q", step.name, err, step.want)
			}
		}
	}
	absent := &library{locate: func() (string, bool) { return "", false }}
	_, err := absent.scripts().Read("ssl-cert", sdk.Policy{})
	if e := sdk.AsError(err); sdk.KindOf(err) != sdk.KindNotFound || !strings.Contains(e.Suggestion, "apt-get") {
		t.Errorf("without nmap: --script ssl-cert = %+v, want a %s that says what to install", err,
			sdk.KindNotFound)
	}
}

// A link to nmap is followed: its data lie where it lies itself.
func TestTheDatabaseIsBesideTheProgramItself(t *testing.T) {
	m := newMachine(t)
	link := filepath.Join(t.TempDir(), "nmap")
	if err := os.Symlink(m.program, link); err != nil {
		t.Fatal(err)
	}
	if got := scriptDBOf(link); got != m.db {
		t.Errorf("scriptDBOf(%s) = %s, want %s", link, got, m.db)
	}
}

func TestScriptsInRequests(t *testing.T) {
	needNmap(t)
	pl := newPlanner(t, root, sdktest.Options{})
	for _, c := range []struct {
		extra string
		want  sdk.Verdict
	}{
		{"--script=ssl-cert,http-title,banner", sdk.Accept},
		{"--script=ssl-cert,vuln", sdk.Gated},
		{"--script=vuln,external", sdk.Reject},
		{"--script=ssl-cert,", sdk.Reject},
		{"--script=" + strings.Repeat("default,", 15) + "default", sdk.Accept},
		{"--script=" + strings.Repeat("default,", 16) + "default", sdk.Reject},
		{"--script=dns-recursion,fcrdns", sdk.Accept},
		{"-sC -sV --script=safe", sdk.Accept},
	} {
		if p := pl.ask(t, c.extra); p.Verdict != c.want {
			t.Errorf("Plan(%s) = %s (%s), want %s", c.extra, p.Verdict, p.Rule, c.want)
		}
	}
}

func TestTheProbeOfScripts(t *testing.T) {
	m := newMachine(t)
	l := &library{locate: func() (string, bool) { return m.program, true }}
	m.write(m.db, sorts)
	found, err := l.probe(t.Context(), sdk.Env{})
	if want := fmt.Sprintf("%s: 9 scripts, SHA-256 ", m.db); err != nil || !strings.HasPrefix(found, want) {
		t.Errorf("probe() = %q, %v, want %q", found, err, want)
	}
	m.write(m.db, "broken")
	if found, err := l.probe(t.Context(), sdk.Env{}); err == nil || sdk.AsError(err).Suggestion == "" {
		t.Errorf("probe() = %q, %v, want an error that says what to do", found, err)
	}
}

func TestThePluginDoesNotStartWithoutKnowingItsScripts(t *testing.T) {
	m := newMachine(t)
	locate := func() (string, bool) { return m.program, true }
	if made, err := newTool(root, locate); err != nil || made == nil {
		t.Errorf("newTool(), without a database = %v, want a tool that refuses scripts", err)
	}
	m.write(m.db, sorts)
	made, err := newTool(root, locate)
	if err != nil {
		t.Fatalf("newTool() = %v", err)
	}
	var d details
	if err := json.Unmarshal(made.Spec().Facts.Details, &d); err != nil {
		t.Fatal(err)
	}
	if d.Scripts == nil || d.Scripts.Total != 9 || d.Scripts.Open["default"] != 1 ||
		d.Scripts.Gated["vuln"] != 2 ||
		len(d.Scripts.SHA256) != 64 || d.Program != m.program || d.Limits["probes"] != float64(workBudget) {
		t.Errorf("details = %+v, want those of the database", d)
	}
	m.write(m.db, "Entry { filename = os.getenv(1) }\n")
	if _, err := newTool(root, locate); err == nil || !strings.Contains(err.Error(), m.db) {
		t.Errorf("newTool(), with a broken database = %v, want an error that names it", err)
	}
	if _, err := newTool(root, func() (string, bool) { return "", false }); err != nil {
		t.Errorf("newTool(), without nmap = %v, want a tool that says what is missing", err)
	}
}
