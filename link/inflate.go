package link

import (
	"bytes"
	"compress/zlib"
	"io"
	"math/bits"
)

// Types of compression (gABI, "Section Compression").
const (
	elfCompressZlib = 1
	elfCompressZstd = 2
	chdrSize        = 24
)

// maxRatio bounds how much larger than its data a section may say it is: more than deflate can do.
const maxRatio = 1100

// inflate decompresses a section.
func (o *object) inflate(i uint32) error {
	s := &o.secs[i]
	b := o.bytes(i)
	if len(b) < chdrSize {
		return o.err(ErrTruncated, o.place(i), "a compressed section of %d bytes", len(b))
	}
	typ, size, align := le.Uint32(b), le.Uint64(b[8:]), le.Uint64(b[16:])
	switch {
	case typ == elfCompressZstd:
		return o.err(ErrFormat, o.place(i), "it is compressed with zstd, which is not supported; use zlib or none")
	case typ != elfCompressZlib:
		return o.err(ErrFormat, o.place(i), "it is compressed in the unknown way %d", typ)
	case s.flags&shfAlloc != 0:
		return o.err(ErrFormat, o.place(i), "a section that is loaded is compressed")
	case size > uint64(len(b))*maxRatio || align > maxAlign || align&(align-1) != 0:
		return o.err(ErrTooLarge, o.place(i), "%d compressed bytes cannot be %d bytes, or the alignment %#x is wrong", len(b), size, align)
	}
	r, err := zlib.NewReader(bytes.NewReader(b[chdrSize:]))
	if err != nil {
		return o.err(err, o.place(i), "its compressed data: %v", err)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return o.err(err, o.place(i), "its compressed data: %v", err)
	}
	if o.inflated == nil {
		o.inflated = map[uint32][]byte{}
	}
	o.inflated[i] = data
	s.size, s.align = size, 0
	if align > 1 {
		s.align = uint8(bits.TrailingZeros64(align))
	}
	s.flags &^= shfCompressed
	return nil
}
