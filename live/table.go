package live

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// The tables of the image may be read at any time, by code that knows no lock: an unwinder, a dlsym that is not weld's. So
// a table only changes by whole words that make no reader go wrong, or else a new one is made beside it and the word that
// leads there is changed. The old one stays for a while then: retirement is longer than readers take. On a machine that has too
// much to do a reader may be held up for longer, so old tables stay for longRetirement while they come to no more than
// maxRetired bytes.
const (
	retirement     = 250 * time.Millisecond
	longRetirement = 10 * time.Second
	maxRetired     = 2 << 20
)

type oldTable struct {
	e    *extent
	when time.Time
}

// tx is what a commit has allocated, to be given back if it fails, and what it makes of no use.
type tx struct {
	o      *Object
	op     string
	taken  []taken
	backed int       // of taken
	more   []taken   // parts of tables that there are
	old    []*extent // of the image
	spare  []*extent // of the rest
	grown  []grown
	copied int // of grown
}

// taken is a table that was allocated, of which so much is about to be written.
type taken struct {
	e      *extent
	region Kind
	use    uint64
}

// grown is a list that has a new place.
type grown struct {
	l    *list
	was  *extent
	used uint64
}

// take allocates a table of which so much is about to be written, once back has been called: then it is zeroes.
func (t *tx) take(region Kind, size, use uint64) (*extent, error) {
	o := t.o
	r := &o.regions[region]
	const align = 64
	e := new(extent)
	for {
		err := o.place(t.op, r, e, max(size, granule), align)
		if err == nil {
			break
		}
		if region != meta || !errors.Is(err, ErrFull) || !o.expire(true) {
			return nil, err
		}
	}
	t.taken = append(t.taken, taken{e, region, use})
	return e, nil
}

// back has memory for what was taken: for all at once, as each time is several system calls.
func (t *tx) back() error {
	o := t.o
	list := t.taken[t.backed:]
	slices.SortFunc(list, func(a, b taken) int {
		return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.e.off, b.e.off))
	})
	for _, k := range slices.Backward(list) { // the last of a chunk has it mapped for all
		if err := o.ensure(t.op, &o.regions[k.region], k.e.chunk, k.e.off+k.e.size); err != nil {
			return err
		}
	}
	for i := range list {
		o.wipe(list[i].e)
	}
	const near = minStep // what is as close is had at once
	for i := 0; i < len(list); {
		k := &list[i]
		from, end := k.e.off, k.e.off
		for ; i < len(list) && list[i].e.chunk == k.e.chunk && list[i].e.off <= end+near; i++ {
			end = list[i].e.off + list[i].use
		}
		if err := o.back(t.op, k.e.chunk, from, end); err != nil {
			return err
		}
	}
	t.backed = len(t.taken)
	for _, k := range t.more {
		const ahead = minStep
		if err := o.back(t.op, k.e.chunk, k.e.off, k.e.off+min(k.use+ahead, k.e.size)); err != nil {
			return err
		}
	}
	t.more = t.more[:0]
	for _, g := range t.grown[t.copied:] {
		if g.was != nil {
			copy(o.bytes(g.l.e.off, g.used), o.bytes(g.was.off, g.used))
		}
	}
	t.copied = len(t.grown)
	return nil
}

// use says that so much of a table is about to be written, once back has been called.
func (t *tx) use(e *extent, use uint64) {
	t.more = append(t.more, taken{e: e, use: use})
}

// wipe clears what there is of a table: where nothing has been before there is nothing.
func (o *Object) wipe(e *extent) {
	c := e.chunk
	for at := e.off; at < e.off+e.size; {
		next := min((at&^(page-1))+page, e.off+e.size)
		if c.backed.has((at - c.at) / page) {
			clear(o.bytes(at, next-at))
		}
		at = next
	}
}

// undo gives back what was taken.
func (t *tx) undo() {
	for _, g := range slices.Backward(t.grown) {
		g.l.e = g.was
	}
	for _, k := range t.taken {
		t.o.regions[k.region].release(k.e)
	}
}

// done gives back what is of no use any more.
func (t *tx) done() {
	now := time.Now()
	for _, e := range t.old {
		if t.o.loader == nil { // nobody knows that they are there
			t.o.regions[meta].release(e)
			continue
		}
		t.o.retired = append(t.o.retired, oldTable{e, now})
		t.o.oldSize += e.size
	}
	for _, e := range t.spare {
		t.o.regions[aux].release(e)
	}
	t.o.expire(false)
}

// replace notes that a table of the image is of no use once the commit is done.
func (t *tx) replace(e *extent) {
	if e != nil {
		t.old = append(t.old, e)
	}
}

// expire gives back the tables that have been old for long enough. If wait is set it waits for one, gives back all that it may, and
// returns whether there was any.
func (o *Object) expire(wait bool) bool {
	if len(o.retired) == 0 {
		return false
	}
	if wait {
		time.Sleep(time.Until(o.retired[0].when.Add(retirement)))
	}
	n := 0
	for ; n < len(o.retired); n++ {
		t := &o.retired[n]
		age := time.Since(t.when)
		if age < retirement || !wait && age < longRetirement && o.oldSize <= maxRetired {
			break
		}
		o.oldSize -= t.e.size
		o.regions[meta].release(t.e)
	}
	o.retired = append(o.retired[:0], o.retired[n:]...)
	return n > 0
}

// spare returns how much room a table of n bytes gets for what comes. Memory is had for what is in use only, and a table without
// room is copied: so one that is not small gets much, if that is not more than its part of the address space.
func (o *Object) spare(n uint64) uint64 {
	const large, part = 64 << 10, 8
	more := n / 2
	if most := o.regions[meta].cap / part; n >= large && n < most {
		more = max(more, min(3*n, most-n))
	}
	return more
}

// list is a table that only files have: it grows by being copied.
type list struct {
	e    *extent
	used uint64
}

// room makes room for n bytes more, which are there once tx.back has been called.
func (l *list) room(t *tx, n uint64) error {
	if l.e != nil && l.used+n <= l.e.size {
		t.use(l.e, l.used+n)
		return nil
	}
	used := l.used + n
	e, err := t.take(aux, used+max(used, t.o.spare(used), 1<<10), used)
	if err != nil {
		return err
	}
	if l.e != nil {
		t.spare = append(t.spare, l.e)
	}
	t.grown = append(t.grown, grown{l, l.e, l.used})
	l.e = e
	return nil
}

// add puts bytes at the end, for which there is room, and returns where.
func (l *list) add(o *Object, b []byte) uint64 {
	at := l.used
	copy(o.bytes(l.e.off+at, uint64(len(b))), b)
	l.used += uint64(len(b))
	return at
}
