package main

import "github.com/spf13/cobra"

// pluginCommand is for those who write plugins.
func (a *app) pluginCommand() *cobra.Command {
	cmd := group("plugin", "Write a plugin: begin, try, test, debug and install one")
	cmd.Long = `The commands of this group are for those who write plugins, in this order as a rule:

  new      make a Go module with a tool that works, its tests, and a Makefile
  dev      build it and exchange it in a host whenever a source is saved
  test     hold the program to what hosts expect of plugins, in whatever language it is written
  debug    attach a host to a plugin that runs under a debugger
  install  put the program into the plugin directory of the host on this machine

What to do with plugins that a host has already is in: gatehouse plugins`
	cmd.AddCommand(a.newPluginCommand(), a.devPluginCommand(), a.testPluginCommand(), a.debugPluginCommand(),
		a.installPluginCommand())
	return cmd
}
