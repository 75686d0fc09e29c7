//go:build amd64 || arm64

package sandbox

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox/internal/supervisor"
)

// TestWhatAProgramIsGiven is about processes that no test can be: root in containers of several makes.
func TestWhatAProgramIsGiven(t *testing.T) {
	const chown, raw = capSet(1), capSet(1 << 13)
	const setuid, setgid, kill, setpcap = 1 << capSetuid, 1 << capSetgid, 1 << capKill, 1 << capSetpcap
	root := func(held capSet) privileges {
		return privileges{root: true, held: held, bounding: held, inheritable: held}
	}
	all := chown | raw | setuid | setgid | kill | setpcap
	user := privileges{uid: 7, gid: 8, bounding: all}
	other := &User{UID: 5, GID: 6}
	for name, row := range map[string]struct {
		by      privileges
		command Command
		want    supervisor.Job
		err     string
	}{
		"root's program loses the rest of the bounding set": {
			root(all), Command{Capabilities: []string{"CAP_NET_RAW"}},
			supervisor.Job{Capabilities: uint64(raw), Bounding: uint64(all &^ raw)}, "",
		},
		"another user's program keeps it for what its file carries": {
			root(all), Command{RunAs: other}, supervisor.Job{SetUser: true, UID: 5, GID: 6}, "",
		},
		"another user's program that can gain nothing loses it": {
			root(all), Command{RunAs: other, NoNewPrivileges: true},
			supervisor.Job{SetUser: true, UID: 5, GID: 6, Bounding: uint64(all), NoNewPrivs: true}, "",
		},
		"what this process has not is left out": {
			root(chown | setpcap), Command{Capabilities: []string{"CAP_NET_RAW", "CAP_CHOWN"}},
			supervisor.Job{Capabilities: uint64(chown), Bounding: setpcap}, "",
		},
		"root without CAP_SETPCAP holds its own program by no_new_privs": {
			root(chown), Command{}, supervisor.Job{NoNewPrivs: true}, "",
		},
		"and one that asked for that": {
			root(chown), Command{NoNewPrivileges: true}, supervisor.Job{NoNewPrivs: true}, "",
		},
		"but not one that has all there is": {
			root(raw), Command{Capabilities: []string{"CAP_NET_RAW"}},
			supervisor.Job{Capabilities: uint64(raw)}, "",
		},
		"root that could not end it runs nothing as another user": {
			root(all &^ kill), Command{RunAs: other}, supervisor.Job{}, "CAP_KILL",
		},
		"a user runs nothing as another": {user, Command{RunAs: other}, supervisor.Job{}, "only root"},
		"nor as one of another group": {
			user, Command{RunAs: &User{UID: 7, GID: 9}}, supervisor.Job{}, "only root",
		},
		"a user may name itself": {user, Command{RunAs: &User{UID: 7, GID: 8}}, supervisor.Job{}, ""},
		"what setresuid takes for no change is no user": {
			root(all), Command{RunAs: &User{UID: 1<<32 - 1}}, supervisor.Job{}, "no user",
		},
	} {
		var got supervisor.Job
		err := row.command.confineUser(&got, row.by)
		switch {
		case row.err != "":
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: confineUser() = %v, want an error with %q", name, err, row.err)
			}
		case err != nil || !reflect.DeepEqual(got, row.want):
			t.Errorf("%s: confineUser() = %+v, %v, want %+v", name, got, err, row.want)
		}
	}
}

func TestAnOlderKernelIsAskedForLess(t *testing.T) {
	const last = 1 << 15 // ioctl on devices
	before := uint64(0)
	for abi := 0; abi <= 9; abi++ {
		handled, scoped := landlockRights(abi)
		if handled < before || (abi == 0) != (handled == 0) || (abi >= 5) != (handled&last != 0) ||
			(abi >= 6) != (scoped != 0) {
			t.Errorf("landlockRights(%d) = %b, %b", abi, handled, scoped)
		}
		before = handled
	}
}
