package live

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"

	"weld"
)

// Commit publishes all that was done since the last commit, at once: names for Lookup and FindAddr, the file for everybody
// else, the references of others to what was replaced, and last debuggers. Code and data that was written is in place before.
// While it publishes, no other object is committed, and no library opened or closed; lookups and calls go on. What comes before that, to
// look through the changes and to have memory for them, waits for nobody else, unless there are new imports.
//
// The error is an *Error. With ErrDeleted everything was published; the file has no name any more, so tools do not find
// it. That is said once. With any other error nothing was, as Seq tells, and Commit can be called again: ErrFull, ErrNoSpace,
// ErrNoMemory, ErrTruncated, ErrUndefined, ErrLoader, ErrClosed, ErrForked. But for ErrLoader when references of others could not
// be bound anew, or debuggers not be told: then everything was published, Seq has the next number, and Detail says so.
func (o *Object) Commit() error {
	const op = "commit"
	err := o.commit(op, false)
	if err == errBusy {
		err = o.commit(op, true)
	}
	return err
}

// errBusy is that the loader is locked by somebody else.
var errBusy = errors.New("the run-time linker is at work")

// commit does it, with the loader locked from the beginning or only when it must be. In the second case the object is locked already, so
// the loader's lock is not waited for: who has it may wait for the object, as what the run-time linker calls does, a resolver or
// what decides of interpositions, when it generates code.
func (o *Object) commit(op string, whole bool) (err error) {
	take := func() bool { return true }
	if whole && o.loader != nil {
		o.loader.Lock()
		defer o.loader.Unlock()
	}
	if err := o.lock(op); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if !whole && o.loader != nil {
		if len(o.imports.fresh) > 0 {
			return errBusy
		}
		taken := false
		take = func() bool {
			taken = o.loader.TryLock()
			return taken
		}
		defer func() {
			if taken {
				o.loader.Unlock()
			}
		}()
	}
	gone := false
	switch err := o.file.check(); {
	case err == nil:
	case errors.Is(err, ErrDeleted):
		gone = true
	case errors.Is(err, ErrTruncated):
		return o.truncated(op)
	default:
		return &Error{Op: op, Object: o.name, Path: o.file.path, Reason: ErrTruncated, Err: err}
	}
	if err = o.guard(op, func() error { return o.publish(op, take) }); err != nil {
		return err
	}
	if gone && !o.deleted {
		o.deleted = true
		return &Error{Op: op, Object: o.name, Path: o.file.path, Reason: ErrDeleted}
	}
	return nil
}

// commitPlan is what a commit is about to do: all that can fail is done when it is made.
type commitPlan struct {
	tx
	dyn      dynPlan
	eh       ehPlan
	debug    debugPlan
	tab      counts
	strs     list      // a new .strtab
	phdrs    *extent   // a new program header table
	list     entryList // Object.changed
	addrs    []addrChange
	notified committed
}

// change is what becomes of a name; nil is that it is not bound.
type change struct {
	e        *entry
	was, now *sym
}

// change returns what the commit that is in work does to an entry, also when it is done.
func (e *entry) change() change {
	was := e.cur.Load()
	if was != nil && (was == e.next || was.nobody() && e.next == nil) {
		was = e.was.Load()
	}
	if was != nil && was.nobody() {
		was = nil
	}
	return change{e, was, e.next}
}

// counts is how many symbols come to a table and go from it, and the bytes of the names that come.
type counts struct {
	added, gone uint32
	bytes       uint64
}

func (c *counts) add(s *sym) {
	c.added++
	c.bytes += uint64(s.last) + 2
}

// publish makes the changes known. When it comes to that it calls take for the loader's lock, which is errBusy if it returns false; new
// imports need the lock before.
func (o *Object) publish(op string, take func() bool) error {
	p := &o.work
	p.begin(o, op)
	defer p.end()
	o.locate()
	imports := len(o.imports.fresh) > 0
	err := p.plan()
	if err == nil && imports { // before anything has changed
		err = p.prepare()
	}
	if err == nil {
		p.phdrs, err = o.planPhdrs(&p.tx)
	}
	if err == nil {
		err = o.settle()
	}
	if err == nil && !take() {
		err = errBusy
	}
	if err == nil && !imports {
		err = p.prepare()
	}
	if err != nil {
		p.undo()
		return err
	}
	return p.apply()
}

