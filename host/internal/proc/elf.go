package proc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
)

// errCut is why a file is taken for the beginning of a program.
var errCut = errors.New("its headers tell of more bytes than it has")

// checkWhole fails with errCut when an ELF file ends before what its headers speak of, which is so when it is
// being copied. What is no ELF file, or one whose headers make no sense, is for the kernel to judge.
func checkWhole(r io.ReaderAt, size int64) error {
	var ident [elf.EI_NIDENT]byte
	if _, err := r.ReadAt(ident[:], 0); !bytes.HasPrefix(ident[:], []byte(elf.ELFMAG)) {
		return nil
	} else if err != nil {
		return cutOr(err)
	}
	e := elfFile{r: r, size: uint64(max(size, 0)), order: binary.LittleEndian}
	if elf.Data(ident[elf.EI_DATA]) == elf.ELFDATA2MSB {
		e.order = binary.BigEndian
	}
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		return e.check64()
	case elf.ELFCLASS32:
		return e.check32()
	}
	return nil
}

// elfFile is an ELF file of which the headers are read, and no more.
type elfFile struct {
	r     io.ReaderAt
	size  uint64
	order binary.ByteOrder
}

func (e elfFile) check64() error {
	var h elf.Header64
	if err := e.read(0, &h); err != nil {
		return err
	}
	if e.ends(h.Shoff, uint64(h.Shnum)*uint64(h.Shentsize)) {
		return errCut
	}
	return e.segments(h.Phoff, h.Phentsize, h.Phnum, func(at uint64) (offset, length uint64, err error) {
		var p elf.Prog64
		err = e.read(at, &p)
		return p.Off, p.Filesz, err
	})
}

func (e elfFile) check32() error {
	var h elf.Header32
	if err := e.read(0, &h); err != nil {
		return err
	}
	if e.ends(uint64(h.Shoff), uint64(h.Shnum)*uint64(h.Shentsize)) {
		return errCut
	}
	return e.segments(uint64(h.Phoff), h.Phentsize, h.Phnum, func(at uint64) (offset, length uint64, err error) {
		var p elf.Prog32
		err = e.read(at, &p)
		return uint64(p.Off), uint64(p.Filesz), err
	})
}

// segments checks the table of the program headers, and what each of them speaks of.
func (e elfFile) segments(
	table uint64, entry, n uint16, look func(at uint64) (offset, length uint64, err error),
) error {
	if e.ends(table, uint64(n)*uint64(entry)) {
		return errCut
	}
	for i := range uint64(n) {
		offset, length, err := look(table + i*uint64(entry))
		if err != nil {
			return err
		}
		if e.ends(offset, length) {
			return errCut
		}
	}
	return nil
}

// ends reports whether the file ends before the last of length bytes at offset.
func (e elfFile) ends(offset, length uint64) bool {
	return length > 0 && (length > e.size || offset > e.size-length)
}

// read reads a header.
func (e elfFile) read(at uint64, header any) error {
	n := int64(binary.Size(header))
	if e.ends(at, uint64(n)) {
		return errCut
	}
	return cutOr(binary.Read(io.NewSectionReader(e.r, int64(at), n), e.order, header))
}

// cutOr is errCut for the end of a file that came too soon.
func cutOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}
