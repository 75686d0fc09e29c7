//go:build linux && (amd64 || arm64)

package supervisor

import "syscall"

// Marker is the environment variable that makes a process a supervisor. Its value is the brand in
// hexadecimal: see setBrand.
const Marker = "GATEHOUSE_SANDBOX_SUPERVISOR"

// The messages. Each is one packet; the first byte is the kind.
const (
	KindJob     = 'J' // to the supervisor: start this
	KindTerm    = 'T' // to the supervisor: SIGTERM to the tool and its descendants
	KindKill    = 'K' // to the supervisor: SIGKILL to the same
	KindStarted = 'S' // from it: the tool is a process; its pidfd is attached
	KindDone    = 'D' // from it: nothing of the job is alive any more
)

// MaxJob bounds an encoded job, in bytes: it must fit the send buffer of a socket at its default size.
const MaxJob = 128 << 10

// maxStrings bounds the arguments, and the environment, of one job.
const maxStrings = 4096

// maxFiles bounds the paths of one job.
const maxFiles = 2048

// NotSet as a limit leaves that limit as it was inherited.
const NotSet = ^uint64(0)

// Job is a program to start, and its limits. All limits are hard; the one on CPU time is hard one
// second later, so that SIGXCPU comes before SIGKILL.
type Job struct {
	Argv         []string // Argv[0] is the absolute path of the program
	Env          []string
	FileSize     uint64 // bytes
	Processes    uint64 // of the user, not of the job: that is how RLIMIT_NPROC counts
	OpenFiles    uint64
	CPU          uint64 // seconds
	AddressSpace uint64 // bytes
	NoNewPrivs   bool
	Report       bool // a third descriptor is attached and becomes fd 3

	// SetUser makes UID and GID, without further groups, what the program runs as. Only root can.
	SetUser  bool
	UID, GID uint32

	// Capabilities is what the program has, one bit for each: permitted, inheritable and ambient. They
	// must be the supervisor's. Bounding is what is dropped from the bounding set.
	Capabilities, Bounding uint64

	// Handled are the rights to files that Landlock denies but on the paths that follow, and Scoped what
	// else it denies, in the kernel's bits. When Handled is 0 there is no Landlock. It needs NoNewPrivs.
	Handled, Scoped      uint64
	Execute, Read, Write []string // directories mean all below; what does not exist is passed over
}

// The layout of an encoded job. Numbers are little-endian; strings end in NUL, so that the supervisor
// points argv and envp straight into the packet.
const (
	atFlags   = 1
	atArgc    = 4
	atEnvc    = 8
	atLimits  = 16
	numLimits = 5
	atCaps    = atLimits + 8*numLimits
	atUser    = atCaps + 16
	atHandled = atUser + 8
	atFiles   = atHandled + 16 // how many paths: to execute, to read, to write
	atStrings = atFiles + 4*numGroups + 4

	flagNoNewPrivs = 1
	flagReport     = 2
	flagUser       = 4
)

// Append appends the encoded job to b. The error is E2BIG when it does not fit, EINVAL when a string
// holds a NUL or there is no program.
func (j *Job) Append(b []byte) ([]byte, error) {
	if len(j.Argv) == 0 {
		return b, syscall.EINVAL
	}
	files := len(j.Execute) + len(j.Read) + len(j.Write)
	if len(j.Argv) > maxStrings || len(j.Env) > maxStrings || files > maxFiles {
		return b, syscall.E2BIG
	}
	start := len(b)
	b = append(b, KindJob, j.flags(), 0, 0)
	b = append32(b, uint32(len(j.Argv)))
	b = append32(b, uint32(len(j.Env)))
	b = append32(b, 0)
	for _, v := range [numLimits]uint64{j.FileSize, j.Processes, j.OpenFiles, j.CPU, j.AddressSpace} {
		b = append64(b, v)
	}
	b = append64(append64(b, j.Capabilities), j.Bounding)
	b = append32(append32(b, j.UID), j.GID)
	b = append64(append64(b, j.Handled), j.Scoped)
	for _, list := range [numGroups][]string{j.Execute, j.Read, j.Write} {
		b = append32(b, uint32(len(list)))
	}
	b = append32(b, 0)
	for _, list := range [...][]string{j.Argv, j.Env, j.Execute, j.Read, j.Write} {
		var ok bool
		if b, ok = appendStrings(b, list); !ok {
			return b, syscall.EINVAL
		}
	}
	if len(b)-start > MaxJob {
		return b, syscall.E2BIG
	}
	return b, nil
}

