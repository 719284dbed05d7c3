package rtld

import (
	"syscall"

	"weld/image/elf"
	"weld/native"
)

// makeKnown gives the new objects their link_maps: resolvers that run while they are relocated may call through their
// PLTs.
func (p *plan) makeKnown() error {
	for _, o := range p.fresh {
		if err := makeLinkMap(o); err != nil {
			return err
		}
		linker.byMap[o.LinkMap] = o
	}
	noteObjects(p.fresh, nil)
	return nil
}

// protectAll makes what is only written while relocating read-only (PT_GNU_RELRO). The end is rounded down: the rest
// of that page may be ordinary data.
func (p *plan) protectAll() error {
	t := tracing()
	t.enter(PhaseProtect)
	defer t.leave()
	for _, o := range p.fresh {
		r := o.File.Relro
		if r == nil {
			continue
		}
		start := o.addr(r.Vaddr) &^ (native.PageSize - 1)
		end := min(o.addr(r.Vaddr+r.Memsz), o.Mapping.Addr+o.Mapping.Size) &^ (native.PageSize - 1)
		if start >= end {
			continue
		}
		if err := native.Protect(start, end-start, syscall.PROT_READ); err != nil {
			return &native.MapError{What: o.Path + " (RELRO)", Size: end - start, Err: err}
		}
	}
	return nil
}

// writable makes a text segment writable while relocations are applied to it (DT_TEXTREL), and not executable
// meanwhile. The function it returns restores it.
func (o *Object) writable() (restore func() error, err error) {
	var done []func() error
	for _, s := range o.File.Progs {
		if s.Type != elf.PT_LOAD || s.Flags&elf.PF_W != 0 || s.Memsz == 0 {
			continue
		}
		start := o.addr(s.Vaddr) &^ (native.PageSize - 1)
		end := (o.addr(s.Vaddr+s.Memsz) + native.PageSize - 1) &^ (native.PageSize - 1)
		pr := syscall.PROT_READ
		if s.Flags&elf.PF_X != 0 {
			pr |= syscall.PROT_EXEC
		}
		if err := native.Protect(start, end-start, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			return nil, &native.MapError{What: o.Path + " (text relocations)", Size: end - start, Err: err}
		}
		done = append(done, func() error { return native.Protect(start, end-start, pr) })
	}
	return func() error {
		for _, f := range done {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}
