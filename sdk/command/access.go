package command

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// access is what a run of the program may do.
type access struct {
	capabilities []string
	// byFile is whether the program lives by the capabilities of its own file. That needs a run without
	// no_new_privs, and so without Landlock.
	byFile bool
}

// available asks the sandbox, and hindered the kernel; tests ask somebody else.
var (
	available = sandbox.Available
	hindered  = hindrance
)

// access chooses, for each capability among the needs, the first of
//
//	handed on   by this process: no_new_privs and Landlock are on
//	without     the program does without it, see Definition.Without: likewise
//	by file     the last resort, see Definition.FileCapabilities: neither is on
//	nothing     where the need is optional; otherwise the run is refused
func (t *Tool) access(env sdk.Env, path string) (a access, err error) {
	for _, n := range t.def.Needs {
		if n.Kind != sdk.NeedCapability {
			continue
		}
		if t.handedOn(env, n.Name) {
			a.capabilities = append(a.capabilities, n.Name)
			continue
		}
		how, err := t.without(env, n.Name)
		switch {
		case err != nil:
			return access{}, err
		case how != "":
		case t.grantedByFile(path, n.Name) != "":
			a.byFile = true
		case !n.Optional:
			return access{}, t.needsPrivilege(path, n.Name)
		}
	}
	return a, nil
}

// handedOn reports whether this process can hand a capability on to the program.
func (t *Tool) handedOn(env sdk.Env, capability string) bool {
	if s := env.StandIn(t.def.Program.Name); s != nil {
		return !slices.Contains(s.Lacks, capability)
	}
	return available(capability)
}

// without says how the program does without a capability, or "".
func (t *Tool) without(env sdk.Env, capability string) (string, error) {
	if t.def.Without == nil {
		return "", nil
	}
	groups, err := env.Groups()
	if err != nil {
		return "", err
	}
	return t.def.Without(capability, groups), nil
}

// grantedByFile says how the program's file gives it a capability that nobody hands on, or "". Root cannot
// gain in this way what it has lost, and nobody where something hinders.
func (t *Tool) grantedByFile(path, capability string) string {
	if !t.mayGain() || hindered(path, capability) != "" {
		return ""
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSetuid != 0 {
		return "set-user-ID bit of " + path
	}
	if byFile(path, capability) {
		return "file capability of " + path
	}
	return ""
}

// mayGain says whether the program may live by its file at all.
func (t *Tool) mayGain() bool { return t.def.FileCapabilities && os.Geteuid() != 0 }

// needsPrivilege is the error of a run without a capability that it cannot do without.
func (t *Tool) needsPrivilege(path, capability string) *sdk.Error {
	name := filepath.Base(path)
	err := sdk.Errorf(sdk.KindNeedsPrivilege, "%s may not use %s on this machine", name, capability).
		With("needs", capability)
	if t.mayGain() {
		why := hindered(path, capability)
		if why == "" {
			return err.Suggest("the operator can type: sudo setcap %s+ep %s", strings.ToLower(capability), path)
		}
		err.Message += ": " + why
	}
	return err.Suggest("the operator can start the host with it (systemd: AmbientCapabilities=%s), such as by: "+
		"%s", capability, grant(capability))
}

// files is what the program may see: what every program needs, its own data, and what the author names.
func (d Definition) files() sandbox.Files {
	f := sandbox.SystemFiles()
	f.Read = slices.Concat(f.Read, d.Reads,
		[]string{"/usr/share/" + d.Program.Name, "/usr/local/share/" + d.Program.Name})
	f.Execute = slices.Concat(f.Execute, d.Executes)
	return f
}

// enclose puts the layers of the sandbox around a run of c.Path, or says why it cannot be.
func (t *Tool) enclose(env sdk.Env, c *sandbox.Command) error {
	a, err := t.access(env, c.Path)
	if err != nil {
		return err
	}
	t.restrict(c, a)
	*c, err = env.Confine(*c)
	return err
}

func (t *Tool) restrict(c *sandbox.Command, a access) {
	c.Capabilities = a.capabilities
	if !a.byFile {
		c.NoNewPrivileges, c.Files = true, &t.files
	}
}
