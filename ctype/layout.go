package ctype

import (
	"fmt"
	"reflect"
)

// leaf is a scalar in a struct, or a part of it that is not looked into: a union, a bit-field's storage, Go's raw bytes.
type leaf struct {
	name      string
	off, size int64
	c         *Type        // on the C side
	g         reflect.Type // on the Go side
	opaque    bool
}

// maxLeaves bounds the scalars of a struct that are compared one by one.
const maxLeaves = 1 << 14

// structs compares a C struct or union with a Go struct: size, places and types of the members and, by value, the psABI
// classes.
func (m *matcher) structs(c *Type, g reflect.Type, passed bool) (why string, ok bool) {
	key := pair{c, g}
	if !passed {
		if m.seen[key] {
			return "", true
		}
		m.seen[key] = true
	}
	if c.Size != int64(g.Size()) {
		return fmt.Sprintf(": %s, not %d", bytesOf(int64(g.Size())), c.Size), false
	}
	cs, complete := cLeaves(nil, c, "", 0)
	if !complete {
		return "", true
	}
	gs := goLeaves(nil, g, "", 0)
	if len(gs) > maxLeaves {
		return "", true
	}
	i := 0
	for _, x := range gs {
		for i < len(cs) && cs[i].off+max(cs[i].size, 1) <= x.off {
			i++
		}
		if x.opaque { // raw bytes may stand for anything
			continue
		}
		if i == len(cs) || cs[i].off >= x.off+max(x.size, 1) {
			return fmt.Sprintf(": field %s is at offset %d, where C has no member", x.name, x.off), false
		}
		y := cs[i]
		if y.opaque {
			if x.off < y.off || x.off+x.size > y.off+y.size {
				return fmt.Sprintf(": field %s is at offset %d, C's member %s at %d", x.name, x.off, y.name, y.off), false
			}
			continue
		}
		if y.hasPart(x, m, passed) {
			continue
		}
		if x.off != y.off {
			return fmt.Sprintf(": field %s is at offset %d, C's member %s at %d", x.name, x.off, y.name, y.off), false
		}
		if why, ok := m.value(y.c, x.g, false); !ok {
			return fmt.Sprintf(": field %s is %v, C's member %s is %s%s", x.name, x.g, y.name, y.c, why), false
		}
	}
	if missing := uncovered(cs, gs); missing != nil {
		return fmt.Sprintf(": C's member %s at offset %d has no field", missing.name, missing.off), false
	}
	if passed && c.Size <= 16 {
		if unaligned(cs) {
			return ": it is packed, and passed in memory, as no Go type of its size is", false
		}
		if a, b := classes(cs), classes(gs); a != b {
			return ": its members are passed in other registers", false
		}
	}
	return "", true
}

// hasPart reports whether x is a part of a C scalar that Go has no kind for, or has the parts of too: vectors and complex numbers are of elements, and
// what is of 16 bytes is two words.
func (y *leaf) hasPart(x leaf, m *matcher, passed bool) bool {
	part := &Type{Kind: Enum, Size: 8} // of either sign
	switch {
	case y.c.Kind == Vector && !passed:
		part = y.c.Elem
	case y.c.Kind == Complex && y.c.Format != NoFormat:
		part = &Type{Kind: Float, Size: y.c.Size / 2}
	case y.c.Kind != Int && y.c.Kind != Float || y.c.Size != 16:
		return false
	}
	n := part.size()
	if n != x.size || n == 0 || (x.off-y.off)%n != 0 || x.off < y.off || x.off+n > y.off+y.size {
		return false
	}
	_, ok := m.value(part, x.g, false)
	return ok
}

// alone returns the scalar that a struct or union is the same as where it is passed (psABI, section 3.2.3), if g is one: it is its only member, or
// one of a union's that decides the class. nil: there is none.
func (t *Type) alone(g reflect.Type) *Type {
	if g.Kind() == reflect.Struct {
		return nil
	}
	list, complete := cLeaves(nil, t, "", 0)
	if !complete || len(list) != 1 || list[0].size != t.Size || list[0].c == nil || t.Size > 16 {
		return nil
	}
	u := list[0].c
	if u.Kind != Union {
		return u
	}
	ms, err := u.Members()
	if err != nil || u.Incomplete {
		return nil
	}
	for _, m := range ms {
		sub, complete := cLeaves(nil, m.Type, "", m.Offset/8)
		if !complete || len(sub) != 1 || sub[0].size != t.Size || sub[0].c == nil || classes(sub) != classes(list) {
			continue
		}
		if _, ok := (&matcher{budget: maxLeaves, seen: map[pair]bool{}}).param(sub[0].c, g); ok {
			return sub[0].c
		}
	}
	return nil
}

