package proc

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// account is a user that a process runs as in place of the host's.
type account struct {
	name         string // as it was asked for
	uid, gid     uint32
	groups       []uint32
	capabilities []uintptr // that it keeps; the others are gone
}

// findAccount understands a name, or "uid:gid". The account of a name is in all of the user's groups, that of
// numbers in its own alone.
func findAccount(text string) (*account, error) {
	uid, gid, numbers := strings.Cut(text, ":")
	groups := []string{gid}
	if !numbers {
		found, err := user.Lookup(text)
		if err != nil {
			return nil, err
		}
		uid, gid = found.Uid, found.Gid
		if groups, err = found.GroupIds(); err != nil {
			return nil, fmt.Errorf("its groups: %w", err)
		}
	}
	a := &account{name: text}
	var errUID, errGID error
	a.uid, errUID = number(uid)
	a.gid, errGID = number(gid)
	for _, g := range groups {
		n, err := number(g)
		if err != nil {
			return nil, err
		}
		a.groups = append(a.groups, n)
	}
	if a.uid == 0 && errUID == nil {
		return nil, errors.New("it is root: leave run_as empty for that")
	}
	return a, cmp.Or(errUID, errGID)
}

// number reads the number of a user or group. The highest means to the kernel that nothing changes.
func number(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q is no number of a user or group", text)
	}
	return uint32(n), nil
}

// runAs finds the account of a configuration; nil: the host's own. It keeps CAP_NET_RAW if the host has it to
// give: ping and nmap live by that, and it opens no file.
func runAs(cfg Config) (*account, error) {
	if cfg.Confine.RunAs == "" {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, unconfined(cfg.Name, layerUser,
			fmt.Errorf("only root can run a plugin as another user, and the host is user %d", os.Geteuid())).
			Suggest("start the host as root, or leave run_as empty: plugins run as the host's user then")
	}
	if !held(unix.CAP_KILL) {
		return nil, unconfined(cfg.Name, layerUser,
			errors.New("the host has not CAP_KILL, and could not end a plugin of another user")).
			Suggest("give the host CAP_KILL (containers: --cap-add=KILL), or leave run_as empty")
	}
	a, err := findAccount(cfg.Confine.RunAs)
	if err != nil {
		return nil, unconfined(cfg.Name, layerUser, fmt.Errorf("run_as %q: %w", cfg.Confine.RunAs, err)).
			Suggest("set run_as to the name of a user that is not root, or to its numbers as uid:gid")
	}
	if err := a.reach(cfg.RuntimeDir); err != nil {
		return nil, unconfined(cfg.Name, layerUser, err).
			Suggest("choose a runtime directory below ones that everybody may pass, such as /run/gatehouse")
	}
	if held(unix.CAP_NET_RAW) {
		a.capabilities = []uintptr{unix.CAP_NET_RAW}
	}
	return a, nil
}

// reach sees that the account can pass to what lies in the runtime directory. The directory itself is ours as
// a rule, and 0700: the account gets the one right to pass, which shows it nothing of what lies there. What
// is above is never changed.
func (a *account) reach(runtime string) error {
	for dir := runtime; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		need := a.pass(owner)
		switch mode := info.Mode().Perm(); {
		case mode&need == need:
		case dir != runtime || owner.Uid != uint32(os.Geteuid()):
			return fmt.Errorf("user %s may not pass through %s", a.name, dir)
		default:
			if err := os.Chmod(dir, mode|need); err != nil {
				return err
			}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// pass is the permission that decides whether the account may pass through a directory.
func (a *account) pass(dir *syscall.Stat_t) fs.FileMode {
	switch {
	case dir.Uid == a.uid:
		return 0o100
	case dir.Gid == a.gid, slices.Contains(a.groups, dir.Gid):
		return 0o010
	}
	return 0o001
}

// own gives the account a directory that was made for it.
func (a *account) own(dir string) error {
	if a == nil {
		return nil
	}
	return os.Chown(dir, int(a.uid), int(a.gid))
}

// become has a process start as the account.
func (a *account) become(attr *syscall.SysProcAttr) {
	if a == nil {
		return
	}
	attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
	attr.AmbientCaps = a.capabilities
}

func (a *account) layer() tool.Layer {
	if a == nil {
		return tool.Layer{Name: layerUser, Detail: "not asked for: it runs as " + hostUser()}
	}
	with := "without any capability"
	if len(a.capabilities) > 0 {
		with = "with CAP_NET_RAW and no other capability"
	}
	return tool.Layer{Name: layerUser, Active: true,
		Detail: fmt.Sprintf("it runs as %s (%d:%d), %s", a.name, a.uid, a.gid, with)}
}

func hostUser() string {
	if os.Geteuid() == 0 {
		return "the host's user, root"
	}
	return fmt.Sprintf("the host's user, number %d", os.Geteuid())
}

// held reports whether this process has a capability, and can hand it on.
func held(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	_, _, errno := unix.Syscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)),
		uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 || data[capability/32].Permitted>>(capability%32)&1 == 0 {
		return false
	}
	bounded, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(capability), 0, 0, 0)
	return err == nil && bounded == 1
}
