package elf

import (
	"math/bits"
	"strings"
	"unsafe"
)

// GNUHash returns the DT_GNU_HASH hash of a symbol name.
func GNUHash(name string) uint32 {
	// h = 33*h + c, eight steps at a time: neighbours are put together in
	// lanes of 16 bits, and those in lanes of 32.
	const (
		lanes16, lanes32 = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
		pow4             = 33 * 33 * 33 * 33
		pow8             = pow4 * pow4 & (1<<32 - 1)
	)
	h := uint32(5381)
	for len(name) >= 8 {
		w := uint64(name[0]) | uint64(name[1])<<8 | uint64(name[2])<<16 | uint64(name[3])<<24 |
			uint64(name[4])<<32 | uint64(name[5])<<40 | uint64(name[6])<<48 | uint64(name[7])<<56
		w = w&lanes16*33 + w>>8&lanes16
		w = w&lanes32*(33*33) + w>>16&lanes32
		h = h*pow8 + uint32(w)*pow4 + uint32(w>>32)
		name = name[8:]
	}
	if len(name) >= 4 {
		h = h*(33*33*33*33) + uint32(name[0])*(33*33*33) + uint32(name[1])*(33*33) + uint32(name[2])*33 + uint32(name[3])
		name = name[4:]
	}
	for i := 0; i < len(name); i++ {
		h = h*33 + uint32(name[i])
	}
	return h
}

// SysVHash returns the DT_HASH hash of a symbol name, which is that of a
// version name too (gABI, "Hash Table").
func SysVHash(name string) uint32 {
	h := uint32(0)
	if len(name) >= 5 { // these fit into 28 bits
		h = uint32(name[0])<<16 + uint32(name[1])<<12 + uint32(name[2])<<8 + uint32(name[3])<<4 + uint32(name[4])
		name = name[5:]
	}
	for i := 0; i < len(name); i++ {
		h = h<<4 + uint32(name[i])
		h ^= h >> 24 & 0xf0 // of what is above 28 bits the shift lets go
	}
	return h & 0x0fffffff
}

// NameHash is a symbol name with its hashes, for looking it up in many
// files. What a lookup needs and the NameHash does not have yet, the name or
// the hash for DT_HASH, it fills in, so a NameHash is not for concurrent use.
type NameHash struct {
	GNU uint32

	name     string
	file     *File  // in whose string table the name is, nil if it is not from a file
	off      uint32 // there
	named    bool   // name is set
	sysvDone bool
	invalid  bool // the name has a NUL: no symbol is called that
	sysv     uint32
}

// Hash returns the NameHash of a symbol name.
func Hash(name string) NameHash {
	return NameHash{name: name, named: true, GNU: GNUHash(name), invalid: strings.IndexByte(name, 0) >= 0}
}

// SymHash returns the NameHash of the name of a symbol of f. Its name is a
// view of f's string table.
func (f *File) SymHash(s Sym) NameHash {
	h := NameHash{file: f, off: s.Name}
	h.GNU = GNUHash(h.Name())
	return h
}

// SymHashAt makes h SymHash of symbol i, which must be less than NumSymbols. If
// DT_GNU_HASH has the symbol the hash is taken from there, and the name not
// read before a lookup needs it.
func (f *File) SymHashAt(i uint32, h *NameHash) {
	// A Sym or a NameHash that is copied stalls on the narrow fields just written.
	*h = NameHash{}
	h.file, h.off = f, le.Uint32(f.SymBytes(i))
	hash, ok := f.gnu.hashOf(i)
	if !ok {
		hash = GNUHash(h.Name())
	}
	h.GNU = hash
}

// Name returns the name. That of a symbol is a view of its file's string table.
func (h *NameHash) Name() string {
	if !h.named {
		b := cstring(h.file.strtab, uint64(h.off), maxSymName)
		h.name, h.named = unsafe.String(unsafe.SliceData(b), len(b)), true
	}
	return h.name
}

// SysV returns SysVHash(h.Name()), computed once.
func (h *NameHash) SysV() uint32 {
	if !h.sysvDone {
		h.sysv, h.sysvDone = SysVHash(h.Name()), true
	}
	return h.sysv
}

// divisor takes remainders by a fixed number with two multiplications, exact
// for 32-bit operands (Lemire, Kaser and Kurz, "Faster remainder by direct
// computation", 2019).
type divisor struct {
	magic uint64
	n     uint32
}

func newDivisor(n uint32) divisor { return divisor{^uint64(0)/uint64(n) + 1, n} }

func (d divisor) mod(x uint32) uint32 {
	hi, _ := bits.Mul64(d.magic*uint64(x), uint64(d.n))
	return uint32(hi)
}

// gnuTable is DT_GNU_HASH. nbuckets is 0 if there is none.
type gnuTable struct {
	bloom     []byte
	buckets   []byte
	chain     []byte // of symbol symoff and on
	div       divisor
	bloomMask uint32
	shift     uint32
	symoff    uint32
	nbuckets  uint32
}

// hashOf returns the hash of symbol i, if the table has it. A chain keeps all
// of a hash but the lowest bit, which the bucket tells: of the two hashes that
// come into question one leads to a chain with the symbol.
func (g *gnuTable) hashOf(i uint32) (hash uint32, ok bool) {
	const longest = 64 // links; more are slower than to take the hash of the name
	c := uint64(i-g.symoff) * 4
	if g.nbuckets < 2 || i < g.symoff || c+4 > uint64(len(g.chain)) {
		return 0, false
	}
	hash = le.Uint32(g.chain[c:])
	for range 2 {
		first := le.Uint32(g.buckets[uint64(g.div.mod(hash))*4:])
		if first >= g.symoff && first <= i && i-first <= longest {
			for b := uint64(first-g.symoff) * 4; b < c && le.Uint32(g.chain[b:])&1 == 0; b += 4 {
				first++
			}
			if first == i {
				return hash, true
			}
		}
		hash ^= 1
	}
	return 0, false
}

