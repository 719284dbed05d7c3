package rtld

import (
	"slices"
	"strings"

	"weld/image/elf"
	"weld/native"
)

// bindLazily is called at the first call through a PLT slot: it finds the function, stores it in the slot and returns
// it. A symbol that nothing defines makes the call panic with a *SymbolError in the goroutine that made it.
func bindLazily(object, index, _ uintptr) uintptr {
	o := objectOf(object)
	if o == nil {
		panic(&SymbolError{Library: "an unknown object", Name: "?"})
	}
	t := o.File.PltRel()
	if index >= uintptr(t.Len()) {
		panic(&RelocError{Library: o.Path, Err: errPlace})
	}
	r := t.At(int(index))
	target, err := o.bindSlot(r)
	if err != nil {
		panic(err)
	}
	if hook := traceBinding.Load(); hook != nil {
		(*hook)(o, r)
	}
	return target
}

// bindSlot binds one JUMP_SLOT.
func (o *Object) bindSlot(r elf.Rela) (uintptr, error) {
	s, ok := o.File.Sym(r.Sym)
	if !ok {
		return 0, &RelocError{Library: o.Path, Offset: r.Off, Type: elf.R_X86_64(r.Type), Err: ErrNotFound}
	}
	h := o.File.SymHash(s)
	var d definition
	scopes.RLock()
	if s.Bind() == elf.STB_LOCAL || s.Defined() && s.Visibility() != elf.STV_DEFAULT {
		d, ok = definition{o, s, r.Sym}, true
	} else {
		d, ok = o.bind(&h, o.File.SymVersion(r.Sym), elf.LookupOldest|elf.LookupPLT)
	}
	scopes.RUnlock()
	if !ok {
		e := &SymbolError{Library: o.Path, Name: strings.Clone(h.Name)}
		if v := o.File.SymVersion(r.Sym); v != nil {
			e.Version = v.Name
		}
		return 0, e
	}
	target := d.resolve()
	if d.o != o && !d.o.System && !slices.Contains(o.closure, d.o) {
		linker.mu.Lock()
		o.dependsOn(d.o)
		linker.mu.Unlock()
	}
	storeWord(o.addr(r.Off), target+uintptr(r.Addend))
	lazyBindings.Add(1)
	return target + uintptr(r.Addend), nil
}

func storeWord(a, v uintptr) { storeUintptr((*uintptr)(native.Pointer(a)), v) }
