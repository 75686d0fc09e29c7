package sandbox_test

import (
	gocontext "context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func ExamplePool_Run() {
	pool := sandbox.New(sandbox.Config{})
	defer pool.Close()
	out, err := pool.Run(gocontext.Background(), sandbox.Command{
		Path: "/bin/echo", Args: []string{"hello"}, Deadline: time.Now().Add(time.Minute),
		Stdout: func(chunk []byte) { fmt.Printf("%s", chunk) },
	})
	fmt.Println(out.ExitCode, out.StdoutBytes, err)
	// Output:
	// hello
	// 0 6 <nil>
}

// At its deadline a program is ended, with all that it has started.
func ExampleNew() {
	pool := sandbox.New(sandbox.Config{MaxIdle: 1})
	defer pool.Close()
	out, err := pool.Run(gocontext.Background(), sandbox.Command{
		Path: "/bin/sleep", Args: []string{"600"}, Deadline: time.Now().Add(10 * time.Millisecond),
	})
	fmt.Println(out.TimedOut, out.ExitCode == sandbox.ExitTimeout, err)
	// Output:
	// true true <nil>
}

func ExampleStartError() {
	pool := sandbox.New(sandbox.Config{})
	defer pool.Close()
	_, err := pool.Run(gocontext.Background(), sandbox.Command{Path: "/no/such/program"})
	var start *sandbox.StartError
	fmt.Println(errors.As(err, &start) && start.Stage == "exec", errors.Is(err, fs.ErrNotExist))
	// Output:
	// true true
}

func ExampleSystemFiles() {
	files := sandbox.SystemFiles() // what every program needs
	files.Read = append(files.Read, "/usr/share/nmap")
	c := sandbox.Command{Path: "/usr/bin/nmap", NoNewPrivileges: true, Files: &files}
	fmt.Println(slices.Contains(c.Files.Read, "/etc/resolv.conf"), slices.Contains(c.Files.Read, "/etc/shadow"))
	// Output:
	// true false
}

func ExampleDefaultLimits() {
	l := sandbox.DefaultLimits()
	fmt.Println(l.AddressSpace>>20, "MiB,", l.OpenFiles, "files, growing to", l.FileSize, "bytes")
	// Output:
	// 512 MiB, 256 files, growing to 0 bytes
}

func ExampleAvailable() {
	fmt.Println(sandbox.Available("CAP_NO_SUCH_THING")) // CAP_NET_RAW, on a machine where this process can hand it on
	// Output:
	// false
}

func ExampleLayers() {
	for _, l := range sandbox.Layers() {
		if l.Name == "clean start" { // one that is in force everywhere
			fmt.Println(l.Name, l.Active)
		}
	}
	// Output:
	// clean start true
}
