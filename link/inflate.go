package link

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// Types of compression (gABI, "Section Compression").
const (
	elfCompressZlib = 1
	elfCompressZstd = 2
)

// maxRatio bounds how much larger than its data a section may say it is: more than deflate can do. zstd can do more, so that a section
// of maxAnyRatio bytes is believed whatever its data.
const (
	maxRatio    = 1100
	maxAnyRatio = 64 << 20
)

// A decompressed is the content of a compressed section.
type decompressed struct {
	data  []byte
	align uint64
}

// inflate decompresses a section that is linked.
func (o *object) inflate(i uint32) error {
	s := &o.secs[i]
	if s.flags&shfAlloc != 0 {
		return o.err(ErrFormat, o.place(i), "a section that is loaded is compressed")
	}
	d, err := o.decompress(i)
	if err != nil {
		return err
	}
	if o.inflated == nil {
		o.inflated = map[uint32][]byte{}
	}
	o.inflated[i] = d.data
	s.size, s.align = uint64(len(d.data)), 0
	if d.align > 1 {
		s.align = uint8(bits.TrailingZeros64(d.align))
	}
	s.flags &^= shfCompressed
	return nil
}

// decompress returns the content of a compressed section.
func (o *object) decompress(i uint32) (decompressed, error) {
	b := o.bytes(i)
	typ, size, align, head, ok := o.mi.class.decodeChdr(b)
	if !ok {
		return decompressed{}, o.err(ErrTruncated, o.place(i), "a compressed section of %d bytes", len(b))
	}
	if size > max(uint64(len(b))*maxRatio, maxAnyRatio) || align > maxAlign || align&(align-1) != 0 {
		return decompressed{}, o.err(ErrTooLarge, o.place(i), "%d compressed bytes cannot be %d bytes, or the alignment %#x is wrong", len(b), size, align)
	}
	var data []byte
	var err error
	switch b = b[head:]; typ {
	case elfCompressZlib:
		data, err = unzlib(b, size)
	case elfCompressZstd:
		data, err = unzstd(b, size)
	default:
		return decompressed{}, o.err(ErrFormat, o.place(i), "it is compressed in the unknown way %d", typ)
	}
	if err != nil {
		return decompressed{}, o.err(err, o.place(i), "its compressed data: %v", err)
	}
	return decompressed{data, align}, nil
}

func unzlib(b []byte, size uint64) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	data.Grow(int(min(size, uint64(len(b))*maxRatio)))
	if _, err := io.CopyN(&data, r, int64(size)); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

func unzstd(b []byte, size uint64) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(max(size, 8<<20)))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	data, err := d.DecodeAll(b, make([]byte, 0, min(size, uint64(len(b))*maxRatio)))
	if err == nil && uint64(len(data)) != size {
		err = fmt.Errorf("%d bytes, wanted %d", len(data), size)
	}
	return data, err
}
