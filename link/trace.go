package link

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"weld/image/elf"
)

// What is told of symbols: who refers to them and who defines them (--trace-symbol, --cref), and which common symbols have met
// another definition (--warn-common).

// traceSymbols reports each file that has to do with one of Options.TraceSymbols.
func (l *linker) traceSymbols() {
	for _, name := range l.opt.TraceSymbols {
		id := l.syms.find(name)
		if id == 0 {
			continue
		}
		for _, o := range l.objs {
			for k, x := range o.names.ids {
				if x != id {
					continue
				}
				e := o.sym(o.first + uint32(k))
				verb := "definition of"
				switch {
				case e.shndx == 0:
					verb = "reference to"
				case e.isCommon():
					verb = "common definition of"
				}
				l.print("%s: %s %s", o.name, verb, spell(name, l.opt.NoDemangle))
			}
		}
		for _, d := range l.dsos {
			for k, x := range d.names.ids {
				if x != id {
					continue
				}
				verb := "shared definition of"
				if e := d.sym(d.syms[k]); !e.Defined() {
					verb = "reference to"
				}
				l.print("%s: %s %s", d.name, verb, spell(name, l.opt.NoDemangle))
			}
		}
		for _, lb := range l.libs {
			for k, x := range lb.symNames {
				if x != name || lb.pulled[lb.symOffs[k]] {
					continue
				}
				file := lb.name
				if lb.parsed == nil {
					if m, _, err := lb.member(lb.symOffs[k]); err == nil {
						file += "(" + m.name + ")"
					}
				}
				l.print("%s: lazy definition of %s", file, spell(name, l.opt.NoDemangle))
			}
		}
	}
}

// crossReference makes the table of Options.CrossReference: the file that defines a symbol first, then those that refer to it.
func (l *linker) crossReference() {
	if l.opt.CrossReference == nil {
		return
	}
	files := map[symID][]string{}
	use := func(id symID, file string, defines bool) {
		list := files[id]
		switch {
		case list == nil:
			list = append(list, "")
			fallthrough
		default:
			if defines && list[0] == "" {
				list[0] = file
			} else if !slices.Contains(list, file) {
				list = append(list, file)
			}
		}
		files[id] = list
	}
	for _, o := range l.objs {
		for k, id := range o.names.ids {
			e := o.sym(o.first + uint32(k))
			s := l.syms.at(id)
			use(id, o.name, e.shndx != 0 && s.file == o.index && s.idx == o.first+uint32(k) && (s.kind == symObject || s.kind == symCommon))
		}
	}
	for _, d := range l.dsos {
		for k, id := range d.names.ids {
			s := l.syms.at(id)
			if e := d.sym(d.syms[k]); e.Defined() && (files[id] == nil || s.kind != symShared || s.file != d.index) {
				continue // nothing refers to it, or it is another one's
			}
			use(id, d.name, s.kind == symShared && s.file == d.index)
		}
	}
	type entry struct {
		name  string
		files []string
	}
	list := make([]entry, 0, len(files))
	for id, f := range files {
		list = append(list, entry{l.syms.at(id).name, f})
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("\nCross Reference Table\n\nSymbol                                            File\n")
	for _, e := range list {
		name := spell(e.name, l.opt.NoDemangle)
		for _, f := range e.files {
			if f != "" {
				fmt.Fprintf(&b, "%-49s %s\n", name, f)
				name = ""
			}
		}
	}
	l.opt.CrossReference([]byte(b.String()))
}

// warnCommons warns of common symbols that are merged with others or give way to a definition.
func (l *linker) warnCommons() {
	if !l.opt.WarnCommon {
		return
	}
	for _, o := range l.objs {
		for k, id := range o.names.ids {
			i := o.first + uint32(k)
			e := o.sym(i)
			s := l.syms.at(id)
			if !e.isCommon() || e.bind() == elf.STB_LOCAL || s.file == o.index && s.idx == i {
				continue
			}
			name := spell(s.name, l.opt.NoDemangle)
			switch s.kind {
			case symObject:
				l.warn("%s: common of %s gives way to the definition in %s", o.name, name, l.objs[s.file].name)
			case symShared:
				l.warn("%s: common of %s gives way to the definition in %s", o.name, name, l.dsos[s.file].name)
			case symCommon:
				what := "another common of"
				if first := l.objs[s.file].sym(s.idx); first.size != e.size {
					what = fmt.Sprintf("common of %d bytes, not %d, of", e.size, first.size)
				}
				l.warn("%s: %s %s; the first is in %s", o.name, what, name, l.objs[s.file].name)
			}
		}
	}
}
