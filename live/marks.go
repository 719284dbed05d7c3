package live

import (
	"bytes"
	"slices"
)

// Breakpoints in the text, which debuggers write to memory. These functions are called by published, with the object locked.

func (t tables) Marked() bool { return t.o.marks(func(span) bool { return false }) }

// mark is bytes of text that are not those of the file.
type mark struct {
	span
	data []byte
}

func (t tables) Unmark() {
	o := t.o
	o.marked = o.marked[:0]
	o.marks(func(s span) bool {
		m := mark{s, slices.Clone(o.view(s.off, s.end-s.off))}
		if o.repair(s) == nil {
			o.marked = append(o.marked, m)
		}
		return true
	})
}

// Remark puts back what a debugger has not, and where a call returns to: there it stops at the end of a step (next, finish), and
// what it has put there for that it does not put there again.
func (t tables) Remark() {
	o := t.o
	for _, m := range o.marked {
		n := m.end - m.off
		if bytes.Equal(o.view(m.off, n), o.bytes(m.off, n)) && o.afterCall(m.off) {
			o.poke(m.off, m.data)
		}
	}
	o.marked = nil
}

// afterCall reports whether what is before a place in the text may be a call: E8 with 4 bytes, or FF with a ModRM byte of /2.
func (o *Object) afterCall(at uint64) bool {
	const longest = 7
	off := o.regions[Text].chunkOf(at).at
	b := o.bytes(max(off, at-min(at, longest)), min(at-off, longest))
	if n := len(b); n >= 5 && b[n-5] == 0xe8 {
		return true
	}
	for _, n := range []int{2, 3, 4, 6, 7} {
		if i := len(b) - n; i >= 0 && b[i] == 0xff && b[i+1]>>3&7 == 2 {
			return true
		}
	}
	return false
}

// marks calls f for the bytes of text that are not as in the file until it returns false, and returns whether there are any: of
// what debuggers are to read anew.
func (o *Object) marks(f func(span) bool) (some bool) {
	for _, c := range o.shown() {
		for at := c.off &^ (page - 1); at < c.end; at += page {
			file, memory := o.bytes(at, page), o.view(at, page)
			if bytes.Equal(file, memory) {
				continue
			}
			some = true
			for i := uint64(0); i < page; i++ {
				if n := i; file[i] != memory[i] {
					for i++; i < page && file[i] != memory[i]; i++ {
					}
					if !f(span{at + n, at + i}) {
						return true
					}
				}
			}
		}
	}
	return some
}
