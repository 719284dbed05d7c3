package link

import (
	"math/bits"

	"weld/image/elf"
)

// makeHash makes the hash tables of the dynamic symbols.
func (l *linker) makeHash() {
	d := &l.dyn
	style := l.opt.HashStyle
	if style == 0 {
		style = HashGNU | HashSysV
	}
	n := uint64(len(d.syms) + 1)
	if style&HashSysV != 0 {
		d.hash = l.synthSection(".hash", shtHash, shfAlloc, l.class.word)
		d.hash.out.entsize = 4
		buckets := max(1, n/4)
		d.hash.size = 4 * (2 + buckets + n)
		d.hash.write = func(buf []byte) error {
			le.PutUint32(buf, uint32(buckets))
			le.PutUint32(buf[4:], uint32(n))
			heads, chains := buf[8:8+4*buckets], buf[8+4*buckets:]
			for i := range d.syms {
				h := elf.SysVHash(l.syms.at(d.syms[i].id).bare()) % uint32(buckets)
				copy(chains[4*(i+1):][:4], heads[4*h:])
				le.PutUint32(heads[4*h:], uint32(i+1))
			}
			return nil
		}
	}
	if style&HashGNU != 0 {
		d.gnuHash = l.synthSection(".gnu.hash", shtGNUHash, shfAlloc, l.class.word)
		hashed := uint64(len(d.syms) - d.local)
		words := bloomWords(hashed, 8*l.class.word)
		if l.class.word == 4 {
			d.gnuHash.out.entsize = 4 // of ELF64 words are of two sizes, and it is 0
		}
		d.gnuHash.size = 16 + l.class.word*words + 4*uint64(d.buckets) + 4*hashed
		d.gnuHash.write = func(buf []byte) error { l.writeGNUHash(buf, words); return nil }
	}
}

// bloomShift is the second hash of the Bloom filter: the first one shifted.
const bloomShift = 26

// bloomWords returns the size of the Bloom filter: about 12 bits a symbol, a power of two.
func bloomWords(n, bitsEach uint64) uint64 {
	return 1 << bits.Len64(n*12/bitsEach)
}

func (l *linker) writeGNUHash(buf []byte, words uint64) {
	d := &l.dyn
	le.PutUint32(buf, d.buckets)
	le.PutUint32(buf[4:], uint32(d.local+1))
	le.PutUint32(buf[8:], uint32(words))
	le.PutUint32(buf[12:], bloomShift)
	word := l.class.word
	n := uint32(8 * word)
	bloom := buf[16:][:word*words]
	heads := buf[16+word*words:][:4*d.buckets]
	chains := buf[16+word*words+4*uint64(d.buckets):]
	for i := d.local; i < len(d.syms); i++ {
		h := d.syms[i].hash
		w := bloom[word*(uint64(h/n)&(words-1)):]
		l.class.putWord(w, l.class.getWord(w)|1<<(h%n)|1<<((h>>bloomShift)%n))
		b := h % d.buckets
		if head := heads[4*b:]; le.Uint32(head) == 0 {
			le.PutUint32(head, uint32(i+1))
		}
		v := h &^ 1
		if i+1 == len(d.syms) || d.syms[i+1].hash%d.buckets != b {
			v |= 1
		}
		le.PutUint32(chains[4*(i-d.local):], v)
	}
}
