package command

import "path/filepath"

// Find looks for a program where tools of this package look for theirs: in the system's directories, whatever
// the environment says. It is for authors whose tool depends on files that belong to its program.
func Find(name string) (path string, ok bool) {
	for _, dir := range searchPath {
		if path := filepath.Join(dir, name); executable(path) {
			return path, true
		}
	}
	return "", false
}
