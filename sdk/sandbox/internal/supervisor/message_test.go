//go:build linux && (amd64 || arm64)

package supervisor

import (
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// text reads back what point made of the packet.
func text(list []*byte) (out []string) {
	for _, p := range list {
		if p == nil {
			break
		}
		n := 0
		for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
			n++
		}
		out = append(out, string(unsafe.Slice(p, n)))
	}
	return out
}

func TestAJobArrivesAsItWasSent(t *testing.T) {
	j := Job{
		Argv: []string{"/bin/x", "", "-a b", "ä"}, Env: []string{"A=1", "B="},
		FileSize: 1, Processes: NotSet, OpenFiles: 3, CPU: 4, AddressSpace: 5, NoNewPrivs: true,
		SetUser: true, UID: 7, GID: 8, Capabilities: 1<<40 | 2, Bounding: 1 << 63,
		Handled: 1<<15 - 1, Scoped: 3,
		Execute: []string{"/bin/x"}, Read: []string{"/a", "/b"}, Write: []string{"/c"},
	}
	b, err := j.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := new(plan)
	if !p.fill(b) {
		t.Fatal("fill() = false")
	}
	if argv := text(p.argv[:]); !reflect.DeepEqual(argv, j.Argv) {
		t.Errorf("argv = %q, want %q", argv, j.Argv)
	}
	if env := text(p.env[:]); !reflect.DeepEqual(env, j.Env) {
		t.Errorf("env = %q, want %q", env, j.Env)
	}
	want := [...]rlimit{{0, 0}, {1, 1}, {NotSet, NotSet}, {3, 3}, {4, 5}, {5, 5}}
	for i, l := range p.limits {
		if l.value != want[i] || l.set != (want[i].soft != NotSet) {
			t.Errorf("%v = %+v, want %v", l.stage, l, want[i])
		}
	}
	if !p.nnp {
		t.Error("no_new_privs was lost")
	}
	if !p.user.set || p.user.uid != 7 || p.user.gid != 8 {
		t.Errorf("user = %+v, want 7:8", p.user)
	}
	half := p.caps.sets[1]
	if p.caps.wanted != j.Capabilities || p.caps.bounding != j.Bounding || p.caps.sets[0].permitted != 2 ||
		half.effective != 1<<8 || half.permitted != 1<<8 || half.inheritable != 1<<8 {
		t.Errorf("capabilities = %+v", p.caps)
	}
	if files := text(p.files[:]); !reflect.DeepEqual(files, []string{"/bin/x", "/a", "/b", "/c"}) {
		t.Errorf("files = %q", files)
	}
	if want := [...]group{{1, 0b1101}, {3, 0b1100}, {4, 0b1110 | 1<<14}}; p.groups != want {
		t.Errorf("groups = %+v, want %+v", p.groups, want)
	}
	if p.rules != (landlockAttr{handledFS: j.Handled, scoped: 3}) {
		t.Errorf("rules = %+v", p.rules)
	}
}

func TestNoRightIsGivenThatIsNotHandled(t *testing.T) {
	j := Job{Argv: []string{"/bin/x"}, Handled: 1<<13 - 1, Write: []string{"/c"}}
	b, err := j.Append(nil)
	p := new(plan)
	if err != nil || !p.fill(b) {
		t.Fatal("fill() = false, ", err)
	}
	if got := p.groups[2].rights; got != fsRead|fsWriteFile {
		t.Errorf("rights to write = %b, want them without the one to truncate", got)
	}
}

func TestAJobThatDoesNotFitIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		job  Job
		want syscall.Errno
	}{
		"no program":     {Job{}, syscall.EINVAL},
		"a NUL":          {Job{Argv: []string{"a", "b\x00c"}}, syscall.EINVAL},
		"a NUL in env":   {Job{Argv: []string{"a"}, Env: []string{"\x00"}}, syscall.EINVAL},
		"too many bytes": {Job{Argv: []string{strings.Repeat("a", MaxJob)}}, syscall.E2BIG},
		"too many files": {Job{Argv: []string{"a"}, Read: make([]string, maxFiles+1)}, syscall.E2BIG},
		"a NUL in files": {Job{Argv: []string{"a"}, Write: []string{"/a\x00"}}, syscall.EINVAL},
		"too many words": {Job{Argv: make([]string, maxStrings+1)}, syscall.E2BIG},
	} {
		if _, err := row.job.Append(nil); err != row.want {
			t.Errorf("%s: Append() = %v, want %v", name, err, row.want)
		}
	}
}