// begin empties the plan, whose lists are kept from commit to commit.
func (p *commitPlan) begin(o *Object, op string) {
	p.tx = tx{o: o, op: op, taken: p.taken[:0], more: p.more[:0]}
	p.dyn = dynPlan{}
	p.tab, p.strs, p.phdrs = counts{}, list{}, nil
	p.notified = committed{symbols: p.notified.symbols[:0]}
}

// end lets go of what the lists hold.
func (p *commitPlan) end() {
	for _, f := range p.eh.gone {
		f.doomed = false
	}
	p.eh.gone = emptied(p.eh.gone)
	p.list, p.addrs, p.eh.list = entryList{}, emptied(p.addrs), emptied(p.eh.list)
	p.taken, p.more = emptied(p.taken), emptied(p.more[:cap(p.more)])
	p.notified.symbols, p.notified.imports = emptied(p.notified.symbols), nil
	p.eh.rows, p.eh.rules = nil, p.eh.rules[:0]
	if cap(p.eh.list) > maxKept {
		*p = commitPlan{}
	}
}

// maxKept is the number of changes up to which the lists of a commit are kept for the next.
const maxKept = 1 << 16

func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// plan sorts what has changed, and allocates what that needs.
func (p *commitPlan) plan() (err error) {
	o := p.o
	changed := o.changed
	o.changed = entryList{}
	for e := range o.each(changed) {
		if was := e.cur.Load(); e.next == nil && (was == nil || was.nobody()) {
			e.listed = false
			o.names.idle++
			continue
		}
		o.append(&o.changed, e)
		c := e.change()
		if c.was == nil {
			p.tab.add(c.now)
		}
		switch {
		case c.comes():
			p.dyn.add(c.now)
		case c.goes():
			p.dyn.gone++
		case c.stays():
			p.dyn.stay++
		}
	}
	p.list = o.changed
	for _, b := range o.rewritten {
		b.rewritten = false
		for f := b.fns; f != nil; f = f.next {
			if f.fde != 0 && f.unwind == nil {
				o.describe(f)
			}
		}
	}
	o.rewritten = o.rewritten[:0]
	if err = o.eh.plan(&p.tx, &p.eh, o.fresh); err != nil {
		return err
	}
	if p.strs, err = o.tab.plan(&p.tx, &p.tab); err != nil {
		return err
	}
	if err = o.dwarf.plan(&p.tx, &p.debug, o.fresh); err != nil {
		return err
	}
	if err = o.dyn.plan(&p.tx, &p.dyn); err != nil {
		return err
	}
	return p.back()
}

// prepare asks the loader whether it can do its part.
func (p *commitPlan) prepare() error {
	o := p.o
	if o.loader == nil || o.seq.Load() == 0 {
		return nil
	}
	p.describe()
	err := o.loader.prepare(o, &p.notified)
	if err != nil {
		reason := ErrLoader
		if errors.Is(err, weld.ErrNotFound) {
			reason = ErrUndefined
		}
		err = &Error{Op: p.op, Object: o.name, Reason: reason, Err: err}
	}
	return err
}

// describe says what the commit does, for the loader.
func (p *commitPlan) describe() {
	o := p.o
	p.notified.seq = o.seq.Load() + 1
	p.notified.imports = o.imports.fresh
	if len(p.notified.imports) == 0 && !o.loader.follows() {
		return
	}
	p.notified.symbols = slices.Grow(p.notified.symbols, p.list.n)
	for e := range o.each(p.list) {
		c, s := e.change(), symbolChange{}
		if c.was != nil {
			s.was = o.symbol(c.was)
		}
		if c.now != nil {
			s.now = o.symbol(c.now)
		}
		p.notified.symbols = append(p.notified.symbols, s)
	}
}

