package command

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Program says which program a tool runs.
type Program struct {
	Name        string   // as it lies in one of the system's directories: "nmap"
	MinVersion  string   // "7.80"; empty: any, and the program is never asked
	VersionArgs []string // make it print its version; nil: --version
	Install     string   // what a person types to get it
}

// searchPath is where programs are looked for, and nowhere else: the environment of whoever started the
// host has no say.
var searchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

const versionTimeout = 5 * time.Second

// locator finds a program once, and knows its version once it was asked. A program that was missing is
// looked for again.
type locator struct {
	program Program

	mu    sync.Mutex // guards what follows
	path  string     // absolute; empty: not found yet
	stamp time.Time  // of the file whose version is known
	// version is what the program printed, empty: not known.
	version string
}

func newLocator(p Program) *locator { return &locator{program: p} }

// find returns the absolute path. It stays the same as long as there is a program there.
func (l *locator) find(env sdk.Env) (string, *sdk.Error) {
	if s := env.StandIn(l.program.Name); s != nil { // a test's; nothing of it is kept
		if s.Path == "" {
			return "", l.missing()
		}
		return s.Path, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" || !executable(l.path) {
		l.path = ""
		for _, dir := range searchPath {
			if path := filepath.Join(dir, l.program.Name); executable(path) {
				l.path = path
				break
			}
		}
	}
	if l.path == "" {
		return "", l.missing()
	}
	return l.path, nil
}

// guarded refuses a program that anybody could have put there.
func (l *locator) guarded(path string) error {
	open := openToAll(path)
	if open == "" {
		return nil
	}
	return sdk.Errorf(sdk.KindExecution, "%s is not run: everybody on the host's machine can write to %s", path,
		open).
		Suggest("the operator can type: sudo chmod o-w %s", open)
}

// openToAll names what would let everybody put another program in the place of this one, or "". A link is
// followed; what counts is where the file lies.
func openToAll(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "" // gone; the run will say so
	}
	for _, name := range []string{filepath.Dir(path), filepath.Dir(real), real} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o002 != 0 {
			return name
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

func (l *locator) missing() *sdk.Error {
	return sdk.Errorf(sdk.KindNotFound, "the program %s is not installed", l.program.Name).
		Suggest("install it on the host's machine: %s", l.program.Install)
}

// ready returns the path of a program that is new enough, and that nobody but its owners can change.
func (l *locator) ready(ctx context.Context, env sdk.Env, d Definition) (string, error) {
	path, missing := l.find(env)
	if missing != nil {
		return "", missing
	}
	if err := l.guarded(path); err != nil {
		return "", err
	}
	if l.program.MinVersion == "" {
		return path, nil
	}
	have, err := l.ask(ctx, env, d, path)
	if err != nil {
		return "", err
	}
	if older(have, l.program.MinVersion) {
		return "", l.tooOld(path, have, d).Suggest("install a newer one: %s", l.program.Install)
	}
	return path, nil
}

func (l *locator) tooOld(path, have string, d Definition) *sdk.Error {
	return sdk.Errorf(sdk.KindNotFound, "%s %s is too old; %s needs %s", path, have, d.Name, l.program.MinVersion)
}

// ask runs the program for its version, once for each file that stands at its path.
func (l *locator) ask(ctx context.Context, env sdk.Env, d Definition, path string) (string, error) {
	if s := env.StandIn(l.program.Name); s != nil {
		return s.Version, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", l.missing()
	}
	l.mu.Lock()
	known, stamp := l.version, l.stamp
	l.mu.Unlock()
	if known != "" && stamp.Equal(info.ModTime()) {
		return known, nil
	}
	var out strings.Builder
	args := l.program.VersionArgs
	if args == nil {
		args = []string{"--version"}
	}
	files := d.files()
	_, err = env.Run(ctx, sandbox.Command{
		Path: path, Args: args, Deadline: time.Now().Add(versionTimeout), StdoutLimit: 4 << 10,
		Limits: limits(env.Policy), NoNewPrivileges: true, Files: &files,
		Stdout: func(p []byte) { out.Write(p) },
	})
	if err != nil {
		return "", l.startError(err)
	}
	v := findVersion(out.String())
	if v == "" && ctx.Err() != nil {
		return "", sdk.AsError(ctx.Err())
	}
	l.mu.Lock()
	l.version, l.stamp = v, info.ModTime()
	l.mu.Unlock()
	return v, nil
}

// startError is the error of a run that did not begin, or was lost.
func (l *locator) startError(err error) error {
	var start *sandbox.StartError
	var own *sdk.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, sandbox.ErrClosed):
		return sdk.Errorf(sdk.KindCancelled, "the plugin is ending: %w", err)
	case errors.Is(err, sandbox.ErrLost):
		return sdk.Errorf(sdk.KindExecution, "%s was cut off: %w", l.program.Name, err).
			Suggest("try again; if it happens again, the host's log says more, and the operator can look for " +
				"what kills or stops its processes, such as a lack of memory")
	case errors.As(err, &start) && start.Stage == "exec" && errors.Is(err, fs.ErrNotExist):
		return l.missing()
	case errors.As(err, &start) && start.Stage == "exec" && errors.Is(err, fs.ErrPermission):
		return sdk.Errorf(sdk.KindExecution, "%s could not be run: %w", l.program.Name, err).
			Suggest("the user of sandbox.run_as must be able to reach and execute the file; of a script, " +
				"the interpreter must be among the Executes of the tool's definition")
	}
	return sdk.Errorf(sdk.KindExecution, "%s could not be run: %w", l.program.Name, err).
		Suggest("see the host's log; a limit that cannot be set means no run")
}

// findVersion returns the first dotted number, or the first number, of what a program printed.
func findVersion(text string) string {
	first := ""
	for _, word := range strings.FieldsFunc(text,
		func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		word = strings.Trim(word, ".")
		if strings.Contains(word, ".") {
			return word
		}
		if first == "" {
			first = word
		}
	}
	return first
}

// older compares dotted numbers. A version that could not be read is not held against the program.
func older(have, want string) bool {
	if have == "" {
		return false
	}
	h, w := strings.Split(have, "."), strings.Split(want, ".")
	for i := range w {
		if i >= len(h) {
			return true
		}
		a, _ := strconv.Atoi(h[i]) // digits, or empty, which is 0
		b, _ := strconv.Atoi(w[i])
		if a != b {
			return a < b
		}
	}
	return false
}
