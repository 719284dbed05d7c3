package ctype

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	weldelf "weld/image/elf"
)

// sections is what is read of a file: each decompressed and, of a relocatable object, relocated.
type sections struct {
	info, types, abbrev, str, lineStr, strOffsets, addr, ranges, rnglists, aranges, cuIndex, tuIndex []byte
}

// elfFile is an ELF file of which sections are read.
type elfFile struct {
	name     string
	r        io.ReaderAt
	size     int64
	header   weldelf.Header
	sections []weldelf.Section
	fake     []uint64      // of a relocatable object: the addresses that its sections are taken to have
	budget   *atomic.Int64 // bytes that may still be read

	linkOnce sync.Once // of what relocations want; see links
	relocs   map[int][]int
	symMu    sync.Mutex
	syms     map[int][]byte
}

func readELF(name string, r io.ReaderAt, size int64, budget *atomic.Int64) (*elfFile, error) {
	h, secs, err := weldelf.ReadSections(name, r, size)
	if err != nil {
		return nil, err
	}
	f := &elfFile{name: name, r: r, size: size, header: h, sections: secs, budget: budget}
	if h.Type == weldelf.ET_REL {
		f.place()
	}
	return f, nil
}

// place gives the sections of a relocatable object addresses of their own, so that what is in them can be told apart by
// address as in a linked file.
func (f *elfFile) place() {
	f.fake = make([]uint64, len(f.sections))
	next := uint64(1 << 20)
	for i := range f.sections {
		s := &f.sections[i]
		if s.Flags&weldelf.SHF_ALLOC == 0 || s.Size > 1<<40 {
			continue
		}
		f.fake[i] = next
		next += (s.Size + 0xfff) &^ 0xfff
	}
}

func (f *elfFile) find(name string) int {
	for i := range f.sections {
		if f.sections[i].Name == name {
			return i
		}
	}
	return -1
}

func (f *elfFile) err(s *weldelf.Section, kind error, format string, args ...any) error {
	return &FormatError{File: f.name, Section: s.Name, What: fmt.Sprintf(format, args...), Kind: kind}
}

// take accounts for n bytes.
func (f *elfFile) take(s *weldelf.Section, n uint64) error {
	if n > 1<<62 || f.budget.Add(-int64(n)) < 0 {
		return f.err(s, ErrTooLarge, "%d bytes are more than may be read", n)
	}
	return nil
}

// raw reads a section as it is in the file.
func (f *elfFile) raw(s *weldelf.Section) ([]byte, error) {
	if s.Type == weldelf.SHT_NOBITS || s.Type == weldelf.SHT_NULL || s.Size == 0 {
		return nil, nil
	}
	if s.Off > uint64(f.size) || s.Size > uint64(f.size)-s.Off {
		return nil, f.err(s, ErrTruncated, "%#x bytes at offset %#x of the file extend past its end at %#x", s.Size, s.Off, f.size)
	}
	if err := f.take(s, s.Size); err != nil {
		return nil, err
	}
	b := make([]byte, s.Size)
	if _, err := io.ReadFull(io.NewSectionReader(f.r, int64(s.Off), int64(s.Size)), b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, f.err(s, ErrTruncated, "the file ends within it")
		}
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return b, nil
}

// section reads the section of a name, decompressed and relocated; nil if there is none. A relocatable object or .dwo may have
// several, in groups, which a linker would join.
func (f *elfFile) section(name string) ([]byte, error) {
	var all []byte
	for i := range f.sections {
		s := &f.sections[i]
		// Old compilers compress .debug_info into .zdebug_info.
		old := strings.HasPrefix(s.Name, ".zdebug_") && strings.HasPrefix(name, ".debug_") && s.Name[2:] == name[1:]
		if s.Name != name && !old {
			continue
		}
		b, err := f.contents(i, old)
		switch {
		case err != nil:
			return nil, err
		case all == nil:
			all = b
		default:
			all = append(all, b...)
		}
		if f.header.Type != weldelf.ET_REL {
			break
		}
	}
	return all, nil
}

// contents reads section i, decompressed and relocated. Old says that it is compressed in GNU's way.
func (f *elfFile) contents(i int, old bool) ([]byte, error) {
	s := &f.sections[i]
	b, err := f.raw(s)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Compressed():
		b, err = f.inflate(s, b)
	case old && len(b) >= 12 && string(b[:4]) == "ZLIB":
		size := uint64(0)
		for _, c := range b[4:12] { // big-endian
			size = size<<8 | uint64(c)
		}
		b, err = f.unzlib(s, b[12:], size)
	}
	if err == nil && f.fake != nil {
		err = f.relocate(i, b)
	}
	return b, err
}

// Types of compression (gABI, "Section Compression"), and how much larger than its data a section may say it is:
// deflate cannot do more than 1032, zstd can, but debugging information does not.
const (
	compressZlib = 1
	compressZstd = 2
	chdrSize     = 24
	maxRatio     = 1100
)

func (f *elfFile) inflate(s *weldelf.Section, b []byte) ([]byte, error) {
	if len(b) < chdrSize {
		return nil, f.err(s, ErrTruncated, "a compressed section of %d bytes", len(b))
	}
	typ, size := le.Uint32(b), le.Uint64(b[8:])
	switch typ {
	case compressZlib:
		return f.unzlib(s, b[chdrSize:], size)
	case compressZstd:
		if size > uint64(len(b))*maxRatio {
			return nil, f.err(s, ErrTooLarge, "%d compressed bytes cannot be %d bytes", len(b), size)
		}
		if err := f.take(s, size); err != nil {
			return nil, err
		}
		out, err := unzstd(b[chdrSize:], size)
		if err != nil {
			return nil, f.err(s, ErrCorrupt, "its compressed data: %v", err)
		}
		return out, nil
	}
	return nil, f.err(s, ErrUnsupported, "it is compressed in the unknown way %d", typ)
}

func (f *elfFile) unzlib(s *weldelf.Section, b []byte, size uint64) ([]byte, error) {
	if size > uint64(len(b))*maxRatio {
		return nil, f.err(s, ErrTooLarge, "%d compressed bytes cannot be %d bytes", len(b), size)
	}
	if err := f.take(s, size); err != nil {
		return nil, err
	}
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, f.err(s, ErrCorrupt, "its compressed data: %v", err)
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, f.err(s, ErrCorrupt, "its compressed data: %v", err)
	}
	return out, nil
}

// unzstd decompresses a section of size bytes.
func unzstd(b []byte, size uint64) ([]byte, error) {
	r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<27))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, size)
	_, err = io.ReadFull(r, out)
	return out, err
}