// apply does it. Whoever sees a name finds all that belongs to it.
func (p *commitPlan) apply() (err error) {
	o := p.o
	seq := o.seq.Load() + 1
	o.eh.apply(&p.tx, &p.eh)
	o.tab.apply(&p.tx, p.strs, p.list)
	o.dwarf.apply(&p.tx, &p.debug)
	o.dyn.apply(&p.tx, &p.dyn, p.list)
	o.writeHeads(&p.tx, p.phdrs)

	p.addrs = slices.Grow(p.addrs, min(p.list.n, addrsAtOnce+addrsAtOnce/8))
	for e := range o.each(p.list) {
		c := e.change()
		now := c.now
		if c.was != nil {
			p.addrs = appendChanges(p.addrs, c.was, true)
		}
		if now == nil {
			now = &sym{str: c.was.str, last: c.was.last, flags: nobody}
			o.names.idle++
		} else {
			p.addrs = appendChanges(p.addrs, now, false)
		}
		if was := e.cur.Load(); was != e.was.Load() {
			e.was.Store(was)
		}
		e.seq.Store(seq)
		e.cur.Store(now)
		if len(p.addrs) >= addrsAtOnce {
			o.addrs.apply(p.addrs)
			p.addrs = emptied(p.addrs)
		}
	}
	o.addrs.apply(p.addrs)
	for f := range o.fresh.all {
		f.listed, f.more = false, nil
	}
	o.fresh = functionList{}
	o.seq.Store(seq)
	if o.loader != nil && seq > 1 {
		if e := o.loader.published(o, &p.notified); e != nil {
			err = &Error{Op: p.op, Object: o.name, Reason: ErrLoader, Detail: "all is published", Err: e}
		}
		o.imports.fresh = nil
	}
	for e := range o.each(o.changed) {
		e.listed, e.next = false, nil
	}
	o.changed = entryList{}
	for _, b := range o.freed {
		o.limbo = append(o.limbo, waiting{b, seq})
		o.urgent = o.urgent || b.now
	}
	o.freed = nil
	o.reclaim()
	p.done()
	return err
}

// settle makes what was written visible: text on pages that are not the file's any more, and first values of data in the
// file.
func (o *Object) settle() error {
	for _, b := range o.stale {
		b.stale = false
		if !b.freed {
			copy(o.bytes(b.ext.off, b.size), o.view(b.ext.off, b.size))
		}
	}
	clear(o.stale)
	o.stale = o.stale[:0]
	again := false
	for _, s := range o.written {
		n := s.end - s.off
		if !bytes.Equal(o.view(s.off, n), o.bytes(s.off, n)) {
			if err := o.repair(s); err != nil {
				return err
			}
		}
		again = again || s.off < o.known
	}
	if again {
		syncCore()
	}
	o.written = o.written[:0]
	o.known = o.regions[Text].top()
	return nil
}

const selfMem = "/proc/self/mem"

// poke writes to the text in memory, if that is possible.
func (o *Object) poke(off uint64, data []byte) bool {
	f, err := os.OpenFile(memPath, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteAt(data, int64(o.base)+int64(off))
	return err == nil
}

// memPath is a variable so that tests can be on a kernel that has no such file.
var memPath = selfMem

// repair writes text to pages of which the process has copies of its own, as they are when a debugger has put a breakpoint
// there: the alias does not reach those. /proc/self/mem does, and leaves the rest of the page as it is. Where that must not be
// written (proc_mem.force_override, Linux 6.12), the page is mapped again, and the breakpoints on it are gone.
func (o *Object) repair(s span) error {
	if o.poke(s.off, o.bytes(s.off, s.end-s.off)) {
		return nil
	}
	for from, end := s.off&^(page-1), pageUp(s.end); from < end; { // which may be in several chunks
		c := o.regions[Text].chunkOf(from)
		to := min(end, c.at+c.size)
		_, err := mapMemory(o.name, o.base+uintptr(from), uintptr(to-from), syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_FIXED, o.file.fd, int64(from-c.at+c.off))
		if err != nil {
			return &Error{Op: "commit", Object: o.name, Reason: ErrNoMemory, Err: err}
		}
		from = to
	}
	return nil
}

var registerOnce sync.Once

// syncCore has every thread of the process execute a serialising instruction before it runs code that was there before
// (membarrier(2); SDM volume 3, 9.1.3: code that is modified through another linear address). Kernels before 4.16 cannot.
func syncCore() {
	const (
		sysMembarrier = 324
		syncCoreCmd   = 1 << 5
		register      = 1 << 6
	)
	registerOnce.Do(func() { syscall.Syscall(sysMembarrier, register, 0, 0) })
	syscall.Syscall(sysMembarrier, syncCoreCmd, 0, 0)
}
