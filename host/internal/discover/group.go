package discover

import (
	"bytes"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// openToOthers reports whether somebody other than root and the host's user may write to a directory on the way. A
// group that nobody else is in is nobody else: on systems where each user has a group of that kind, the
// directories of a user are made writable to it (umask 002). Plugins, and the directories that they lie in, are
// held to more; so is root, who has no use for such a group.
func openToOthers(info fs.FileInfo, euid int) bool {
	const byGroup, byAll fs.FileMode = 0o020, 0o002
	mode := info.Mode()
	if mode&byAll != 0 || mode&byGroup == 0 {
		return mode&byAll != 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || euid == 0 || !privateGroup(int(st.Gid), euid)
}

// privateGroup reports whether a group is known to have no other member than root and one user.
func privateGroup(gid, uid int) bool {
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return false
	}
	group, err := os.ReadFile("/etc/group")
	return err == nil && onlyMember(passwd, group, gid, uid)
}

// onlyMember reads passwd(5) and group(5). What other directories of users know is not asked: a group that is
// not in the file is nobody's own.
func onlyMember(passwd, group []byte, gid, uid int) bool {
	may := map[string]bool{"root": true}
	for line := range bytes.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) < 4 {
			continue
		}
		switch {
		case f[2] == strconv.Itoa(uid), f[2] == "0":
			may[f[0]] = true
		case f[3] == strconv.Itoa(gid):
			return false // another's own group
		}
	}
	known := false
	for line := range bytes.Lines(group) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) < 4 || f[2] != strconv.Itoa(gid) {
			continue
		}
		known = true
		for _, name := range strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' }) {
			if !may[name] {
				return false
			}
		}
	}
	return known
}
