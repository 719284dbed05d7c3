package live

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"weld/image/elf"
)

// maxName bounds names: longer ones the readers of package image/elf do not look for.
const maxName = 1 << 16

// BindOption says something about a symbol.
type BindOption struct {
	what  bindWhat
	n     int
	s     string
	lines []Line
	u     *Unwind
}

type bindWhat uint8

const (
	setType bindWhat = iota
	setSize
	setOffset
	setVersion
	setOldVersion
	setVisibility
	setLines
	setUnwind
	setReplace
	setWeak
)

var (
	// Function makes the symbol a function (STT_FUNC), which it is in text if nothing else is said.
	Function = BindOption{what: setType, n: int(elf.STT_FUNC)}
	// Variable makes the symbol an object (STT_OBJECT), which it is elsewhere if nothing else is said.
	Variable = BindOption{what: setType, n: int(elf.STT_OBJECT)}
	// Label makes the symbol one of no type (STT_NOTYPE).
	Label = BindOption{what: setType, n: int(elf.STT_NOTYPE)}
	// Hidden has the symbol found by Lookup and by debuggers, but not by dlsym or other objects (STV_HIDDEN).
	Hidden = BindOption{what: setVisibility, n: int(elf.STV_HIDDEN)}
	// Protected has references from within the object bound to this symbol and not to another of its name (STV_PROTECTED).
	Protected = BindOption{what: setVisibility, n: int(elf.STV_PROTECTED)}
	// Weak makes the symbol a weak one (STB_WEAK).
	Weak = BindOption{what: setWeak}
	// Replace lets Bind bind a name that is bound already.
	Replace = BindOption{what: setReplace}
)

// Size gives the symbol a size in bytes; if nothing is said it goes to the end of the block.
func Size(n int) BindOption { return BindOption{what: setSize, n: n} }

// Offset has the symbol begin so many bytes into the block.
func Offset(n int) BindOption { return BindOption{what: setOffset, n: n} }

// Version gives the symbol a version, the default one of its name: it is what a reference without a version gets. An object can
// have 32,765 versions in its time (DT_VERSYM has 15 bits for them).
func Version(v string) BindOption { return BindOption{what: setVersion, s: v} }

// OldVersion gives the symbol a version that only those get who ask for it.
func OldVersion(v string) BindOption { return BindOption{what: setOldVersion, s: v} }

// Lines says which lines of source the function's code is made from, by ascending offset. Each entry holds up to the next.
func Lines(l ...Line) BindOption { return BindOption{what: setLines, lines: l} }

// Frame says how the function's frame is unwound; if nothing is said it is DefaultFrame.
func Frame(u Unwind) BindOption { return BindOption{what: setUnwind, u: &u} }

// request is what BindOptions add up to.
type request struct {
	typ          int // -1: by kind
	off, size    int // size -1: the rest
	version      string
	old, replace bool
	vis          elf.SymVis
	bind         elf.SymBind
	lines        []Line
	unwind       *Unwind // nil is DefaultFrame
}

func requested(opts []BindOption) request {
	r := request{typ: -1, size: -1, bind: elf.STB_GLOBAL}
	for i := range opts {
		switch o := &opts[i]; o.what {
		case setType:
			r.typ = o.n
		case setSize:
			r.size = o.n
			if o.n < 0 {
				r.size = -2
			}
		case setOffset:
			r.off = o.n
		case setVersion, setOldVersion:
			r.version, r.old = o.s, o.what == setOldVersion
		case setVisibility:
			r.vis = elf.SymVis(o.n)
		case setLines:
			r.lines = o.lines
		case setUnwind:
			r.unwind = o.u
		case setReplace:
			r.replace = true
		case setWeak:
			r.bind = elf.STB_WEAK
		}
	}
	return r
}

func badName(s string) bool { return s == "" || len(s) > maxName || strings.IndexByte(s, 0) >= 0 }

