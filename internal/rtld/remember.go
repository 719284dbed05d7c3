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

// remembered is an image that has been opened twice. linker.mu guards it.
type remembered struct {
	file          *elf.File
	at            native.Mapping
	head, dyn     []byte // what file was read from
	headAt, dynAt uint64 // their addresses
	buildID       []byte

	boundIn     []uint64  // the numbers of the objects that symbols were looked up in
	boundValues []uintptr // see binder.values
}

// images are the files that were opened lately. When there are too many, a new one takes the place of one that was not opened
// again since the last time that a place was looked for.
type images struct {
	list []image
	next int
}

// image is a file that was opened.
type image struct {
	file  imageFile
	known *remembered // nil if it was opened once, or is not kept
	used  bool
}

// imageFile is what a file is told by. What is in it is compared.
type imageFile struct {
	id   fileID
	size int64
}

// of returns the entry of a file, and whether it was opened before. The entry is good until the next call.
func (m *images) of(f imageFile) (entry *image, before bool) {
	for i := range m.list {
		if x := &m.list[i]; x.file == f {
			x.used = true
			return x, true
		}
	}
	if len(m.list) < mostRemembered {
		m.list = append(m.list, image{file: f})
		return &m.list[len(m.list)-1], false
	}
	x := &m.list[m.next]
	for ; x.used; x = &m.list[m.next] {
		x.used = false
		m.next = (m.next + 1) % len(m.list)
	}
	m.next = (m.next + 1) % len(m.list)
	*x = image{file: f}
	return x, false
}

// tables returns the memory that is to hold what the image was read from.
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

// remember returns what is to be known of an image that has just been read, and not been relocated; nil if it is not kept.
func remember(s *source) *remembered {
	head, dyn, ok := s.file.Source()
	if !ok || head.Size > mostBytes || dyn.Size > mostBytes {
		return nil
	}
	r := &remembered{file: s.file, at: s.mapping, headAt: head.Addr, dynAt: dyn.Addr}
	h, ok1 := s.file.Bytes(head.Addr, head.Size)
	d, ok2 := s.file.Bytes(dyn.Addr, dyn.Size)
	if !ok1 || !ok2 {
		return nil
	}
	r.head, r.dyn = bytes.Clone(h), bytes.Clone(d)
	r.buildID = bytes.Clone(s.file.BuildID())
	return r
}

// recall takes from what is remembered of the object the addresses of the definitions that it was bound to, if they are
// looked up as they were then.
func (b *binder) recall() {
	r := b.o.again
	if r == nil || r.file != b.o.File || r.boundValues == nil {
		return
	}
	list := b.o.searchList() // not b.list: find sets that with its index
	if len(list) != len(r.boundIn) {
		return
	}
	for i, o := range list {
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
