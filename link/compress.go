package link

import (
	"bytes"
	"fmt"
	"hash/adler32"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// Compression of debug sections (gABI, "Section Compression"). Sections are relocated in memory once addresses are known, and cut
// into pieces that are compressed in parallel: for zlib each ends on a byte, for zstd it is a frame. So the output does not depend
// on the number of threads.

// compressPiece is the size of the pieces.
const compressPiece = 1 << 20

// chdr returns the size of the header of a compressed section.
func (c *elfClass) chdr() int { return 3 * int(c.word) }

// compressDebug compresses the debug sections of the output that become smaller by it.
func (l *linker) compressDebug() error {
	if l.opt.Compress == CompressNone {
		return nil
	}
	for _, out := range l.order {
		if out.flags&shfAlloc != 0 || out.typ == shtNobits || out.size == 0 || !isDebug(out.name) || out.name == ".gdb_index" {
			continue
		}
		buf := make([]byte, out.size)
		err := l.parErr(len(out.members), func(i int) error { return l.writeMember(buf, 0, out, out.members[i]) })
		if err != nil {
			return err
		}
		data, err := l.compress(buf, out.align)
		if err != nil {
			return fmt.Errorf("section %s: %w", out.name, err)
		}
		if len(data) < len(buf) {
			out.compressed, out.size, out.align = data, uint64(len(data)), l.class.word
			out.flags |= shfCompressed
		}
	}
	return l.placeUnloaded(l.unloadedOff)
}

// compress returns a compressed section.
func (l *linker) compress(data []byte, align uint64) ([]byte, error) {
	pieces := make([][]byte, (len(data)+compressPiece-1)/compressPiece)
	err := l.parErr(len(pieces), func(i int) (err error) {
		piece := data[i*compressPiece : min((i+1)*compressPiece, len(data))]
		if l.opt.Compress == CompressZstd {
			pieces[i], err = zstdPiece(piece)
		} else {
			pieces[i], err = deflatePiece(piece, i+1 == len(pieces))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	head := make([]byte, l.class.chdr())
	le.PutUint32(head, elfCompressZlib)
	if l.class.word == 8 {
		le.PutUint64(head[8:], uint64(len(data)))
		le.PutUint64(head[16:], align)
	} else {
		le.PutUint32(head[4:], uint32(len(data)))
		le.PutUint32(head[8:], uint32(align))
	}
	if l.opt.Compress == CompressZstd {
		le.PutUint32(head, elfCompressZstd)
		return append(head, bytes.Join(pieces, nil)...), nil
	}
	// RFC 1950: a window of 32 KiB, the checksum at the end.
	head = append(head, 0x78, 0x9c)
	sum := adler32.Checksum(data)
	return append(append(head, bytes.Join(pieces, nil)...), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)), nil
}

// deflatePiece compresses a piece so that another can follow.
func deflatePiece(data []byte, last bool) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if last {
		err = w.Close()
	} else {
		err = w.Flush()
	}
	return b.Bytes(), err
}

func zstdPiece(data []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(data, nil), nil
}
