package elf

import (
	"io/fs"
	"os"
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
