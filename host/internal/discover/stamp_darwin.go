package discover

import (
	"io/fs"
	"syscall"
)

func stampOf(info fs.FileInfo) Stamp {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	}
	return Stamp{
		Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size,
		Modified: st.Mtimespec.Nano(), Changed: st.Ctimespec.Nano(),
	}
}
