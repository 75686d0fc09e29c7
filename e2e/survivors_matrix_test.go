package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// promised is how long after the end of its owner a process may be alive.
	promised = 3 * time.Second
	// asked is the deadline of a call that is to meet it: time for its processes to come to their places.
	asked = 4 * time.Second
)

// kind is a way of a tool to make its processes hard to find, or to end.
type kind struct {
	name      string
	tool      string
	arguments string // JSON; %d is the mark
	processes int
}

// programKinds are programs that the sdk runs: in its sandbox, each under a supervisor.
var programKinds = []kind{
	{"a tool that forks", "StrayTool", `{"extra_args":"--depth 2 --mark %d"}`, 7},
	{"a tool that ignores SIGTERM", "StrayTool", `{"extra_args":"--deaf --depth 2 --mark %d"}`, 7},
	{"a tool that double-forks with setsid", "StrayTool", `{"extra_args":"--escape --depth 1 --mark %d"}`, 3},
	{"a tool that holds stderr open", "StrayTool", `{"extra_args":"--escape --hold --depth 1 --mark %d"}`, 3},
	{"a tool that does all", "StrayTool", `{"extra_args":"--deaf --escape --hold --depth 2 --mark %d"}`, 7},
}

// ownKinds are processes that the plugin starts itself, as one may that is not written with the sdk. All are
// deaf, and hold the plugin's stderr. When it has to end, the plugin does nothing about them. But when a call
// ends and the plugin lives on, nobody else can know which of them were for the call, and it ends those.
var ownKinds = []kind{
	{"a plugin's child in its process group", "OwnTool", `{"where":"plugin's group","mark":%d}`, 1},
	{"a plugin's child in a group of its own", "OwnTool", `{"where":"group of its own","mark":%d}`, 3},
	{"a plugin's orphan in a session of its own", "OwnTool", `{"where":"session of its own","mark":%d}`, 3},
}

// call are the arguments of a call of this kind that ends in some way.
func (k kind) call(mark int, e ending) string {
	arguments := strings.TrimSuffix(fmt.Sprintf(k.arguments, mark), "}") + e.arguments
	if k.tool == "OwnTool" {
		arguments += fmt.Sprintf(`,"tidy":%t`, e.reach == theCall)
	}
	return arguments + "}"
}

// reach is what an ending takes along.
type reach int

const (
	theCall reach = iota
	thePlugin
	theHost
)

// ending is a way for a call to end before its time. bring does it, and returns the moment from which on the
// promise counts.
type ending struct {
	name      string
	reach     reach
	arguments string // further ones of the calls
	bring     func(*testing.T, *scene) time.Time
}

var (
	clientCancel = ending{"client cancel", theCall, "", func(_ *testing.T, s *scene) time.Time {
		s.cancel()
		return time.Now()
	}}
	deadline = ending{
		"deadline", theCall, fmt.Sprintf(`,"timeout_sec":%d`, int(asked.Seconds())),
		func(_ *testing.T, s *scene) time.Time { return s.called.Add(asked) },
	}
	pluginCrash = ending{"plugin crash", thePlugin, "", func(t *testing.T, s *scene) time.Time {
		begun := time.Now()
		s.host.ask(t, http.MethodPost, "/tools/CrashTool/execute", "{}", http.StatusServiceUnavailable, nil)
		return begun
	}}
	pluginSIGKILL = ending{"plugin SIGKILL", thePlugin, "", func(t *testing.T, s *scene) time.Time {
		return send(t, s.plugin, syscall.SIGKILL)
	}}
	hostSIGTERM = ending{"host SIGTERM", theHost, "", func(t *testing.T, s *scene) time.Time {
		return send(t, s.host.cmd.Process.Pid, syscall.SIGTERM)
	}}
	hostSIGKILL = ending{"host SIGKILL", theHost, "", func(t *testing.T, s *scene) time.Time {
		return send(t, s.host.cmd.Process.Pid, syscall.SIGKILL)
	}}
)

func send(t *testing.T, pid int, sig syscall.Signal) time.Time {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
	return time.Now()
}

