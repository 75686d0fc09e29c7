package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

// flag makes a flag that sets a key of the configuration, if it is given: flags win over all other sources.
// The kind of zero says what its value is: nil a list, "" a text, 0 a number.
func (a *app) flag(cmd *cobra.Command, name, key string, zero any, usage string) {
	f := cmd.Flags()
	if cmd.Parent() == nil && cmd.Use == "gatehouse" {
		f = cmd.PersistentFlags()
	}
	set := func(value any) { a.flags[key] = value }
	switch zero.(type) {
	case nil:
		f.Func(name, usage, func(s string) error {
			dirs, _ := a.flags[key].([]string)
			set(append(dirs, s))
			return nil
		})
	case int:
		f.Func(name, usage, func(s string) error {
			n, err := strconv.Atoi(s)
			set(n)
			return err
		})
	default:
		f.Func(name, usage, func(s string) error {
			set(s)
			return nil
		})
	}
}
