package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// finding is what plugin test found of one thing.
type finding struct {
	Check   string
	Verdict string
	Saw     string
	Details []string
	Do      string
}

// tested is a run of plugin test.
type tested struct {
	Plugin string
	Checks []finding
	exit   int
	stdout string
	stderr string
}

// with are the checks that came to a verdict.
func (r tested) with(verdict string) (names []string) {
	for _, f := range r.Checks {
		if f.Verdict == verdict {
			names = append(names, f.Check)
		}
	}
	return names
}

// brokenSamples are calls of the plugin that breaks the contract.
const brokenSamples = "testdata/broken.json"

// testRun is a run of plugin test that nobody waits for yet.
type testRun struct {
	plugin         string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// startTest starts plugin test. Wait for it.
func startTest(t *testing.T, args ...string) *testRun {
	t.Helper()
	r := &testRun{}
	if len(args) > 0 {
		r.plugin = args[0]
	}
	r.cmd = exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), append([]string{"plugin", "test"},
		args...)...)
	r.cmd.Env = environment(t, "TMPDIR="+shortTemp(t))
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// wait waits for the end of the run, and reads what it has printed.
func (r *testRun) wait(t *testing.T) tested {
	t.Helper()
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	out := tested{exit: r.cmd.ProcessState.ExitCode(), stdout: r.stdout.String(), stderr: r.stderr.String()}
	if slices.Contains(r.cmd.Args, "--json") && r.stdout.Len() > 0 {
		if err := json.Unmarshal(r.stdout.Bytes(), &out); err != nil {
			t.Fatalf("%s printed %s: %v", r.cmd, r.stdout.Bytes(), err)
		}
	}
	return out
}

// testPlugin runs plugin test.
func testPlugin(t *testing.T, args ...string) tested {
	t.Helper()
	return startTest(t, args...).wait(t)
}

