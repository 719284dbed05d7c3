package elf

import (
	"io"
	"io/fs"
	"os"
	"sync"
)

// Mapped is a File whose bytes Open has mapped.
type Mapped struct {
	*File
	// Data is the file. It must not be written to, and neither it nor what
	// the File returned of it may be used after Close.
	Data []byte
	// Info is the state of the file when it was opened.
	Info fs.FileInfo
	// OS is the open file, for mapping its segments; Close closes it.
	OS *os.File

	unmap func() error
}

// Open maps the ELF file at path read-only (where package syscall has no
// mmap, it reads it) and makes a File of it as New does. It does not wait
// on a FIFO or touch a device: what is not a regular file is refused with
// ErrNotRegular. The file is not locked: when another process cuts it short,
// reading past its new end raises SIGBUS; use ReadAll where that can happen.
func Open(path string) (*Mapped, error) {
	file, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	m, err := openFile(path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return m, nil
}

func openFile(path string, file *os.File) (*Mapped, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(path, info.Mode())
	}
	if err := checkSize(path, info.Size()); err != nil {
		return nil, err
	}
	data, unmap, err := mapFile(path, file, info.Size())
	if err != nil {
		return nil, err
	}
	f, err := New(path, data)
	if err != nil {
		unmap()
		return nil, err
	}
	return &Mapped{File: f, Data: data, Info: info, OS: file, unmap: unmap}, nil
}

// Close unmaps and closes the file. It may be called more than once, but not
// while the File is in use.
func (m *Mapped) Close() error {
	if m.unmap == nil {
		return nil
	}
	err := m.unmap()
	if e := m.OS.Close(); err == nil {
		err = e
	}
	m.Data, m.unmap = nil, nil
	return err
}

// headRead is how much ReadHead reads at first: the ELF header and 17 program
// headers, more than most libraries have.
const headRead = 1 << 10

var heads = sync.Pool{New: func() any { return new([headRead]byte) }}

// ReadHead reads the ELF header and the program headers of the file of size
// bytes in r, and no more: what it takes to check its segments with
// [File.CheckLoad] and to map them, after which [File.Attach] reads the tables
// in memory. The File has nothing but those headers. They are checked as New
// does, and PN_XNUM, which no run-time linker knows, is refused with
// ErrTooLarge. Errors of r are wrapped with the name, others are a
// *FormatError.
func ReadHead(name string, r io.ReaderAt, size int64) (*File, error) {
	if err := checkSize(name, size); err != nil {
		return nil, err
	}
	head := heads.Get().(*[headRead]byte) // nothing that is returned refers to it
	defer heads.Put(head)
	buf := head[:min(size, headRead)]
	if err := readFull(name, r, buf, 0, size); err != nil {
		return nil, err
	}
	if string(buf[:min(4, len(buf))]) != elfMagic && len(buf) < int(min(size, scriptLimit)) {
		// It takes all of a linker script to tell what that stands for.
		buf = make([]byte, min(size, scriptLimit))
		if err := readFull(name, r, buf, 0, size); err != nil {
			return nil, err
		}
	}
	h, err := ParseHeader(name, buf)
	if err != nil {
		return nil, err
	}
	if err := h.check(name, buf); err != nil {
		return nil, err
	}
	if h.Phnum == pnXnum {
		return nil, errOff(name, ErrTooLarge, 56, "e_phnum is PN_XNUM: there are more program headers than can be loaded")
	}
	if err := h.checkProgTable(name, uint64(h.Phnum), uint64(size)); err != nil {
		return nil, err
	}
	n := uint64(h.Phnum) * phdrSize
	var table []byte
	if h.Phoff <= uint64(len(buf)) && n <= uint64(len(buf))-h.Phoff {
		table = buf[h.Phoff:][:n]
	} else if n > 0 {
		table = make([]byte, n)
		if err := readFull(name, r, table, int64(h.Phoff), size); err != nil {
			return nil, err
		}
	}
	f := &File{Name: name, Header: h, Progs: decodeProgs(table)}
	f.findStack()
	if err := f.checkExtent(uint64(size)); err != nil {
		return nil, err
	}
	return f, nil
}
