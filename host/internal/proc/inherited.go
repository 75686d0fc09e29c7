package proc

import (
	"os"
	"strconv"
	"sync"
	"syscall"
)

// keepToOurselves marks what this process was started with to be closed by exec, once: a shell or a service
// manager may have left descriptors open, which every plugin would get. Those that Go opens are marked
// already.
var keepToOurselves = sync.OnceFunc(func() {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // no /dev at all: nothing is known, and what is meant for plugins is not concerned
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
})
