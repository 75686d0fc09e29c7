package proc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestNothingIsGivenUpThatWasNotAskedFor(t *testing.T) {
	path := hosttest.Install(t, hosttest.Dir(t), "confined")
	outside := filepath.Join(hosttest.Dir(t), "outside")
	p, got := startConfined(t, proc.Confinement{}, path, func(string) attempts {
		return attempts{Write: []string{outside}}
	})
	if got.Status["NoNewPrivs"] != "0" || got.Outcome["write "+outside] != "" {
		t.Errorf("the plugin has NoNewPrivs %s and writes to %s: %q", got.Status["NoNewPrivs"], outside,
			got.Outcome["write "+outside])
	}
	for _, name := range []string{"no_new_privs", "landlock", "own user", "cgroup"} {
		if l := layer(t, p.Layers(), name); l.Active || !strings.HasPrefix(l.Detail, "not asked for") {
			t.Errorf("layer %+v, want it missing because nobody asked", l)
		}
	}
	for _, name := range []string{"own session", "exact bytes", "minimal environment", "death signal"} {
		if l := layer(t, p.Layers(), name); !l.Active || l.Detail == "" {
			t.Errorf("layer %+v, want it in force", l)
		}
	}
}

func TestTheLayersOfAProcessAreItsOwn(t *testing.T) {
	p := start(t, hosttest.Dir(t), "echo")
	p.Layers()[0] = tool.Layer{Name: "forged"}
	want := []string{
		"own session", "exact bytes", "minimal environment", "no_new_privs", "landlock", "own user", "cgroup",
		"death signal",
	}
	var names []string
	for _, l := range p.Layers() {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("Layers() are %q, want %q", names, want)
	}
}

func TestNoNewPrivsIsSetForThePluginAlone(t *testing.T) {
	path := hosttest.Install(t, hosttest.Dir(t), "confined")
	nothing := func(string) attempts { return attempts{} }
	p, got := startConfined(t, proc.Confinement{NoNewPrivs: true}, path, nothing)
	if got.Status["NoNewPrivs"] != "1" || !layer(t, p.Layers(), "no_new_privs").Active {
		t.Errorf("NoNewPrivs of the plugin is %s, layer %+v", got.Status["NoNewPrivs"],
			layer(t, p.Layers(), "no_new_privs"))
	}
	if err := p.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	checkThreads(t, "NoNewPrivs:\t0")
}

// checkThreads fails if a thread of this process has not the line in its status that all had before. The ones
// that start plugins end when their plugins do.
func checkThreads(t *testing.T, line string) {
	t.Helper()
	hosttest.Eventually(t, "every thread to have "+line, func() bool {
		files, err := filepath.Glob("/proc/self/task/*/status")
		return err == nil && len(files) > 0 && !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && !strings.Contains(string(text), line+"\n")
		})
	})
}

