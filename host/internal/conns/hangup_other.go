//go:build !linux

package conns

import "syscall"

// hungUp knows of no way to ask here; net/http notices most clients that go.
func hungUp(syscall.Conn) bool { return false }