// broken is a plugin that does one thing wrong, in a directory of its own.
func broken(t *testing.T, sin string) string {
	t.Helper()
	path := filepath.Join(pluginDir(t), "broken-"+sin)
	if err := os.Link(filepath.Join(bin, "broken", "plugin"), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantNothingLeft fails when a process lives that a plugin has started, or the plugin itself.
func wantNothingLeft(t *testing.T, plugin string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		line, err := os.ReadFile(name)
		if err == nil && strings.HasPrefix(string(line), plugin) {
			t.Errorf("%s is left: %q", filepath.Dir(name), line)
		}
	}
}

// The checks that others stand on: what fails in one of them leaves those untested that come after.
const (
	standsOnHandshake = 20
	standsOnStart     = 17
	standsOnManifest  = 16
	standsOnConfigure = 14
)

// meant says which checks find a sin, and how many are not made because of that.
type meant struct {
	checks   string // one word each
	untested int
}

var sins = map[string]meant{
	"handshake":       {"handshake", standsOnHandshake},
	"mutual-tls":      {"mutual-tls", 0},
	"any-certificate": {"mutual-tls", 0},
	"cookie":          {"cookie", 0},
	"any-cookie":      {"cookie", 0},
	"wrong-version":   {"wrong-version", 0},
	"start":           {"start", standsOnStart},
	"manifest":        {"manifest", standsOnManifest},
	"schema":          {"manifest", standsOnManifest},
	"configure":       {"configure", standsOnConfigure},
	"unknown-fields":  {"configure", standsOnConfigure},
	"health":          {"health", 0},
	"bad-arguments":   {"bad-arguments", 0},
	"deaf":            {"bad-arguments", 0},
	"panic":           {"panic", 0},
	"unknown":         {"panic", 0},
	"answers":         {"answers", 0},
	"plan":            {"answers", 0},
	"concurrent":      {"concurrent-calls", 0},
	"output-cap":      {"output-cap", 0},
	"truncated":       {"output-cap", 0},
	"flood":           {"flood", 0},
	"utf8":            {"utf8", 0},
	"cancel":          {"cancel", 0},
	"busy":            {"cancel", 0},
	"forked":          {"cancel deadline", 0},
	"deadline":        {"deadline", 0},
	"late":            {"deadline", 0},
	"shutdown":        {"shutdown", 0},
	"orphans":         {"orphans", 0},
	"stdin":           {"stdin", 0},
	"lifeline":        {"stdin", 0},
	"stdout":          {"stdout", 0},
	"environment":     {"environment", 0},
	"environment-out": {"environment", 0},
}

// atOnce is how many are tested at a time: most of it is waiting.
const atOnce = 6

func TestEachSinIsFoundByTheCheckThatIsMeantForIt(t *testing.T) {
	for names := range slices.Chunk(slices.Sorted(maps.Keys(sins)), atOnce) {
		var runs []*testRun
		for _, sin := range names {
			runs = append(runs, startTest(t, broken(t, sin), "--samples", brokenSamples, "--json"))
		}
		for i, sin := range names {
			t.Run(sin, func(t *testing.T) { sins[sin].wantFound(t, runs[i]) })
		}
	}
}

func (m meant) wantFound(t *testing.T, run *testRun) {
	r := run.wait(t)
	if got := r.with("fail"); !slices.Equal(got, strings.Fields(m.checks)) || r.exit != 1 {
		t.Errorf("exit %d, %q fail, want 1 and %s alone\n%+v\n%s", r.exit, got, m.checks, r.Checks, r.stderr)
	}
	if got := r.with("not tested"); len(got) != m.untested {
		t.Errorf("%q are not tested, want %d", got, m.untested)
	}
	for _, f := range r.Checks {
		if f.Verdict != "pass" && (f.Saw == "" || f.Do == "") {
			t.Errorf("%+v does not say what was seen and what to do", f)
		}
	}
	wantNothingLeft(t, run.plugin)
}

func TestEveryCheckFindsASin(t *testing.T) {
	found := make(map[string]bool)
	for _, m := range sins {
		for _, check := range strings.Fields(m.checks) {
			found[check] = true
		}
	}
	for line := range strings.Lines(testPlugin(t, "--list").stdout) {
		if name, _, _ := strings.Cut(line, " "); !found[name] {
			t.Errorf("no sin is there for the check %s", name)
		}
	}
}

func TestASoundPluginPassesEveryCheck(t *testing.T) {
	list := strings.Count(testPlugin(t, "--list").stdout, "\n")
	var runs []*testRun
	for _, kind := range []string{"sound", "says-utf8", "one-at-a-time"} {
		runs = append(runs, startTest(t, broken(t, kind), "--samples", brokenSamples, "--require-all"))
	}
	for _, run := range runs {
		r := run.wait(t)
		if r.exit != 0 || strings.Count(r.stdout, "\npass  ")+1 != list ||
			!strings.HasSuffix(r.stdout, " passed, 0 failed, 0 not tested\n") {
			t.Errorf("%s: exit %d, want 0 and %d that pass:\n%s%s", run.plugin, r.exit, list, r.stdout, r.stderr)
		}
		wantNothingLeft(t, run.plugin)
	}
}

// What cannot be seen of a plugin must not count as kept.
func TestWhatNobodyCouldSeeDoesNotPass(t *testing.T) {
	quickOnly := filepath.Join(t.TempDir(), "quick.json")
	writeFile(t, quickOnly, `[{"tool": "BrokenTool", "quick": {"target": "127.0.0.1", "mode": "quick"}}]`)
	for _, row := range []struct{ sin, samples, check, says string }{
		{"waits", brokenSamples, "cancel", "nothing is to be seen of the call's end"},
		{"silent", brokenSamples, "flood", "it printed only 0 bytes; give a flood sample"},
		{"silent", brokenSamples, "output-cap", "it printed only 0 bytes; give a flood sample"},
		{"environment-run", quickOnly, "environment", "is too quick to be looked at; give a slow sample"},
		{"sound", quickOnly, "flood", "no sample of a call that prints without end"},
		{"sound", quickOnly, "shutdown", "no sample of a slow call"},
		{"sound", quickOnly, "stdin", "no sample of a slow call"},
		{"sound", quickOnly, "orphans", "no sample of a slow call"},
	} {
		r := testPlugin(t, broken(t, row.sin), "--samples", row.samples, "--only", row.check, "--json")
		if len(r.Checks) != 1 {
			t.Fatalf("%s: %+v, want one check\n%s", row.sin, r.Checks, r.stderr)
		}
		f := r.Checks[0]
		// A machine with nothing to do may see the quick program, and then it sees the leak.
		leak := row.check == "environment" && f.Verdict == "fail"
		if (f.Verdict != "not tested" || !strings.Contains(f.Saw, row.says)) && !leak {
			t.Errorf("%s: %+v, want it not tested, and %q", row.sin, f, row.says)
		}
	}
}

func TestAToolOfWhichItsSampleSaysThatItPrintsLittleMayBeSilent(t *testing.T) {
	samples := filepath.Join(t.TempDir(), "little.json")
	writeFile(t, samples, `[{"tool": "BrokenTool", "flood": false,
		"quick": {"target": "127.0.0.1", "mode": "quick"}, "slow": {"target": "127.0.0.1", "mode": "slow"}}]`)
	r := testPlugin(t, broken(t, "silent"), "--samples", samples, "--require-all")
	if r.exit != 0 || strings.Count(r.stdout, "it prints at most 0 bytes") != 2 {
		t.Errorf("exit %d, want 0 and at most 0 bytes\n%s%s", r.exit, r.stdout, r.stderr)
	}
}

func TestOurPluginsKeepTheContract(t *testing.T) {
	files, err := filepath.Glob("testdata/samples/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("samples are %q, %v, want those of our plugins", files, err)
	}
	runs := make(map[string]*testRun) // name of the plugin -> its test
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		plugin := filepath.Join(bin, "tested", name)
		if err := build(plugin, "../plugins/"+name); err != nil {
			t.Fatal(err)
		}
		runs[name] = startTest(t, plugin, "--samples", file, "--require-all")
	}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			if r := run.wait(t); r.exit != 0 {
				t.Errorf("exit %d, want 0\n%s%s", r.exit, r.stdout, r.stderr)
			}
			wantNothingLeft(t, run.plugin)
		})
	}
}

