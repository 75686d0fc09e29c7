package config

import (
	"cmp"
	"path/filepath"
	"reflect"
)

// Restart lists the keys whose new values wait for the next start.
func Restart(old, new Config) []string {
	_, waiting := Keep(old, new)
	return waiting
}

// Keep returns what of a new configuration can be put into force without a restart, over the rest of the
// old one, and the keys whose new values wait.
func Keep(old, new Config) (now Config, waiting []string) {
	now = new
	before, after := leafValues(reflect.ValueOf(old)), leafValues(reflect.ValueOf(&now).Elem())
	for _, f := range tree().leaves() {
		if !f.restart {
			continue
		}
		was, is := before[f.key], after[f.key]
		if flow(was.Interface()) != flow(is.Interface()) {
			waiting = append(waiting, f.key)
			is.Set(was)
		}
	}
	return now, waiting
}

// AuditDir is the directory of the audit trail.
func (c Config) AuditDir() string {
	return cmp.Or(c.Audit.Dir, filepath.Join(c.Server.StateDir, "audit"))
}
