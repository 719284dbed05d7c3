package live

// symTable is .symtab and .strtab: all names, for debuggers. No part of it is in memory, so it can be changed in any order: the
// place of a name that is unbound is taken by the last.
type symTable struct {
	syms, strs list
	rows       rows[entryID]
	dead       uint64 // bytes of .strtab
}

func (t *symTable) len() int { return max(t.rows.n-1, 0) }

// plan makes room for symbols. What it returns is a new .strtab, if there is to be one.
func (t *symTable) plan(x *tx, c *counts) (fresh list, err error) {
	if err := t.syms.room(x, uint64(c.added+1)*symSize); err != nil {
		return fresh, err
	}
	need := c.bytes + 1
	if t.dead > t.strs.used/2 && t.dead > page {
		err = fresh.room(x, t.strs.used-t.dead+need)
	} else {
		err = t.strs.room(x, need)
	}
	return fresh, err
}

// compact makes a new .strtab of the names that are in use.
func (t *symTable) compact(x *tx, fresh list) {
	x.spare = append(x.spare, t.strs.e)
	t.strs, t.dead = fresh, 0
	t.strs.used = 1
	for i := 1; i < t.rows.n; i++ {
		le.PutUint32(t.row(x.o, uint32(i)), t.putName(x.o, x.o.entry(*t.rows.at(i)).name()))
	}
}

// putName puts a name into .strtab.
func (t *symTable) putName(o *Object, s string) uint32 {
	at := t.strs.used
	n := uint64(len(s))
	b := o.bytes(t.strs.e.off+at, n+1)
	copy(b, s)
	b[n] = 0
	t.strs.used += n + 1
	return uint32(at)
}

func (t *symTable) row(o *Object, i uint32) []byte {
	return o.bytes(t.syms.e.off+uint64(i)*symSize, symSize)
}

// apply does what was planned.
func (t *symTable) apply(x *tx, fresh list, changes entryList) {
	o := x.o
	if t.rows.n == 0 {
		t.begin()
	}
	if fresh.e != nil {
		t.compact(x, fresh)
	}
	for e := range o.each(changes) {
		switch c := e.change(); {
		case c.was == nil:
			t.add(o, e, c.now)
		case c.now == nil:
			t.drop(o, e, c.was)
		default:
			t.change(o, e, c.now)
		}
	}
}

// begin writes what comes first: the null symbol and the empty name.
func (t *symTable) begin() {
	t.syms.used, t.strs.used = symSize, 1
	t.rows.add(noEntry)
}

func (t *symTable) add(o *Object, e *entry, s *sym) {
	e.row = uint32(t.rows.n)
	t.rows.add(e.id)
	name := t.putName(o, s.name())
	t.syms.used += symSize
	putSym(t.row(o, e.row), name, s)
}

func (t *symTable) change(o *Object, e *entry, s *sym) {
	b := t.row(o, e.row)
	putSym(b, le.Uint32(b), s)
}

func (t *symTable) drop(o *Object, e *entry, was *sym) {
	last := uint32(t.rows.n - 1)
	if e.row != last {
		copy(t.row(o, e.row), t.row(o, last))
		id := *t.rows.at(int(last))
		*t.rows.at(int(e.row)) = id
		o.entry(id).row = e.row
	}
	clear(t.row(o, last))
	t.rows.drop()
	t.syms.used -= symSize
	t.dead += uint64(len(was.name())) + 1
	e.row = 0
}
