// Package sandbox starts a program under limits, owns it, and ends all of it.
//
//	pool := sandbox.New(sandbox.Config{})
//	defer pool.Close()
//	out, err := pool.Run(ctx, sandbox.Command{
//		Path: "/usr/bin/nmap", Args: []string{"-sn", "10.0.0.1"},
//		Deadline: time.Now().Add(time.Minute),
//		Stdout: func(chunk []byte) { ... },
//	})
//
// A [Command] says what to run, a [Pool] runs it, an [Outcome] says how it went. What the program gets:
// its limits, in force before its first instruction; a session of its own; a fixed environment; an empty
// stdin; an empty working directory; no descriptor but 0, 1, 2 and, when asked, 3. No shell is involved.
// When Run returns, the program and all its descendants are dead, also those that made sessions of their
// own and lost their parents. They die too when this process is killed, by whatever signal.
//
// A command can ask for more: another user, no capabilities but some, no way to gain any, and a list of
// the files that the program sees. What it asks for is done before the program's first instruction, or the
// program does not run.
//
// On Linux each running program belongs to a supervisor: this same executable, started again, which
// turns into one while its packages are initialised (internal/supervisor). Supervisors are used again,
// so that a run costs little more than fork and exec. Where this process may, each has a PID namespace of its
// own: then the kernel itself kills all that it started when it dies.
//
// Elsewhere programs are started with os/exec and there are fewer layers; [Layers] says which.
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ExitTimeout is the exit code of a run that was ended because its deadline passed.
const ExitTimeout = 124

const (
	defaultGrace       = 2 * time.Second
	cancelGrace        = 500 * time.Millisecond
	defaultStdoutLimit = 1 << 20
	defaultStderrLimit = 256 << 10
)

// ErrClosed is in the error of a Run on a closed Pool.
var ErrClosed = errors.New("pool is closed")

// ErrLost is in the error of a Run whose supervisor died or hung on the way: the program had started, or may
// have, and everything that it ran was killed. The Outcome then holds what was seen until then: how much was
// written, how long it took, TimedOut and Cancelled; not ExitCode, Signal, CPU and MaxRSS, which are zero.
// The error of a program that did not start does not match.
var ErrLost = errors.New("the supervisor was lost during the run")

// ErrNoNamespace is in the error of a Run that was refused because of RequireNamespace.
var ErrNoNamespace = errors.New("there is no PID namespace for it")

// Config is how a Pool works. The zero Config is good.
type Config struct {
	// MaxIdle is how many supervisors wait for work, at most; 0 means 16. Those beyond GOMAXPROCS, and
	// beyond two, end some seconds after the burst that needed them. An idle one holds less than 1 MiB
	// of memory of its own, and makes no system call.
	MaxIdle int

	// Dir is where the empty working directories are made. Empty means os.TempDir.
	Dir string

	// Logger hears of what is odd and not an error of a run: a supervisor that died or hung, files
	// left in a working directory. nil means nobody.
	Logger *slog.Logger
}

// Command is a program to run. Path alone is required.
type Command struct {
	// Path is the absolute path of the program. It is argv[0] too.
	Path string

	// Args are the arguments after argv[0].
	Args []string

	// Env is the whole environment. nil means PATH=/usr/sbin:/usr/bin:/sbin:/bin, LANG=C, LC_ALL=C.
	Env []string

	// Limits bind the program, each of its processes alone. Zero means DefaultLimits.
	Limits Limits

	// NoNewPrivileges keeps the program from gaining privileges through set-user-ID bits and file
	// capabilities. Without it a program of an ordinary user may gain what its file carries, whatever
	// Capabilities says; one that stays root's may not. Linux only.
	NoNewPrivileges bool

	// RunAs is the user that the program becomes, without any further group; nil: it stays as this process
	// is. Only root, with CAP_SETUID, CAP_SETGID and CAP_KILL, can run a program as another user: elsewhere
	// such a run fails.
	RunAs *User

	// Capabilities are what the program has, such as "CAP_NET_RAW", of what this process can hand on; all
	// others are given up for good, by root too. What this process lacks is left out: see Available. A
	// program whose file carries further ones, as ping's may, can then not be executed at all when root
	// starts it: the kernel rather refuses than runs it with less. Linux only.
	Capabilities []string

	// Files is what the program may see of the file system, by Landlock; nil: all that its user may.
	// It needs NoNewPrivileges. A kernel without Landlock runs the program without: see Layers.
	// SystemFiles are those that every program needs.
	Files *Files

	// RequireNamespace refuses the run where its supervisor cannot have a PID namespace of its own. Without
	// it the program then runs in that of this process, also where Layers has promised one: a limit of the
	// system may be reached later.
	RequireNamespace bool

	// Deadline is when the whole tree gets SIGTERM. Zero means never.
	Deadline time.Time

	// Grace is how long after SIGTERM comes SIGKILL. 0 means 2 s; the grace after a cancelled
	// context is never longer than 500 ms.
	Grace time.Duration

	// StdoutLimit and StderrLimit are how many bytes are handed to Stdout and Stderr; the rest is
	// read, counted and dropped. 0 means 1 MiB and 256 KiB, less than 0 means nothing.
	StdoutLimit, StderrLimit int64

	// Stdout and Stderr get the output as it comes, each in order, the two at the same time. The
	// chunk is theirs during the call only. They may block: then the program blocks in its write,
	// and signals still come in time; Run waits for them. nil: the output is counted and dropped.
	Stdout, Stderr func(chunk []byte)

	// Report, if set, gives the program a pipe as descriptor 3 and is called in a goroutine to read
	// it up to its end. What it leaves is read and dropped.
	Report func(io.Reader) error
}

