package live

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"weld/native"
)

// Block is a piece of memory of an object.
type Block struct {
	o         *Object
	kind      Kind
	freed     bool
	now       bool // freed by FreeNow
	stale     bool // it is in Object.stale
	rewritten bool // it is in Object.rewritten
	lent      bool // At has returned it, and it was not bound since
	nested    bool // functions begin in others
	nfns      uint32
	ext       extent
	size      uint64               // as asked for
	names     entryID              // that lead to it, when all is committed
	fns       *function            // that were bound in it
	first     function             // the first of them: most have one
	fnAt      map[uint32]*function // the same by offset, if there are many
	pieces    []*function          // what is described then
}

// span is a range of vaddrs.
type span struct{ off, end uint64 }

// maxAlign is the alignment that an object has at any address it is loaded at.
const maxAlign = page

// Alloc returns a block of size bytes at a multiple of align: a power of two up to 4096, 0 for 16. Space of freed blocks
// is used first. Data is zero at first. So is text, or it is int3 instructions where there was some before.
// The error is an *Error with ErrRange, ErrAlign, ErrKind, ErrFull, ErrNoSpace, ErrNoMemory, ErrTruncated or ErrClosed.
func (o *Object) Alloc(size, align int, kind Kind) (*Block, error) {
	const op = "alloc"
	switch {
	case kind >= numKinds:
		return nil, &Error{Op: op, Object: o.name, Reason: ErrKind, Detail: kind.String()}
	case size <= 0:
		return nil, &Error{Op: op, Object: o.name, Reason: ErrRange, Detail: fmt.Sprintf("%d bytes", size)}
	case align < 0 || align&(align-1) != 0 || align > maxAlign:
		return nil, &Error{Op: op, Object: o.name, Reason: ErrAlign, Detail: fmt.Sprint(align)}
	}
	if err := o.lock(op); err != nil {
		return nil, err
	}
	defer o.mu.Unlock()
	return o.newBlock(op, size, align, kind)
}

