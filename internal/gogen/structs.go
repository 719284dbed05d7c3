package gogen

import (
	"fmt"
	"path/filepath"
	"strings"

	"weld/ctype"
)

// private reports whether a struct is described in a source file, not in a header: what has a pointer to it is a handle then.
func (w *writer) private(g *goType) string {
	tag := g.c.Name
	if tag == "" {
		tag = g.cName
	}
	switch {
	case g.c.Incomplete:
		return "is not described"
	case w.opt.Opaque(tag):
		return "is opaque"
	case g.value || g.c.Name == "" || w.opt.Open(tag):
		return ""
	}
	switch filepath.Ext(g.c.Declared().File) {
	case ".c", ".cc", ".cpp", ".cxx", ".C", ".m":
		return "is described in a source file, not in a header"
	}
	if strings.HasPrefix(tag, "_IO_") {
		return "is the C library's own"
	}
	return ""
}

// layValue lays out what something has by value, and so is described wherever that is.
func (w *writer) layValue(g *goType) {
	if !g.value {
		g.value, g.sized = true, false
	}
	w.lay(g)
}

// lay works out the body of a Go struct that lies in memory as the C struct does.
func (w *writer) lay(g *goType) {
	if g.sized || g.laying || g.c.Kind == ctype.Enum {
		return
	}
	g.laying = true
	defer func() { g.laying = false; g.sized = true }()
	g.size, g.align, g.notes, g.unions = g.c.Size, 1, nil, nil
	if g.opaque = w.private(g); g.opaque != "" {
		g.size = 0
		return
	}
	ms, err := g.c.Members()
	if err != nil {
		g.opaque, g.size = "is damaged: "+err.Error(), 0
		return
	}
	if g.c.Kind == ctype.Union {
		w.layUnion(g, ms)
		return
	}
	limit := int64(8) // what the size is a multiple of
	if g.size > 0 {
		limit = min(limit, g.size&-g.size)
	}
	if a := g.c.Alignment(); a > 8 {
		g.notes = append(g.notes, fmt.Sprintf("C aligns it to %d bytes, Go to 8: what is made in Go must not be given to C.", a))
	}
	names := map[string]bool{}
	var b strings.Builder
	off := int64(0)
	pad := func(to int64) {
		if to > off {
			fmt.Fprintf(&b, "\t_ [%d]byte\n", to-off)
			off = to
		}
	}
	for i := 0; i < len(ms); i++ {
		m := ms[i]
		if m.Offset < 0 || m.Base {
			g.opaque, g.size = "has C++ bases", 0
			return
		}
		if m.Bits > 0 {
			start, end := m.Offset/8, (m.Offset+m.Bits+7)/8
			comment := bitText(m)
			for i+1 < len(ms) && ms[i+1].Bits > 0 && ms[i+1].Offset/8 <= end {
				i++
				end = max(end, (ms[i].Offset+ms[i].Bits+7)/8)
				comment += ", " + bitText(ms[i])
			}
			start = max(start, off)
			if end <= start || end > g.size {
				continue
			}
			pad(start)
			fmt.Fprintf(&b, "\t%s [%d]byte // bit-fields: %s\n", unique(names, fmt.Sprintf("Bits%d", start)), end-start, comment)
			off = end
			continue
		}
		at := m.Offset / 8
		name := exported(m.Name)
		if m.Name == "" {
			name = fmt.Sprintf("Anon%d", at)
		}
		text, size, align, note := w.member(m.Type, g.name+name)
		if size == 0 {
			if at <= g.size && note == "" {
				note = "of no size"
			}
			g.notes = append(g.notes, fmt.Sprintf("Member %s at offset %d, %s, has no field: it is %s.", oneLine(m.Name), at, oneLine(m.Type.String()), note))
			continue
		}
		if at < off || at+size > g.size {
			g.opaque, g.size = "has members that overlap", 0
			return
		}
		if at%align != 0 || align > limit { // packed
			text, align, note = fmt.Sprintf("[%d]byte", size), 1, "unaligned: "+oneLine(m.Type.String())
		}
		pad(at)
		if note != "" {
			note = " // " + note
		}
		fmt.Fprintf(&b, "\t%s %s%s\n", unique(names, name), text, note)
		off, g.align = at+size, max(g.align, align)
	}
	pad(g.size)
	g.body = "struct {\n" + b.String() + "}"
}

func bitText(m ctype.Member) string {
	name := oneLine(m.Name)
	if name == "" {
		name = "unnamed"
	}
	return fmt.Sprintf("%s (bit %d, %d wide)", name, m.Offset, m.Bits)
}

