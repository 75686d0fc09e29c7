package proc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"testing"
)

// program makes an ELF file of 400 bytes whose one segment is its last 100.
func program(order binary.ByteOrder, wide bool) []byte {
	data := byte(elf.ELFDATA2LSB)
	if order == binary.BigEndian {
		data = byte(elf.ELFDATA2MSB)
	}
	var out bytes.Buffer
	put := func(v any) { _ = binary.Write(&out, order, v) } // to a buffer
	if wide {
		put(elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), data},
			Phoff: 64, Phentsize: 56, Phnum: 2, Shoff: 200, Shentsize: 64, Shnum: 1,
		})
		put(elf.Prog64{Type: uint32(elf.PT_LOAD), Off: 300, Filesz: 100})
		put(elf.Prog64{Type: uint32(elf.PT_GNU_STACK)})
	} else {
		put(elf.Header32{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), data},
			Phoff: 52, Phentsize: 32, Phnum: 2, Shoff: 200, Shentsize: 40, Shnum: 1,
		})
		put(elf.Prog32{Type: uint32(elf.PT_LOAD), Off: 300, Filesz: 100})
		put(elf.Prog32{Type: uint32(elf.PT_GNU_STACK)})
	}
	return append(out.Bytes(), make([]byte, 400-out.Len())...)
}

func TestAProgramIsUnfinishedUntilItsLastByteIsThere(t *testing.T) {
	for name, whole := range map[string][]byte{
		"64 bits":             program(binary.LittleEndian, true),
		"32 bits":             program(binary.LittleEndian, false),
		"64 bits, big-endian": program(binary.BigEndian, true),
		"32 bits, big-endian": program(binary.BigEndian, false),
	} {
		if err := checkWhole(bytes.NewReader(whole), int64(len(whole))); err != nil {
			t.Errorf("%s: checkWhole() = %v, want nil", name, err)
		}
		for n := elf.EI_NIDENT; n < len(whole); n++ {
			if err := checkWhole(bytes.NewReader(whole[:n]), int64(n)); !errors.Is(err, errCut) {
				t.Fatalf("%s: checkWhole(the first %d bytes) = %v, want %v", name, n, err, errCut)
			}
		}
	}
}

func TestARealProgramIsWhole(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkWhole(f, info.Size()); err != nil {
		t.Errorf("checkWhole() = %v, want nil", err)
	}
}

func TestWhatIsNoProgramIsNotJudged(t *testing.T) {
	for _, text := range []string{
		"", "#", "#!/bin/sh\n", "\x7fEL", "MZ and more", "\xcf\xfa\xed\xfe and more bytes",
	} {
		if err := checkWhole(bytes.NewReader([]byte(text)), int64(len(text))); err != nil {
			t.Errorf("checkWhole(%q) = %v, want nil", text, err)
		}
	}
}

// Whatever the bytes: no panic, no endless search, and a file that was called whole stays so as it grows.
func FuzzCheckWhole(f *testing.F) {
	for _, wide := range []bool{true, false} {
		f.Add(program(binary.LittleEndian, wide))
		f.Add(program(binary.BigEndian, wide)[:320])
	}
	f.Add([]byte("\x7fELF\x02\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		err := checkWhole(bytes.NewReader(file), int64(len(file)))
		if err != nil && !errors.Is(err, errCut) {
			t.Fatalf("checkWhole() = %v, want nil or %v", err, errCut)
		}
		longer := append(bytes.Clone(file), make([]byte, 64)...)
		if err != nil || len(file) < elf.EI_NIDENT {
			return
		}
		if err := checkWhole(bytes.NewReader(longer), int64(len(longer))); err != nil {
			t.Fatalf("a whole file that has more bytes: %v", err)
		}
	})
}
