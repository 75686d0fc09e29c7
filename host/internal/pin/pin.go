// Package pin reads and writes plugins.lock, the file in a plugin directory that says which bytes may run
// from it.
package pin

// FileName is the name of the lock file, in the plugin directory that it is about.
const FileName = "plugins.lock"

// Pin says which bytes of one file may run, and what they were when they were pinned.
type Pin struct {
	File    string   `json:"file"`    // path of the plugin, relative to the directory of the lock file
	SHA256  string   `json:"sha256"`  // of the bytes, in lower-case hex
	Name    string   `json:"name"`    // the plugin's own
	Version string   `json:"version"` // likewise
	Tools   []string `json:"tools"`   // names of what it offers, sorted
}
