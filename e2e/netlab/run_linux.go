package netlab

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside is set in the environment of a test that was started again.
const inside = "NETLAB_INSIDE_USER_NAMESPACE"

// Run runs a test with a new lab. If this process may not make one, the whole test, which must be a function
// of the test binary and no subtest, is started once more in a user namespace, where it may: by the same
// user, and with the capabilities to make the lab. Where the machine forbids that too, the test fails and
// says what to do.
func Run(t *testing.T, f func(t *testing.T, lab *Lab)) {
	t.Helper()
	ns, err := newNamespace()
	if err == nil {
		_ = ns.Close()
		f(t, New(t))
		return
	}
	const advice = "run the test as root, or let users make user namespaces (sysctl " +
		"user.max_user_namespaces, user.max_net_namespaces, kernel.unprivileged_userns_clone, " +
		"kernel.apparmor_restrict_unprivileged_userns)"
	if os.Getenv(inside) != "" {
		t.Fatalf("%v, in a user namespace too; %s", err, advice)
	}
	out, err := again(t)
	if err != nil {
		t.Fatalf("in a user namespace: %v\n%s\nIf no namespace was made: %s", err, out, advice)
	}
	if !strings.Contains(out, "--- PASS: "+t.Name()+" ") {
		t.Fatalf("in a user namespace the test did not run:\n%s", out)
	}
	t.Logf("in a user namespace:\n%s", out)
}

// again starts the test binary for one test, as the same user with capabilities that hold in new namespaces
// only.
func again(t *testing.T) (string, error) {
	only := "-test.run=^" + regexp.QuoteMeta(t.Name()) + "$"
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", only)
	cmd.Env = append(os.Environ(), inside+"=1")
	uid, gid := os.Getuid(), os.Getgid()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{
			unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE,
		},
		Pdeathsig: syscall.SIGKILL, // the runtime ends no thread but those that we lock
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