// Bind gives a name to a block, or to a part of it, from the next Commit on. A block may have any number of names.
// A name has one meaning for each version; to give it another one, unbind it first or say Replace.
// The error is an *Error with ErrBound, ErrName, ErrRange, ErrKind, ErrFreed, ErrForeign, ErrLines, ErrUnwind or ErrClosed;
// nothing has changed then.
func (o *Object) Bind(name string, b *Block, opts ...BindOption) error {
	const op = "bind"
	r := requested(opts)
	fail := func(reason error, detail string) error {
		return &Error{Op: op, Object: o.name, Symbol: name, Reason: reason, Detail: detail}
	}
	if badName(name) || r.version != "" && badName(r.version) {
		return &Error{Op: op, Object: o.name, Reason: ErrName, Detail: fmt.Sprintf("%.80q", name)}
	}
	if b == nil || b.o != o {
		return fail(ErrForeign, "")
	}
	if r.size == -1 && r.off >= 0 && uint64(r.off) <= b.size {
		r.size = int(b.size) - r.off
	}
	if r.off < 0 || r.size < 0 || uint64(r.off) > b.size || uint64(r.size) > b.size-uint64(r.off) {
		return fail(ErrRange, fmt.Sprintf("%d bytes at %d of a block of %d", r.size, r.off, b.size))
	}
	typ := elf.STT_OBJECT
	switch {
	case r.typ >= 0:
		typ = elf.SymType(r.typ)
	case b.kind == Text:
		typ = elf.STT_FUNC
	}
	if typ == elf.STT_FUNC && b.kind != Text {
		return fail(ErrKind, "a function in "+b.kind.String())
	}
	if len(r.lines) > 0 {
		if typ != elf.STT_FUNC || r.size == 0 {
			return fail(ErrLines, "it is no function, or has no code")
		}
		if why := checkLines(r.lines, r.size); why != "" {
			return fail(ErrLines, why)
		}
	}
	if r.unwind != nil {
		if why := r.unwind.check(r.size); why != "" {
			return fail(ErrUnwind, why)
		}
	}
	gnu := elf.GNUHash(name)

	if err := o.lock(op); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if b.freed {
		return fail(ErrFreed, fmt.Sprintf("at %#x", b.Addr()))
	}
	r.typ = int(typ)
	return o.bindLocked(name, gnu, b, &r)
}

// bindLocked gives a block a name, as a request says that is in order. The object is locked.
func (o *Object) bindLocked(name string, gnu uint32, b *Block, r *request) error {
	e, err := o.entryToBind(name, gnu, r)
	if err != nil {
		return err
	}
	if b.lent { // as another thread's commit may have come before the writing
		b.lent = false
		b.touch(0, b.size)
	}
	s := o.syms.next()
	s.set(name, r, b, uint32(b.ext.off)+uint32(r.off), uint32(r.size))
	s.version, s.typ, s.bind, s.vis = e.version, elf.SymType(r.typ), r.bind, r.vis
	if s.typ == elf.STT_FUNC && r.size > 0 {
		o.function(s, r)
	}
	o.change(e, s)
	return nil
}

// entryToBind returns the entry for a name that is about to be bound.
func (o *Object) entryToBind(name string, gnu uint32, r *request) (*entry, error) {
	v, list := uint16(0), []string(nil)
	if r.version != "" {
		if v = o.versionIndex(r.version); v == 0 {
			list = append(slices.Clone(*o.versionList.Load()), r.version)
			if len(list) > 0x7ffe-1 { // indices are of 15 bits, and 0 and 1 have a meaning
				return nil, &Error{Op: "bind", Object: o.name, Symbol: name, Reason: ErrFull, Detail: "too many versions"}
			}
			v = uint16(len(list))
		}
	}
	var other *entry // bound as the default version
	e := o.findBound(gnu, name, func(e *entry, s *sym) bool {
		if e.version == v {
			return true
		}
		if e.version != 0 && s != nil && !s.old() {
			other = e
		}
		return false
	})
	bound := func(version string) error {
		return &Error{Op: "bind", Object: o.name, Symbol: name, Reason: ErrBound, Detail: version}
	}
	if e != nil && e.bound() != nil && !r.replace {
		return nil, bound(r.version)
	}
	if v != 0 && !r.old {
		if e != nil { // find has stopped at it
			o.findBound(gnu, name, func(x *entry, s *sym) bool {
				if x != e && x.version != 0 && s != nil && !s.old() {
					other = x
				}
				return false
			})
		}
		if other != nil {
			return nil, bound("its default version is " + (*o.versionList.Load())[other.version-1])
		}
	}
	if list != nil {
		list := list // not that of the function, so that only what is stored is on the heap
		o.versionList.Store(&list)
	}
	if e == nil {
		e = o.entries.next()
		e.gnu, e.version = gnu, v
		o.insert(e)
	}
	return e, nil
}

