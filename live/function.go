package live

// function is code that frames, and lines if there are any, are described for. There is one for each place in a block that was
// bound as a function; it stays as long as the block, because threads may be in the code when its name is
// bound to other code already.
type function struct {
	b         *Block
	next      *function // in the block
	more      *function // if listed, the next one
	off, size uint32
	fde       uint32
	listed    bool         // it is in Object.fresh
	doomed    bool         // the description, of a piece, is to go
	unwind    *Unwind      // nil is DefaultFrame
	source    *debugSource // nil if it has no lines

	// Of a piece of a function in which others begin:
	of *function
}

// functionList is functions in order, by function.more.
type functionList struct {
	first, last *function
	n           int
	lines       bool // one has lines
}

func (l *functionList) append(f *function) {
	if l.last != nil {
		l.last.more = f
	} else {
		l.first = f
	}
	l.last = f
	l.n++
}

// all yields the functions of the list. They may be taken off it meanwhile.
func (l functionList) all(yield func(*function) bool) {
	for f := l.first; f != nil; {
		next := f.more
		if !yield(f) {
			return
		}
		f = next
	}
}

func (f *function) vaddr() uint64 { return f.b.ext.off + uint64(f.off) }

func (f *function) code() []byte { return f.b.o.bytes(f.vaddr(), uint64(f.size)) }

// many is how many functions of a block are looked through for one.
const many = 8

func (b *Block) functionAt(off uint32) *function {
	if b.fnAt != nil {
		return b.fnAt[off]
	}
	for f := b.fns; f != nil; f = f.next {
		if f.off == off {
			return f
		}
	}
	return nil
}

// function has the function that s is described as r says.
func (o *Object) function(s *sym, r *request) {
	b := s.b
	off := s.at - uint32(b.ext.off)
	f := b.functionAt(off)
	explicit := r.unwind != nil && r.unwind.mode != byCode
	if f == nil {
		if f = &b.first; b.fns != nil {
			f = o.functions.next()
		}
		f.b, f.off, f.size = b, off, s.size
		f.next, b.fns = b.fns, f
		b.nfns++
		if b.fnAt != nil {
			b.fnAt[f.off] = f
		} else if b.nfns > many {
			b.fnAt = make(map[uint32]*function)
			for f := b.fns; f != nil; f = f.next {
				b.fnAt[f.off] = f
			}
		}
		o.describe(f)
	}
	if s.size > f.size {
		f.size = s.size
		if f.source != nil {
			f.source = f.source.replace(f.source.name, f.source.lines)
		}
		o.describe(f)
	}
	if explicit {
		f.unwind = r.unwind
		o.describe(f)
	}
	if len(r.lines) > 0 {
		f.source = f.source.replace(s.name(), r.lines)
		o.describe(f)
	}
}

// describe has the next commit describe a function, anew if it was before.
func (o *Object) describe(f *function) {
	if !f.listed {
		f.listed = true
		o.fresh.append(f)
	}
	o.fresh.lines = o.fresh.lines || f.source != nil
}

// nameFunction notes that a function has another name.
func (o *Object) nameFunction(f *function, from, to string) {
	if f.source != nil && f.source.name == from {
		f.source = f.source.replace(to, f.source.lines)
		o.describe(f)
	}
}

// forget takes away the description of a function whose code is no more.
func (o *Object) forget(f *function) {
	o.eh.kill(o, f)
	o.dwarf.kill(o, f)
	f.b = nil // no commit describes it then
}