// TestSurvivors is the promise of the whole program: whatever ends a call, and whatever its tool does, three
// seconds later no process of it is alive, and no socket file lies around.
func TestSurvivors(t *testing.T) {
	for _, group := range []struct {
		name   string
		kinds  []kind
		shared bool // no PID namespaces, which only a host that is root can make
	}{
		{"programs", programKinds, false},
		{"programs without PID namespaces", programKinds, true},
		{"a plugin's own", ownKinds, false},
	} {
		for _, e := range []ending{
			clientCancel, deadline, pluginCrash, pluginSIGKILL, hostSIGTERM, hostSIGKILL,
		} {
			t.Run(group.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				if group.shared {
					withoutNamespaces(t)
				}
				s := play(t, group.kinds, e)
				if group.shared && slices.ContainsFunc(descendants(t, s.plugin), namespaced) {
					t.Fatal("the supervisors have PID namespaces")
				}
				s.end(t, e)
			})
		}
	}
}

// end brings the ending about, and holds what is left to the promise.
func (s *scene) end(t *testing.T, e ending) {
	own := s.own(t, e.reach)
	if len(names(t, s.tmp)) == 0 {
		t.Fatalf("nothing below %s, want the directories of the host: the test looks in a wrong place", s.tmp)
	}
	late := e.bring(t, s).Add(promised)
	for _, c := range s.calls {
		t.Run(c.name, func(t *testing.T) {
			left := c.strays.alive(t, late)
			if len(left) == 0 { // of those that were there; and there must be no others
				left = familyOf(t, marked(t, c.mark)...)
			}
			wantNobody(t, e.name+", "+c.name, left)
		})
	}
	if e.reach != theHost {
		t.Run("the dead", func(t *testing.T) { s.buried(t, e) })
	}
	if e.reach == theCall {
		return
	}
	t.Run("plugin and supervisors", func(t *testing.T) { wantNobody(t, e.name, own.alive(t, late)) })
	if e.reach == theHost {
		s.host.wait()
	} else {
		s.host.log.waitFor(t, `"plugin is ready"`, 2) // it begins again when nothing is left of it
	}
	t.Run("socket files", func(t *testing.T) { s.noSocket(t, e, late) })
}

// wantNobody fails when anybody is left, and kills those.
func wantNobody(t *testing.T, what string, left family) {
	t.Helper()
	if len(left) > 0 {
		t.Errorf("%s: after %v these are left:%s", what, promised, left)
		left.kill()
	}
}

func TestAHostThatEndsWhileItsPluginIsFrozenLeavesNothing(t *testing.T) {
	for _, e := range []ending{hostSIGTERM, hostSIGKILL} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := play(t, programKinds, e)
			send(t, s.plugin, syscall.SIGSTOP)
			s.end(t, e)
		})
	}
}

// frozenGone is the promise for a plugin that does not run. It cannot hear that a call is cancelled. That it
// is frozen shows when it misses two probes of its health, of a second each; then it is killed.
const frozenGone = 6 * time.Second

func TestAPluginThatIsFrozenWhileItsCallIsCancelledLeavesNothing(t *testing.T) {
	s := play(t, programKinds[len(programKinds)-1:], clientCancel)
	frozen := append(s.calls[0].strays, familyOf(t, s.plugin)...)
	send(t, s.plugin, syscall.SIGSTOP)
	begun := clientCancel.bring(t, s)
	if left := frozen.alive(t, begun.Add(frozenGone)); len(left) > 0 {
		t.Errorf("%v after the call was cancelled these are left:%s", frozenGone, left)
		left.kill()
		return
	}
	t.Logf("all was gone %v after the call was cancelled", time.Since(begun))
	s.host.log.waitFor(t, `"plugin is ready"`, 2)
	if _, kind := s.host.rest(t, "NoopTool", `{}`); kind != "" {
		t.Errorf("NoopTool of the next process = %q, want success", kind)
	}
}

func TestTheNextHostLeavesNothingOfAKilledOne(t *testing.T) {
	s := play(t, programKinds[:1], hostSIGKILL)
	hostSIGKILL.bring(t, s)
	s.host.wait()
	old := names(t, s.tmp)
	next := serve(t, "lab", "TMPDIR="+s.tmp)
	for _, name := range names(t, s.tmp) {
		if slices.Contains(old, name) {
			t.Errorf("%s of the killed host is there while the next one serves", name)
		}
	}
	next.stop()
	if left := names(t, s.tmp); len(left) > 0 {
		t.Errorf("%q are left by the two hosts, want nothing", left)
	}
}
