package elf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
)

// MaxFileSize bounds the files that Open, ReadAll and ReadFS take; where int
// has 32 bits they take less than 2 GB.
const MaxFileSize = 1 << 40

// firstRead is how much ReadAll allocates before it knows the file: enough
// for most linker scripts and for the headers.
const firstRead = 1 << 16

// checkSize refuses sizes that cannot be those of an ELF file in memory.
func checkSize(name string, size int64) error {
	switch {
	case size < 0:
		return errOff(name, ErrTruncated, 0, "the size %d is negative", size)
	case size == 0:
		return notELF(name, nil)
	case size > MaxFileSize || uint64(size) > math.MaxInt:
		return errOff(name, ErrTooLarge, 0, "the file is %d bytes long, at most %d are allowed", size, uint64(min(MaxFileSize, math.MaxInt)))
	}
	return nil
}

// ReadAll reads the ELF file of size bytes in r. A size that r cannot
// deliver does not make it allocate: it reads the ELF header first, then the
// last byte, and then grows what it allocates with what it has read, to at
// most twice as much. What is not little- or big-endian ELF is refused before
// it is read; the error is then a *FormatError. Errors of r are wrapped with
// the name.
func ReadAll(name string, r io.ReaderAt, size int64) ([]byte, error) {
	return readAll(name, r, size, true)
}

// readAll is ReadAll; it reads forward only unless seek is set.
func readAll(name string, r io.ReaderAt, size int64, seek bool) ([]byte, error) {
	if err := checkSize(name, size); err != nil {
		return nil, err
	}
	buf := make([]byte, min(size, firstRead))
	if err := readFull(name, r, buf, 0, size); err != nil {
		return nil, err
	}
	if _, err := ParseHeader(name, buf); err != nil {
		return nil, err
	}
	if int64(len(buf)) == size {
		return buf, nil
	}
	if seek {
		var last [1]byte
		if err := readFull(name, r, last[:], size-1, size); err != nil {
			return nil, err
		}
	}
	for int64(len(buf)) < size {
		old := len(buf)
		next := make([]byte, min(size, 4*int64(old)))
		copy(next, buf)
		buf = next
		if err := readFull(name, r, buf[old:], int64(old), size); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// readFull fills b from offset off of r.
func readFull(name string, r io.ReaderAt, b []byte, off, size int64) error {
	for idle := 0; len(b) > 0; {
		n, err := r.ReadAt(b, off)
		if n < 0 || n > len(b) {
			return fmt.Errorf("%s: ReadAt of %d bytes at offset %#x returned %d", name, len(b), off, n)
		}
		b, off = b[n:], off+int64(n)
		switch {
		case len(b) == 0:
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return errOff(name, ErrTruncated, uint64(off), "the file ends here, wanted %d bytes", size)
		case err != nil:
			return fmt.Errorf("%s: offset %#x: %w", name, off, err)
		case n == 0:
			if idle++; idle > 100 {
				return fmt.Errorf("%s: offset %#x: %w", name, off, io.ErrNoProgress)
			}
		}
	}
	return nil
}

// ReadFS reads the ELF file name of fsys, as ReadAll does. What is not a
// regular file is refused with ErrNotRegular.
func ReadFS(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(name, info.Mode())
	}
	if r, ok := file.(io.ReaderAt); ok {
		return ReadAll(name, r, info.Size())
	}
	return readAll(name, streamReader{file}, info.Size(), false)
}

func notRegular(name string, mode fs.FileMode) error {
	return &FormatError{File: name, What: fmt.Sprintf("not a regular file (mode %v)", mode), Kind: ErrNotRegular}
}

// streamReader is a ReaderAt for calls that read r from its start to its
// end in order.
type streamReader struct{ r io.Reader }

func (s streamReader) ReadAt(b []byte, _ int64) (int, error) { return io.ReadFull(s.r, b) }