func TestLandlockKeepsAPluginToItsOwnDirectory(t *testing.T) {
	dir, elsewhere := hosttest.Dir(t), hosttest.Dir(t)
	path := hosttest.Install(t, dir, "confined")
	beside, secret := filepath.Join(dir, "beside"), filepath.Join(elsewhere, "secret")
	for _, file := range []string{beside, secret} {
		if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var own string
	p, got := startConfined(t, proc.Confinement{Landlock: proc.LandlockRequire}, path, func(d string) attempts {
		own = filepath.Join(d, "file")
		return attempts{
			Write: []string{own, secret, beside, filepath.Join(elsewhere, "new"), "/dev/null", "/etc/gatehouse-trial"},
			Read:  []string{own, secret, beside, "/etc/passwd", "/proc/self/status"},
			Run:   []string{"/bin/true", beside},
		}
	})
	for what, allowed := range map[string]bool{
		"write " + own: true, "write " + secret: false, "write " + beside: false, "write /dev/null": true,
		"write " + filepath.Join(elsewhere, "new"): false, "write /etc/gatehouse-trial": false,
		"read " + own: true, "read " + secret: false, "read " + beside: true, "read /etc/passwd": true,
		"read /proc/self/status": true, "run /bin/true": true, "run " + beside: false,
	} {
		outcome, tried := got.Outcome[what]
		if denied := strings.Contains(outcome, "permission denied"); !tried || denied == allowed {
			t.Errorf("%s: %q, want it allowed: %v", what, outcome, allowed)
		}
	}
	if l := layer(t, p.Layers(), "landlock"); !l.Active || !strings.Contains(l.Detail, "ABI ") {
		t.Errorf("layer %+v, want it in force", l)
	}
	if err := os.WriteFile(secret, []byte("the host itself"), 0o600); err != nil {
		t.Errorf("the host itself is confined: %v", err)
	}
}

// It takes no_new_privs where there is no CAP_SYS_ADMIN; a sealed copy and a script run under it as well.
func TestLandlockNeedsNoPrivileges(t *testing.T) {
	who := nobody()
	dir := passable(t)
	echo := hosttest.Install(t, dir, "echo")
	for _, path := range []string{echo, hosttest.InstallScript(t, dir, "script", "exec "+echo)} {
		o := order{
			Path: path, RuntimeDir: runtimeOf(t, who), Confine: proc.Confinement{Landlock: proc.LandlockRequire},
		}
		var r report
		hosttest.Eventually(t, "the file to have been left alone", func() bool {
			r, _ = startHost(t, o, who)
			return !strings.Contains(r.Error, proc.ErrUnfinished.Error())
		})
		if filepath.Base(path) == "script" {
			// echo is no interpreter and lies outside of the system: reading it is allowed, executing it is not.
			if !strings.Contains(r.Error, "126") {
				t.Errorf("a script that executes what lies beside it: %q, want exit status 126", r.Error)
			}
			continue
		}
		if r.Error != "" || !layer(t, r.Layers, "landlock").Active {
			t.Errorf("report %+v, want a plugin under landlock", r)
		}
		if l := layer(t, r.Layers, "no_new_privs"); !l.Active || !strings.Contains(l.Detail, "CAP_SYS_ADMIN") {
			t.Errorf("layer %+v, want it set for landlock's sake", l)
		}
	}
}

// A program of the plugin's may live by the capabilities of its file.
func TestLandlockThatIsNotRequiredSetsNoNewPrivsForNobody(t *testing.T) {
	who := nobody()
	path := hosttest.Install(t, passable(t), "echo")
	for asked, want := range map[bool]string{true: "ABI ", false: "it takes no_new_privs, which was not"} {
		o := order{
			Path: path, RuntimeDir: runtimeOf(t, who),
			Confine: proc.Confinement{Landlock: proc.LandlockAuto, NoNewPrivs: asked},
		}
		var r report
		hosttest.Eventually(t, "the file to have been left alone", func() bool {
			r, _ = startHost(t, o, who)
			return !strings.Contains(r.Error, proc.ErrUnfinished.Error())
		})
		if r.Error != "" {
			t.Fatalf("no_new_privs %v: report %+v, want a plugin", asked, r)
		}
		l, nnp := layer(t, r.Layers, "landlock"), layer(t, r.Layers, "no_new_privs")
		if l.Active != asked || nnp.Active != asked || !strings.Contains(l.Detail, want) {
			t.Errorf("no_new_privs %v: layers %+v and %+v, want %q", asked, l, nnp, want)
		}
	}
}

// The kernel takes 16 domains, one in the other.
func TestLandlockThatCannotBeHadEndsAStartOnlyIfItIsRequired(t *testing.T) {
	dir := hosttest.Dir(t)
	o := order{
		Path: hosttest.Install(t, dir, "echo"), RuntimeDir: hosttest.RuntimeDir(t), Domains: 16,
		Confine: proc.Confinement{Landlock: proc.LandlockRequire},
	}
	r, _ := startHost(t, o, nil)
	if want := "is not started, as landlock cannot be had"; !strings.Contains(r.Error, want) {
		t.Errorf("required: report %+v, want %q", r, want)
	}
	hosttest.AwaitNone(t, dir)
	checkEmpty(t, o.RuntimeDir)
	o.Confine.Landlock = proc.LandlockAuto
	r, _ = startHost(t, o, nil)
	if r.Error != "" {
		t.Fatalf("auto: report %+v, want a plugin without landlock", r)
	}
	const means = "reads and writes what its user may"
	if l := layer(t, r.Layers, "landlock"); l.Active || !strings.Contains(l.Detail, means) {
		t.Errorf("layer %+v, want it missing, and what that means", l)
	}
}

func TestAPluginRunsAsAnotherUser(t *testing.T) {
	dir := hosttest.Dir(t)
	path := hosttest.Install(t, dir, "confined")
	if os.Geteuid() != 0 {
		_, err := proc.Start(t.Context(), proc.Config{
			Path: path, RuntimeDir: hosttest.RuntimeDir(t), Confine: proc.Confinement{RunAs: "nobody"},
		})
		checkStartError(t, err, "only root can run a plugin as another user")
		return
	}
	for _, as := range []string{"nobody", "12345:54321"} {
		var own, outside string
		p, got := startConfined(t, proc.Confinement{RunAs: as}, path, func(d string) attempts {
			own, outside = filepath.Join(d, "file"), filepath.Join(dir, "file")
			return attempts{Write: []string{own, outside}}
		})
		uid := "65534 65534 65534 65534"
		if as != "nobody" {
			uid = "12345 12345 12345 12345"
		}
		if got.Status["Uid"] != uid {
			t.Errorf("as %s: Uid %q, want %q", as, got.Status["Uid"], uid)
		}
		const netRaw = "0000000000002000"
		for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if set == "CapBnd" && got.Status["NoNewPrivs"] == "1" {
				continue // a host without CAP_SETPCAP: what is in there can be gained by nothing
			}
			if has := got.Status[set]; has != netRaw && has != strings.Repeat("0", 16) {
				t.Errorf("as %s: %s is %s, want CAP_NET_RAW at most", as, set, has)
			}
		}
		if got.Outcome["write "+own] != "" || got.Outcome["write "+outside] == "" {
			t.Errorf("as %s: %+v, want its own directory writable and %s not", as, got.Outcome, dir)
		}
		if l := layer(t, p.Layers(), "own user"); !l.Active || !strings.Contains(l.Detail, as) {
			t.Errorf("layer %+v, want it in force", l)
		}
	}
	checkThreads(t, "Uid:\t0\t0\t0\t0")
}

