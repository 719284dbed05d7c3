package live

import (
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
	o     *Object
	op    string
	taken [numRegions][]*extent
	old   []*extent // of the image
	spare []*extent // of the rest
	grown []grown
}

// grown is a list that has a new place.
type grown struct {
	l   *list
	was *extent
}

// take allocates a table of zeroes, of which so much is about to be written.
func (t *tx) take(region Kind, size, use uint64) (*extent, error) {
	o := t.o
	r := &o.regions[region]
	const align = 64
	e := new(extent)
	for {
		err := o.alloc(t.op, r, e, max(size, granule), align)
		if err == nil {
			break
		}
		if region != meta || !errors.Is(err, ErrFull) || !o.expire(true) {
			return nil, err
		}
	}
	t.taken[region] = append(t.taken[region], e)
	if from, end := e.off, e.off+e.size; from < r.touched { // what is beyond was never used
		clear(o.bytes(from, min(end, r.touched)-from))
	}
	o.populate(e.chunk, e.off, use, r.touched)
	r.touched = max(r.touched, e.off+e.size)
	return e, nil
}

// undo gives back what was taken.
func (t *tx) undo() {
	for _, g := range slices.Backward(t.grown) {
		g.l.e = g.was
	}
	for i, list := range t.taken {
		for _, e := range list {
			t.o.regions[i].release(e)
		}
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

// list is a table that only files have: it grows by being copied.
type list struct {
	e    *extent
	used uint64
}

// room makes room for n bytes more.
func (l *list) room(t *tx, n uint64) error {
	if l.e != nil && l.used+n <= l.e.size {
		return nil
	}
	e, err := t.take(aux, max(2*l.used, l.used+n, 1<<10), l.used+n)
	if err != nil {
		return err
	}
	if l.e != nil {
		copy(t.o.bytes(e.off, l.used), t.o.bytes(l.e.off, l.used))
		t.spare = append(t.spare, l.e)
	}
	t.grown = append(t.grown, grown{l, l.e})
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
