// Package discover finds plugins in directories. [Scan] starts nothing: it tells which files may be started,
// each as a [Candidate] with a [Stamp] of its version, and which it refuses, each as a [Refusal] that says
// why and what to type. [Watch] tells when it is time for another scan, and [Sum] hashes a file.
//
//	found := discover.Scan([]string{"/usr/lib/gatehouse/plugins"})
//	for _, c := range found.Candidates {
//		fmt.Println(c.Name, c.Path, c.Stamp.Size, c.Locked, c.Pin)
//	}
package discover

import (
	"cmp"
	"errors"
	"os"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
)

// Candidate is a file that may be started as a plugin.
type Candidate struct {
	Name   string   // the file's name; the plugin's own name comes with its manifest
	Path   string   // absolute, without symbolic links
	Dir    string   // the plugin directory that it was found in, likewise
	Stamp  Stamp    // another one when the file is another one
	Locked bool     // the directory has a lock file, so that only pinned bytes may run
	Pin    *pin.Pin // what the lock file says of this file; nil: nothing
}

// Same reports whether two scans found the same file, in the same version, under the same lock.
func (c Candidate) Same(o Candidate) bool {
	samePin := c.Pin == nil && o.Pin == nil || c.Pin != nil && o.Pin != nil && c.Pin.Same(*o.Pin)
	return c.Path == o.Path && c.Stamp == o.Stamp && c.Locked == o.Locked && samePin
}

// Stamp tells one version of a file from another without reading it. Two stamps are equal as long as nobody
// wrote to the file, or put another in its place.
type Stamp struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed int64 // nanoseconds since 1970
}

// Refusal is something that is not used, and what a person can do about it.
type Refusal struct {
	Path   string
	Reason string // one clause, such as "others may write to it"
	Fix    string // a command to type, or one sentence

	// Temporary says that it could not be looked at, for a reason of the machine's such as too many open files.
	Temporary bool
}

// Result is what a scan found. Each list is sorted by path and names a path once.
type Result struct {
	Candidates []Candidate
	Refusals   []Refusal // files and directories that are there, and not safe to use
	Missing    []Refusal // directories asked for that are not there, or cannot be read
	Dirs       []string  // that were looked through, resolved; in the order of the question
}

// Scan looks through directories and everything below them. It refuses what somebody other than root and the
// user of this process could change, as whoever can change a plugin can do what the host can. That goes for
// every directory and symbolic link on the way from / to one of dirs as well: who can rename a directory can
// put another in its place. Only there a directory that is everybody's may be, if it is sticky as /tmp is.
//
// A directory with a lock file, see package pin, has only Locked candidates. When the lock file is no good,
// that is a Refusal, and none of them has a Pin: nothing runs until somebody has settled it.
//
// Taken are executable regular files that hold a native program or start with "#!". Passed over in silence
// are hidden names, names that mark a test or a half-made thing (Test*, Mock*, Abstract*, Example*, _*,
// *Base, *Mixin, *Interface) and everything that cannot be executed.
func Scan(dirs []string) Result {
	var res Result
	for _, dir := range dirs {
		scanDir(dir, os.Geteuid(), &res)
	}
	// The same file may lie in two of dirs, one below the other: the stricter lock holds.
	slices.SortStableFunc(res.Candidates, func(a, b Candidate) int { return cmp.Compare(rank(a), rank(b)) })
	res.Candidates = byPath(res.Candidates, func(c Candidate) string { return c.Path })
	res.Refusals = byPath(res.Refusals, func(r Refusal) string { return r.Path })
	res.Missing = byPath(res.Missing, func(r Refusal) string { return r.Path })
	return res
}

func rank(c Candidate) int {
	switch {
	case c.Locked && c.Pin == nil:
		return 0
	case c.Locked:
		return 1
	}
	return 2
}

// byPath sorts and drops what came twice: a link beside its file, or one directory asked for under two names.
func byPath[T any](list []T, path func(T) string) []T {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(path(a), path(b)) })
	return slices.CompactFunc(list, func(a, b T) bool { return path(a) == path(b) })
}

func scanDir(dir string, euid int, res *Result) {
	missing := func(err error) {
		res.Missing = append(res.Missing, Refusal{
			Path: dir, Reason: "the plugin directory cannot be used: " + cause(err),
			Fix:       "mkdir -p " + quote(dir) + ", or take it out of the configuration",
			Temporary: temporary(err),
		})
	}
	base, err := safeWay(dir, euid)
	var bad *flawed
	if errors.As(err, &bad) {
		res.Refusals = append(res.Refusals, Refusal{Path: dir, Reason: bad.reason, Fix: bad.fix})
		return
	}
	if err != nil {
		missing(err)
		return
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		missing(err)
		return
	}
	defer root.Close() // nothing was written through it
	res.Dirs = append(res.Dirs, base)
	w := walker{root: root, base: base, euid: euid, res: res}
	if err := w.start(); err != nil {
		missing(err)
	}
}
