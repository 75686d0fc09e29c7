package tlscert

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	maxFile = 1 << 20 // bytes

	// settledAfter is how old a change must be to show in the stamps: file systems count time in ticks, some in
	// ticks of two seconds, and a file can be written twice within one. Until then we look at what is in them.
	settledAfter = 3 * time.Second
)

// errMoving is of files that change while they are read.
var errMoving = errors.New("the files are being changed just now")

type digest = [sha256.Size]byte

// contents are the files': the certificate's, the key's, and the clients' CA's, which may be none.
type contents struct {
	cert, key, clientCA []byte
	sum                 digest
}

// stamps tell versions of the three files apart without reading them; nil: the file cannot be looked at.
type stamps [3]fs.FileInfo

func (c Config) files() [3]string { return [3]string{c.CertFile, c.KeyFile, c.ClientCAFile} }

func (k *Keeper) stat() (s stamps) {
	for i, name := range k.cfg.files() {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s stamps) same(o stamps) bool {
	for i, a := range s {
		b := o[i]
		if a == nil && b == nil {
			continue
		}
		if a == nil || b == nil || !os.SameFile(a, b) ||
			a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) || a.Mode() != b.Mode() {
			return false
		}
	}
	return true
}

// settled reports whether the files have been as they are for a while.
func (s stamps) settled(now time.Time) bool {
	for _, info := range s {
		if info != nil && now.Sub(info.ModTime()) < settledAfter {
			return false
		}
	}
	return true
}

// read reads all files as they were at one time: a link to a directory of them may be turned meanwhile.
func (k *Keeper) read() (*look, contents, error) {
	for range 5 {
		before := k.stat()
		c, err := k.readOnce()
		if before.same(k.stat()) {
			return &look{stamps: before, settled: before.settled(k.cfg.now()), sum: c.sum}, c, err
		}
	}
	return nil, contents{}, errMoving
}

// readOnce says in the sum what it read, be it an error.
func (k *Keeper) readOnce() (c contents, err error) {
	hash := sha256.New()
	for i, to := range []*[]byte{&c.cert, &c.key, &c.clientCA} {
		name := k.cfg.files()[i]
		if name == "" {
			continue
		}
		raw, wrong := readFile(name, to == &c.key)
		if wrong != nil {
			fmt.Fprint(hash, wrong)
			err = errors.Join(err, wrong)
		}
		*to = raw
		_ = binary.Write(hash, binary.BigEndian, uint64(len(raw)))
		hash.Write(raw)
	}
	hash.Sum(c.sum[:0])
	return c, err
}

// open are the rights on a key that are too much. Its group may read it: so keys are handed to services, by the
// packages of distributions (root:ssl-cert) as by Kubernetes (fsGroup).
const open = 0o037

func readFile(name string, secret bool) ([]byte, error) {
	info, err := os.Stat(name) // to open a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); secret && mode&open != 0 {
		return nil, fmt.Errorf("the key in %s is open to others (mode %04o); allowed are its owner and, to read it, its "+
			"group; make it safe with: chmod 640 %s", name, mode, name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return raw, err
}
