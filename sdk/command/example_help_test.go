package command_test

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// Help and the JSON Schema of the arguments come from the declaration.
func ExampleTool_Help() {
	tool := command.New(command.Definition{
		Definition: sdk.Definition{Name: "PathTool", Description: "Finds the hosts on the way to a host."},
		Program:    command.Program{Name: "traceroute", Install: "apt-get install traceroute"},
		Target:     command.OneHost,
		Flags: []command.Flag{
			{Name: "-m", Value: command.Int(1, 64), Default: "30", About: "most hops"},
			{Name: "-w", Value: command.Duration(time.Second, time.Minute).GatedOutside(1, 10, "it takes very long"),
				About: "time to wait for an answer"},
			{Name: "-I", Group: "method", About: "by ICMP"},
			{Name: "-T", Group: "method", Gated: "it opens connections", About: "by TCP"},
			{Name: "-p", Value: command.Int(1, 65535), Requires: []string{"-T"}, About: "port"},
			{Name: "-i", Refused: "the interface is the host's to choose"},
		},
		Fields:    []command.Field{{Name: "hops", Flag: "-m"}},
		Templates: []command.Template{{Name: "near", Flags: "-m 5", About: "the first hops"}},
		Examples:  []string{"-I -m 10"},
		Fixed:     []string{"-4", "-n"},
	})
	fmt.Print(tool.Help())
	// Output:
	// NAME
	//   PathTool
	//       Finds the hosts on the way to a host.
	//
	// COMMAND LINE
	//   traceroute -4 -n [flags] -- <address of the target>
	//       argv is written anew from the arguments; what a caller wrote never reaches the program.
	//
	// ARGUMENTS
	//   target (string), required
	//       Host: an IPv4 address (10.0.3.7) or a name below an allowed suffix (db.lab.internal).
	//   template (string)
	//       A set of flags under a name; flags in extra_args, and arguments that stand for flags, win over
	//       it. near: -m 5 (the first hops).
	//   hops (integer)
	//       Most hops: a whole number from 1 to 64. 30 unless given.
	//   extra_args (string)
	//       Flags, separated by blanks, without quoting.
	//
	// FLAGS
	//   -m <a whole number from 1 to 64>
	//       Most hops. Default: 30.
	//   -w <a time from 1s to 1m, such as 5s or 30s>
	//       Time to wait for an answer. Needs allow_intrusive outside of 1 to 10: it takes very long.
	//   -I
	//       By ICMP. Only one of this and -T may be given.
	//   -T
	//       By TCP. Needs allow_intrusive: it opens connections. Only one of this and -I may be given.
	//   -p <a whole number from 1 to 65535>
	//       Port. Only with -T.
	//
	// FLAGS THAT ARE NOT TAKEN
	//   -i
	//       The interface is the host's to choose.
	//
	// TEMPLATES
	//   near: -m 5
	//       the first hops
	//
	// EXAMPLES OF extra_args
	//   -I -m 10
}
