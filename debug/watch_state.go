package debug

import (
	"io"
	"time"
)

// lists is what is known of the lists of a process.
type lists struct {
	mem    io.ReaderAt
	record uint64 // the first struct r_debug
	spaces map[uint64]*space
	// describe fills in what the lists do not say of an object.
	describe func(*Object)
	chain    []uint64 // the records, as they were read last
	ahead    readAhead
}

// space is what is known of one namespace.
type space struct {
	Namespace
	began  time.Time // when the change began that is going on
	loaded []Object  // what was loaded last, and is to be relocated
}

// change is the difference between two readings.
type change struct {
	kind    EventKind
	space   *space
	objects []Object
	took    time.Duration
}

// bulkReader reads the same number of bytes at many addresses at once.
type bulkReader interface {
	readMany(p []byte, size int, addrs []uint64) bool
}

// readAhead is memory of which pieces are read at once.
type readAhead struct {
	mem    io.ReaderAt
	pieces []piece
	last   int // the piece that was asked for last
}

type piece struct {
	addr uint64
	b    []byte
}

// begin forgets what was read.
func (a *readAhead) begin(mem io.ReaderAt) { a.mem, a.pieces, a.last = mem, a.pieces[:0], 0 }

// fetch reads the same number of bytes at each of the addresses, and returns all; nil if they are not all there.
func (a *readAhead) fetch(addrs []uint64, size int) []byte {
	bulk, can := a.mem.(bulkReader)
	if !can || len(addrs) == 0 || len(addrs) > 1000 {
		return nil
	}
	all := make([]byte, len(addrs)*size)
	if !bulk.readMany(all, size, addrs) {
		return nil
	}
	for i, addr := range addrs {
		a.pieces = append(a.pieces, piece{addr, all[i*size : (i+1)*size]})
	}
	return all
}

// ReadAt makes it an io.ReaderAt. Pieces are mostly asked for in the order in which they were fetched.
func (a *readAhead) ReadAt(p []byte, addr int64) (int, error) {
	for range a.pieces {
		if a.last++; a.last >= len(a.pieces) {
			a.last = 0
		}
		m := &a.pieces[a.last]
		if off := uint64(addr) - m.addr; uint64(addr) >= m.addr && off <= uint64(len(m.b)) && uint64(len(m.b))-off >= uint64(len(p)) {
			if int(off)+len(p) < len(m.b) {
				a.last-- // the rest of it is asked for next
			}
			return copy(p, m.b[off:]), nil
		}
	}
	return a.mem.ReadAt(p, addr)
}

// set takes over what was read before.
func (l *lists) set(spaces []Namespace) {
	l.spaces = map[uint64]*space{}
	for _, n := range spaces {
		l.spaces[n.Record] = &space{Namespace: n}
	}
}

// update reads what has changed. wait is called with a space whose change has begun: began is to be set when the process
// goes on.
func (l *lists) update(now time.Time, wait func(*space)) ([]change, error) {
	l.ahead.begin(l.mem)
	l.ahead.fetch(l.chain, recordSize+8)
	r := listReader{mem: &l.ahead, left: maxObjects}
	records, err := r.records(l.record)
	if err != nil {
		return nil, err
	}
	l.chain = l.chain[:0]
	for i := range records {
		l.chain = append(l.chain, records[i].Record)
	}
	var changes []change
	for _, n := range records {
		s := l.spaces[n.Record]
		if s == nil {
			s = &space{Namespace: Namespace{ID: n.ID, Record: n.Record}}
			l.spaces[n.Record] = s
		}
		before := s.State
		s.State = n.State
		switch {
		case n.State == Consistent || before == Add && n.State == Delete:
			c, err := l.diff(&r, s, n)
			if err != nil {
				return changes, err
			}
			if before != Consistent && !s.began.IsZero() {
				for i := range c {
					c[i].took = now.Sub(s.began)
				}
			}
			changes = append(changes, c...)
			s.began = time.Time{}
		}
		if n.State != Consistent && n.State != before {
			s.began = now
			wait(s)
		}
	}
	return changes, nil
}

// diff reads the list of n and says what is different from s, which it brings up to date.
func (l *lists) diff(r *listReader, s *space, n Namespace) (changes []change, err error) {
	added, ok := l.tail(r, s, n)
	var removed []Object
	if !ok {
		known := make(map[uint64]*Object, len(s.Objects))
		for i := range s.Objects {
			known[s.Objects[i].LinkMap] = &s.Objects[i]
		}
		r.known = known
		objects, err := r.list(&n)
		r.known = nil
		if err != nil {
			return nil, err
		}
		still := make(map[uint64]bool, len(objects))
		for i := range objects {
			o := &objects[i]
			if k := known[o.LinkMap]; k != nil && k.Addr == o.Addr && k.Ld == o.Ld && k.namePtr == o.namePtr {
				still[o.LinkMap] = true
				continue
			}
			l.describe(o)
			added = append(added, *o)
		}
		for _, o := range s.Objects {
			if !still[o.LinkMap] {
				removed = append(removed, o)
			}
		}
		s.Objects = objects
	}
	s.First, s.Break, s.Version = n.First, n.Break, n.Version
	if len(removed) > 0 {
		changes = append(changes, change{kind: EventUnload, space: s, objects: removed})
	}
	if len(added) > 0 {
		s.loaded = added
		changes = append(changes, change{kind: EventLoad, space: s, objects: added})
	}
	return changes, nil
}

// tail reads what was added behind the last entry that is known; ok is false if anything before has changed.
func (l *lists) tail(r *listReader, s *space, n Namespace) (added []Object, ok bool) {
	addrs := make([]uint64, len(s.Objects))
	for i := range s.Objects {
		addrs[i] = s.Objects[i].LinkMap
	}
	b := l.ahead.fetch(addrs, linkMapFields)
	if n.First != s.First || b == nil {
		return nil, false
	}
	prev := uint64(0)
	var last rawLinkMap
	for i := range s.Objects {
		o := &s.Objects[i]
		last = decodeLinkMap((*[linkMapFields]byte)(b[i*linkMapFields:]))
		if last.addr != o.Addr || last.ld != o.Ld || last.name != o.namePtr || last.prev != prev ||
			i+1 < len(addrs) && last.next != addrs[i+1] {
			return nil, false
		}
		prev = o.LinkMap
	}
	if last.next == 0 {
		return nil, true
	}
	known := map[uint64]bool{}
	for _, a := range addrs {
		known[a] = true
	}
	for next := last.next; next != 0; {
		var raw [linkMapFields]byte
		if known[next] || r.left <= 0 || r.read(raw[:], next, "") != nil {
			return nil, false // the slow way says what is wrong
		}
		r.left--
		known[next] = true
		m := decodeLinkMap(&raw)
		o, err := r.object(next, m, "")
		if m.prev != prev || err != nil {
			return nil, false
		}
		l.describe(&o)
		added = append(added, o)
		prev, next = next, m.next
	}
	s.Objects = append(s.Objects[:len(s.Objects):len(s.Objects)], added...)
	return added, true
}
