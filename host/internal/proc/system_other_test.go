//go:build !linux

package proc_test

func systemBehaviours() map[string]func() { return nil }
