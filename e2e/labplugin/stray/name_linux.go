package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rename gives this process another name: that of its first thread, which must be the one that calls.
func rename(name string) error {
	zero, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(zero)), 0, 0, 0)
}
