package proc

import "slices"

// systemPath is where programs of the system lie; the Homebrew directory is macOS's.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"

// DefaultEnv is the environment of a plugin when nothing else is asked for. The host's own never reaches a
// plugin: it may hold secrets, and variables that change what tools do.
func DefaultEnv() []string {
	return []string{"PATH=" + systemPath, "LANG=C.UTF-8", "LC_ALL=C.UTF-8"}
}

// envFile is the variable by which a plugin knows the path of its file: what is executed may be a copy, and a
// script reads itself from a descriptor.
const envFile = "GATEHOUSE_PLUGIN_FILE"

// environment adds a home and a place for temporary files that are gone with the process.
func environment(env []string, dir string) []string {
	return append(slices.Clone(env), "HOME="+dir, "TMPDIR="+dir)
}
