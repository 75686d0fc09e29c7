package origin

import "strings"

// Trace is the caller's place in a distributed trace, as the header traceparent of W3C Trace Context has it.
// The zero Trace is none.
type Trace struct {
	ID     string // 32 lower-case hexadecimal digits
	Parent string // span id of the caller, 16 of them
}

// ParseTraceparent reads the header. Whatever is not exactly what the specification allows is no trace: the
// rest of the request is served all the same.
//
// Source: https://www.w3.org/TR/trace-context/#traceparent-header
func ParseTraceparent(header string) Trace {
	parts := strings.Split(header, "-")
	if len(header) > 512 || len(parts) < 4 {
		return Trace{}
	}
	version, id, parent, flags := parts[0], parts[1], parts[2], parts[3]
	known := hexadecimal(version, 2) && version != "ff" && (version != "00" || len(parts) == 4)
	if !known || !hexadecimal(id, 32) || !hexadecimal(parent, 16) || !hexadecimal(flags, 2) ||
		strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return Trace{}
	}
	return Trace{ID: id, Parent: parent}
}

func hexadecimal(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}