func TestAMessageArrivesAsItWasSent(t *testing.T) {
	want := Message{KindDone, true, 1 << 20, 0x8b, StageExec, syscall.ENOENT, 1 << 40, 1 << 41}
	var b [MessageSize]byte
	want.Encode(&b)
	var got Message
	if !got.Decode(b[:]) || got != want {
		t.Errorf("Decode() = %+v, want %+v", got, want)
	}
	for _, pid := range []uint32{0, 1, 1 << 31} { // kill(2) takes these for something else
		m := Message{Kind: KindStarted, Pid: pid}
		m.Encode(&b)
		if got.Decode(b[:]) {
			t.Errorf("Decode(started, pid %d) = true", pid)
		}
	}
	if got.Decode(b[:3]) {
		t.Error("Decode(3 bytes) = true")
	}
}

// FuzzFill: a packet of any bytes is refused, or all its pointers lie in it.
func FuzzFill(f *testing.F) {
	good, _ := (&Job{Argv: []string{"/bin/x", "a"}, Env: []string{"E=1"}}).Append(nil)
	f.Add(good)
	f.Add(good[:len(good)-1])
	files, _ := (&Job{
		Argv: []string{"/bin/x"}, Handled: 1,
		Execute: []string{"/a"}, Read: []string{"/b"}, Write: []string{"/c"},
	}).Append(nil)
	f.Add(files)
	f.Add([]byte{KindJob})
	p := new(plan)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !p.fill(b) {
			return
		}
		size := 0
		for _, s := range slices.Concat(text(p.argv[:]), text(p.env[:]), text(p.files[:])) {
			size += len(s) + 1
		}
		if size != len(b)-atStrings {
			t.Errorf("strings of %d bytes in %d", size, len(b)-atStrings)
		}
		if last := p.groups[numGroups-1].end; int(last) != len(text(p.files[:])) {
			t.Errorf("%d files, rules for %d", len(text(p.files[:])), last)
		}
	})
}

// FuzzParse: a process can call itself what it likes, and is read all the same.
func FuzzParse(f *testing.F) {
	f.Add("cat")
	f.Add(") Z 1 1 1")
	f.Add("a b) R (")
	f.Fuzz(func(t *testing.T, comm string) {
		line := "4242 (" + comm + ") S 17 18 19 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3\n"
		var p process
		if !p.parse([]byte(line)) || p.state != 'S' || p.parent != 17 || p.group != 18 || p.born != 987654 {
			t.Errorf("parse(%q) = %+v", line, p)
		}
		p.parse([]byte(comm))
	})
}

func TestDescendantsAreFoundWhateverTheirOrder(t *testing.T) {
	self = 100
	defer func() { self = 0 }()
	list := []process{
		{pid: 2, parent: 300}, {pid: 3, parent: 2}, {pid: 50, parent: 1}, {pid: 100, parent: 1},
		{pid: 200, parent: 100}, {pid: 300, parent: 200}, {pid: 301, parent: 50},
	}
	mark(list)
	var got []int32
	for _, p := range list {
		if p.ours {
			got = append(got, p.pid)
		}
	}
	if want := []int32{2, 3, 200, 300}; !reflect.DeepEqual(got, want) {
		t.Errorf("ours = %v, want %v", got, want)
	}
}

func TestToolsOfDifferentSupervisorsHaveDifferentNumbers(t *testing.T) {
	seen := make(map[int32]uint64)
	for _, outside := range []uint64{2, 3, 299, 300, 301, 4096, 1<<15 - 1, 1 << 20} {
		got := spread(outside)
		if other, taken := seen[got]; taken || got < 300 {
			t.Errorf("spread(%d) = %d, as of %d", outside, got, other)
		}
		seen[got] = outside
	}
}
