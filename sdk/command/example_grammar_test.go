package command_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// read prints what a grammar makes of values.
func read(g command.Grammar, values ...string) {
	for _, value := range values {
		v, err := g.Read(value, sdk.DefaultPolicy())
		switch {
		case err != nil:
			fmt.Printf("%s: %v\n", value, err)
		case v.Gated != "":
			fmt.Printf("%s: %s, and needs allow_intrusive: %s\n", value, v.Text, v.Gated)
		default:
			fmt.Printf("%s: %s\n", value, v.Text)
		}
	}
}

// A grammar of an author's own reads ASCII by hand, and says what it wants.
func ExampleGrammar() {
	level := command.Grammar{
		Want: "a level, such as L3",
		Read: func(text string, _ sdk.Policy) (command.Value, error) {
			digit, ok := strings.CutPrefix(text, "L")
			if !ok || len(digit) != 1 || digit < "1" || digit > "5" {
				return command.Value{}, fmt.Errorf("not L1 to L5")
			}
			return command.Value{Text: "level=" + digit}, nil
		},
	}
	read(level, "L3", "L9")
	// Output:
	// L3: level=3
	// L9: not L1 to L5
}

func ExampleInt() {
	read(command.Int(1, 100), "64", "101", "064", "0x40")
	// Output:
	// 64: 64
	// 101: out of range
	// 064: not a whole number in plain digits, without leading zeros
	// 0x40: not a whole number in plain digits, without leading zeros
}

func ExampleGrammar_GatedOutside() {
	read(command.Int(1, 100).GatedOutside(1, 10, "it is fast"), "10", "11", "101")
	// Output:
	// 10: 10
	// 11: 11, and needs allow_intrusive: it is fast
	// 101: out of range
}

func ExampleGrammar_Where() {
	even := command.Int(0, 100).Where("even", func(v command.Value) bool { return v.Int%2 == 0 })
	read(even, "8", "9")
	// Output:
	// 8: 8
	// 9: must be even
}

func ExampleDecimal() {
	read(command.Decimal(0.1, 60), "0.50", ".5", "61")
	// Output:
	// 0.50: 0.5
	// .5: not a whole number in plain digits, without leading zeros
	// 61: out of range
}

func ExampleDuration() {
	read(command.Duration(time.Millisecond, time.Hour), "500ms", "30", "2h", "1d")
	// Output:
	// 500ms: 500ms
	// 30: 30s
	// 2h: out of range
	// 1d: not a whole number above zero with a unit of ms, s, m or h
}

func ExampleEnum() {
	read(command.Enum("do", "dont"), "do", "DO")
	// Output:
	// do: do
	// DO: not one of the words
}

func ExampleHex() {
	read(command.Hex(4), "fF0", "fffff")
	// Output:
	// fF0: fF0
	// fffff: not hexadecimal digits, or too many
}

func ExamplePorts() {
	read(command.Ports(3, "U:"), "22,80,8000-8100", "U:53", "-", "80-", "0")
	// Output:
	// 22,80,8000-8100: 22,80,8000-8100
	// U:53: U:53
	// -: 1-65535
	// 80-: an open range; write 80-65535
	// 0: a port is a whole number from 1 to 65535
}

func ExampleAddresses() {
	read(command.Addresses(2), "10.0.3.7,10.0.4.0/24", "8.8.8.8")
	// Output:
	// 10.0.3.7,10.0.4.0/24: 10.0.3.7,10.0.4.0/24
	// 8.8.8.8: 8.8.8.8 is outside of the allowed networks
}

func ExampleAddress() {
	read(command.Address(), "10.0.3.53", "10.0.3.0/24", "8.8.8.8")
	// Output:
	// 10.0.3.53: 10.0.3.53
	// 10.0.3.0/24: 10.0.3.0/24 is written as a network; one host is wanted here
	// 8.8.8.8: 8.8.8.8 is outside of the allowed networks
}

func ExampleName() {
	read(command.Name(), "DB.lab.internal", "_dmarc.lab.internal", "10.1")
	read(command.Name(command.Underscores, command.FinalDot), "_dmarc.lab.internal.")
	// Output:
	// DB.lab.internal: db.lab.internal
	// _dmarc.lab.internal: '_' is not part of a name
	// 10.1: a name does not end with a number; programs take it for an address
	// _dmarc.lab.internal.: _dmarc.lab.internal.
}

func ExampleText() {
	read(command.Text(command.Alphanumeric+"._- ", 16), "hello world", "-x", "a;b")
	// Output:
	// hello world: hello world
	// -x: it begins with a hyphen, as flags do
	// a;b: ';' is not among its characters
}

func ExampleHeader() {
	read(command.Header(64), "Accept:text/html", "@file")
	// Output:
	// Accept:text/html: Accept: text/html
	// @file: not a name, a colon and a value in at most 64 bytes
}