// layUnion makes words of the size and alignment of a union, and methods that give pointers to its members. They are bytes, but for
// those that C passes in vector registers.
func (w *writer) layUnion(g *goType, ms []ctype.Member) {
	for g.align = min(8, max(1, g.c.Alignment())); g.align > 1 && g.size%g.align != 0; {
		g.align /= 2
	}
	word := intTypes[g.align][0]
	g.body = fmt.Sprintf("struct {\n\t_ [0]%s\n\tData [%d]byte\n}", word, g.size)
	if g.size == 0 {
		g.body = "struct{}"
		return
	}
	if sse := g.c.SSE(); g.size <= 16 && g.align >= 4 && sse != [2]bool{} {
		var b strings.Builder
		for at := int64(0); at < g.size; at += 8 {
			n, text := min(8, g.size-at), ""
			switch {
			case !sse[at/8]:
				text = fmt.Sprintf("[%d]byte", n)
			case g.align == 8:
				text = "float64"
			default:
				text = fmt.Sprintf("[%d]float32", n/4)
			}
			fmt.Fprintf(&b, "\tData%d %s\n", at/8, text)
		}
		g.body = fmt.Sprintf("struct {\n\t_ [0]%s\n%s}", word, &b)
	}
	names := map[string]bool{"Data": true, "Data0": true, "Data1": true}
	for _, m := range ms {
		if m.Bits > 0 || m.Name == "" {
			continue
		}
		name := exported(m.Name)
		text, size, _, _ := w.member(m.Type, g.name+name)
		if size == 0 || size > g.size {
			continue
		}
		g.unions = append(g.unions, accessor{unique(names, name), text, oneLine(m.Type.Declare(m.Name))})
	}
	if len(g.unions) > 0 {
		w.unsafe = true
	}
}

// member returns the Go type of a member, with its size and alignment in Go; size 0: it has no field. What Go has not is bytes.
func (w *writer) member(t *ctype.Type, hint string) (text string, size, align int64, note string) {
	u := t.Strip()
	raw := func(why string) (string, int64, int64, string) {
		if u.Size <= 0 {
			return "", 0, 1, "of no size that is known"
		}
		return fmt.Sprintf("[%d]byte", u.Size), u.Size, 1, why
	}
	switch u.Kind {
	case ctype.Bool, ctype.Int, ctype.Float, ctype.Complex:
		s := scalar(u)
		if s == "" {
			return raw(oneLine(u.String()))
		}
		align = u.Size
		if u.Kind == ctype.Complex {
			align /= 2
		}
		return s, u.Size, align, ""
	case ctype.Enum:
		return w.named(t, hint).name, u.Size, u.Size, ""
	case ctype.Pointer:
		text, why := w.pointer(u, asMember, true, hint)
		if why != "" {
			return "uintptr", 8, 8, oneLine(t.String())
		}
		if text == "uintptr" {
			note = oneLine(t.String())
		}
		return text, 8, 8, note
	case ctype.Array:
		if u.Len < 0 {
			return "", 0, 1, "an array of a length that is not known"
		}
		if u.Len == 0 {
			return "", 0, 1, "an array of none"
		}
		if e := u.Elem.Strip(); e.Kind == ctype.Int && e.Size == 1 {
			return fmt.Sprintf("[%d]byte", u.Len), u.Len, 1, ""
		}
		text, size, align, note = w.member(u.Elem, hint)
		if size == 0 || size > 1<<40/u.Len {
			return "", 0, 1, "an array of what has no size"
		}
		return fmt.Sprintf("[%d]%s", u.Len, text), size * u.Len, align, note
	case ctype.Struct, ctype.Union:
		g := w.named(t, hint)
		if g.laying { // damage: it is part of itself
			return "", 0, 1, "part of itself"
		}
		w.layValue(g)
		if g.opaque != "" || g.size != u.Size {
			return raw(g.cName)
		}
		if g.size == 0 {
			return "", 0, 1, "of size 0"
		}
		return g.name, g.size, g.align, ""
	}
	return raw(oneLine(u.String()))
}

// describe writes the declaration of a type.
func (w *writer) describe(g *goType) {
	if g.c.Kind == ctype.Enum {
		return
	}
	w.lay(g)
	at := shortPlace(g.c.Declared())
	if at != "" {
		at = ", " + at
	}
	if g.opaque != "" {
		w.printf("// %s is %s%s, which %s: C makes it, and has pointers to it.\ntype %s struct{}\n\n", g.name, g.cName, at, oneLine(g.opaque), g.name)
		return
	}
	w.printf("// %s is %s%s.\n", g.name, g.cName, at)
	for _, n := range g.notes {
		w.printf("// %s\n", n)
	}
	w.printf("type %s %s\n\n", g.name, g.body)
	if g.size > 0 {
		w.unsafe = true
		w.printf("const _ = -(unsafe.Sizeof(%s{}) ^ %d) // the size is C's\n\n", g.name, g.size)
	}
	for _, a := range g.unions {
		w.printf("// %s is the member %s.\nfunc (u *%s) %s() *%s { return (*%s)(unsafe.Pointer(u)) }\n\n", a.name, a.c, g.name, a.name, a.typ, a.typ)
	}
}