// uncovered returns a C member that no Go field stands for. Both lists are in order of their offsets.
func uncovered(cs, gs []leaf) *leaf {
	j := 0
	for i := range cs {
		if cs[i].size == 0 {
			continue
		}
		for j < len(gs) && gs[j].off+gs[j].size <= cs[i].off {
			j++
		}
		if j == len(gs) || gs[j].off >= cs[i].off+cs[i].size {
			return &cs[i]
		}
	}
	return nil
}

// cLeaves appends the scalars of t at offset off. Complete is false if a part is not known, or there are too many.
func cLeaves(list []leaf, t *Type, name string, off int64) (leaves []leaf, complete bool) {
	l := leafList{list: list, budget: 4 * maxLeaves}
	complete = l.add(t, name, off, 0)
	return l.list, complete
}

// leafList collects leaves. Budget bounds how much is looked at, as what is repeated may have none.
type leafList struct {
	list   []leaf
	budget int
}

func (l *leafList) add(t *Type, name string, off int64, depth int) bool {
	t = t.Strip()
	if l.budget--; depth > maxDepth || l.budget < 0 || len(l.list) > maxLeaves {
		return false
	}
	switch t.Kind {
	case Struct:
		ms, err := t.Members()
		if err != nil || t.Incomplete {
			return false
		}
		for _, m := range ms {
			if m.Offset < 0 {
				return false
			}
			at := off + m.Offset/8
			if m.Bits > 0 {
				end := off + (m.Offset+m.Bits+7)/8
				if n := len(l.list); n > 0 && l.list[n-1].opaque && l.list[n-1].off+l.list[n-1].size >= at {
					l.list[n-1].size = max(l.list[n-1].size, end-l.list[n-1].off) // share their bytes
					l.list[n-1].c = nil
				} else {
					l.list = append(l.list, leaf{name: join(name, m.Name), off: at, size: end - at, opaque: true})
				}
				continue
			}
			if !l.add(m.Type, join(name, m.Name), at, depth+1) {
				return false
			}
		}
		return true
	case Array:
		n := t.Elem.size()
		if t.Len <= 0 || n == 0 {
			return true
		}
		if n < 0 {
			return false
		}
		for i := range t.Len {
			if !l.add(t.Elem, fmt.Sprintf("%s[%d]", name, i), off+i*n, depth+1) {
				return false
			}
		}
		return true
	case Unspecified:
		return false
	case Void: // the empty tuple of Rust
		return true
	}
	l.list = append(l.list, leaf{name: name, off: off, size: max(t.size(), 0), c: t, opaque: t.Kind == Union})
	return true
}

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}

// goLeaves appends the scalars of a Go type. Blank fields and arrays of bytes are raw.
func goLeaves(list []leaf, t reflect.Type, name string, off int64) []leaf {
	switch {
	case len(list) > maxLeaves:
		return list
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" {
				list = append(list, leaf{name: join(name, "_"), off: off + int64(f.Offset), size: int64(f.Type.Size()), g: f.Type, opaque: true})
				continue
			}
			list = goLeaves(list, f.Type, join(name, f.Name), off+int64(f.Offset))
		}
		return list
	case t.Kind() == reflect.Array && !isByte(t.Elem()):
		for i := range t.Len() {
			if len(list) > maxLeaves {
				break
			}
			list = goLeaves(list, t.Elem(), fmt.Sprintf("%s[%d]", name, i), off+int64(i)*int64(t.Elem().Size()))
		}
		return list
	}
	return append(list, leaf{name: name, off: off, size: int64(t.Size()), g: t, opaque: t.Kind() == reflect.Array})
}