func (j *Job) flags() (f byte) {
	if j.NoNewPrivs {
		f |= flagNoNewPrivs
	}
	if j.Report {
		f |= flagReport
	}
	if j.SetUser {
		f |= flagUser
	}
	return f
}

func appendStrings(b []byte, list []string) ([]byte, bool) {
	for _, s := range list {
		for i := range len(s) {
			if s[i] == 0 {
				return b, false
			}
		}
		b = append(append(b, s...), 0)
	}
	return b, true
}

// Message is what a supervisor tells: Started with Pid, or Done with the rest.
type Message struct {
	Kind       byte
	Dirty      bool   // the tool left something in its working directory
	Pid        uint32 // of the tool in our PID namespace; its process group and session have the same number
	WaitStatus uint32 // as wait4 gave it; nothing when Stage is set
	Stage      Stage  // not zero: the tool was not run, this step failed with Errno
	Errno      syscall.Errno
	CPU        uint64 // user and system time of the tool and its waited-for children, µs
	MaxRSS     uint64 // bytes
}

// MessageSize is the size of an encoded Message.
const MessageSize = 40

// Encode writes m into b, without allocating.
func (m *Message) Encode(b *[MessageSize]byte) {
	b[0], b[1], b[2], b[3] = m.Kind, 0, byte(m.Stage), 0
	if m.Dirty {
		b[1] = 1
	}
	put32(b[4:], m.Pid)
	put32(b[8:], m.WaitStatus)
	put32(b[12:], uint32(m.Errno))
	put64(b[16:], m.CPU)
	put64(b[24:], m.MaxRSS)
}

// Decode reads a message; false means that b is not one.
func (m *Message) Decode(b []byte) bool {
	if len(b) != MessageSize || b[0] != KindStarted && b[0] != KindDone {
		return false
	}
	*m = Message{
		Kind: b[0], Dirty: b[1] == 1, Stage: Stage(b[2]),
		Pid: get32(b[4:]), WaitStatus: get32(b[8:]), Errno: syscall.Errno(get32(b[12:])),
		CPU: get64(b[16:]), MaxRSS: get64(b[24:]),
	}
	// The parent will kill the group of that number, and 0 and 1 mean other things there.
	return m.Kind != KindStarted || m.Pid > 1 && m.Pid < 1<<30
}

// Stage is a step on the way to a running tool.
type Stage byte

// The stages, in the order in which they are done.
const (
	StageNone Stage = iota
	StagePrepare
	StagePidfd
	StageDecode
	StageFork
	StageSession
	StageParent
	StageStreams
	StageSignals
	StageRules
	StageCore
	StageFileSize
	StageProcesses
	StageOpenFiles
	StageCPU
	StageAddressSpace
	StageBounding
	StageUser
	StageCapabilities
	StageNoNewPrivs
	StageLandlock
	StageExec
)

var stageNames = [...]string{
	"none", "prepare the supervisor", "probe pidfd (Linux 5.3 or later is needed)", "decode the job",
	"fork", "start a session", "tie to the supervisor", "connect the streams", "reset signals",
	"make the landlock rules",
	"set core size limit", "set file size limit", "set process limit", "set open files limit",
	"set cpu time limit", "set address space limit", "drop from the capability bounding set",
	"change the user", "set the capabilities", "set no_new_privs", "restrict files by landlock", "exec",
}

// String says what the stage does: "set cpu time limit".
func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return "unknown stage"
}

// encoding/binary is not for this package, see the package doc.

func append32(b []byte, v uint32) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func append64(b []byte, v uint64) []byte { return append32(append32(b, uint32(v)), uint32(v>>32)) }

func put32(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func put64(b []byte, v uint64) { put32(b, uint32(v)); put32(b[4:], uint32(v>>32)) }

func get32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func get64(b []byte) uint64 { return uint64(get32(b)) | uint64(get32(b[4:]))<<32 }
