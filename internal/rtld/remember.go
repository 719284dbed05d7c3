package rtld

import (
	"bytes"

	"weld/image/elf"
	"weld/native"
)

// A library that is opened and closed again and again is read once. What the tables of an image say depends on nothing but
// their bytes and where they lie; so these bytes are kept with what they said, and compared when the file is mapped the
// next time. A file that was replaced or written to meanwhile, whatever its time stamps say, has other bytes, or the same
// and the same meaning. What its relocations came to is kept as well: it holds as long as the image lies where it lay, and
// symbols are looked up in the same objects.
//
// Only what is opened for the second time is kept, and only if it is small. Nothing that is closed stays mapped for it.

const (
	mostRemembered = 32       // images
	mostBytes      = 48 << 10 // of the tables of each: a few hundred symbols
)

// remembered is an image that has been opened. linker.mu guards it.
type remembered struct {
	id   fileID
	size int64  // of the file
	used uint64 // when: the higher the later

	file        *elf.File // nil if it was opened once
	at          native.Mapping
	head, dyn   []byte // what file was read from
	headAt      uint64 // their addresses
	dynAt       uint64
	buildID     []byte
	boundIn     []uint64  // the numbers of the objects that symbols were looked up in
	boundValues []uintptr // see binder.values
}

// images are the images that are remembered. A file that is replaced drops out when others are used more lately.
type images struct {
	list  [mostRemembered]remembered
	clock uint64
}

// of returns what is known of a file, or else a place for it.
func (m *images) of(id fileID, size int64) *remembered {
	m.clock++
	oldest := &m.list[0]
	for i := range m.list {
		r := &m.list[i]
		if r.id == id && r.size == size {
			r.used = m.clock
			return r
		}
		if r.used < oldest.used {
			oldest = r
		}
	}
	*oldest = remembered{used: m.clock}
	return oldest
}

// tables returns the memory that an image was read from, if there is any at these addresses.
func (r *remembered) tables(m native.Mapping) (head, dyn []byte) {
	return native.Bytes(m.Bias+uintptr(r.headAt), uintptr(len(r.head))),
		native.Bytes(m.Bias+uintptr(r.dynAt), uintptr(len(r.dyn)))
}

// mapAgain maps an image that is remembered into s. It reports false, and has mapped nothing, if the file has another in it
// by now.
func (p *plan) mapAgain(s *source, r *remembered, fd int) bool {
	p.startMap()
	m, err := native.MapImage(r.file, fd)
	if err != nil {
		return false
	}
	populateRelro(r.file, m)
	head, dyn := r.tables(m)
	if !bytes.Equal(head, r.head) || !bytes.Equal(dyn, r.dyn) {
		m.Unmap()
		return false
	}
	if m != r.at { // the File refers to the memory that it was read in
		f := r.file.Head()
		if attach(f, m) != nil {
			m.Unmap()
			return false
		}
		r.file, r.at = f, m
		r.boundIn, r.boundValues = r.boundIn[:0], nil
	}
	s.mapping, s.file, s.again = m, r.file, r
	return true
}

// remember keeps an image that has just been read, and not been relocated, if the file was opened before.
func (r *remembered) remember(s *source, size int64) {
	if r.id != s.id {
		*r = remembered{id: s.id, size: size, used: r.used}
		return
	}
	*r = remembered{id: s.id, size: size, used: r.used}
	head, dyn, ok := s.file.Source()
	if !ok || head.Size > mostBytes || dyn.Size > mostBytes {
		return
	}
	r.headAt, r.dynAt = head.Addr, dyn.Addr
	h, ok1 := s.file.Bytes(head.Addr, head.Size)
	d, ok2 := s.file.Bytes(dyn.Addr, dyn.Size)
	if !ok1 || !ok2 {
		return
	}
	r.head, r.dyn = bytes.Clone(h), bytes.Clone(d)
	r.file, r.at = s.file, s.mapping
	r.buildID = bytes.Clone(s.file.BuildID())
	s.again = r
}

// recall takes from what is remembered of the object the addresses of the definitions that it was bound to, if they are
// looked up as they were then.
func (b *binder) recall() {
	r := b.o.again
	if r == nil || r.file != b.o.File || r.boundValues == nil {
		return
	}
	b.list = b.o.searchList()
	if len(b.list) != len(r.boundIn) {
		return
	}
	for i, o := range b.list {
		if o.numberFor(b.o) != r.boundIn[i] {
			return
		}
	}
	b.values = r.boundValues
}

// keep remembers what recall takes. What was bound to objects outside its closure, which it depends on from now on, is
// looked up anew each time, and so is what may be defined in objects whose symbols change.
func (b *binder) keep() {
	r := b.o.again
	if r == nil || r.file != b.o.File {
		return
	}
	if len(b.o.reldeps) > 0 {
		r.boundValues = nil
		return
	}
	if b.values == nil || r.boundValues != nil && &r.boundValues[0] == &b.values[0] {
		return
	}
	r.boundIn = r.boundIn[:0]
	r.boundValues = nil
	for _, o := range b.o.searchList() {
		if o.live != nil {
			return
		}
		r.boundIn = append(r.boundIn, o.numberFor(b.o))
	}
	r.boundValues = append([]uintptr(nil), b.values...)
}

// numberFor returns a number that no other object has, and 0 for the object itself.
func (o *Object) numberFor(self *Object) uint64 {
	if o == self {
		return 0
	}
	if o.number == 0 {
		linker.numbers++
		o.number = linker.numbers
	}
	return o.number
}
