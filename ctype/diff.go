package ctype

import (
	"fmt"
)

// Effect says what a change does to callers that were compiled before it.
type Effect uint8

const (
	Harmless Effect = iota // they go on as before
	MayBreak               // it depends on who makes the struct that has grown, or who reads the values
	Breaks                 // they pass or read something else
)

func (e Effect) String() string {
	return [...]string{"harmless", "may break callers", "breaks callers"}[min(e, Breaks)]
}

// Change is one difference between two types.
type Change struct {
	Where  string // "argument 2", "result", "argument 1, struct file, member pos"; "" for the whole
	Text   string // in words, without Where
	Old    string // in C; "" where there was nothing
	New    string
	Effect Effect
}

func (c Change) String() string {
	if c.Where == "" {
		return c.Text
	}
	return c.Where + ": " + c.Text
}

// maxChanges bounds what Diff returns.
const maxChanges = 200

// Diff says how type to differs from type from, of the same symbol in two versions of a library, or in two files that are to work
// together. It looks through pointers as far as both sides know what is there. Names of parameters and of typedefs do not matter,
// nor do qualifiers. No changes: nil.
func Diff(from, to *Type) []Change { return diff(from, to, false) }

// Disagree says how a definition is not of the type that it is declared with in another file of the same program: what [Diff] says in other words,
// less what does no harm there. A pointer to void stands for any, and members may be called otherwise.
func Disagree(declared, defined *Type) []Change { return diff(declared, defined, true) }

func diff(from, to *Type, sides bool) []Change {
	d := differ{sides: sides, seen: map[[2]*Type]bool{}, budget: 1 << 16}
	a, b := from.Strip(), to.Strip()
	if a.Kind == Array && b.Kind == Array { // of a variable
		if a.Len >= 0 && b.Len >= 0 && a.Len != b.Len {
			effect := MayBreak
			if b.Len > a.Len && !sides {
				effect = Harmless
			}
			d.add("", effect, a, b, d.say("%d elements became %d", "%d elements here, %d there"), a.Len, b.Len)
		}
		a, b = a.Elem, b.Elem
	}
	d.compare("", a, b, 0)
	return d.list
}

type differ struct {
	sides  bool // of a declaration and a definition, not of two versions
	list   []Change
	seen   map[[2]*Type]bool
	budget int
}

// say chooses between words for two versions, and for what is declared here and defined there.
func (d *differ) say(versions, sides string) string {
	if d.sides {
		return sides
	}
	return versions
}

func (d *differ) add(where string, effect Effect, a, b *Type, format string, args ...any) {
	if len(d.list) >= maxChanges || d.sides && effect == Harmless {
		return
	}
	c := Change{Where: where, Text: fmt.Sprintf(format, args...), Effect: effect}
	if a != nil {
		c.Old = a.String()
	}
	if b != nil {
		c.New = b.String()
	}
	d.list = append(d.list, c)
}

// became says that a type is another now.
func (d *differ) became(where string, a, b *Type) {
	d.add(where, Breaks, a, b, d.say("%s became %s", "%s here, %s there"), describe(a), describe(b))
}

func within(where, what string) string {
	if where == "" {
		return what
	}
	return where + ", " + what
}

func (d *differ) compare(where string, a, b *Type, depth int) {
	if d.budget--; d.budget < 0 || depth > maxDepth || len(d.list) >= maxChanges {
		return
	}
	whole, whole2 := a, b
	a, b = a.Strip(), b.Strip()
	if a == b {
		return
	}
	if a.Kind != b.Kind {
		d.became(where, whole, whole2)
		return
	}
	switch a.Kind {
	case Void, Unspecified, MemberPointer:
	case Pointer:
		d.pointer(where, whole, whole2, depth)
	case Array, Vector:
		if a.Len != b.Len && (a.Len > 0 || b.Len > 0) {
			d.became(where, whole, whole2)
			return
		}
		d.compare(where, a.Elem, b.Elem, depth+1)
	case Struct, Union:
		d.structs(where, a, b, true, depth)
	case Enum:
		d.enums(where, a, b)
	case Func:
		d.functions(where, a, b, depth)
	default:
		if x, y := scalarText(a), scalarText(b); x != y {
			if a.Kind == Int && a.Size == b.Size {
				d.add(where, Breaks, whole, whole2, d.say("%s became %s: the sign differs", "%s here, %s there: the sign differs"), whole, whole2)
				return
			}
			d.became(where, whole, whole2)
		}
	}
}

// pointer compares two pointers. One to void fits all.
func (d *differ) pointer(where string, a, b *Type, depth int) {
	x, y := a.Strip().Elem.Strip(), b.Strip().Elem.Strip()
	if (x.Kind == Void) != (y.Kind == Void) {
		if d.sides {
			return
		}
		d.add(where, MayBreak, a, b, "%s became %s", describe(a), describe(b))
		return
	}
	if x.Kind != y.Kind {
		d.became(where, a, b)
		return
	}
	switch x.Kind {
	case Struct, Union:
		if x.Name != y.Name && x.Name != "" && y.Name != "" {
			d.became(where, a, b)
			return
		}
		d.structs(where, x, y, false, depth)
	case Pointer, Array, Func, Enum:
		d.compare(where, x, y, depth+1)
	default:
		if scalarText(x) != scalarText(y) {
			d.became(where, a, b)
		}
	}
}

