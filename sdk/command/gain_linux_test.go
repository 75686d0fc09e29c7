package command

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// threadStatus is what the kernel says of this thread.
func threadStatus(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// mountedNosuid says what the list of mounts says of the one at a directory.
func mountedNosuid(t *testing.T, dir string) (nosuid bool) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[1] == dir {
			found, nosuid = true, strings.Contains(","+f[3]+",", ",nosuid,")
		}
	}
	if !found {
		t.Fatalf("nothing is mounted at %s", dir)
	}
	return nosuid
}

func TestAFileGivesNothingWhereTheKernelSaysSo(t *testing.T) {
	runtime.LockOSThread() // for good: the thread ends with the test
	const file, raw = "/proc/version", "CAP_NET_RAW"
	wantHindered := func(says string) {
		t.Helper()
		status := threadStatus(t)
		bounding, err := strconv.ParseUint(status["CapBnd"], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		switch {
		case status["NoNewPrivs"] == "1":
			want = "no_new_privs"
		case bounding>>capabilities[raw]&1 == 0:
			want = "bounding set"
		case mountedNosuid(t, "/proc"):
			want = "nosuid"
		}
		got := hindrance(file, raw)
		if !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: hindrance(%s, %s) = %q, want it about %q", says, file, raw, got, want)
		}
	}
	if got, want := onNosuid(file), mountedNosuid(t, "/proc"); got != want {
		t.Errorf("onNosuid(%s) = %v, want %v", file, got, want)
	}
	wantHindered("as this process is")
	const capbsetDrop, setNoNewPrivs = 24, 38
	if r := prctl(capbsetDrop, uintptr(capabilities[raw])); (r == 0) != (effective(t, 8)) {
		t.Fatalf("PR_CAPBSET_DROP = %d; CAP_SETPCAP alone allows it", r)
	}
	wantHindered("perhaps without the bounding set")
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0)
	if errno != 0 {
		t.Fatalf("PR_SET_NO_NEW_PRIVS: %v", errno)
	}
	if wantHindered("under no_new_privs"); threadStatus(t)["NoNewPrivs"] != "1" {
		t.Error("no_new_privs is not set")
	}
}

// effective says whether this thread has a capability.
func effective(t *testing.T, number uint) bool {
	t.Helper()
	set, err := strconv.ParseUint(threadStatus(t)["CapEff"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set>>number&1 != 0
}
