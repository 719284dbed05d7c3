package link

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"weld/image/elf"
)

// writeMap makes the link map.
func (l *linker) writeMap() error {
	if l.opt.Map == nil {
		return nil
	}
	var b strings.Builder
	b.WriteString("Files\n\n")
	for _, f := range l.files {
		fmt.Fprintln(&b, f)
	}
	if l.opt.GCSections {
		b.WriteString("\nDiscarded input sections\n\n")
		for _, o := range l.objs {
			for i := range o.secs {
				if o.secs[i].state == secGC {
					fmt.Fprintf(&b, " %-30s %#10x %s\n", o.secName(uint32(i)), o.secs[i].size, o.name)
				}
			}
		}
	}
	b.WriteString("\nMemory map\n\n             Address       Size Align Section\n")
	type def struct {
		obj int32
		sec uint32
	}
	syms := map[def][]*symbol{}
	for n := range l.syms.shards[:nShards] {
		for i := range l.syms.shards[n].syms {
			if s := &l.syms.shards[n].syms[i]; s.kind == symObject {
				if e := l.objs[s.file].sym(s.idx); e.shndx < shnBase {
					k := def{s.file, e.shndx}
					syms[k] = append(syms[k], s)
				}
			}
		}
	}
	for _, out := range l.order {
		fmt.Fprintf(&b, "%#20x %#10x %5d %s\n", out.addr, out.size, out.align, out.name)
		for _, m := range out.members {
			if m.obj < 0 {
				if s := l.synths[m.sec]; s.size > 0 {
					fmt.Fprintf(&b, "%#20x %#10x %5d         (linker)\n", out.addr+s.off, s.size, s.align)
				}
				continue
			}
			o := l.objs[m.obj]
			s := &o.secs[m.sec]
			fmt.Fprintf(&b, "%#20x %#10x %5d         %s:(%s)\n", s.addr, s.size, 1<<s.align, o.name, o.secName(m.sec))
			list := syms[def(m)]
			slices.SortFunc(list, func(a, b *symbol) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.name, b.name)) })
			for _, s := range list {
				if s.typ != elf.STT_SECTION {
					fmt.Fprintf(&b, "%#20x %#10x                 %s\n", s.value, s.size, s.name)
				}
			}
		}
	}
	l.opt.Map([]byte(b.String()))
	return nil
}

// sortRelocs puts the dynamic relocations that are not relative in the order of their symbols, so that the run-time linker looks
// each up once.
func (l *linker) sortRelocs() {
	t := &l.got
	if t.relaDyn == nil || t.nOther == 0 {
		return
	}
	size := uint32(l.relSize)
	b := l.synthBytes(t.relaDyn)[t.nRelative*size:][:t.nOther*size]
	list := make([]rela, t.nOther)
	for i := range list {
		list[i] = l.getRel(b[uint32(i)*size:])
	}
	order := func(r rela) uint64 {
		if r.typ == l.mi.dyn.irelative {
			return 1 << 32 // resolvers run when all else is relocated
		}
		return uint64(r.sym)
	}
	slices.SortFunc(list, func(x, y rela) int {
		return cmp.Or(cmp.Compare(order(x), order(y)), cmp.Compare(x.off, y.off), cmp.Compare(x.typ, y.typ))
	})
	for i, r := range list {
		l.putRel(b[uint32(i)*size:], r.off, r.typ, r.sym, r.addend)
	}
}