// sysvTable is DT_HASH. nbucket is 0 if there is none.
type sysvTable struct {
	buckets []byte
	chain   []byte
	div     divisor
	nbucket uint32
	nchain  uint32
}

func (f *File) parseGNUHash() error {
	addr := f.Dynamic.GNUHash
	if addr == 0 {
		return nil
	}
	b := f.tail(addr)
	if len(b) < 16 {
		return f.errAddr(ErrTruncated, addr, "the header of DT_GNU_HASH is not inside a PT_LOAD")
	}
	nbuckets, symoff, nbloom, shift := le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	b = b[16:]
	if nbuckets == 0 {
		return nil // an empty table, as glibc takes it
	}
	if nbloom == 0 || nbloom&(nbloom-1) != 0 {
		return f.errAddr(nil, addr+8, "the Bloom filter of DT_GNU_HASH has %d words, wanted a power of two", nbloom)
	}
	if shift >= 64 {
		return f.errAddr(nil, addr+12, "the Bloom filter of DT_GNU_HASH has a shift of %d, wanted less than 64", shift)
	}
	if uint64(nbloom)*8+uint64(nbuckets)*4 > uint64(len(b)) {
		return f.errAddr(ErrTruncated, addr, "DT_GNU_HASH with %d Bloom words and %d buckets is not inside a PT_LOAD", nbloom, nbuckets)
	}
	chain := b[uint64(nbloom)*8+uint64(nbuckets)*4:]
	f.gnu = gnuTable{
		bloom:     b[:uint64(nbloom)*8],
		buckets:   b[uint64(nbloom)*8:][:uint64(nbuckets)*4],
		chain:     chain[:len(chain)&^3],
		div:       newDivisor(nbuckets),
		bloomMask: nbloom - 1,
		shift:     shift,
		symoff:    symoff,
		nbuckets:  nbuckets,
	}
	return nil
}

func (f *File) parseSysVHash() error {
	addr := f.Dynamic.Hash
	if addr == 0 || f.Machine == EM_ALPHA {
		return nil // whose DT_HASH has 8-byte entries
	}
	b := f.tail(addr)
	if len(b) < 8 {
		return f.errAddr(ErrTruncated, addr, "the header of DT_HASH is not inside a PT_LOAD")
	}
	nbucket, nchain := le.Uint32(b), le.Uint32(b[4:])
	b = b[8:]
	if (uint64(nbucket)+uint64(nchain))*4 > uint64(len(b)) {
		return f.errAddr(ErrTruncated, addr, "DT_HASH with %d buckets and %d chain entries is not inside a PT_LOAD", nbucket, nchain)
	}
	f.sysv.nchain = nchain
	if nbucket == 0 {
		return nil
	}
	f.sysv.nbucket = nbucket
	f.sysv.buckets = b[:uint64(nbucket)*4]
	f.sysv.chain = b[uint64(nbucket)*4:][:uint64(nchain)*4]
	f.sysv.div = newDivisor(nbucket)
	return nil
}

// gnuCount returns the number of symbols going by DT_GNU_HASH: the chain of
// the highest bucket ends with the last symbol. It is 0 when no symbol is
// hashed. At most fit symbols are possible.
func (f *File) gnuCount(fit uint64) (uint64, error) {
	g := &f.gnu
	top := uint32(0)
	for i := 0; i+4 <= len(g.buckets); i += 4 {
		top = max(top, le.Uint32(g.buckets[i:]))
	}
	if top == 0 {
		// GNU ld then gives 1 as the index of the first hashed symbol, lld
		// the number of symbols.
		if uint64(g.symoff) > fit {
			return 0, nil
		}
		return max(uint64(g.symoff), f.relocCount()), nil
	}
	if top < g.symoff {
		return 0, f.errAddr(nil, f.Dynamic.GNUHash, "a bucket of DT_GNU_HASH begins at symbol %d, before the first hashed symbol %d", top, g.symoff)
	}
	for i := uint64(top); i < fit; i++ {
		c := (i - uint64(g.symoff)) * 4
		if c >= uint64(len(g.chain)) {
			break
		}
		if le.Uint32(g.chain[c:])&1 != 0 {
			return i + 1, nil
		}
	}
	return 0, f.errAddr(nil, f.Dynamic.GNUHash, "the chain of DT_GNU_HASH that begins at symbol %d has no end", top)
}

// GNUHashes returns the hash of each symbol that DT_GNU_HASH has, beginning
// with symbol first, 4 bytes each. The lowest bit of a hash is not its own: it
// ends a chain. ok is false if lookups in f do not go by that table.
func (f *File) GNUHashes() (first uint32, hashes []byte, ok bool) {
	g := &f.gnu
	if g.nbuckets == 0 {
		return 0, nil, f.sysv.nbucket == 0 && !f.linear
	}
	n := uint64(len(f.symtab) / symSize)
	if n <= uint64(g.symoff) {
		return g.symoff, nil, true
	}
	return g.symoff, g.chain[:min((n-uint64(g.symoff))*4, uint64(len(g.chain)))], true
}