// classes returns which of the two eightbytes are of class SSE (psABI, section 3.2.3): those with floating numbers only.
func classes(list []leaf) (sse [2]bool) {
	var some, other [2]bool
	budget := 1 << 12
	var look func(l leaf, depth int)
	look = func(l leaf, depth int) {
		if budget--; budget < 0 || depth > maxDepth {
			return
		}
		if l.opaque && l.c != nil && l.c.Strip().Kind == Union { // its members decide together
			ms, _ := l.c.Strip().Members()
			for _, m := range ms {
				if budget < 0 {
					return
				}
				sub, _ := cLeaves(nil, m.Type, "", l.off+m.Offset/8)
				budget -= len(sub)
				for _, s := range sub {
					look(s, depth+1)
				}
			}
			return
		}
		float := false
		switch {
		case l.c != nil:
			float = l.c.Kind == Float && l.c.Size <= 8 || l.c.Kind == Complex && l.c.Format != NoFormat || l.c.Kind == Vector
		case l.g != nil:
			switch l.g.Kind() {
			case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
				float = true
			}
			if l.opaque && l.g.Kind() == reflect.Array && l.name == "_" {
				return
			}
		}
		for i := l.off / 8; i < 2 && i*8 < l.off+l.size; i++ {
			some[i] = true
			other[i] = other[i] || !float
		}
	}
	for _, l := range list {
		look(l, 0)
	}
	for i := range sse {
		sse[i] = some[i] && !other[i]
	}
	return sse
}

// SSE tells which of the two eightbytes of a struct or union of up to 16 bytes C passes in a vector register (psABI, section
// 3.2.3): those with floating-point numbers only.
func (t *Type) SSE() [2]bool {
	list, _ := cLeaves(nil, t.Strip(), "", 0)
	return classes(list)
}

// Unaligned reports whether a struct or union has a member that is not at a multiple of its size, as packed ones have. If it has up to
// 16 bytes C passes it in memory then (psABI, section 3.2.3), as it passes no Go type of that size.
func (t *Type) Unaligned() bool {
	list, _ := cLeaves(nil, t.Strip(), "", 0)
	return unaligned(list)
}

func unaligned(list []leaf) bool {
	budget := 1 << 12
	var look func(list []leaf) bool
	look = func(list []leaf) bool {
		for _, l := range list {
			if budget--; l.c == nil || budget < 0 {
				continue
			}
			if l.c.Kind != Union {
				if l.off&(l.c.scalarAlign()-1) != 0 {
					return true
				}
				continue
			}
			ms, _ := l.c.Members()
			for _, m := range ms {
				if m.Bits > 0 || budget < 0 {
					continue
				}
				sub, _ := cLeaves(nil, m.Type, "", l.off+m.Offset/8)
				if look(sub) {
					return true
				}
			}
		}
		return false
	}
	return look(list)
}

// scalarAlign returns the alignment that the psABI (figure 3.1) gives a scalar.
func (t *Type) scalarAlign() int64 {
	n := t.size()
	if t.Kind == Complex {
		n /= 2
	}
	if n <= 0 || n&(n-1) != 0 {
		return 1
	}
	return min(n, 16)
}

// usual reports whether the members of a struct or union, and of those in it, lie where C puts them if nothing is said about that, and
// the alignment. Budget bounds how many are looked at.
func (t *Type) usual(budget *int) (align int64, ok bool) {
	t = t.Strip()
	for t.Kind == Array {
		t = t.Elem.Strip()
	}
	if t.Kind != Struct && t.Kind != Union {
		return t.scalarAlign(), true
	}
	ms, err := t.Members()
	if err != nil {
		return 1, false
	}
	align = 1
	end := int64(0)
	for _, m := range ms {
		if *budget--; *budget < 0 || m.Bits > 0 {
			return 1, false
		}
		a, ok := m.Type.usual(budget)
		if !ok {
			return 1, false
		}
		at := (end + a - 1) &^ (a - 1)
		if t.Kind == Union {
			at = 0
		}
		if m.Offset != at*8 {
			return 1, false
		}
		align, end = max(align, a), max(end, at+max(m.Type.size(), 0))
	}
	return align, t.Size == (end+align-1)&^(align-1)
}
