package rtld

import (
	"time"

	"weld/image/elf"
)

// traced is object, observed.
func (b *binder) traced() error {
	t := tracing()
	if t == nil {
		return b.object()
	}
	began := time.Now()
	err := func() error {
		t.enter(PhaseRelocate)
		defer t.leave()
		return b.object()
	}()
	if err == nil {
		t.relocated(b, time.Since(began))
	}
	return err
}

// relocated tells how an object was relocated. It goes through its relocations once more for that.
func (t *Tracer) relocated(b *binder, took time.Duration) {
	t.enter(PhaseTrace)
	defer t.leave()
	s := survey{b: b, seen: make([]uint64, (b.o.File.NumSymbols()+63)/64), look: t.Emit != nil}
	s.all()
	t.count(func(st *Stats) {
		st.Relocs = st.Relocs.Add(s.n)
		st.Lookups += s.lookups
		st.CacheHits += s.hits
	})
	e := b.o.event(EventRelocate)
	e.Relocs, e.Lookups, e.CacheHits, e.Took = &s.n, s.lookups, s.hits, took
	t.emit(e)
	for _, e := range s.events {
		t.emit(e)
	}
}

// survey is what is to be told of an object's relocations.
type survey struct {
	b             *binder
	n             Relocs
	seen          []uint64 // bit set: symbols that were referred to
	lookups, hits uint64
	look          bool // look symbols up again to tell which were interposed or not found
	events        []Event
}

func (s *survey) all() {
	f := s.b.o.File
	for range f.Relr().All() {
		s.n.Relr++
	}
	t := f.Rela()
	for i := range t.Len() {
		s.one(t.At(i), false)
	}
	lazy := s.b.lazy()
	t = f.PltRel()
	for i := range t.Len() {
		s.one(t.At(i), lazy)
	}
}

// one counts a relocation. lazy says that a JUMP_SLOT need not have been bound.
func (s *survey) one(r elf.Rela, lazy bool) {
	typ := elf.R_X86_64(r.Type)
	switch typ {
	case elf.R_X86_64_RELATIVE, elf.R_X86_64_RELATIVE64:
		s.n.Relative++
		return
	case elf.R_X86_64_NONE:
		return
	case elf.R_X86_64_IRELATIVE:
		s.n.Irelative++
		return
	case elf.R_X86_64_JMP_SLOT:
		s.n.JumpSlot++
		if lazy && !linker.eager {
			s.n.Lazy++
			return
		}
	case elf.R_X86_64_COPY:
		s.n.Copy++
		s.copied(r)
		s.lookups++
		return
	case elf.R_X86_64_DTPMOD64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64, elf.R_X86_64_TLSDESC:
		s.n.TLS++
	case elf.R_X86_64_64, elf.R_X86_64_GLOB_DAT, elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_PC32, elf.R_X86_64_PC64,
		elf.R_X86_64_SIZE32, elf.R_X86_64_SIZE64:
		s.n.Symbol++
	default:
		s.n.Other++
	}
	if r.Sym == 0 || int(r.Sym) >= s.b.o.File.NumSymbols() {
		return
	}
	word, bit := &s.seen[r.Sym/64], uint64(1)<<(r.Sym%64)
	if *word&bit != 0 {
		s.hits++
		return
	}
	*word |= bit
	s.lookups++
	if s.look {
		s.symbol(r.Sym, typ == elf.R_X86_64_JMP_SLOT, lazy)
	}
}

// symbol tells of a symbol that was not found, or whose definition is not the C library's or the object's own.
func (s *survey) symbol(idx uint32, plt, lazy bool) {
	b, o := s.b, s.b.o
	sym, _ := o.File.Sym(idx)
	if sym.Bind() == elf.STB_LOCAL {
		return
	}
	c := b.look(idx, sym, plt)
	h, ver := o.File.SymHash(sym), o.File.SymVersion(idx)
	if c.state != 1 {
		e := o.reference(EventUndefined, h.Name(), ver)
		switch {
		case c.state == 2:
			e.Why = WhyWeak
		case lazy && plt:
			e.Why = WhyUnbound
			s.n.Lazy++
		default:
			e.Why = WhyMissing
		}
		s.events = append(s.events, e)
		return
	}
	if over := o.passedOver(sym, &h, ver, c.d); over != nil {
		e := o.reference(EventInterpose, h.Name(), ver)
		e.Definition, e.Instead = c.d.o.Path, over.Path
		s.events = append(s.events, e)
	}
}

// passedOver returns the object whose definition a reference of o would have been expected to be bound to, had d not
// come first: o itself, or the C library's. It is nil if there is none.
func (o *Object) passedOver(s elf.Sym, h *elf.NameHash, ver *elf.Version, d definition) *Object {
	if s.Defined() && d.o != o {
		return o
	}
	if d.o.System && d.o != &itself {
		return nil
	}
	for _, x := range linker.system {
		if x.File.Find(h, ver, elf.LookupOldest) != 0 {
			return x
		}
	}
	return nil
}

// copied tells of a copy relocation.
func (s *survey) copied(r elf.Rela) {
	o := s.b.o
	sym, ok := o.File.Sym(r.Sym)
	if !s.look || !ok {
		return
	}
	h := o.File.SymHash(sym)
	if d, ok := lookupIn(o.searchList(), &h, o.File.SymVersion(r.Sym), elf.LookupOldest, o); ok {
		e := o.reference(EventCopy, h.Name(), o.File.SymVersion(r.Sym))
		e.Definition, e.Addr, e.Size = d.o.Path, o.addr(r.Off), uintptr(min(sym.Size, d.sym.Size))
		s.events = append(s.events, e)
	}
}
