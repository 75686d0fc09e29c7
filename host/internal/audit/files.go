package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fileName is the name of a file of the trail.
func fileName(number int) string { return fmt.Sprintf("audit-%06d.jsonl", number) }

// fileNumber is the reverse; ok is false for files that are none of the trail's.
func fileNumber(name string) (n int, ok bool) {
	digits, prefix := strings.CutPrefix(name, "audit-")
	digits, suffix := strings.CutSuffix(digits, ".jsonl")
	n, err := strconv.Atoi(digits)
	return n, prefix && suffix && err == nil && n > 0 && fileName(n) == name
}

// fileNumbers lists the files of a directory, the oldest first.
func fileNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("audit: list the files: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, ok := fileNumber(e.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func filePath(dir string, number int) string { return filepath.Join(dir, fileName(number)) }