func (d *differ) functions(where string, a, b *Type, depth int) {
	if a.Unchecked || b.Unchecked {
		return
	}
	if n, m := len(a.Params), len(b.Params); n != m {
		d.add(where, Breaks, a, b, d.say("it took %s, now %d", "%s here, %d there"), count(n, "argument"), m)
	}
	for i := range min(len(a.Params), len(b.Params)) {
		d.compare(within(where, fmt.Sprintf("argument %d", i+1)), a.Params[i].Type.asParam(), b.Params[i].Type.asParam(), depth+1)
	}
	switch {
	case a.Variadic && !b.Variadic:
		d.add(where, Breaks, a, b, "%s", d.say("it took variable arguments", "variable arguments here, none there"))
	case b.Variadic && !a.Variadic:
		d.add(where, MayBreak, a, b, "%s", d.say("it takes variable arguments now", "variable arguments there, none here"))
	}
	if a.Convention != b.Convention {
		d.add(where, Breaks, a, b, d.say("the calling convention %q became %q", "the calling convention %q here, %q there"), a.Convention, b.Convention)
	}
	if a.Elem.Strip().Kind == Void && b.Elem.Strip().Kind != Void {
		effect := Harmless
		if d.sides {
			effect = MayBreak
		}
		d.add(within(where, "result"), effect, a.Elem, b.Elem, d.say("there was none, now it is %s", "none here, %s there"), describe(b.Elem))
		return
	}
	d.compare(within(where, "result"), a.Elem, b.Elem, depth+1)
}

// enums compares two enums. What they are called does not matter.
func (d *differ) enums(where string, a, b *Type) {
	if a.Size != b.Size {
		d.became(where, a, b)
		return
	}
	if a.Incomplete || b.Incomplete || d.seen[[2]*Type{a, b}] {
		return
	}
	d.seen[[2]*Type{a, b}] = true
	x, err := a.Enumerators()
	y, err2 := b.Enumerators()
	if err != nil || err2 != nil {
		return
	}
	values := make(map[string]int64, len(y))
	for _, e := range y {
		values[e.Name] = e.Value
	}
	for _, e := range x {
		switch v, ok := values[e.Name]; {
		case !ok:
			d.add(where, MayBreak, a, b, d.say("%s has no %s any more", "%s there has no %s"), b, e.Name)
		case v != e.Value:
			d.add(where, Breaks, a, b, d.say("%s of %s was %d, now %d", "%s of %s is %d here, %d there"), e.Name, b, e.Value, v)
		}
	}
}

// structs compares two structs or unions, passed by value or pointed to.
func (d *differ) structs(where string, a, b *Type, byValue bool, depth int) {
	if a == b || a.Incomplete || b.Incomplete || depth > maxDepth {
		return
	}
	key := [2]*Type{a, b}
	if d.seen[key] {
		return
	}
	d.seen[key] = true
	x, err := a.Members()
	y, err2 := b.Members()
	if err != nil || err2 != nil {
		return
	}
	name := aggregateWord(b)
	if b.Name != "" {
		name += " " + b.Name
	}
	where = within(where, name)
	named := make(map[string]int, len(y))
	for i, m := range y {
		if m.Name != "" {
			named[m.Name] = i
		}
	}
	used := make([]bool, len(y))
	for i, m := range x {
		j, ok := named[m.Name]
		if m.Name == "" || !ok { // one of another name in the same place
			if ok = i < len(y) && y[i].Offset == m.Offset && y[i].Bits == m.Bits; ok {
				j = i
			}
		}
		if !ok || used[j] {
			d.add(where, Breaks, a, b, d.say("member %s is gone", "member %s is here only"), memberName(m, i))
			continue
		}
		used[j] = true
		n := y[j]
		at := within(where, "member "+memberName(m, i))
		if m.Offset != n.Offset {
			d.add(at, Breaks, m.Type, n.Type, d.say("moved from offset %s to %s", "at offset %s here, %s there"), place8(m.Offset), place8(n.Offset))
		}
		if m.Bits != n.Bits {
			d.add(at, Breaks, m.Type, n.Type, d.say("%d bits became %d", "%d bits here, %d there"), m.Bits, n.Bits)
		}
		if m.Name != n.Name && m.Name != "" && n.Name != "" { // what is read from a signature has no names
			d.add(at, Harmless, m.Type, n.Type, "is called %s now", memberName(n, j))
		}
		d.compare(at, m.Type, n.Type, depth+1)
	}
	for j, n := range y {
		if !used[j] {
			effect := Harmless
			if byValue || d.sides {
				effect = Breaks
			}
			d.add(where, effect, nil, n.Type, d.say("member %s is new, at offset %s", "member %s is there only, at offset %s"), memberName(n, j), place8(n.Offset))
		}
	}
	if n, m := a.align(), b.align(); byValue && n != m && n > 0 && m > 0 && a.Size == b.Size {
		d.add(where, Breaks, a, b, d.say("an alignment of %d became %d", "an alignment of %d here, %d there"), n, m)
	}
	if a.Size != b.Size {
		effect := MayBreak
		if byValue || b.Size < a.Size {
			effect = Breaks
		}
		d.add(where, effect, a, b, d.say("%s became %d", "%s here, %d there"), bytesOf(a.Size), b.Size)
	}
}

func memberName(m Member, i int) string {
	if m.Name == "" {
		return fmt.Sprintf("number %d, which has no name,", i+1)
	}
	return m.Name
}

// place8 is an offset in bytes, or in bytes and bits.
func place8(bits int64) string {
	if bits%8 == 0 {
		return fmt.Sprint(bits / 8)
	}
	return fmt.Sprintf("%d bit %d", bits/8, bits%8)
}
