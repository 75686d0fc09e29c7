// Package serving reads from the log of a host where it serves, for those who started it on a free port.
//
//	url := serving.Address(log) // "http://127.0.0.1:40123"
package serving

import "regexp"

var line = regexp.MustCompile(`(?:"@message":"serving"|: serving: ).*?(https?://[0-9.:]+)`)

// Address finds the address in a log of either format; empty: the host does not serve yet.
func Address(log []byte) string {
	if found := line.FindSubmatch(log); found != nil {
		return string(found[1])
	}
	return ""
}
