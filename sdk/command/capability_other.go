//go:build !linux

package command

import "os"

// holds says whether a program that this process starts may do what a capability stands for: outside of Linux
// root may, and nobody else.
func holds(string) (held bool, how string) { return os.Geteuid() == 0, "as root" }

// byFile says whether a program gets a right from its own file, which outside of Linux is its set-user-ID bit
// alone.
func byFile(string, string) bool { return false }
