package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// SystemFiles are what a dynamic program of the system needs before it does anything of its own: the
// loader, libraries, names of users, hosts and services, time zones, random numbers. No program of the
// system is among them, no home, and nothing that can be written but /dev/null.
//
// /proc/net is that of the program itself; a program that it starts in turn finds its own closed.
func SystemFiles() Files {
	return Files{
		Execute: []string{
			"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
			"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1",
		},
		Read: []string{
			"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
			"/etc/ld.so.preload", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path",
			"/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
			"/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf",
			"/etc/services", "/etc/protocols", "/etc/networks", "/etc/ethers",
			"/etc/localtime", "/usr/share/zoneinfo", "/usr/share/locale",
			// Of the directory for TLS only what is public: keys lie beside it.
			"/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/usr/share/ca-certificates",
			"/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted", "/etc/crypto-policies",
			"/dev/urandom", "/dev/random", "/proc/net",
		},
		Write: []string{"/dev/null"},
	}
}

// check refuses names that mean something else in another directory, and those that no system has.
func (f *Files) check() error {
	if f == nil {
		return nil
	}
	for _, path := range slices.Concat(f.Read, f.Execute, f.Write) {
		switch {
		case !filepath.IsAbs(path):
			return fmt.Errorf("path %q in Files is not absolute", path)
		case strings.ContainsRune(path, 0):
			return fmt.Errorf("path %q in Files has a NUL", path)
		}
	}
	return nil
}
