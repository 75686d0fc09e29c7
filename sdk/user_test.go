package sdk_test

import (
	"errors"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func TestRootRunsProgramsAsAnotherUser(t *testing.T) {
	nobody := sandbox.User{UID: 65534, GID: 65534}
	if u, err := user.Lookup("nobody"); err == nil {
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID != nil || errGID != nil {
			t.Fatalf("user nobody is %+v", u)
		}
		nobody = sandbox.User{UID: uint32(uid), GID: uint32(gid)}
	}
	for _, row := range []struct {
		runAs    string
		possible bool
		want     *sandbox.User
		says     string
	}{
		{"", true, &nobody, ""},
		{"auto", true, &nobody, ""},
		{"auto", false, nil, ""},
		{"none", true, nil, ""},
		{"none", false, nil, ""},
		{"1234:567", true, &sandbox.User{UID: 1234, GID: 567}, ""},
		{"1234:567", false, &sandbox.User{UID: 1234, GID: 567}, ""}, // and the sandbox says that it cannot
		{"no-such-user-here", true, nil, "no-such-user-here"},
		{"4294967294:4294967294", true, &sandbox.User{UID: 1<<32 - 2, GID: 1<<32 - 2}, ""},
		{"1234:x", true, nil, `"x" is no number of a group: those are 1 to 4294967294`},
		{"1234:", true, nil, `"" is no number of a group`},
		{"99999999999:1", true, nil, `"99999999999" is no number of a user`},
		{"4294967295:1", true, nil, `"4294967295" is no number of a user: those are 1 to 4294967294`},
		{"1:4294967295", true, nil, `"4294967295" is no number of a group`},
		{"-1:1", true, nil, `"-1" is no number of a user`},
		{"0:0", true, nil, "root"},
		{"1234:0", true, nil, "root"},
		{"root", true, nil, "root"},
	} {
		got, err := sdk.ProgramUser(row.runAs, row.possible)
		if row.says != "" {
			if err == nil || !strings.Contains(err.Error(), row.says) || sdk.AsError(err).Suggestion == "" {
				t.Errorf("run_as %q = %v, %v; want an error about %q, with a suggestion", row.runAs, got, err,
					row.says)
			}
			continue
		}
		if err != nil || (got == nil) != (row.want == nil) || got != nil && *got != *row.want {
			t.Errorf("run_as %q, possible %t = %v, %v; want %v", row.runAs, row.possible, got, err, row.want)
		}
	}
}

func TestALayerThatThePolicyRequiresIsInForceOrNothingRuns(t *testing.T) {
	have := []sandbox.Layer{
		{Name: "landlock", Active: true}, {Name: "no new privileges", Active: true},
		{Name: "cgroup", Detail: "not used"}, {Name: "own user", Active: true},
	}
	bare := sandbox.Command{}
	tight := sandbox.Command{
		NoNewPrivileges: true, Files: &sandbox.Files{}, RunAs: &sandbox.User{UID: 1, GID: 1},
	}
	ownUser := ""
	if os.Geteuid() == 0 {
		ownUser = "would run as root"
	}
	for _, row := range []struct {
		names []string
		cmd   sandbox.Command
		says  string
	}{
		{nil, bare, ""},
		{[]string{"landlock", "no new privileges", "own user"}, tight, ""},
		{[]string{"own user"}, bare, ownUser},
		{[]string{"landlock"}, bare, "its own file"},
		{[]string{"landlock"}, sandbox.Command{NoNewPrivileges: true}, "which files its program needs"},
		{[]string{"no new privileges"}, bare, "its own file"},
		{[]string{"landlock", "cgroup"}, tight, `"cgroup" of the sandbox, which is not in force: not used`},
		{[]string{"moat"}, tight, `"moat" of the sandbox, which there is not`},
	} {
		err := sdk.Require(row.names, row.cmd, have)
		if row.says == "" && err != nil {
			t.Errorf("require(%q) = %v, want the run allowed", row.names, err)
		}
		if row.says == "" {
			continue
		}
		e := sdk.AsError(err)
		if err == nil || e.Kind != sdk.KindExecution || !strings.Contains(e.Message, row.says) ||
			!strings.Contains(e.Suggestion, "sandbox.require") &&
				!strings.Contains(e.Suggestion, "sandbox.run_as") {
			t.Errorf("require(%q) = %v, want an error that says %q, and what to do", row.names, err, row.says)
		}
	}
}

func TestAUserIsLookedForUntilItIsFound(t *testing.T) {
	looks := 0
	find := sdk.UntilFound(func() (*sandbox.User, error) {
		if looks++; looks < 3 {
			return nil, errors.New("not yet")
		}
		return &sandbox.User{UID: 1, GID: 2}, nil
	})
	for i := 1; i <= 5; i++ {
		u, err := find()
		if (err == nil) != (i >= 3) || err == nil && *u != (sandbox.User{UID: 1, GID: 2}) {
			t.Errorf("look %d = %v, %v; want it found from the third on", i, u, err)
		}
	}
	if looks != 3 {
		t.Errorf("looked %d times, want 3", looks)
	}
}

// What a machine has in general, one run may miss: the sandbox itself has to see to that.
func TestARequiredNamespaceIsRequiredOfEachRun(t *testing.T) {
	namespaces := slices.ContainsFunc(sandbox.Layers(), func(l sandbox.Layer) bool {
		return l.Name == "PID namespace" && l.Active
	})
	for _, row := range []struct {
		require []string
		want    bool
	}{{nil, false}, {[]string{"supervisor"}, false}, {[]string{"supervisor", "PID namespace"}, true}} {
		env := sdk.Env{Policy: sdk.Policy{Require: row.require}}
		c, err := env.Confine(sandbox.Command{Path: "/bin/true"})
		refused := row.want && !namespaces || row.require != nil && runtime.GOOS != "linux"
		if (err != nil) != refused || c.RequireNamespace != row.want {
			t.Errorf("Confine() with require %q = %+v, %v; want RequireNamespace %v, refused %v", row.require,
				c, err, row.want, refused)
		}
	}
}