func TestWithoutSamplesTheReportSaysWhatIsNotTested(t *testing.T) {
	plugin := broken(t, "sound")
	r := testPlugin(t, plugin, "--json")
	if r.exit != 0 || len(r.with("fail")) > 0 {
		t.Errorf("exit %d, %q fail, want success", r.exit, r.with("fail"))
	}
	want := []string{"answers", "concurrent-calls", "output-cap", "flood", "cancel", "deadline", "shutdown",
		"orphans", "stdin", "environment"}
	if got := r.with("not tested"); !slices.Equal(got, want) {
		t.Errorf("%q are not tested, want %q", got, want)
	}
	for _, f := range r.Checks {
		if f.Verdict == "not tested" && !strings.Contains(f.Do, "--samples") {
			t.Errorf("%+v does not say how to have it tested", f)
		}
	}
	if r := testPlugin(t, plugin, "--only", "cancel", "--require-all", "--json"); r.exit != 1 ||
		len(r.Checks) != 1 {
		t.Errorf("with --require-all exit %d and %+v, want 1 and one check", r.exit, r.Checks)
	}
}

func TestWhatCannotBeTestedIsRefusedAndNothingIsStarted(t *testing.T) {
	plugin := broken(t, "sound")
	dir := t.TempDir()
	samples := func(name, text string) string {
		writeFile(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	for says, args := range map[string][]string{
		"calls on loopback alone": {plugin, "--samples", samples("elsewhere",
			`[{"tool": "BrokenTool", "quick": {"target": "192.168.1.1", "mode": "quick"}}]`)},
		"is not below an allowed suffix": {plugin, "--samples", samples("name",
			`[{"tool": "BrokenTool", "quick": {"target": "host.lab.internal", "mode": "quick"}}]`)},
		"does not fit the input schema": {plugin, "--samples", samples("misfit",
			`[{"tool": "BrokenTool", "slow": {"target": "127.0.0.1", "mode": "fast"}}]`)},
		"offers no such tool": {plugin, "--samples", samples("stranger",
			`[{"tool": "PingTool", "quick": {}}]`)},
		"known words are": {plugin, "--samples", samples("word",
			`[{"tool": "T", "quick": {"p": "{{ftp_port}}"}}]`)},
		"unknown field":                {plugin, "--samples", samples("field", `[{"tool": "T", "fast": {}}]`)},
		"no such file or directory":    {filepath.Join(dir, "nothing")},
		"is not executable":            {samples("text", "hello")},
		"is not a file":                {dir},
		`there is no check "kancel"`:   {plugin, "--only", "kancel"},
		"accepts 1 arg(s), received 0": {},
	} {
		r := testPlugin(t, args...)
		if r.exit != 2 || !strings.Contains(r.stderr, says) {
			t.Errorf("plugin test %q: exit %d, %s, want 2 and %q", args, r.exit, r.stderr, says)
		}
	}
	wantNothingLeft(t, plugin)
}

func TestATestThatIsBrokenOffLeavesNothing(t *testing.T) {
	plugin, tmp := broken(t, "start"), shortTemp(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "gatehouse"), "plugin", "test", plugin, "--only",
		"start")
	cmd.Env = environment(t, "TMPDIR="+tmp)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond) // nobody tells that another's child has started
	defer tick.Stop()
	for len(sockets(t, tmp)) == 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("no plugin is started")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("Wait() = %v, want exit status 1", err)
	}
	if left := names(t, tmp); len(left) > 0 {
		t.Errorf("%q are left in %s, want nothing", left, tmp)
	}
	wantNothingLeft(t, plugin)
}
