package rtld

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"weld/image/elf"
)

// Which definition each symbol of an object is bound to, while the object is relocated.

// cached is the result of a lookup; a symbol is referred to by many relocations.
type cached struct {
	d     definition
	state uint8 // 1 found, 2 absent and weak, 3 absent
	plt   bool
}

// symbol finds the definition that relocation r refers to.
func (b *binder) symbol(r elf.Rela) (definition, bool, error) {
	if r.Sym == 0 {
		return definition{o: b.o, sym: elf.Sym{Shndx: 1}}, true, nil
	}
	s, ok := b.o.File.Sym(r.Sym)
	if !ok {
		return definition{}, false, b.fail(r, fmt.Errorf("there is no symbol %d", r.Sym))
	}
	plt := r.Type == uint32(elf.R_X86_64_JMP_SLOT)
	c, known := b.others[r.Sym]
	if !known || c.plt != plt && c.d.o != nil && !c.d.sym.Defined() {
		c = b.look(r.Sym, s, plt)
		if b.others == nil {
			b.others = map[uint32]cached{}
		}
		b.others[r.Sym] = c
	}
	switch c.state {
	case 1:
		return c.d, true, nil
	case 3:
		name := b.o.File.SymName(s)
		e := SymbolError{Library: b.o.Path, Name: name}
		if v := b.o.File.SymVersion(r.Sym); v != nil {
			e.Version = v.Name
		}
		if !b.seen[name] {
			if b.seen == nil {
				b.seen = map[string]bool{}
			}
			b.seen[name] = true
			b.missing = append(b.missing, e)
		}
	}
	return definition{}, false, nil
}

// absent stands in binder.values for the address of what is undefined and weak, which is 0.
const absent = ^uintptr(0)

// plain returns the address of the definition that symbol idx is bound to, where that is all there is to it: the
// definition is not thread-local, no IFUNC whose resolver has to be asked, not unique and none of weld's own; or there is
// none, and need not be. ok is false in all other cases, which symbol deals with. This is where a big library spends its
// time.
func (b *binder) plain(idx uint32, plt bool) (addr uintptr, ok bool) {
	if int(idx) < len(b.values) && b.values[idx] != 0 {
		if v := b.values[idx]; v != absent {
			return v, true
		}
		return 0, true
	}
	if b.o.imports != nil {
		return 0, false
	}
	f := b.o.File
	if idx == 0 || int(idx) >= f.NumSymbols() {
		return 0, false
	}
	e := f.SymBytes(idx)
	bind := elf.SymBind(e[4] >> 4)
	if e[5]&3 != uint8(elf.STV_DEFAULT) || bind == elf.STB_LOCAL {
		return 0, false
	}
	flags := elf.LookupOldest
	if plt {
		flags |= elf.LookupPLT
	}
	var h elf.NameHash
	f.SymHashAt(idx, &h)
	ver := f.SymVersion(idx)
	if b.values == nil {
		b.values = b.scratch()
	}
	x, i := b.find(&h, ver, flags)
	if i == 0 {
		if bind != elf.STB_WEAK || services.may(h.GNU) {
			return 0, false
		}
		if !plt { // what is looked up for a PLT slot may be there for others
			b.values[idx] = absent
		}
		return 0, true
	}
	if i == liveIndex {
		return 0, false
	}
	d := x.File.SymBytes(i)
	shndx := binary.LittleEndian.Uint16(d[6:])
	t := elf.SymType(d[4] & 15)
	if t == elf.STT_TLS || shndx == elf.SHN_UNDEF || elf.SymBind(d[4]>>4) == elf.STB_GNU_UNIQUE ||
		x.System && services.may(h.GNU) && services.get(h.Name()) != 0 {
		return 0, false
	}
	v := uintptr(binary.LittleEndian.Uint64(d[8:]))
	switch {
	case t == elf.STT_GNU_IFUNC:
		if v = x.chosen[i]; v == 0 {
			return 0, false
		}
	case shndx != elf.SHN_ABS:
		v += x.Mapping.Bias
	}
	b.dependsOn(x)
	if v != absent {
		b.values[idx] = v
	}
	return v, v != 0
}

// dependsOn is the object's, once for each that it is bound to.
func (b *binder) dependsOn(x *Object) {
	if x != b.o && !x.System && x.visit(b.bound) {
		b.o.dependsOn(x)
	}
}

func (b *binder) look(idx uint32, s elf.Sym, plt bool) cached {
	o := b.o
	// Local, hidden and protected symbols are bound to their own definition (gABI, Symbol Visibility).
	if s.Bind() == elf.STB_LOCAL || s.Defined() && s.Visibility() != elf.STV_DEFAULT {
		return cached{definition{o: o, sym: s, idx: idx}, 1, plt}
	}
	if o.imports != nil {
		return b.imported(idx, s, plt)
	}
	flags := elf.LookupOldest
	if plt {
		flags |= elf.LookupPLT
	}
	var h elf.NameHash
	o.File.SymHashAt(idx, &h)
	var d definition
	x, i := b.find(&h, o.File.SymVersion(idx), flags)
	ok := x != nil
	if i == liveIndex {
		d, ok = x.define(&h, o.File.SymVersion(idx))
	} else if ok {
		sym, _ := x.File.Sym(i)
		d = o.unique(definition{o: x, sym: sym, idx: i}, h.Name())
	}
	d, ok = own(h.Name(), d, ok)
	switch {
	case ok:
		b.dependsOn(d.o)
		return cached{d, 1, plt}
	case s.Bind() == elf.STB_WEAK:
		return cached{d, 2, plt}
	}
	return cached{d, 3, plt}
}

// imported is look for an object that is bound to itself and to what it is given. What finds its thread-local variables is the
// run-time linker's.
func (b *binder) imported(idx uint32, s elf.Sym, plt bool) cached {
	if s.Defined() {
		return cached{definition{o: b.o, sym: s, idx: idx}, 1, plt}
	}
	name := b.o.File.SymName(s)
	if name == "__tls_get_addr" {
		if d, ok := own(name, definition{}, false); ok {
			return cached{d, 1, plt}
		}
	}
	addr, owner, ok := b.o.imports(name)
	if ok {
		if owner != nil {
			b.dependsOn(owner)
		}
		return cached{definition{o: &itself, sym: elf.Sym{Value: uint64(addr), Shndx: elf.SHN_ABS, Info: uint8(elf.STT_FUNC)}}, 1, plt}
	}
	if s.Bind() == elf.STB_WEAK {
		return cached{definition{}, 2, plt}
	}
	return cached{definition{}, 3, plt}
}

// warm reads the symbols that the next relocations refer to, and what their hashes are taken from. Lookups wait for
// memory most of the time, each for its own; so the processor waits for many at once. It returns the number of the
// relocation to go on from.
func (b *binder) warm(data []byte, i, n int) (next int) {
	const batch = 32
	f := b.o.File
	next = min(i+batch, n)
	for ; i < next; i++ {
		idx := *(*uint32)(unsafe.Pointer(&data[i*24+12]))
		if idx == 0 || int(idx) >= f.NumSymbols() || int(idx) < len(b.values) && b.values[idx] != 0 {
			continue
		}
		b.warmed += uint(f.Touch(idx)) + uint(f.SymBytes(idx)[4])
	}
	return next
}
