package rtld

import (
	"strings"
	"sync/atomic"

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
	tr := tracing()
	tr.enter(PhaseLazy)
	defer tr.leave()
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
	t := tracing()
	began := t.now()
	h := o.File.SymHash(s)
	lookup := func() (definition, bool) {
		if s.Bind() == elf.STB_LOCAL || s.Defined() && s.Visibility() != elf.STV_DEFAULT {
			return definition{o: o, sym: s, idx: r.Sym}, true
		}
		return o.bind(&h, o.File.SymVersion(r.Sym), elf.LookupOldest|elf.LookupPLT)
	}
	d, held, ok := o.find(lookup)
	if ok && d.o.live != nil { // what it is bound to may be replaced from here on
		linker.mu.Lock()
		defer linker.mu.Unlock()
		if held {
			d.o.letGo()
			held = false
		}
		if d, ok = lookup(); ok {
			o.dependsOn(d.o)
		}
	}
	if !ok {
		e := &SymbolError{Library: o.Path, Name: strings.Clone(h.Name())}
		if v := o.File.SymVersion(r.Sym); v != nil {
			e.Version = v.Name
		}
		t.notBound(o, r, &h)
		return 0, e
	}
	if held {
		defer o.bound(d)
	}
	target, err := d.resolve()
	if err != nil {
		return 0, err
	}
	if target, err = o.bindTo(r, &h, d, target+uintptr(r.Addend)); err != nil {
		return target, err
	}
	if d.o.live != nil {
		d.note(o, h.Name(), o.addr(r.Off), uintptr(r.Addend))
	}
	t.bound(o, r, &h, d, target, began)
	return target, nil
}

// storeWord writes a word that native code may read at any time.
func storeWord(a, v uintptr) { atomic.StoreUintptr((*uintptr)(native.Pointer(a)), v) }

// traceBinding, if set, is told of each call that is bound when first made.
var traceBinding atomic.Pointer[func(o *Object, r elf.Rela)]

// TraceBindings has f called for every call that is bound lazily from now on, with the object that makes it and the
// name of the function; nil ends that. f runs in the goroutine that made the call and must not make native calls.
func TraceBindings(f func(o *Object, symbol string)) {
	if f == nil {
		traceBinding.Store(nil)
		return
	}
	h := func(o *Object, r elf.Rela) {
		if s, ok := o.File.Sym(r.Sym); ok {
			f(o, o.File.SymName(s))
		}
	}
	traceBinding.Store(&h)
}
