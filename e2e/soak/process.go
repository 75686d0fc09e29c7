package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// childrenOf are the children of a process, from /proc; none where there is no such thing.
func childrenOf(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// plugins are the host's plugin processes: name -> pid.
func (s *site) plugins() map[string]int {
	found := make(map[string]int)
	for _, pid := range childrenOf(s.cmd.Process.Pid) {
		exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
		if err == nil && filepath.Dir(exe) == s.pluginDir() {
			found[filepath.Base(exe)] = pid
		}
	}
	return found
}
