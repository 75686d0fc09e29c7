//go:build !linux

package mcpdoor

import "io"

// unreadOf is known on Linux alone.
func unreadOf(io.Writer) func() int { return nil }
