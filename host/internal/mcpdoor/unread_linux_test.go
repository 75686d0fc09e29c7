package mcpdoor

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestWhatAClientHasNotReadIsKnown(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for says, ends := range map[string][2]*os.File{
		"a pipe":   {r, w},
		"a socket": {os.NewFile(uintptr(pair[0]), "reader"), os.NewFile(uintptr(pair[1]), "writer")},
	} {
		reader, writer := ends[0], ends[1]
		unread := unreadOf(writer)
		if _, err := writer.WriteString("0123456789"); err != nil {
			t.Fatal(err)
		}
		if n := unread(); n < 10 { // a socket counts more than the bytes
			t.Errorf("%s: %d bytes are unread, want at least 10", says, n)
		}
		if _, err := io.ReadFull(reader, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if n := unread(); n != 0 {
			t.Errorf("%s: %d bytes are unread after all were read, want none", says, n)
		}
		_ = reader.Close()
		_ = writer.Close()
		if n := unread(); n != 0 {
			t.Errorf("%s: %d bytes are unread of what is closed, want none", says, n)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if unreadOf(a) != nil {
		t.Error("of what is no file, something is known")
	}
}
