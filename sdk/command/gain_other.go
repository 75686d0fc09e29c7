//go:build !linux

package command

// hindrance says why no file can give a right to a program; outside of Linux nothing is known of that.
func hindrance(string, string) string { return "" }
