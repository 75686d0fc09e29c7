//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox/internal/supervisor"
)

// confine writes into job who the program is, what it may, and what it sees of the file system.
func (c *Command) confine(job *supervisor.Job) error {
	if err := c.confineUser(job, own()); err != nil {
		return &StartError{"check the command", err}
	}
	if c.Files == nil {
		return nil
	}
	job.Handled, job.Scoped = landlockRights(landlockABI())
	if job.Handled != 0 {
		job.Execute = append(slices.Clip(c.Files.Execute), c.Path)
		job.Read, job.Write = c.Files.Read, c.Files.Write
	}
	return nil
}

// confineUser leaves a program without any way back to the rights of this process. Exec gives a program
// that stays root's all of the bounding set, unless no_new_privs says that it gains nothing; and that of a
// file with capabilities these, which a command without NoNewPrivileges wants. So the bounding set stays as
// it is for a program of another user that may gain what its file carries. Where it cannot be changed,
// no_new_privs holds root's programs alone.
func (c *Command) confineUser(job *supervisor.Job, p privileges) error {
	wanted, err := parseCapabilities(c.Capabilities)
	if err != nil {
		return err
	}
	wanted &= p.inheritable
	uid := p.uid
	if c.RunAs != nil && (p.root || *c.RunAs != User{p.uid, p.gid}) {
		if err := p.mayBecome(*c.RunAs); err != nil {
			return err
		}
		uid = c.RunAs.UID
		job.SetUser, job.UID, job.GID = true, c.RunAs.UID, c.RunAs.GID
	}
	job.NoNewPrivs, job.Capabilities = c.NoNewPrivileges, uint64(wanted)
	excess := p.bounding &^ wanted
	switch {
	case uid != 0 && !c.NoNewPrivileges, excess == 0:
	case p.held.has(capSetpcap):
		job.Bounding = uint64(excess)
	default: // root in a container, mostly; a user's program has asked for it already
		job.NoNewPrivs = true
	}
	return nil
}

func (p privileges) mayBecome(u User) error {
	const nobody = 1<<32 - 1 // to setresuid it means: leave it as it is
	switch {
	case u.UID == nobody || u.GID == nobody:
		return fmt.Errorf("RunAs %d:%d is no user", u.UID, u.GID)
	case !p.root:
		return fmt.Errorf("only root can run a program as user %d:%d, and this process is user %d:%d: "+
			"leave RunAs nil", u.UID, u.GID, p.uid, p.gid)
	case !p.canRunAs():
		return errors.New("to run a program as another user root needs CAP_SETUID, CAP_SETGID and " +
			"CAP_KILL: grant them, or leave RunAs nil")
	}
	return nil
}

// landlockABI is the version of Landlock that the kernel has; 0: none, or switched off.
var landlockABI = sync.OnceValue(func() int {
	const sysLandlockCreateRuleset, version = 444, 1
	abi, _, errno := syscall.Syscall(sysLandlockCreateRuleset, 0, 0, version)
	if errno != 0 {
		return 0
	}
	return int(abi)
})

// landlockRights gives all rights to files that an ABI can deny, and what else it can: connections to
// abstract sockets, and signals, to processes that are not the program's own.
func landlockRights(abi int) (handled, scoped uint64) {
	switch {
	case abi <= 0:
		return 0, 0
	case abi == 1:
		return 1<<13 - 1, 0
	case abi == 2:
		return 1<<14 - 1, 0 // to link and rename between directories
	case abi <= 4:
		return 1<<15 - 1, 0 // to truncate
	case abi == 5:
		return 1<<16 - 1, 0 // ioctl on devices
	}
	return 1<<16 - 1, 1<<2 - 1
}
