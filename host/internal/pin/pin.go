// Package pin reads and writes plugins.lock, the file in a plugin directory that says which bytes may run
// from it. A [Lock] is the file, a [Pin] what it says of one plugin.
//
//	lock, err := pin.Parse(raw)
//	if p, ok := lock.Find("nmap"); ok && p.SHA256 == sum {
//		run()
//	}
//	err = pin.Write("/usr/lib/gatehouse/plugins", pin.Lock{Pins: pins})
package pin

import (
	"cmp"
	"slices"
)

// FileName is the name of the lock file, in the plugin directory that it is about.
const FileName = "plugins.lock"

// MaxSize is how many bytes a lock file may have. 1,000 plugins of ten tools each need a third of it.
const MaxSize = 1 << 20

// Lock is what a lock file says. Without a pin in it, nothing may run.
type Lock struct{ Pins []Pin }

// Pin says which bytes of one file may run, and what they were when they were pinned.
type Pin struct {
	File    string   `json:"file"`    // path of the plugin, relative to the directory of the lock file
	SHA256  string   `json:"sha256"`  // of the bytes, in lower-case hex
	Name    string   `json:"name"`    // the plugin's own
	Version string   `json:"version"` // likewise
	Tools   []string `json:"tools"`   // names of what it offers, sorted
}

// Find returns the pin of a file. A nil Lock has none.
func (l *Lock) Find(file string) (Pin, bool) {
	if l == nil {
		return Pin{}, false
	}
	i := slices.IndexFunc(l.Pins, func(p Pin) bool { return p.File == file })
	if i < 0 {
		return Pin{}, false
	}
	return l.Pins[i], true
}

// Same reports whether two pins say the same.
func (p Pin) Same(o Pin) bool {
	return p.File == o.File && p.SHA256 == o.SHA256 && p.Name == o.Name && p.Version == o.Version &&
		slices.Equal(p.Tools, o.Tools)
}

func byFile(a, b Pin) int { return cmp.Compare(a.File, b.File) }
