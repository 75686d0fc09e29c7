package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// little is the free space below which a trail or a log fills the disk soon.
const little = 64 << 20

// Dir is what is known of a directory that the host writes to.
type Dir struct {
	Err      error       // of looking; fs.ErrNotExist: it is not there
	Mode     fs.FileMode // with the type
	Writable error       // why nothing can be written into it, or, if it is not there, why it cannot be made
	Free     uint64      // bytes on its disk
	FreeErr  error
}

// LookAt looks at a directory, by making a file in it and taking that away. free asks for the free space of a
// directory's disk. Where there is no directory it looks at the nearest one above, in which it would be made.
func LookAt(dir string, free func(dir string) (uint64, error)) Dir {
	var d Dir
	info, err := os.Stat(dir)
	d.Err = err
	at := dir
	if errors.Is(err, fs.ErrNotExist) {
		at = nearest(dir)
	} else if err != nil {
		return d
	} else {
		d.Mode = info.Mode()
	}
	f, err := os.CreateTemp(at, ".doctor-*")
	if d.Writable = err; err == nil {
		d.Writable = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	d.Free, d.FreeErr = free(at)
	return d
}

// nearest is the first directory above a path that is there.
func nearest(path string) string {
	for {
		up := filepath.Dir(path)
		if _, err := os.Stat(up); err == nil || up == path {
			return up
		}
		path = up
	}
}

// StateDir judges the directory with the token, the switches and, unless that has a place of its own, the
// trail.
func StateDir(dir string, d Dir) []Finding {
	return directory("state directory", dir, d, Fail)
}

// AuditDir judges the directory of the trail. refuse says that calls are refused when it cannot be written.
func AuditDir(dir string, d Dir, refuse bool) []Finding {
	severity := Warn
	if refuse {
		severity = Fail
	}
	return directory("audit trail", dir, d, severity)
}

func directory(area, dir string, d Dir, severity Status) []Finding {
	switch {
	case errors.Is(d.Err, fs.ErrNotExist) && d.Writable == nil:
		soon := Finding{area, OK, dir + " is not there yet; it is made at the first start", ""}
		return append([]Finding{soon}, space(area, dir, d)...)
	case errors.Is(d.Err, fs.ErrNotExist):
		return []Finding{{area, severity, fmt.Sprintf("%s is not there and cannot be made: %v", dir, reason(d.Writable)),
			"sudo install -d -m 700 -o $(id -un) " + dir}}
	case d.Err != nil:
		return []Finding{{area, severity, fmt.Sprintf("%s: %v", dir, reason(d.Err)), "sudo chown -R $(id -un) " + dir}}
	case !d.Mode.IsDir():
		return []Finding{{area, severity, dir + " is no directory", "mv " + dir + " " + dir + ".old"}}
	case d.Writable != nil:
		return []Finding{{area, severity, fmt.Sprintf("nothing can be written into %s: %v", dir, reason(d.Writable)),
			"sudo chown -R $(id -un) " + dir}}
	}
	first := Finding{area, OK, dir + " can be written", ""}
	if perm := d.Mode.Perm(); perm&0o077 != 0 {
		first = Finding{area, Warn, fmt.Sprintf("%s is open to others (mode %04o)", dir, perm), "chmod 700 " + dir}
	}
	return append([]Finding{first}, space(area, dir, d)...)
}

// space is about the disk, if there is something to say.
func space(area, dir string, d Dir) []Finding {
	if d.FreeErr != nil || d.Free >= little {
		return nil
	}
	return []Finding{{area, Warn, fmt.Sprintf("only %d MiB are free on the disk of %s", d.Free>>20, dir),
		"df -h " + dir}}
}

// reason is an error without the path of a file that nobody has heard of.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Token judges the generated token by the error of reading it.
func Token(err error) Finding {
	const area = "token"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{area, OK, "none was generated yet; the first start over HTTP makes one", ""}
	case err != nil:
		what, fix, _ := strings.Cut(err.Error(), "; ") // package auth says what to do behind that
		return Finding{area, Fail, what, strings.TrimPrefix(fix, "make it safe with: ")}
	}
	return Finding{area, OK, "the generated one is readable for this user alone; gatehouse token show prints it", ""}
}

// Tokens judges the tokens of the state directory by the error of opening them.
func Tokens(err error) Finding {
	const area = "tokens"
	if err != nil {
		return Finding{area, Fail, err.Error(), "gatehouse token list says what to do"}
	}
	return Finding{area, OK, "those of the state directory can be read, and by this user alone; gatehouse token list shows them", ""}
}

// renewal is how long before its end a certificate should have been renewed.
const renewal = 7 * 24 * time.Hour

// Certificate judges the host's certificate by when it ends, or by the error of reading it.
func Certificate(end, now time.Time, err error) Finding {
	const area, fix = "certificate", "put a new certificate and key at tls.cert_file and tls.key_file"
	if err != nil {
		return Finding{area, Fail, err.Error(), "correct the files that tls.cert_file, tls.key_file and tls.client_ca_file name"}
	}
	message := "ends " + end.UTC().Format(time.RFC3339)
	switch left := end.Sub(now); {
	case left <= 0:
		return Finding{area, Fail, message, fix}
	case left < renewal:
		return Finding{area, Warn, message, fix}
	}
	return Finding{area, OK, message, ""}
}