// newBlock is Alloc for what is in order. The object is locked.
func (o *Object) newBlock(op string, size, align int, kind Kind) (*Block, error) {
	r := &o.regions[kind]
	b := o.blocks.next()
	b.o, b.kind, b.size = o, kind, uint64(size)
	err := o.alloc(op, r, &b.ext, b.size, uint64(align))
	if errors.Is(err, ErrFull) && len(o.limbo) > 0 {
		o.reclaim()
		err = o.alloc(op, r, &b.ext, b.size, uint64(align))
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Addr returns where the block is. Code runs there, and other code refers to it.
func (b *Block) Addr() uintptr { return b.o.base + uintptr(b.ext.off) }

// Size returns the number of bytes that was asked for.
func (b *Block) Size() int { return int(b.size) }

// Kind returns the kind of memory.
func (b *Block) Kind() Kind { return b.kind }

// Object returns the object that the block is part of.
func (b *Block) Object() *Object { return b.o }

// use locks the object for something about n bytes of the block at off.
func (b *Block) use(op string, off, n int) error {
	if err := b.o.lock(op); err != nil {
		return err
	}
	switch {
	case b.freed:
		b.o.mu.Unlock()
		return &Error{Op: op, Object: b.o.name, Reason: ErrFreed, Detail: fmt.Sprintf("at %#x", b.Addr())}
	case off < 0 || n < 0 || uint64(off) > b.size || uint64(n) > b.size-uint64(off):
		b.o.mu.Unlock()
		return &Error{Op: op, Object: b.o.name, Reason: ErrRange, Detail: fmt.Sprintf("%d bytes at %d of a block of %d", n, off, b.size)}
	}
	return nil
}

// Write puts data at an offset in the block. In text and read-only data it goes through the alias, so no page is ever
// writable and executable. Code is there at once, except on pages that a debugger has changed, where it is from the
// next Commit on: code must be committed before it runs.
// The error is an *Error with ErrRange, ErrFreed, ErrTruncated or ErrClosed.
func (b *Block) Write(off int, data []byte) error {
	const op = "write"
	if err := b.use(op, off, len(data)); err != nil {
		return err
	}
	defer b.o.mu.Unlock()
	if len(data) == 0 {
		return nil
	}
	b.touch(uint64(off), uint64(len(data)))
	return b.o.guard(op, func() error {
		copy(b.memory()[off:], data)
		return nil
	})
}

// At returns the bytes of the block from an offset to its end, to be written. For text and read-only data they are those of the
// alias. They count as written until the next Commit, whoever's that is, and all of the block again at the first Bind of it after
// this: what is written to the slice later needs another At, or else may not become visible. The slice must not be used after Free
// or Close, nor once the file was truncated.
// The error is an *Error with ErrRange, ErrFreed or ErrClosed.
func (b *Block) At(off int) ([]byte, error) {
	if err := b.use("write", off, 0); err != nil {
		return nil, err
	}
	defer b.o.mu.Unlock()
	b.lent = true
	b.touch(uint64(off), b.size-uint64(off))
	return b.memory()[off:], nil
}

// memory returns where the block is written.
func (b *Block) memory() []byte {
	switch b.kind {
	case Text, ROData:
		return b.o.bytes(b.ext.off, b.size)
	}
	return b.o.view(b.ext.off, b.size)
}

// touch notes that bytes of the block are written.
func (b *Block) touch(off, n uint64) {
	o := b.o
	switch b.kind {
	case Text:
		s := span{b.ext.off + off, b.ext.off + off + n}
		if k := len(o.written); k > 0 && s.off >= o.written[k-1].off && s.off <= o.written[k-1].end {
			o.written[k-1].end = max(o.written[k-1].end, s.end)
		} else {
			o.written = append(o.written, s)
		}
		if b.fns != nil && !b.rewritten {
			b.rewritten = true
			o.rewritten = append(o.rewritten, b)
		}
	case Data:
		if !b.stale {
			b.stale = true
			o.stale = append(o.stale, b)
		}
	}
}

// waiting is a block that is freed, from a commit on.
type waiting struct {
	b   *Block
	seq uint64
}

// Free gives a block back, and unbinds all names that lead to it; the next Commit makes that known. Its space is used
// again when nobody can be in it any more: once Quiesce has been called after that commit, or a grace period is over. Until
// then what is in it stays, and can be unwound through.
//
// A grace period begins with a commit. It is over when all who may have been in the code a quarter of a second later have been seen
// outside since: calls of native code in progress, threads that native code has made, and in a program that weld runs its
// first thread. A call is outside when it has ended, a thread when it has; either is when it comes to Go, in a callback
// or to ask for anything that its run-time linker does (dlsym, the functions of dlbind.h), with no address of the
// freed code on its stack or in a saved register. So a thread that never comes to Go holds it up, and one that does so from
// another stack than it began with. Frames that wait on a stack that no thread is on, those of a coroutine, are not seen:
// who suspends in generated code must not use Free without MayReuse. In a process with a C library of its own, as with cgo, there are threads that weld
// does not know: it ends there only with [Options].Counted. That is looked at by commits, and by Alloc when there
// is no other space; [Object.Waits] says what is waited for. Addresses that were taken down elsewhere, other than in the words
// that a Commit redirects, are not waited for: whoever keeps the address of a block must not free it. There is Quiesce for those
// who know better, and Options.MayReuse, which takes the place of this rule.
// The error is an *Error with ErrFreed or ErrClosed.
func (b *Block) Free() error { return b.free("free", false) }

// FreeNow is Free for a block that nobody is in or goes to: its space is used again from the next Commit on.
func (b *Block) FreeNow() error { return b.free("free", true) }

func (b *Block) free(op string, now bool) error {
	if err := b.use(op, 0, 0); err != nil {
		return err
	}
	defer b.o.mu.Unlock()
	for b.names != noEntry {
		b.o.change(b.o.entry(b.names), nil)
	}
	b.freed, b.now = true, now
	b.o.freed = append(b.o.freed, b)
	return nil
}

// Quiesce says that no thread is in what was freed before the last commit, and none goes there: its space may be used
// again.
func (o *Object) Quiesce() error {
	if err := o.lock("quiesce"); err != nil {
		return err
	}
	defer o.mu.Unlock()
	o.quiet = o.seq.Load()
	if c := o.grace.calls; c != nil {
		c.Drop()
	}
	o.grace = grace{}
	o.reclaim()
	return nil
}

// reclaim gives back the space of blocks whose time has come.
func (o *Object) reclaim() {
	if len(o.limbo) == 0 {
		return
	}
	o.advance()
	if o.mayReuse == nil && !o.urgent && o.limbo[0].seq > o.quiet {
		return
	}
	o.urgent = false
	n := 0
	for _, w := range o.limbo {
		if w.b.now || w.seq <= o.quiet || o.mayReuse != nil && o.mayReuse(w.seq) {
			o.release(w.b)
			continue
		}
		o.limbo[n] = w
		n++
	}
	clear(o.limbo[n:])
	o.limbo = o.limbo[:n]
}

// grace is a grace period, for all that was freed before a commit. One goes on at a time.
type grace struct {
	seq   uint64 // 0 if there is none
	since time.Time
	calls *native.Calls // in progress when it was first looked
}

// advance ends a grace period, and begins one. Who had read an address before the commit and not gone there yet is seen in the
// call, or it is over, when the calls are looked at.
func (o *Object) advance() {
	g := &o.grace
	if _, known := o.loader.(*spaceLoader); !known || o.mayReuse != nil {
		return
	}
	if g.seq != 0 && time.Since(g.since) >= retirement {
		if g.calls == nil {
			g.calls = native.CallsNow(o.freedBefore(g.seq), o.counted)
		}
		if g.calls.Over() {
			o.quiet = max(o.quiet, g.seq)
			*g = grace{}
		}
	}
	if g.seq == 0 && o.limbo[len(o.limbo)-1].seq > o.quiet {
		*g = grace{seq: o.seq.Load(), since: time.Now()}
	}
}

// freedBefore returns a func that tells whether an address is of what waits and was freed before a commit, or of the
// end of it, where a call at the end of code returns to.
func (o *Object) freedBefore(seq uint64) func(addr uintptr) bool {
	var list []span
	for _, w := range o.limbo {
		if w.seq <= seq {
			list = append(list, span{w.b.ext.off, w.b.ext.off + w.b.ext.size})
		}
	}
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	base, size := o.base, o.size
	return func(addr uintptr) bool {
		off := uint64(addr - base)
		if off > size {
			return false
		}
		i, found := slices.BinarySearchFunc(list, off, func(s span, off uint64) int { return cmp.Compare(s.off, off) })
		return found || i > 0 && off <= list[i-1].end
	}
}

// Waits is what the space of freed blocks waits for: see [Block.Free].
type Waits struct {
	Blocks  int  // that wait
	Calls   int  // of native code, that may be in one
	Threads int  // that native code has made, or a program's first one, that may be
	Unknown bool // there may be threads that weld does not know: nothing but Quiesce ends that
}

// Waits returns what is waited for now. Calls and Threads are 0 until a grace period has gone on for a quarter of a second.
func (o *Object) Waits() Waits {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := Waits{Blocks: len(o.limbo) + len(o.freed)}
	if c := o.grace.calls; c != nil {
		w.Calls, w.Threads, w.Unknown = c.Left()
	}
	return w
}

const int3 = 0xcc

// release gives the space of a block back.
func (o *Object) release(b *Block) {
	for _, f := range b.pieces {
		o.eh.kill(o, f)
	}
	for f := b.fns; f != nil; f = f.next {
		o.forget(f)
	}
	b.fns, b.fnAt, b.pieces = nil, nil, nil
	off, n := b.ext.off, b.ext.size
	err := o.guard("free", func() error {
		switch b.kind {
		case Text:
			text := o.bytes(off, n)
			for i := range text {
				text[i] = int3
			}
			o.written = append(o.written, span{off, off + n})
		case ROData:
			clear(o.bytes(off, n))
		case Data:
			clear(o.bytes(off, n))
			clear(o.view(off, n))
		case BSS:
			if from, to := pageUp(off), (off+n)&^(page-1); to > from+16*page {
				discard(o.base+uintptr(from), uintptr(to-from))
				clear(o.view(off, from-off))
				clear(o.view(to, off+n-to))
			} else {
				clear(o.view(off, n))
			}
		}
		return nil
	})
	if err == nil { // else it cannot be used
		o.regions[b.kind].release(&b.ext)
	}
}