func TestARuntimeDirectoryIsOpenedToPassThroughAndNoMore(t *testing.T) {
	if os.Geteuid() != 0 {
		TestAPluginRunsAsAnotherUser(t) // which says why there is nothing to see here
		return
	}
	run := hosttest.RuntimeDir(t)
	path := hosttest.Install(t, hosttest.Dir(t), "echo")
	cfg := proc.Config{
		Path: path, RuntimeDir: run, Env: hosttest.Env(), Confine: proc.Confinement{RunAs: "nobody"},
	}
	p, err := proc.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if info, err := os.Stat(run); err != nil || info.Mode().Perm() != 0o701 {
		t.Errorf("the runtime directory: %v, %v, want mode 0701", info.Mode(), err)
	}
	below := filepath.Join(run, "below")
	if err := errors.Join(os.Mkdir(below, 0o755), os.Chmod(run, 0o700)); err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeDir = below
	_, err = proc.Start(t.Context(), cfg)
	checkStartError(t, err, "may not pass through "+run)
	if info, err := os.Stat(run); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory above: %v, %v, want it as it was", info.Mode(), err)
	}
}

func TestRunAsRefusesWhoIsNobodyToRunAs(t *testing.T) {
	path := hosttest.Install(t, hosttest.Dir(t), "echo")
	for as, want := range map[string]string{
		"no-such-user": "no-such-user", "root": "it is root", "0:0": "it is root", "a:b": "no number",
		"1:": "no number", "4294967295:1": "no number",
	} {
		if os.Geteuid() != 0 {
			want = "only root"
		}
		_, err := proc.Start(t.Context(), proc.Config{
			Path: path, RuntimeDir: hosttest.RuntimeDir(t), Confine: proc.Confinement{RunAs: as},
		})
		checkStartError(t, err, want)
	}
}

// The lifeline cannot end a process that is stopped, and a change of user takes the death signal away: it
// must be set after.
func TestAPluginThatIsStoppedDiesWithItsHostUnderEveryConfinement(t *testing.T) {
	confined := proc.Confinement{NoNewPrivs: true, Landlock: proc.LandlockAuto}
	if os.Geteuid() == 0 {
		confined.RunAs = "nobody"
	}
	for _, c := range []proc.Confinement{{}, confined} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			dir := hosttest.Dir(t)
			r, kill := startHost(t, order{
				Path: hosttest.Install(t, dir, "echo"), RuntimeDir: hosttest.RuntimeDir(t), Confine: c,
			}, nil)
			if r.Error != "" {
				t.Fatalf("report of the host: %s", r.Error)
			}
			if err := syscall.Kill(r.Pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			kill()
			hosttest.AwaitNone(t, dir)
		})
	}
}
