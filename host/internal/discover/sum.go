package discover

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Sum is the SHA-256 of the bytes of a regular file, in lower-case hex.
func Sum(path string) (string, error) {
	// Without O_NONBLOCK, it would wait for somebody to write to a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("hash a file: %w", err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("hash a file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("hash %s: it is not a regular file; put a program in its place", path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// StampFrom is the stamp of an open file.
func StampFrom(info fs.FileInfo) Stamp { return stampOf(info) }

// StampOf is the stamp of the file that a path names; of a symbolic link itself, when it is one.
func StampOf(path string) (Stamp, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Stamp{}, fmt.Errorf("look at a file: %w", err)
	}
	return stampOf(info), nil
}
