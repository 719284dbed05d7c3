package link

import (
	"math/bits"
	"sync/atomic"

	"weld/image/elf"
)

// A symID names a global symbol: the shard in the upper bits, the index in it in the lower ones. 0 is none.
type symID uint32

const (
	shardBits = 6
	nShards   = 1 << shardBits
	idBits    = 32 - shardBits - 1
	idMask    = 1<<idBits - 1
	// extraShard holds symbols that have no name in the table: local ones that need a place in a table of the output.
	extraShard = nShards
)

// Kinds of symbols: what defines them.
const (
	symUndef  uint8 = iota
	symLazy         // a member of an archive that has not been linked: file is the archive, idx the entry of its index
	symObject       // file is the object, idx the symbol there
	symCommon       // likewise
	symShared       // file is the shared library, idx the dynamic symbol
	symLinker       // the linker: value is in out, or absolute
)

// Flags of symbols.
const (
	refObject     uint32 = 1 << iota // an object refers to it
	refStrong                        // and not just weakly
	refShared                        // a shared library refers to it
	defShared                        // a shared library defines it
	needGOT                          // an entry with the address
	needPLT                          // a stub
	needCanonical                    // the stub is the address of the function
	needCopy                         // a copy of the data of a shared library
	needGOTTP                        // an entry with the offset from the thread pointer
	needTLSGD                        // an entry with the module and the offset in it
	needTLSDesc                      // a TLS descriptor
	needDynsym                       // an entry in the dynamic symbol table
	isExported                       // others can bind to it
	isImported                       // the run-time linker finds it: its address is not known here
	isLocalized                      // a version script or --exclude-libs has made it local
	isVersioned                      // its version is hidden: name@version
	isDup                            // reported as defined twice
	refCommon                        // while files are searched for: an object has a common symbol of the name
	refRegular                       // an object that is no IR refers to it or defines it
	defDropped                       // a shared library that is not needed defines it
	isUnique                         // its definition in an object is STB_GNU_UNIQUE
	isPlaced                         // value is an address
	isVariant                        // it does not keep to the base procedure call standard: st_other says so

	needTables = needGOT | needPLT | needCanonical | needCopy | needGOTTP | needTLSGD | needTLSDesc | needDynsym
)

// A symbol is a global symbol, by its name.
type symbol struct {
	name    string
	rank    uint64 // of the definition: the lowest one holds
	value   uint64 // address in the output; before the layout, that in the object of symObject and the offset in out of symLinker and symCommon
	size    uint64
	flags   uint32
	idx     uint32
	file    int32
	comdat  int32  // the object whose group of this signature is linked, plus 1; negative when that group is found
	aux     int32  // index of its places in tables, plus 1
	out     int32  // output section of symLinker and symCommon; outNone for absolute
	shndx   uint32 // section in the object of symObject, as esym has it
	version uint16
	kind    uint8
	vis     elf.SymVis // the most constraining of all objects
	typ     elf.SymType
	weak    bool // the definition is weak
	abs     bool
}

// has reports whether a flag is set while others may be set at the same time.
func (s *symbol) has(flag uint32) bool { return atomic.LoadUint32(&s.flags)&flag != 0 }

// hidden reports whether other files cannot see the symbol.
func (s *symbol) hidden() bool {
	return s.vis == elf.STV_HIDDEN || s.vis == elf.STV_INTERNAL || s.flags&isLocalized != 0
}

// undefWeak reports whether the symbol is undefined and that is no error.
func (s *symbol) undefWeak() bool { return s.kind == symUndef && s.flags&refStrong == 0 }

func (s *symbol) defined() bool {
	return s.kind == symObject || s.kind == symCommon || s.kind == symLinker
}

// A symShard is a part of the symbol table, chosen by the upper bits of the hash. One goroutine at a time fills it.
type symShard struct {
	syms    []symbol
	hashes  []uint32
	slots   []uint32 // index in syms plus 1
	touched []uint32 // symbols that have become wanted since this was last emptied
}

// A symTable is all global symbols.
type symTable struct {
	shards [nShards + 1]symShard
}

func (t *symTable) at(id symID) *symbol { return &t.shards[id>>idBits].syms[id&idMask] }

func newSymTable() *symTable {
	t := new(symTable)
	for i := range t.shards {
		s := &t.shards[i]
		s.syms = make([]symbol, 1) // index 0 is none
		s.hashes = make([]uint32, 1)
		s.slots = make([]uint32, 4)
	}
	return t
}

// hashName hashes a name, 8 bytes at a time. It need not withstand names made to collide: those cost their maker time only.
func hashName(b []byte) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	h := uint64(len(b)) * k1
	for len(b) >= 8 {
		hi, lo := bits.Mul64(h^le.Uint64(b), k0)
		h = hi ^ lo
		b = b[8:]
	}
	if len(b) > 0 {
		var v uint64
		for i, c := range b {
			v |= uint64(c) << (8 * i)
		}
		hi, lo := bits.Mul64(h^v^k1, k0)
		h = hi ^ lo
	}
	hi, lo := bits.Mul64(h^k1, k0)
	return hi ^ lo
}

func shardOf(hash uint64) uint32 { return uint32(hash >> (64 - shardBits)) }

