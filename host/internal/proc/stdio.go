package proc

import (
	"fmt"
	"os"
)

// GuardStdio keeps the process's stdin and stdout for the caller, and puts in their places what does no harm:
// os.Stdin never yields anything, os.Stdout is stderr. Under MCP's stdio transport these streams carry
// JSON-RPC; no library that prints, and no child that inherits os.Stdin, may touch them. main calls it before
// anything else.
//
// restore undoes it. Keep it for as long as the guard is to hold: it holds the end of the pipe that nobody
// writes to, and a file that nobody refers to is closed by the garbage collector.
func GuardStdio() (in, out *os.File, restore func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("guard stdin: %w", err)
	}
	in, out = os.Stdin, os.Stdout
	os.Stdin, os.Stdout = r, os.Stderr
	return in, out, func() {
		os.Stdin, os.Stdout = in, out
		_ = r.Close() // nothing was written
		_ = w.Close()
	}, nil
}
