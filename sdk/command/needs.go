package command

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Probes look at what the tool needs on the machine: its program, and whatever else is in Definition.Needs.
func (t *Tool) Probes() []sdk.Probe {
	probes := slices.Clone(t.def.Probes)
	for _, n := range t.spec.Needs {
		if slices.ContainsFunc(probes, func(p sdk.Probe) bool { return p.Name == n.Name }) {
			continue
		}
		p := sdk.Probe{Name: n.Name, Priority: sdk.Important, Run: t.needed(n)}
		if n.Optional {
			p.Priority = sdk.Informational
			p.Run = optional(p.Run)
		}
		probes = append(probes, p)
	}
	return probes
}

type look = func(context.Context, sdk.Env) (string, error)

// optional makes of a failure one that the tool can live with.
func optional(run look) look {
	return func(ctx context.Context, env sdk.Env) (string, error) {
		found, err := run(ctx, env)
		return found, sdk.Degraded(err)
	}
}

func (t *Tool) needed(n sdk.Need) look {
	switch {
	case n.Kind == sdk.NeedCapability:
		return func(_ context.Context, env sdk.Env) (string, error) { return t.checkCapability(env, n) }
	case n.Name == t.def.Program.Name:
		return t.checkProgram
	}
	return func(_ context.Context, env sdk.Env) (string, error) {
		path, missing := newLocator(Program{Name: n.Name, Install: n.Install}).find(env)
		if missing != nil {
			return "", missing.Suggest("%s", typed(n.Install))
		}
		return path, nil
	}
}

// checkProgram says where the program is, and in which version, as far as the tool wants to know.
func (t *Tool) checkProgram(ctx context.Context, env sdk.Env) (string, error) {
	l := t.program
	path, missing := l.find(env)
	if missing != nil {
		missing.Message += "; looked in " + strings.Join(searchPath, ", ")
		return "", missing.Suggest("%s", typed(l.program.Install))
	}
	if err := l.guarded(path); err != nil {
		return "", err
	}
	err := t.enclose(env, &sandbox.Command{Path: path})
	if err != nil && sdk.KindOf(err) != sdk.KindNeedsPrivilege { // of a missing capability another check tells
		return "", err
	}
	if l.program.MinVersion == "" {
		return path, nil
	}
	have, err := l.ask(ctx, env, t.def, path)
	if err != nil {
		return "", err
	}
	if older(have, l.program.MinVersion) {
		return "", l.tooOld(path, have, t.def).Suggest("%s", typed(l.program.Install))
	}
	return path + ", version " + cmp.Or(have, "unknown"), nil
}

// typed is what a person types: installing is root's.
func typed(install string) string {
	if strings.HasPrefix(install, "apt") && os.Geteuid() != 0 {
		return "sudo " + install
	}
	return install
}

// checkCapability asks whether the program will have a capability, of this process or of its own file.
func (t *Tool) checkCapability(env sdk.Env, n sdk.Need) (string, error) {
	if t.handedOn(env, n.Name) {
		return "handed on by the host", nil
	}
	path, missing := t.program.find(env)
	if missing != nil {
		return "", sdk.Errorf(sdk.KindNotFound, "nothing can be said without the program: %w", missing)
	}
	how, err := t.without(env, n.Name)
	if err != nil || how != "" {
		return how, err
	}
	if how := t.grantedByFile(path, n.Name); how != "" {
		return how + "; runs are without no_new_privs and Landlock", nil
	}
	name := filepath.Base(path)
	why := ""
	if t.mayGain() {
		if why = hindered(path, n.Name); why == "" {
			return "", sdk.Errorf(sdk.KindNeedsPrivilege, "%s may not use %s", name, n.Name).
				Suggest("sudo setcap %s+ep %s", strings.ToLower(n.Name), path)
		}
		why = ": " + why
	}
	return "", sdk.Errorf(sdk.KindNeedsPrivilege, "%s may not use %s%s; a host that has it hands it down "+
		"(systemd: AmbientCapabilities=%s)", name, n.Name, why, n.Name).Suggest("%s", grant(n.Name))
}

// grant is what a person types to start a host, and with it the plugins and their programs, with a
// capability.
func grant(capability string) string {
	name := strings.ToLower(strings.TrimPrefix(capability, "CAP_"))
	return "sudo setpriv --reuid=$(id -u) --regid=$(id -g) --init-groups --inh-caps=+" + name +
		" --ambient-caps=+" + name + " gatehouse serve"
}
