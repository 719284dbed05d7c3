package ctype

import (
	"bytes"
	"encoding/binary"
)

var le = binary.LittleEndian

// reader walks over bytes. What does not fit sets bad, and gives zeroes from then on.
type reader struct {
	b   []byte
	pos int
	bad bool
}

func readerAt(b []byte, off uint64) reader {
	if off > uint64(len(b)) {
		return reader{b: b, pos: len(b), bad: true}
	}
	return reader{b: b, pos: int(off)}
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) fail() {
	r.bad = true
	r.pos = len(r.b)
}

func (r *reader) skip(n uint64) {
	if n > uint64(r.left()) {
		r.fail()
		return
	}
	r.pos += int(n)
}

// bytes returns the next n bytes, which belong to the section.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(r.left()) {
		r.fail()
		return nil
	}
	b := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b
}

func (r *reader) u8() uint8 {
	if r.pos >= len(r.b) {
		r.fail()
		return 0
	}
	v := r.b[r.pos]
	r.pos++
	return v
}

func (r *reader) u16() uint16 {
	if r.left() < 2 {
		r.fail()
		return 0
	}
	v := le.Uint16(r.b[r.pos:])
	r.pos += 2
	return v
}

func (r *reader) u32() uint32 {
	if r.left() < 4 {
		r.fail()
		return 0
	}
	v := le.Uint32(r.b[r.pos:])
	r.pos += 4
	return v
}

func (r *reader) u64() uint64 {
	if r.left() < 8 {
		r.fail()
		return 0
	}
	v := le.Uint64(r.b[r.pos:])
	r.pos += 8
	return v
}

// uint reads an unsigned integer of n bytes, at most 8.
func (r *reader) uint(n int) uint64 {
	b := r.bytes(uint64(n))
	v := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// offset reads an offset of 4 bytes, or of 8 in 64-bit DWARF.
func (r *reader) offset(is64 bool) uint64 {
	if is64 {
		return r.u64()
	}
	return uint64(r.u32())
}

// uleb reads a ULEB128. Bits above 64 are dropped.
func (r *reader) uleb() uint64 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return uint64(r.b[r.pos-1])
	}
	v := uint64(0)
	for shift := uint(0); r.pos < len(r.b); shift += 7 {
		c := r.b[r.pos]
		r.pos++
		if shift < 64 {
			v |= uint64(c&0x7f) << shift
		}
		if c < 0x80 {
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) sleb() int64 {
	v, shift := int64(0), uint(0)
	for r.pos < len(r.b) {
		c := r.b[r.pos]
		r.pos++
		if shift < 64 {
			v |= int64(c&0x7f) << shift
		}
		shift += 7
		if c < 0x80 {
			if shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
	r.fail()
	return 0
}

// cstring returns the bytes before the next NUL, which it passes over.
func (r *reader) cstring() []byte {
	n := bytes.IndexByte(r.b[r.pos:], 0)
	if n < 0 {
		r.fail()
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n + 1
	return b
}

// maxName bounds the names that are taken out of a string table.
const maxName = 1 << 14

// stringAt returns the string at an offset of a string table; nil if there is none that ends.
func stringAt(table []byte, off uint64) []byte {
	if off >= uint64(len(table)) {
		return nil
	}
	b := table[off:]
	if len(b) > maxName {
		b = b[:maxName]
	}
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return nil
	}
	return b[:n:n]
}
