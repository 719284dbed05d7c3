package rtld

import (
	"sync/atomic"

	"weld/image/elf"
)

// lazyBindings counts the calls that were bound when first made.
var lazyBindings atomic.Uint64

// traceBinding, if set, is told of each of them.
var traceBinding atomic.Pointer[func(o *Object, r elf.Rela)]

// LazyBindings returns how many calls have been bound when first made.
func LazyBindings() uint64 { return lazyBindings.Load() }

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

func storeUintptr(p *uintptr, v uintptr) { atomic.StoreUintptr(p, v) }
