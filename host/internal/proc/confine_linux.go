package proc

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// confine takes from the calling thread what the process that it forks must not have. Rights are a thread's:
// it must be locked and never be unlocked, so that no other goroutine is confined as well. The Go runtime
// makes no thread from one that is locked.
//
// After this the thread can open for writing what the plugin can, and no more. What must be done outside of
// that is another goroutine's.
func (c *child) confine() ([]tool.Layer, error) {
	nnp := privileges{wanted: c.confinement.NoNewPrivs}
	if c.account != nil {
		if err := dropBounding(c.account.capabilities); err != nil {
			nnp.need("the bounding set cannot be emptied without CAP_SETPCAP")
		}
	}
	if err := nnp.giveUp(); err != nil {
		return nil, unconfined(c.name, layerNoNewPrivs, err).
			Suggest("use Linux 3.5 or newer, or switch no_new_privs off for this plugin")
	}
	landlock, err := c.landlock(&nnp)
	if err != nil {
		return nil, unconfined(c.name, layerLandlock, err).
			Suggest("use a kernel of 5.13 or newer that was started with lsm=landlock among others, " +
				"or set landlock to auto")
	}
	return []tool.Layer{nnp.layer(), landlock, c.account.layer()}, nil
}

// privileges is no_new_privs of a thread, and why it was set.
type privileges struct {
	wanted bool
	reason string // why it is needed without having been asked for
	given  bool
}

func (p *privileges) need(reason string) { p.reason = reason }

// giveUp sets no_new_privs when it is wanted or needed.
func (p *privileges) giveUp() error {
	if p.given || !p.wanted && p.reason == "" {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p.given = true
	return nil
}

func (p *privileges) layer() tool.Layer {
	const means = "neither set-user-ID bits nor file capabilities give a program that it starts anything"
	switch {
	case p.wanted:
		return tool.Layer{Name: layerNoNewPrivs, Active: true, Detail: means}
	case p.given:
		return tool.Layer{Name: layerNoNewPrivs, Active: true, Detail: means + "; set because " + p.reason}
	}
	return tool.Layer{Name: layerNoNewPrivs,
		Detail: "not asked for: a program that it starts may gain the rights that its file carries"}
}

// landlock restricts the thread to the profile.
func (c *child) landlock(nnp *privileges) (tool.Layer, error) {
	want := c.confinement.Landlock
	if want == "" || want == LandlockOff {
		return tool.Layer{Name: layerLandlock,
			Detail: "not asked for: it reads and writes what its user may"}, nil
	}
	abi, err := landlockABI()
	if err == nil {
		err = c.restrict(abi, nnp)
	}
	switch {
	case err == nil:
		return tool.Layer{Name: layerLandlock, Active: true, Detail: landlockMeans(abi)}, nil
	case want == LandlockAuto:
		return tool.Layer{Name: layerLandlock,
			Detail: fmt.Sprintf("%v: it reads and writes what its user may", err)}, nil
	}
	return tool.Layer{}, err
}

// errNeedsPrivs is why landlock is done without where it is not required: no_new_privs would take from the
// plugin's programs the capabilities of their files, which ping may live by.
var errNeedsPrivs = errors.New("without CAP_SYS_ADMIN it takes no_new_privs, which was not asked for")

// restrict makes the rules and enters them. It takes CAP_SYS_ADMIN or no_new_privs.
func (c *child) restrict(abi int, nnp *privileges) error {
	ruleset, err := newRuleset(abi)
	if err != nil {
		return err
	}
	defer ruleset.close()
	if err := ruleset.allowAll(profile(c.cmd.Args[0], c.image.interpreter, c.dir)); err != nil {
		return err
	}
	if err := ruleset.allowFile(c.image.file, canRead); err != nil {
		return err
	}
	err = ruleset.enter()
	switch {
	case !errors.Is(err, unix.EPERM):
		return err
	case c.confinement.Landlock == LandlockAuto:
		return errNeedsPrivs
	}
	nnp.need("landlock takes it where there is no CAP_SYS_ADMIN")
	if err := nnp.giveUp(); err != nil {
		return err
	}
	return ruleset.enter()
}

// profile is what a plugin at path whose directory for itself is dir may do with files.
func profile(path, interpreter, dir string) []rule {
	rules := []rule{
		{canRead, systemPaths}, {canRead, resolverPaths},
		{canList, []string{"/dev"}}, {canUse, devices},
		{canRead &^ unix.LANDLOCK_ACCESS_FS_EXECUTE, []string{filepath.Dir(path)}},
		{canOwn, []string{dir}},
	}
	if interpreter != "" {
		rules = append(rules, rule{canRead, []string{interpreter}})
	}
	return rules
}

var (
	// systemPaths hold programs, libraries, their data and settings, and what the kernel tells. /etc is among
	// them as a whole: the files that a resolver reads there are replaced at any time, and a rule is on a file
	// and not on its name. /nix/store and /gnu/store are /usr where everything else is a link into them.
	systemPaths = []string{
		"/usr", "/lib", "/lib64", "/lib32", "/libx32", "/bin", "/sbin", "/opt", "/etc", "/proc", "/sys",
		"/nix/store", "/gnu/store",
	}

	// resolverPaths are where /etc/resolv.conf may lead to. The rest of /run stays closed: it holds sockets
	// and secrets of services.
	resolverPaths = []string{
		"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf",
		"/run/NetworkManager/no-stub-resolv.conf", "/run/connman/resolv.conf",
	}

	// devices are those that hold nothing. The others in /dev cannot be opened at all: root could read disks.
	devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
)

// dropBounding leaves in the thread's bounding set what is in keep alone: no exec can give back the rest.
func dropBounding(keep []uintptr) error {
	for n := uintptr(0); ; n++ {
		if len(keep) > 0 && n == keep[0] {
			continue // one at most is ever kept
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0)
		switch {
		case errors.Is(err, unix.EINVAL): // past the last one that the kernel knows
			return nil
		case err != nil:
			return err
		}
	}
}

// onMainThread reports whether this is the thread that the process began with. It stays when its goroutine
// ends, and /proc shows the process as it is: it must not be confined.
func onMainThread() bool { return unix.Gettid() == unix.Getpid() }

func deathLayer() tool.Layer {
	return tool.Layer{Name: layerDeath, Active: true,
		Detail: "the kernel kills the process when the host dies, also one that is stopped; " +
			"not what it has started"}
}