// slab has several of what there are many of made at a time. As much as a slab has is at multiples of its size: what is
// as large as a line of the processor's cache is one. (What the Go allocator takes from its smaller pages is not, but for up to 512 bytes.)
type slab[T any] struct {
	rest  []T
	slabs int
}

func (s *slab[T]) next() *T {
	const little, much, some = 512, 40 << 10, 32
	if len(s.rest) == 0 {
		size := much
		if s.slabs < some {
			size = little
		}
		s.slabs++
		// The last is never given out, so that what is beside each other in memory is of one slab.
		n := size/int(unsafe.Sizeof(*new(T))) - 1
		s.rest = make([]T, n+1)[:n]
	}
	p := &s.rest[0]
	s.rest = s.rest[1:]
	return p
}

func (s *sym) set(name string, r *request, b *Block, at, size uint32) {
	s.str, s.last = unsafe.StringData(name), uint16(len(name)-1)
	s.b, s.at, s.size = b, at, size
	if r.old {
		s.flags = oldVersion
	}
}

// change notes what an entry is to be bound to, nil for nothing.
func (o *Object) change(e *entry, s *sym) {
	if was := e.bound(); was != nil {
		if left := o.entry(e.left); left != nil {
			left.right = e.right
		} else {
			was.b.names = e.right
		}
		if right := o.entry(e.right); right != nil {
			right.left = e.left
		}
		e.left, e.right = noEntry, noEntry
	}
	if s != nil {
		e.right = s.b.names
		if right := o.entry(e.right); right != nil {
			right.left = e.id
		}
		s.b.names = e.id
	}
	e.next = s
	if !e.listed {
		e.listed = true
		o.append(&o.changed, e)
	}
}

// find returns the entry of a name that is bound once all is committed.
func (o *Object) find(op, name string, opts []BindOption) (*entry, error) {
	r := requested(opts)
	var dflt *entry
	found := o.findBound(elf.GNUHash(name), name, func(e *entry, s *sym) bool {
		switch {
		case s == nil:
		case r.version != "":
			return e.version != 0 && (*o.versionList.Load())[e.version-1] == r.version
		case e.version == 0:
			return true
		case !s.old():
			dflt = e
		}
		return false
	})
	if found == nil {
		found = dflt
	}
	if found == nil {
		return nil, &Error{Op: op, Object: o.name, Symbol: name, Reason: ErrNotFound, Detail: r.version}
	}
	return found, nil
}

// Unbind takes a name away, from the next Commit on. The only option is a version. The block stays.
// The error is an *Error with ErrNotFound or ErrClosed.
func (o *Object) Unbind(name string, opts ...BindOption) error {
	const op = "unbind"
	if err := o.lock(op); err != nil {
		return err
	}
	defer o.mu.Unlock()
	e, err := o.find(op, name, opts)
	if err != nil {
		return err
	}
	o.change(e, nil)
	return nil
}

// Rename gives what is bound to a name another one, from the next Commit on: of the same version, and the options Version
// and OldVersion say which. Replace lets the new name be one that is bound.
// The error is an *Error with ErrNotFound, ErrBound, ErrName or ErrClosed.
func (o *Object) Rename(from, to string, opts ...BindOption) error {
	const op = "rename"
	if badName(to) {
		return &Error{Op: op, Object: o.name, Symbol: from, Reason: ErrName, Detail: fmt.Sprintf("%.80q", to)}
	}
	if err := o.lock(op); err != nil {
		return err
	}
	defer o.mu.Unlock()
	leaves, err := o.find(op, from, opts)
	if err != nil {
		return err
	}
	if from == to {
		return nil
	}
	was := leaves.bound()
	r := requested(opts)
	if v := was.version; v != 0 {
		r.version, r.old = (*o.versionList.Load())[v-1], was.old()
	}
	e, err := o.entryToBind(to, elf.GNUHash(to), &r)
	if err != nil {
		return err
	}
	s := o.syms.next()
	s.set(to, &r, was.b, was.at, was.size)
	s.version, s.typ, s.bind, s.vis = e.version, was.typ, was.bind, was.vis
	if f := s.b.functionAt(s.at - uint32(s.b.ext.off)); f != nil && s.typ == elf.STT_FUNC && s.size > 0 {
		o.nameFunction(f, from, to)
	}
	o.change(leaves, nil)
	o.change(e, s)
	return nil
}
