package machine

import (
	"os"
	"path/filepath"
)

// SearchPath is where programs are looked for, and nowhere else: the environment of whoever started the host has no
// say.
var SearchPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Find is the absolute path of a program: of what stands in for it, or of the first that lies in the search path.
func (m *Machine) Find(name string) (path string, ok bool) {
	if p := m.StandIn(name); p != nil {
		return p.Path, p.Path != ""
	}
	if filepath.Base(name) != name {
		return "", false
	}
	for _, dir := range SearchPath {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}
