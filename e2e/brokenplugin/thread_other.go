//go:build !linux

package main

import "syscall"

// endsWithThread does nothing: only Linux knows how.
func endsWithThread(*syscall.SysProcAttr) {}
