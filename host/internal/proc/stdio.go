package proc

import (
	"fmt"
	"os"
)

// silence is the end of the pipe that GuardStdio never writes to. A file that nobody refers to is closed by
// the garbage collector, and who reads the other end would take that for the host's end.
var silence *os.File

// GuardStdio keeps the process's stdin and stdout for the caller, and puts in their places what does no harm:
// os.Stdin never yields anything, os.Stdout is stderr. Under MCP's stdio transport these streams carry
// JSON-RPC; no library that prints, and no child that inherits os.Stdin, may touch them. main calls it before
// anything else.
//
// restore undoes it.
func GuardStdio() (in, out *os.File, restore func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("guard stdin: %w", err)
	}
	in, out = os.Stdin, os.Stdout
	os.Stdin, os.Stdout, silence = r, os.Stderr, w
	return in, out, func() {
		os.Stdin, os.Stdout, silence = in, out, nil
		_ = r.Close() // nothing was written
		_ = w.Close()
	}, nil
}
