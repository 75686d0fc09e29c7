package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The lines of /proc/PID/status that are read, in KiB.
const (
	residentNow  = "VmRSS"
	residentPeak = "VmHWM" // since the start, or since resetPeak
)

// memory reads one of these, in bytes.
func memory(pid int, field string) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range bytes.Lines(raw) {
		if rest, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			kib, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return float64(kib) * 1024, err
		}
	}
	return 0, fmt.Errorf("read memory of %d: no %s", pid, field)
}

// resetPeak makes the peak what is resident now; see proc(5), clear_refs.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// children are the processes whose parent is pid: name of the program -> pid.
func children(pid int) (map[string]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	found := make(map[string]int)
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, rest, _ := strings.Cut(string(raw), " (")
		end := strings.LastIndex(rest, ") ")
		if fields := strings.Fields(rest[end+1:]); end > 0 && fields[1] == strconv.Itoa(pid) {
			found[rest[:end]], _ = strconv.Atoi(id) // the kernel writes a number
		}
	}
	delete(found, "gatehouse-guard") // which is no plugin
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d has no children", pid)
	}
	return found, nil
}

// measureIdle reads what a host and its plugins keep when nothing is under way.
func measureIdle(host int) ([]row, error) {
	plugins, err := children(host)
	if err != nil {
		return nil, err
	}
	size, err := memory(host, residentNow)
	if err != nil {
		return nil, err
	}
	rows := []row{{what: "memory after the runs, host", got: mebibytes(size)}}
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		size, err := memory(plugins[name], residentNow)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{
			what: "memory after the runs, plugin " + name, got: mebibytes(size), aim: "about 18 MiB",
		})
	}
	return rows, nil
}

// measurePeaks sees how far the memory of a host and its one plugin rises while something is done.
func measurePeaks(host int, do func() error) ([]row, error) {
	plugins, err := children(host)
	if err != nil {
		return nil, err
	}
	before := make(map[int]float64) // pid -> bytes
	for _, pid := range slices.AppendSeq([]int{host}, maps.Values(plugins)) {
		if err := resetPeak(pid); err != nil {
			return nil, fmt.Errorf("reset the peak of memory: %w", err)
		}
		if before[pid], err = memory(pid, residentPeak); err != nil {
			return nil, err
		}
	}
	if err := do(); err != nil {
		return nil, err
	}
	rows := []row{}
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		r, err := peakRow("plugin", plugins[name], before)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	r, err := peakRow("host", host, before)
	return append(rows, r), err
}

func peakRow(who string, pid int, before map[int]float64) (row, error) {
	peak, err := memory(pid, residentPeak)
	if err != nil {
		return row{}, err
	}
	rise := peak - before[pid]
	return row{
		what: "rise of memory by 1 GiB of output, " + who, ours: mebibytes(peak), baseline: mebibytes(before[pid]),
		got: mebibytes(rise), aim: "<= 16 MiB", reached: atMost(16 << 20).verdict(rise),
	}, nil
}

func mebibytes(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }
