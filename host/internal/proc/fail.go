package proc

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

var (
	errSlow = errors.New("no handshake in time")
	errExec = errors.New("not executed") // in the chain of what exec failed with
)

// startError says why a start failed, once the process is gone.
func (p *Process) startError(ctx context.Context, cfg Config, err error) *tool.Error {
	text := err.Error()
	var told *tool.Error
	switch {
	case ctx.Err() != nil:
		return brokenOff(ctx, p.name)
	case errors.Is(err, errExec) && errors.As(err, &told):
		return told
	case errors.Is(err, errExec):
		return p.execError(cfg, err)
	case errors.Is(err, errSlow), strings.Contains(text, "timeout while waiting"):
		return p.failed("did not shake hands within %s of its start", cfg.StartTimeout).
			Suggest("run %s by hand: a plugin says at once that it is one, and ends", cfg.Path)
	case strings.Contains(text, "incompatible API version"), strings.Contains(text, "incompatible core API"):
		return p.useless("speaks another version of the protocol than %d", wire.ProtocolVersion).
			Suggest("rebuild the plugin against the sdk of this host's version")
	case strings.Contains(text, "unsupported plugin protocol"):
		return p.useless("does not speak gRPC").Suggest("rebuild the plugin with the sdk")
	case errors.Is(err, errAddress):
		return p.useless("asks the host to connect to an address outside of its directory").
			Suggest("take it out of the plugin directory: it is broken, or means harm")
	}
	return p.handshakeError(cfg, text)
}

func brokenOff(ctx context.Context, name string) *tool.Error {
	return failed(name, "was broken off in its start: %w", context.Cause(ctx)).Suggest("start it again")
}

// handshakeError is for a process that ended or printed something else before it had shaken hands.
func (p *Process) handshakeError(cfg Config, text string) *tool.Error {
	line, _, _ := strings.Cut(text, "\n")
	_, garbage, unrecognized := strings.Cut(line, "Unrecognized remote plugin message:")
	if garbage = strings.TrimSpace(garbage); garbage != "" {
		return p.useless("is not a plugin: it printed %q in place of the handshake", clip(garbage)).
			Suggest("take %s out of the plugin directory, or build it with the sdk", cfg.Path)
	}
	if unrecognized || strings.Contains(text, "exited before we could connect") {
		return p.failed("ended before the handshake: %w", p.child.ended()).
			Suggest("run %s by hand and read what it prints; a plugin built with the sdk starts on its own", cfg.Path)
	}
	return p.failed("failed in the handshake: %s", clip(line)).Suggest("rebuild the plugin with the sdk")
}

func (p *Process) execError(cfg Config, err error) *tool.Error {
	switch {
	case errors.Is(err, syscall.ETXTBSY):
		return p.child.image.unfinished("somebody opened it for writing")
	case errors.Is(err, syscall.EPERM) && p.child.account != nil:
		return unconfined(p.name, layerUser, err).
			Suggest("grant the host CAP_SETUID, CAP_SETGID and CAP_SETPCAP, or leave run_as empty")
	case errors.Is(err, fs.ErrPermission) && p.child.account != nil:
		return p.failed("is not executable for user %s", p.child.account.name).
			Suggest("chmod a+rx %s, and see that its file system is not mounted noexec", cfg.Path)
	case errors.Is(err, fs.ErrPermission):
		return p.child.image.notExecutable()
	case errors.Is(err, syscall.ENOEXEC):
		return p.useless("is not a program for this machine").
			Suggest("build the plugin for this operating system and processor")
	case errors.Is(err, fs.ErrNotExist):
		return p.failed("cannot be executed: the file, or the interpreter that it names, is not there").
			Suggest("look at %s and at its first line", cfg.Path)
	}
	return p.failed("cannot be executed: %w", err).Suggest("look at %s", cfg.Path)
}

func (p *Process) failed(format string, args ...any) *tool.Error {
	return failed(p.name, format, args...)
}

// failed is the failure of a start of the plugin with a name.
func failed(name, format string, args ...any) *tool.Error {
	return tool.Errorf(tool.KindUnavailable, "plugin "+strings.ReplaceAll(name, "%", "%%")+" "+format, args...).
		With("plugin", name)
}

// useless is a failure that another start cannot mend.
func (p *Process) useless(format string, args ...any) *tool.Error {
	return p.failed(format+"; %w", append(args, ErrUnusable)...)
}
