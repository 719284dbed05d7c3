package rtld

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"unsafe"

	"weld/image/elf"
	"weld/native"
)

// object applies the relocations of the object.
func (b *binder) object() error {
	o, f := b.o, b.o.File
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD && (s.Flags&elf.PF_W != 0 || f.Dynamic.TextRel) {
			b.segs = append(b.segs, span{o.addr(s.Vaddr), o.addr(s.Vaddr + s.Memsz)})
		}
	}
	if err := b.withText(f.Dynamic.TextRel, b.tables); err != nil {
		return err
	}
	if b.missing != nil {
		return nil // nothing more can go well, and resolvers must not run
	}
	if err := b.finish(); err != nil {
		return err
	}
	o.initTLS()
	return nil
}

// withText calls do, with the text writable (and not executable) meanwhile if it is asked for.
func (b *binder) withText(writable bool, do func() error) error {
	if !writable {
		return do()
	}
	restore, err := b.o.writable()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err // the object is unmapped
	}
	return restore()
}

// tables applies all relocations but those that take a resolver's result.
func (b *binder) tables() error {
	if err := b.relr(); err != nil {
		return err
	}
	f := b.o.File
	t := f.Rela()
	wait := func() error { return nil }
	b.large = t.Len() >= many
	b.populateNames()
	if n := f.RelaCount(); n >= many && !native.Alone() {
		wait = sync.OnceValue(b.beside(t.Slice(0, n)))
		defer wait() // also if a resolver panics: the object is unmapped then
		t = t.Slice(n, t.Len())
	}
	err := b.rela(t)
	if err == nil {
		err = b.plt()
	}
	if e := wait(); err == nil {
		err = e
	}
	return err
}

// many is the number of relocations from which it pays to have the kernel make their pages present at once, and to
// apply the relative ones beside the others. Below it a second thread costs more than it saves: it has to be woken up,
// meets the first one in the same pages, and what either changes in the page tables interrupts the other.
const many = 1 << 16

// populateNames makes the string table of the dynamic symbols present if it is a long one. Lookups touch it all over, and
// each page fault brings in no more than 64 KiB around. What fits the processor's cache is read through, so that the first
// lookups find it there: that takes some ten microseconds, for a library that takes a millisecond.
func (b *binder) populateNames() {
	r := b.o.File.Dynamic.Strtab
	if names, ok := b.o.File.Bytes(r.Addr, r.Size); ok && len(names) > 64<<10 {
		start := b.o.addr(r.Addr)
		end := (start + uintptr(len(names)) + native.PageSize - 1) &^ (native.PageSize - 1)
		start &^= native.PageSize - 1
		native.PopulateRead(start, end-start)
		if len(names) <= 256<<10 {
			for i := 0; i < len(names); i += 64 {
				b.warmed += uint(names[i])
			}
		}
	}
}

// beside applies relocations, which are to be relative ones (DT_RELACOUNT), in another goroutine. They need no lookup
// and write to words that no other relocation writes to. The function it returns helps with those that are left, and
// waits.
func (b *binder) beside(t elf.RelaTable) (wait func() error) {
	const piece = 1 << 13
	var next atomic.Int64
	work := func() (rest []elf.RelaTable, err error) {
		w := &binder{p: b.p, o: b.o, segs: b.segs, large: b.large, relativeOnly: true}
		for err == nil {
			i := int(next.Add(piece)) - piece
			if i >= t.Len() {
				break
			}
			part := t.Slice(i, min(i+piece, t.Len()))
			w.stopped = 0
			if err = w.rela(part); w.stopped > 0 { // the count was wrong
				rest = append(rest, part.Slice(w.stopped-1, part.Len()))
			}
		}
		return rest, err
	}
	type result struct {
		rest []elf.RelaTable
		err  error
	}
	done := make(chan result, 1)
	native.Helper(func() {
		rest, err := work()
		done <- result{rest, err}
	})
	return func() error {
		rest, err := work()
		other := <-done
		if err == nil {
			err = other.err
		}
		for _, t := range append(rest, other.rest...) {
			if err == nil {
				err = b.rela(t)
			}
		}
		return err
	}
}

