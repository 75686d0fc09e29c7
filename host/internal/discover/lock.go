package discover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
)

// readLock reads the lock file of the directory, if there is one. Whatever is wrong with it, the directory is
// locked: who breaks the lock must not open the door.
func (w *walker) readLock() {
	info, err := w.root.Lstat(pin.FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	w.locked = true
	rel := pin.FileName
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		rel, err = w.lockTarget()
	}
	if err == nil {
		w.lock, err = w.parseLock(rel)
	}
	var bad *flawed
	switch {
	case errors.As(err, &bad):
		w.refuse(pin.FileName, bad.flaw)
	case err != nil:
		w.refuse(pin.FileName, unreadable(w.abs(pin.FileName), err))
	}
}

// lockTarget is the file inside of the directory that the lock file is a link to.
func (w *walker) lockTarget() (string, error) {
	target, _, err := w.target(pin.FileName)
	if err != nil {
		return "", err
	}
	rel, ok := w.inside(target)
	if !ok {
		return "", &flawed{leaves(w.abs(pin.FileName), target)}
	}
	fit, err := w.fitWay(rel)
	if err == nil && !fit {
		err = &flawed{flaw{"it is a link into a directory that is refused", repin}}
	}
	return rel, err
}

const repin = "gatehouse plugins pin"

// parseLock reads the open file that it judged.
func (w *walker) parseLock(rel string) (*pin.Lock, error) {
	f, err := w.open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &flawed{flaw{"it is not a regular file", "take it away, and type " + repin}}
	}
	if bad, is := unsafeFile(w.abs(rel), info, w.euid); is {
		return nil, &flawed{bad}
	}
	raw, err := io.ReadAll(io.LimitReader(f, pin.MaxSize+1)) // pin says what is too much
	if err != nil {
		return nil, err
	}
	lock, err := pin.Parse(raw)
	if err != nil {
		return nil, &flawed{flaw{fmt.Sprintf("it is no lock file: %v", errors.Unwrap(err)), repin}}
	}
	return lock, nil
}
