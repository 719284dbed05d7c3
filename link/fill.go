package link

import (
	"crypto/md5"
	"crypto/sha1"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"weld/image/elf"
)

// The output is made in pieces. Tables that the linker makes, some of which are written to from many places, are kept in memory until
// all else is done. The sections of objects, which are most of the output, are put together piece by piece in memory that is used
// again: a piece is copied, relocated, hashed for the build ID and written to the file while it is in the processor's caches.

const (
	// madePiece is about how large a piece is that is made at a time: it fits into a processor's own cache.
	madePiece = 1 << 18
	// keptPiece is how much of what is kept is hashed and written at a time.
	keptPiece = 1 << 20
)

// A piece is a part of the output: members of a section, or bytes that are kept.
type piece struct {
	out    *outSection // nil for bytes that are no section's
	lo, hi int         // members of out
	off    uint64      // in the file
	size   uint64
	data   []byte // what is kept
}

// A filler writes the output.
type filler struct {
	l       *linker
	file    *os.File // nil when the output is l.buf
	pieces  []piece
	digests [][]byte            // of the pieces, for the build ID; nil without one
	sum     func([]byte) []byte // of the digests
	room    uint64              // the size of the largest piece that is made
	scratch sync.Pool           // of *[]byte with that size
	failed  atomic.Bool         // to write: no more is written, and there is one error of it
}

// kept reports whether a section is in memory until the end.
func (l *linker) kept(out *outSection) bool {
	return slices.ContainsFunc(out.members, func(m secRef) bool { return m.obj < 0 && !l.synths[m.sec].alone })
}

// synthBytes returns the bytes of a part of a section that is kept.
func (l *linker) synthBytes(s *synth) []byte { return s.out.data[s.off:][:s.size:s.size] }

// fill makes the content of the output and writes it to the file, or to l.buf if there is none.
func (l *linker) fill(file *os.File) error {
	f := &filler{l: l, file: file}
	if l.mi.values && l.opt.Mode != Relocatable {
		l.findValues()
	}
	if l.buildID != nil {
		switch l.opt.BuildID {
		case BuildIDSHA1:
			f.sum = func(b []byte) []byte { d := sha1.Sum(b); return d[:] }
		case BuildIDMD5:
			f.sum = func(b []byte) []byte { d := md5.Sum(b); return d[:] }
		}
	}
	var kept []piece
	keep := func(out *outSection, off uint64, data []byte) {
		for at := uint64(0); at < uint64(len(data)); at += keptPiece {
			n := min(keptPiece, uint64(len(data))-at)
			kept = append(kept, piece{out: out, off: off + at, size: n, data: data[at:][:n]})
		}
	}
	head, tail := f.memory(0, l.headSize()), f.memory(l.shstrOff, l.fileSize-l.shstrOff)
	keep(nil, 0, head)
	type member struct {
		out *outSection
		i   int
	}
	var members []member // of the sections that are kept
	for _, out := range l.order {
		switch {
		case out.typ == shtNobits || out.size == 0:
		case out.compressed != nil:
			if file == nil {
				copy(l.buf[out.off:], out.compressed)
			}
			keep(out, out.off, out.compressed)
		case l.kept(out):
			out.data = f.memory(out.off, out.size)
			keep(out, out.off, out.data)
			for i := range out.members {
				members = append(members, member{out, i})
			}
		default:
			f.cut(out)
		}
	}
	keep(nil, l.shstrOff, tail)
	own := len(f.pieces)
	f.pieces = append(f.pieces, kept...)
	f.digests = make([][]byte, len(f.pieces))

	l.writeHeaders(head, tail)
	l.writeGot()
	err := l.parErr(own+len(members), func(i int) error {
		if i < own {
			return f.make(i)
		}
		m := members[i-own]
		return l.writeMember(m.out.data, 0, m.out, m.out.members[m.i])
	})
	if err != nil {
		return err
	}
	if l.hasGNU.Load() {
		head[7] = uint8(elf.ELFOSABI_GNU) // gABI, "ELF Identification": its symbols are GNU's own
	}
	// The dynamic relocations are sorted while the rest is hashed and written, and follow.
	var rest, relocs []int
	for i := own; i < len(f.pieces); i++ {
		if t := l.got.relaDyn; t != nil && f.pieces[i].out == t.out {
			relocs = append(relocs, i)
		} else {
			rest = append(rest, i)
		}
	}
	withID := func(p *piece) bool { return f.sum != nil && p.out == l.buildID.out }
	finish := func(i int) error {
		p := &f.pieces[i]
		f.hash(i, p.data)
		if withID(p) {
			return nil // it follows when all others are hashed
		}
		return f.write(p.off, p.data)
	}
	err = l.parErr(1+len(rest), func(i int) error {
		if i == 0 {
			l.sortRelocs()
			return nil
		}
		return finish(rest[i-1])
	})
	if err != nil {
		return err
	}
	if err := l.parErr(len(relocs), func(i int) error { return finish(relocs[i]) }); err != nil {
		return err
	}
	if f.sum != nil {
		id := f.sum(slices.Concat(f.digests...))
		copy(l.synthBytes(l.buildID)[16:], id)
		l.result.BuildID = id
		for i := range f.pieces {
			if p := &f.pieces[i]; withID(p) {
				if err := f.write(p.off, p.data); err != nil {
					return err
				}
			}
		}
	}
	if l.opt.FatalWarnings && l.warned.Load() {
		return ErrWarning
	}
	return l.ctx.Err()
}