// User is a user of the system, by numbers.
type User struct{ UID, GID uint32 }

// Files are paths that a program may use, by absolute name; a directory means all below it. A name stands for
// the file that has it when the program starts, and symbolic links are followed. Names that do not exist
// are passed over. Descriptors that the program is given are not touched.
//
// Names below /proc/self, and /proc/net, are the program's own, and not those of programs that it starts.
type Files struct {
	Read    []string // files and directories to read
	Execute []string // to read and execute; the program is always among them, a script's interpreter is not
	Write   []string // to read, and to write where they exist; not to make or remove
}

// Outcome is how a run went.
type Outcome struct {
	ExitCode  int            // as a shell has it: 128 + Signal when killed by one, ExitTimeout when TimedOut
	Signal    syscall.Signal // that ended the program; 0 when it exited
	TimedOut  bool           // the deadline passed and the program was told to end
	Cancelled bool           // the context was cancelled, or the pool closed, and the program was told to end

	StdoutBytes, StderrBytes         int64 // all that came, also beyond the limits
	TruncatedStdout, TruncatedStderr bool  // more came than was handed on

	Elapsed time.Duration // from the request to the death of the last descendant
	CPU     time.Duration // user and system time of the program and the children it waited for
	MaxRSS  int64         // bytes; of the supervisor when the program stayed below it (about 4 MiB)

	// LimitHit says which limit ended the program, as far as its signal tells: "cpu time",
	// "file size", "killed (out of memory?)" for a SIGKILL that was not ours, or "". A program that
	// meets the limits on memory or files gets an error from the system and acts as it likes.
	LimitHit string

	ReportErr error // what Report returned
}

// StartError is returned by Run when a program could not be run, or its supervisor was lost, see ErrLost.
type StartError struct {
	Stage string // what could not be done: "exec", "set address space limit"
	Err   error  // often a syscall.Errno, so that errors.Is(err, fs.ErrNotExist) tells a missing program
}

// Error says what could not be done, and why.
func (e *StartError) Error() string { return fmt.Sprintf("sandbox: %s: %v", e.Stage, e.Err) }

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Layer is one of the things that protect a machine from a program, or would.
type Layer struct {
	Name   string
	Active bool
	Detail string // what it does, or what is missing
}

func defaultEnv() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C"}
}

// resolve checks c and fills in what is zero.
func (c Command) resolve(now time.Time) (Command, error) {
	switch {
	case !filepath.IsAbs(c.Path):
		return c, &StartError{"check the command", fmt.Errorf("path %q is not absolute", c.Path)}
	case strings.ContainsRune(c.Path, 0):
		return c, &StartError{"check the command", fmt.Errorf("path %q has a NUL", c.Path)}
	case c.Grace < 0:
		return c, &StartError{"check the command", fmt.Errorf("grace %v is negative", c.Grace)}
	case c.Files != nil && !c.NoNewPrivileges:
		return c, &StartError{"check the command",
			errors.New("Files needs NoNewPrivileges: set it, or leave Files nil")}
	}
	if err := c.Files.check(); err != nil {
		return c, &StartError{"check the command", err}
	}
	if c.Env == nil {
		c.Env = defaultEnv()
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.StdoutLimit == 0 {
		c.StdoutLimit = defaultStdoutLimit
	}
	if c.StderrLimit == 0 {
		c.StderrLimit = defaultStderrLimit
	}
	c.Limits = c.Limits.resolve(c.Deadline, now)
	return c, nil
}

// finish fills o from the status of the program. ended says that we told it to end.
func (o *Outcome) finish(status syscall.WaitStatus, cpuLimit uint64, ended bool) {
	switch {
	case status.Signaled():
		o.Signal = status.Signal()
		o.ExitCode = 128 + int(o.Signal)
		if !ended {
			o.LimitHit = limitHit(o.Signal, o.CPU, cpuLimit)
		}
	default:
		o.ExitCode = status.ExitStatus()
	}
	if o.TimedOut {
		o.ExitCode = ExitTimeout
	}
}
