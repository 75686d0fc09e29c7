package sdk

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// nobody is the user that owns nothing, where the system does not say another number.
var nobody = sandbox.User{UID: 65534, GID: 65534}

// inForce is a policy with what follows from it for programs.
type inForce struct {
	Policy
	user func() (*sandbox.User, error) // who programs run as; asked when the first one runs
}

func newInForce(p Policy) *inForce {
	return &inForce{Policy: p, user: untilFound(func() (*sandbox.User, error) {
		if os.Geteuid() != 0 {
			return nil, nil // only root can become another
		}
		return programUser(p.RunAs, active(ownUser))
	})}
}

// untilFound looks as often as it is asked, until it has found: who adds a user that was missing need not
// reload the policy.
func untilFound(look func() (*sandbox.User, error)) func() (*sandbox.User, error) {
	var mu sync.Mutex // guards what follows
	var found bool
	var u *sandbox.User
	return func() (*sandbox.User, error) {
		mu.Lock()
		defer mu.Unlock()
		if found {
			return u, nil
		}
		var err error
		u, err = look()
		found = err == nil
		return u, err
	}
}

// programUser finds the user that root runs programs as; nil: root. possible is whether this process can
// change users at all, which root of a container may not. Then "auto", and nothing else, stays root.
func programUser(runAs string, possible bool) (*sandbox.User, error) {
	switch runAs {
	case "none":
		return nil, nil
	case "", "auto":
		if !possible {
			return nil, nil
		}
		if u, err := lookupUser("nobody"); err == nil {
			return u, nil
		}
		return &nobody, nil
	}
	u, err := lookupUser(runAs)
	switch {
	case err != nil:
		return nil, Errorf(KindExecution, "run_as %q: %w", runAs, err).
			Suggest("set sandbox.run_as to auto (nobody), none (root), the name of a user, or uid:gid")
	case u.UID == 0 || u.GID == 0:
		return nil, Errorf(KindExecution, "run_as %q has the user or the group of root", runAs).
			Suggest("set sandbox.run_as to none if programs are to run as root, or to auto")
	}
	return u, nil
}

// lookupUser understands a name, or "uid:gid".
func lookupUser(text string) (*sandbox.User, error) {
	uid, gid, numbers := strings.Cut(text, ":")
	if !numbers {
		found, err := user.Lookup(text)
		if err != nil {
			return nil, err
		}
		uid, gid = found.Uid, found.Gid
	}
	u, errUID := number(uid, "user")
	g, errGID := number(gid, "group")
	if err := cmp.Or(errUID, errGID); err != nil {
		return nil, err
	}
	return &sandbox.User{UID: u, GID: g}, nil
}

// number reads the number of a user or group. The highest one is nobody's: to the kernel it means that
// nothing changes.
func number(text, of string) (uint32, error) {
	const highest = math.MaxUint32 - 1
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > highest {
		return 0, fmt.Errorf("%q is no number of a %s: those are 1 to %d", text, of, uint32(highest))
	}
	return uint32(n), nil
}

// User is who programs of this call run as; nil: the user of this process.
func (e Env) User() (*sandbox.User, error) {
	if e.user == nil {
		return nil, nil
	}
	return e.user()
}

// Groups are the groups that programs of this call are in.
func (e Env) Groups() ([]int, error) {
	u, err := e.User()
	if err != nil {
		return nil, err
	}
	if u != nil {
		return []int{int(u.GID)}, nil
	}
	groups, err := os.Getgroups()
	if err != nil {
		groups = nil // then the effective one alone
	}
	if own := os.Getegid(); !slices.Contains(groups, own) {
		groups = append(groups, own)
	}
	return groups, nil
}