// headSize returns the size of the headers at the start of the file.
func (l *linker) headSize() uint64 { return l.class.ehdr + l.class.phdr*uint64(len(l.segments)) }

// memory returns room for a part of the output that is kept.
func (f *filler) memory(off, size uint64) []byte {
	if f.file == nil {
		return f.l.buf[off:][:size:size]
	}
	return tableOf[byte](&f.l.mem, int(size))
}

// cut divides a section that is not kept into pieces, each from the start of its first member to that of the next piece's.
func (f *filler) cut(out *outSection) {
	l := f.l
	p := piece{out: out, off: out.off}
	for i, m := range out.members {
		start, size := uint64(0), uint64(0)
		if m.obj >= 0 {
			s := &l.objs[m.obj].secs[m.sec]
			start, size = s.outOff, s.size
		} else {
			start, size = l.synths[m.sec].off, l.synths[m.sec].size
		}
		if at := out.off + start; p.off < at && at+size-p.off > madePiece {
			f.add(p, at)
			p.lo, p.off = i, at
		}
		p.hi = i + 1
	}
	f.add(p, out.off+out.size)
}

// add adds a piece that ends at an offset of the file and is to be made.
func (f *filler) add(p piece, end uint64) {
	p.size = end - p.off
	f.room = max(f.room, p.size)
	f.pieces = append(f.pieces, p)
}

// make makes a piece of a section that is not kept, and writes it.
func (f *filler) make(i int) error {
	l, p := f.l, &f.pieces[i]
	var buf []byte
	if f.file == nil {
		buf = l.buf[p.off:][:p.size:p.size]
	} else {
		room, _ := f.scratch.Get().(*[]byte)
		if room == nil {
			b := tableOf[byte](&l.mem, int(f.room))
			room = &b
		}
		defer f.scratch.Put(room)
		buf = (*room)[:p.size:p.size]
	}
	base := p.off - p.out.off
	var errs errorList
	done := uint64(0) // what is between the members, from here to the next, becomes zero
	for _, m := range p.out.members[p.lo:p.hi] {
		start, size := uint64(0), uint64(0)
		if m.obj < 0 {
			start, size = l.synths[m.sec].off, l.synths[m.sec].size
		} else if s := &l.objs[m.obj].secs[m.sec]; s.typ != shtNobits {
			start, size = s.outOff, s.size
		}
		if size == 0 {
			continue
		}
		start -= base
		clear(buf[done:start])
		errs.add(l.writeMember(buf, base, p.out, m))
		done = start + size
	}
	clear(buf[done:])
	if err := errs.err(); err != nil {
		return err
	}
	f.hash(i, buf)
	return f.write(p.off, buf)
}

// hash notes the digest of a piece, which is its size and its XXH3, or all that is in it if that is not much. Linkers' build IDs say
// whether files are the same, and are easily made to lie: it is no matter that the hash is none of cryptography.
func (f *filler) hash(i int, b []byte) {
	if f.sum == nil {
		return
	}
	d := le.AppendUint64(nil, uint64(len(b)))
	if len(b) < xxhMin {
		f.digests[i] = append(d, b...)
		return
	}
	lo, hi := xxh3(b)
	f.digests[i] = le.AppendUint64(le.AppendUint64(d, lo), hi)
}

// write writes to the file.
func (f *filler) write(off uint64, b []byte) error {
	if f.file == nil || f.failed.Load() {
		return nil
	}
	if _, err := f.file.WriteAt(b, int64(off)); err != nil && f.failed.CompareAndSwap(false, true) {
		return f.l.cannotWrite(err)
	}
	return nil
}