// place returns the address that a relocation writes n bytes to, 0 if it is outside the object's writable segments.
func (b *binder) place(off uint64, n uintptr) uintptr {
	a := b.o.addr(off)
	if a >= b.last.lo && a < b.last.hi && b.last.hi-a >= n {
		return a
	}
	for _, s := range b.segs {
		if a >= s.lo && a < s.hi && s.hi-a >= n {
			b.last = s
			return a
		}
	}
	return 0
}

var errPlace = errors.New("it would write outside the object's writable segments")

func (b *binder) fail(r elf.Rela, err error) error {
	e := &RelocError{Library: b.o.Path, Offset: r.Off, Type: elf.R_X86_64(r.Type), Err: err}
	if s, ok := b.o.File.Sym(r.Sym); ok && r.Sym != 0 {
		e.Symbol = b.o.File.SymName(s)
	}
	return e
}

// relr applies DT_RELR: addresses of words to which the bias is added (gABI, Relative Relocation Table).
func (b *binder) relr() error {
	bias := b.o.Mapping.Bias
	for v := range b.o.File.Relr().All() {
		a := b.place(v, 8)
		if a == 0 {
			return b.fail(elf.Rela{Off: v, Type: uint32(elf.R_X86_64_RELATIVE)}, errPlace)
		}
		*(*uintptr)(native.Pointer(a)) += bias
	}
	return nil
}

// rela applies the relocations of DT_RELA.
func (b *binder) rela(t elf.RelaTable) error {
	bias := b.o.Mapping.Bias
	n := t.Len()
	data := t.Bytes()
	ahead, warm := 0, 0
	if !b.large {
		ahead = n
	}
	if n < 128 { // a few symbols, whose table is touched all over
		warm = n
	}
	for i := 0; i < n; i++ {
		if i == ahead {
			ahead = b.populate(data, i, n)
		}
		// The common case, 99 in 100 of a big library, without a copy of the entry.
		e := (*[3]uint64)(unsafe.Pointer(&data[i*24]))
		if e[1] == uint64(elf.R_X86_64_RELATIVE) {
			a := b.o.addr(e[0])
			if a < b.last.lo || a >= b.last.hi || b.last.hi-a < 8 {
				if a = b.place(e[0], 8); a == 0 {
					return b.fail(t.At(i), errPlace)
				}
			}
			*(*uintptr)(native.Pointer(a)) = bias + uintptr(e[2])
			continue
		}
		if b.relativeOnly {
			b.stopped = i + 1
			return nil
		}
		if i >= warm {
			warm = b.warm(data, i, n)
		}
		// The next common one: the address of a symbol.
		if typ := elf.R_X86_64(uint32(e[1])); typ == elf.R_X86_64_64 || typ == elf.R_X86_64_GLOB_DAT || typ == elf.R_X86_64_JMP_SLOT {
			if v, ok := b.plain(uint32(e[1]>>32), typ == elf.R_X86_64_JMP_SLOT); ok {
				a := b.place(e[0], 8)
				if a == 0 {
					return b.fail(t.At(i), errPlace)
				}
				*(*uintptr)(native.Pointer(a)) = v + uintptr(e[2])
				continue
			}
		}
		if err := b.one(t.At(i)); err != nil {
			return err
		}
	}
	return nil
}

