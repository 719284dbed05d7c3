package rtld

import (
	"slices"
	"unsafe"

	"weld/image/elf"
	"weld/native"
)

// binder applies the relocations of one object after the other.
type binder struct {
	p       *plan
	o       *Object
	values  []uintptr         // by symbol number: addresses of definitions that are plain, or absent
	others  map[uint32]cached // the rest: thread-local, IFUNC, missing
	list    []*Object         // where symbols are looked up
	index   *index            // of that, nil if there is none
	bound   uint64            // marks what the object was bound to
	ifuncs  []deferred
	segs    []span // where relocations may write
	last    span
	missing []SymbolError
	seen    map[string]bool
	warmed  uint // of no meaning
	large   bool // it has many relocations

	words []uintptr // for values
	used  int       // how many of them are not zero

	relativeOnly bool // a worker: at any other relocation it stops, and
	stopped      int  // this is one more than that relocation's number
}

type span struct{ lo, hi uintptr }

// deferred is a relocation whose value a resolver computes: those run when all others are done.
type deferred struct {
	r    elf.Rela
	addr uintptr // of the resolver
	what elf.R_X86_64
	def  definition // if it is of a symbol
}

// relocateAll binds the new objects, what is needed before what needs it.
func (p *plan) relocateAll() error {
	var missing []SymbolError
	for i := len(p.fresh) - 1; i >= 0; i-- {
		o := p.fresh[i]
		if o.File.TLS != nil {
			if err := o.addTLS(); err != nil {
				return &OpenError{Name: o.Path, Path: o.Path, Err: err}
			}
		}
	}
	p.index = p.newIndex(p.root.searchList())
	b := linker.binder
	linker.binder = nil
	if b == nil {
		b = new(binder)
	}
	// What is needed comes last in the breadth-first order, and is relocated first, as glibc does.
	for _, o := range slices.Backward(p.root.closure) {
		if o.plan != p {
			continue
		}
		b.reset(p, o)
		b.recall()
		if err := b.traced(); err != nil {
			return err
		}
		b.keep()
		missing = append(missing, b.missing...)
	}
	p.index = nil
	if missing != nil {
		return &UndefinedError{missing}
	}
	b.reset(nil, nil)
	linker.binder = b
	return nil
}

// reset prepares the binder for an object, or, without one, for the next plan. All objects share its memory, since to
// touch new memory costs more than what is done with it.
func (b *binder) reset(p *plan, o *Object) {
	const words, few = 1 << 12, 1 << 8 // what is kept: 32 KiB, and entries of other tables
	old := *b
	*b = binder{p: p, o: o, bound: newWalk(), segs: old.segs[:0]}
	if o != nil || len(old.words) <= words {
		b.words, b.used = old.words, old.used
	}
	if len(old.others) <= few {
		clear(old.others)
		b.others = old.others
	}
	if cap(old.ifuncs) <= few {
		clear(old.ifuncs) // they lead to objects
		b.ifuncs = old.ifuncs[:0]
	}
}

// scratch returns a zero for each symbol of the object.
func (b *binder) scratch() []uintptr {
	n := b.o.File.NumSymbols()
	if len(b.words) < n {
		most := 512 // a page, which does for all but one library in ten
		for _, o := range b.p.fresh {
			most = max(most, o.File.NumSymbols())
		}
		b.words = make([]uintptr, most)
		populate(b.words)
		b.used = 0
	}
	clear(b.words[:min(n, b.used)])
	b.used = max(n, b.used)
	return b.words[:n]
}

// populate makes the pages of a new, zero table present. Else each would come twice, once when it is read, and once more,
// with an interrupt of all processors, when it is written to.
func populate[T any](table []T) {
	size := uintptr(len(table)) * unsafe.Sizeof(*new(T))
	if size < 8*native.PageSize {
		clear(table)
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(table)))
	first := (start + native.PageSize - 1) &^ (native.PageSize - 1)
	native.Populate(first, (start+size)&^(native.PageSize-1)-first)
}