// intern returns the index in the shard of the symbol of a name, making it if it is new. h is the lower bits of the name's hash.
func (s *symShard) intern(h uint32, name string) uint32 {
	mask := uint32(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		k := s.slots[i]
		if k == 0 {
			n := uint32(len(s.syms))
			s.syms = append(s.syms, symbol{name: name, file: -1, out: outNone})
			s.hashes = append(s.hashes, h)
			s.slots[i] = n + 1
			if uint64(n)*2 > uint64(len(s.slots)) {
				s.grow()
			}
			return n
		}
		if s.hashes[k-1] == h && s.syms[k-1].name == name {
			return k - 1
		}
	}
}

func (s *symShard) find(h uint32, name string) uint32 {
	mask := uint32(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		k := s.slots[i]
		if k == 0 {
			return 0
		}
		if s.hashes[k-1] == h && s.syms[k-1].name == name {
			return k - 1
		}
	}
}

func (s *symShard) grow() { s.resize(make([]uint32, 2*len(s.slots))) }

// resize has slots, which is empty, take the place of the table.
func (s *symShard) resize(slots []uint32) {
	mask := uint32(len(slots) - 1)
	for k := 1; k < len(s.syms); k++ {
		i := s.hashes[k] & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = uint32(k) + 1
	}
	s.slots = slots
}

// reserve makes room for n more symbols.
func (s *symShard) reserve(m *memory, n int) {
	n += len(s.syms)
	if n > cap(s.syms) {
		s.syms = append(m.symbols(n), s.syms...)
		s.hashes = append(tableOf[uint32](m, n)[:0], s.hashes...)
	}
	slots := len(s.slots)
	for slots < 2*n {
		slots *= 2
	}
	if slots > len(s.slots) {
		s.resize(tableOf[uint32](m, slots))
	}
}

// find returns the symbol of a name, or 0.
func (t *symTable) find(name string) symID {
	h := hashName([]byte(name))
	n := shardOf(h)
	if k := t.shards[n].find(uint32(h), name); k != 0 {
		return symID(n<<idBits | k)
	}
	return 0
}

// intern returns the symbol of a name. It is not for concurrent use.
func (t *symTable) intern(name string) symID {
	h := hashName([]byte(name))
	n := shardOf(h)
	return symID(n<<idBits | t.shards[n].intern(uint32(h), name))
}

// anonymous adds a symbol that no name leads to. It is not for concurrent use.
func (t *symTable) anonymous(s symbol) symID {
	sh := &t.shards[extraShard]
	sh.syms = append(sh.syms, s)
	return symID(extraShard<<idBits | uint32(len(sh.syms)-1))
}

// A nameRef is a global symbol of a file: what resolution asks of it, so that the file's own table is not read again for each.
type nameRef struct {
	hash  uint32 // the lower bits
	k     uint32 // which of the file's
	id    symID  // once it is entered
	off   uint32 // of the name in the string table of an object
	size  uint32 // of the name
	shndx uint32
	info  uint8
	other uint8
	alias bool // the name is in object.aliases
	lost  bool // a group in another file is linked in place of the one that defines it
}

func (r *nameRef) bind() elf.SymBind { return elf.SymBind(r.info >> 4) }
func (r *nameRef) typ() elf.SymType  { return elf.SymType(r.info & 15) }
func (r *nameRef) isCommon() bool    { return isCommon(r.shndx) }

// A nameBin is a file's global symbols, sorted by the shards that their names belong to, in each in order.
type nameBin struct {
	refs  []nameRef
	start [nShards + 1]uint32
	ids   []symID // in the order of the file, once they are entered
}

// A binSort is memory for sorting names, which is used again.
type binSort struct {
	refs   []nameRef
	shards []uint8
}

// build sorts n names. fill fills in a nameRef, but not its hash, and returns the name.
func (b *nameBin) build(l *linker, n int, fill func(k uint32, r *nameRef) []byte) {
	if n == 0 {
		return
	}
	t, _ := l.binSorts.Get().(*binSort)
	if t == nil || len(t.refs) < n {
		t = &binSort{tableOf[nameRef](&l.mem, max(n, 1024)), tableOf[uint8](&l.mem, max(n, 1024))}
	}
	defer l.binSorts.Put(t)
	refs, shards := t.refs[:n], t.shards[:n]
	var count [nShards]uint32
	for k := range refs {
		r := &refs[k]
		*r = nameRef{k: uint32(k)}
		h := hashName(fill(uint32(k), r))
		r.hash = uint32(h)
		shards[k] = uint8(shardOf(h))
		count[shards[k]]++
	}
	var sum uint32
	for i, c := range count {
		b.start[i] = sum
		sum += c
	}
	b.start[nShards] = sum
	b.ids = tableOf[symID](&l.mem, n)
	b.refs = tableOf[nameRef](&l.mem, n)
	at := b.start
	for k := range refs {
		n := shards[k]
		b.refs[at[n]] = refs[k]
		at[n]++
	}
}

// of returns the names in a shard.
func (b *nameBin) of(shard int) []nameRef { return b.refs[b.start[shard]:b.start[shard+1]] }

// number fills in ids.
func (b *nameBin) number() {
	for i := range b.refs {
		b.ids[b.refs[i].k] = b.refs[i].id
	}
}
