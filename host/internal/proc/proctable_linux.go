package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// entry is what /proc/PID/stat says of a process.
type entry struct {
	id
	comm            string
	state           byte
	parent, session int
}

// id is a process and no other that gets its number later.
type id struct {
	pid  int
	born uint64 // clock ticks after boot
}

// zombie reports whether the process has ended and waits to be collected.
func (e entry) zombie() bool { return e.state == 'Z' }

// processTable lists all processes by number.
func processTable() (map[int]entry, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make(map[int]entry, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if e, err := readEntry(pid); err == nil { // else it has ended meanwhile
			table[pid] = e
		}
	}
	return table, nil
}

func readEntry(pid int) (entry, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return entry{}, err
	}
	return parseEntry(text)
}

var errStat = errors.New("not a line of /proc/PID/stat")

// parseEntry reads "pid (comm) state ppid pgrp session ... starttime ...", see proc(5). comm is whatever the
// process likes, so that the last parenthesis is the one that counts.
func parseEntry(text []byte) (entry, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return entry{}, errStat
	}
	fields := strings.Fields(string(text[end+1:])) // state is the third of the line
	if len(fields) < 20 {
		return entry{}, errStat
	}
	e := entry{comm: string(text[open+1 : end]), state: fields[0][0]}
	var errs [4]error
	e.pid, errs[0] = strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	e.parent, errs[1] = strconv.Atoi(fields[1])
	e.session, errs[2] = strconv.Atoi(fields[3])
	e.born, errs[3] = strconv.ParseUint(fields[19], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return entry{}, errStat
	}
	return e, nil
}

// maxEnviron bounds what is read of an environment, which may be as large as the stack.
const maxEnviron = 1 << 20

// markOf is the value of envRun in the environment with which a process was executed; "": there is none, or
// not for us to see.
func markOf(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	defer f.Close() // only read
	text, err := readAtMost(f, maxEnviron)
	if err != nil {
		return ""
	}
	for pair := range strings.SplitSeq(text, "\x00") {
		if mark, ok := strings.CutPrefix(pair, envRun+"="); ok {
			return mark
		}
	}
	return ""
}

// cgroupName is the name that family gave to the process whose cgroup a process is in; "": it is in none.
func cgroupName(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	path, _ := unifiedPath(string(text))
	return nameInTree(path, os.Getpid())
}

// nameInTree finds ".../gatehouse-HOST/NAME" or ".../gatehouse-HOST.2/NAME" in the path of a cgroup.
func nameInTree(path string, host int) string {
	parts := strings.Split(path, "/")
	tree := treePrefix + strconv.Itoa(host)
	for i, part := range parts[:len(parts)-1] {
		if base, _, _ := strings.Cut(part, "."); base == tree {
			name, _, _ := strings.Cut(parts[i+1], " ") // "NAME (deleted)" when it is removed
			return name
		}
	}
	return ""
}