// populate has the kernel make the pages present that the next relocations write to, all in one call: taken one by one
// those page faults are most of the time that loading a big library takes. It looks at what follows relocation i as
// far as it stays within a window, and returns the number of the relocation to look from next. Pages that get few
// relocations or none are not worth it, and are not touched.
func (b *binder) populate(data []byte, i, n int) (next int) {
	const window, dense, least = 256 * native.PageSize, 8, 64
	off := func(i int) uint64 { return *(*uint64)(unsafe.Pointer(&data[i*24])) }
	first := off(i)
	lo, hi := i, n
	for lo < hi { // the entries are sorted where it matters; if not, less is populated
		m := int(uint(lo+hi) / 2)
		if o := off(m); o >= first && o-first < window {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo-i < least {
		return i + least
	}
	last := off(lo - 1)
	start := b.place(first, 8) &^ (native.PageSize - 1)
	end := b.place(last, 8)
	if start == 0 || end < start || last < first {
		return lo
	}
	end = (end + native.PageSize) &^ (native.PageSize - 1)
	if uintptr(lo-i) >= (end-start)/native.PageSize*dense {
		native.Populate(start, end-start)
	}
	return lo
}

// lazy reports whether calls may be bound when they are first made.
func (b *binder) lazy() bool {
	d := &b.o.File.Dynamic
	return b.p.flags&Now == 0 && !d.BindNow && !b.p.ns.bindNow() && d.PltGot != 0
}

// plt applies DT_JMPREL: at once, or so that the first call does (psABI, Procedure Linkage Table).
func (b *binder) plt() error {
	f := b.o.File
	t := f.PltRel()
	lazy := b.lazy()
	if lazy && t.Len() > 0 {
		got := b.place(f.Dynamic.PltGot+8, 16)
		if got == 0 {
			return b.fail(elf.Rela{Off: f.Dynamic.PltGot + 8, Type: uint32(elf.R_X86_64_JMP_SLOT)}, errPlace)
		}
		*(*[2]uintptr)(native.Pointer(got)) = [2]uintptr{b.o.LinkMap, native.LazyBindEntry()}
	}
	if !lazy {
		return b.rela(t)
	}
	bias := b.o.Mapping.Bias
	for i := range t.Len() {
		r := t.At(i)
		if r.Type == uint32(elf.R_X86_64_JMP_SLOT) {
			a := b.place(r.Off, 8)
			if a == 0 {
				return b.fail(r, errPlace)
			}
			if linker.eager {
				if done, err := b.early(r, a); done || err != nil {
					if err != nil {
						return err
					}
					continue
				}
			}
			*(*uintptr)(native.Pointer(a)) += bias
			continue
		}
		if err := b.one(r); err != nil {
			return err
		}
	}
	return nil
}

// early binds a function that may be bound lazily, if it is defined; a is its slot. What nothing defines is an error of
// the call, if there is one.
func (b *binder) early(r elf.Rela, a uintptr) (done bool, err error) {
	if v, _ := b.plain(r.Sym, true); v != 0 {
		*(*uintptr)(native.Pointer(a)) = v + uintptr(r.Addend)
		return true, nil
	}
	n := len(b.missing)
	_, ok, err := b.symbol(r)
	if !ok {
		b.missing = b.missing[:n]
		return false, err
	}
	return true, b.one(r)
}

// finish runs resolvers and writes what they chose, each before the next one runs, which may call by way of it. Text
// is executable while they run, since they may be in it: what goes there (DT_TEXTREL) is written when all have run.
func (b *binder) finish() error {
	var text []func() error
	for _, d := range b.ifuncs {
		if o := FindObject(d.addr); o == nil || !o.executable(d.addr) {
			return b.fail(d.r, errResolver)
		}
		v := native.Call(d.addr)
		if x := d.def.o; x != nil && x.System {
			if x.chosen == nil {
				x.chosen = map[uint32]uintptr{}
			}
			x.chosen[d.def.idx] = v
		}
		a := b.place(d.r.Off, widthOf(d.what))
		if a == 0 {
			return b.fail(d.r, errPlace)
		}
		store := func() error { return b.address(d.r, a, v) }
		if b.o.inText(a) {
			text = append(text, store)
		} else if err := store(); err != nil {
			return err
		}
	}
	return b.withText(text != nil, func() error {
		for _, store := range text {
			if err := store(); err != nil {
				return err
			}
		}
		return nil
	})
}

// widthOf returns the number of bytes that a relocation of a type writes.
func widthOf(typ elf.R_X86_64) uintptr {
	switch typ {
	case elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_PC32, elf.R_X86_64_SIZE32:
		return 4
	case elf.R_X86_64_TLSDESC:
		return 16
	}
	return 8
}

// address writes what a relocation at place a makes of the address v of its symbol.
func (b *binder) address(r elf.Rela, a, v uintptr) error {
	typ := elf.R_X86_64(r.Type)
	switch typ {
	case elf.R_X86_64_IRELATIVE: // its addend is the resolver
	default:
		// The psABI has no addend in GLOB_DAT and JUMP_SLOT; ld.so adds it, and so does weld.
		v += uintptr(r.Addend)
	}
	switch typ {
	case elf.R_X86_64_32:
		return b.put32(r, a, int64(v), 0, math.MaxUint32)
	case elf.R_X86_64_32S:
		return b.put32(r, a, int64(v), math.MinInt32, math.MaxInt32)
	case elf.R_X86_64_PC32:
		return b.put32(r, a, int64(v-a), math.MinInt32, math.MaxInt32)
	case elf.R_X86_64_PC64:
		v -= a
	}
	*(*uintptr)(native.Pointer(a)) = v
	return nil
}

func (b *binder) put32(r elf.Rela, a uintptr, v, lo, hi int64) error {
	if v < lo || v > hi {
		return b.fail(r, fmt.Errorf("%w: %#x in 32 bits", errRange, v))
	}
	*(*uint32)(native.Pointer(a)) = uint32(v)
	return nil
}

var errRange = errors.New("the value does not fit")

// copy gives the object its own copy of data that another defines (psABI, R_X86_64_COPY): it becomes the definition.
func (b *binder) copy(r elf.Rela) error {
	s, ok := b.o.File.Sym(r.Sym)
	if !ok {
		return b.fail(r, fmt.Errorf("there is no symbol %d", r.Sym))
	}
	h := b.o.File.SymHash(s)
	d, ok := lookupIn(b.o.searchList(), &h, b.o.File.SymVersion(r.Sym), elf.LookupOldest, b.o)
	if !ok {
		return b.fail(r, ErrNotFound)
	}
	n := uintptr(min(s.Size, d.sym.Size))
	to := b.place(r.Off, n)
	from, ok := d.o.File.Bytes(d.sym.Value, uint64(n)) // what cannot be read is not there
	if to == 0 || !ok {
		return b.fail(r, errPlace)
	}
	copy(native.Bytes(to, n), from)
	return nil
}

// one applies a relocation (psABI, table Relocation Types; S symbol, A addend, P place, B bias, Z size).
func (b *binder) one(r elf.Rela) error {
	o := b.o
	typ := elf.R_X86_64(r.Type)
	if typ == elf.R_X86_64_NONE {
		return nil
	}
	a := b.place(r.Off, widthOf(typ))
	if a == 0 {
		return b.fail(r, errPlace)
	}
	put := func(v uintptr) error { *(*uintptr)(native.Pointer(a)) = v; return nil }
	switch typ {
	case elf.R_X86_64_RELATIVE, elf.R_X86_64_RELATIVE64:
		return put(o.Mapping.Bias + uintptr(r.Addend))
	case elf.R_X86_64_IRELATIVE:
		b.ifuncs = append(b.ifuncs, deferred{r, o.Mapping.Bias + uintptr(r.Addend), typ, definition{}})
		return nil
	}
	d, ok, err := b.symbol(r)
	if err != nil {
		return err
	}
	switch typ {
	case elf.R_X86_64_GLOB_DAT, elf.R_X86_64_JMP_SLOT, elf.R_X86_64_64,
		elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_PC32, elf.R_X86_64_PC64:
		v := uintptr(0)
		if ok {
			v = d.addr()
		}
		if ok && d.sym.Type() == elf.STT_GNU_IFUNC {
			b.ifuncs = append(b.ifuncs, deferred{r, v, typ, d})
			return nil
		}
		if ok && d.o.live != nil && !o.inText(a) {
			switch typ {
			case elf.R_X86_64_GLOB_DAT, elf.R_X86_64_JMP_SLOT, elf.R_X86_64_64:
				d.note(o, o.nameOf(r), a, uintptr(r.Addend))
			}
		}
		return b.address(r, a, v)
	case elf.R_X86_64_SIZE32:
		return b.put32(r, a, int64(d.sym.Size)+r.Addend, 0, math.MaxUint32)
	case elf.R_X86_64_SIZE64:
		return put(uintptr(d.sym.Size) + uintptr(r.Addend))
	case elf.R_X86_64_DTPMOD64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64, elf.R_X86_64_TLSDESC:
		if err := b.threadLocal(typ, r, d, ok, a); err != nil {
			return b.fail(r, err)
		}
		return nil
	case elf.R_X86_64_COPY:
		return b.copy(r)
	}
	return b.fail(r, fmt.Errorf("relocation type %w", ErrUnsupported))
}
