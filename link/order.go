package link

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// The order of input sections in a section of the output: as GNU ld's default script has it, as --sort-section says, and before
// all others what an ordering file names.

// SectionSort is an order of input sections.
type SectionSort uint8

// Orders of input sections.
const (
	SortNone      SectionSort = iota
	SortName                  // by their names
	SortAlignment             // by their alignments, the largest first
)

// CommonSort is an order of common symbols.
type CommonSort uint8

// Orders of common symbols.
const (
	CommonByFile CommonSort = iota
	CommonDescending
	CommonAscending
)

// ordered returns the places of sections in the ordering files, from 1 on.
func (l *linker) ordered() map[secRef]int {
	if len(l.opt.SymbolOrder) == 0 && len(l.opt.SectionOrder) == 0 {
		return nil
	}
	order := map[secRef]int{}
	put := func(r secRef, place int) {
		if old, ok := order[r]; !ok || place < old {
			order[r] = place
		}
	}
	places := make(map[string]int, len(l.opt.SymbolOrder))
	for i, name := range l.opt.SymbolOrder {
		if _, ok := places[name]; !ok {
			places[name] = i + 1
		}
	}
	found := map[string]bool{}
	for oi, o := range l.objs {
		for k := range o.nsyms {
			e := o.sym(k)
			if len(places) == 0 || e.shndx == 0 || e.shndx >= shnBase || o.secs[e.shndx].state != secLive {
				continue
			}
			name := viewString(o.strName(e.name))
			if place, ok := places[name]; ok {
				found[name] = true
				put(secRef{int32(oi), e.shndx}, place)
			}
		}
		for i := range o.secs {
			for k, glob := range l.opt.SectionOrder {
				if name := o.secName(uint32(i)); name == glob || globMatch(glob, name) {
					put(secRef{int32(oi), uint32(i)}, len(places)+k+1)
					break
				}
			}
		}
	}
	for _, name := range l.opt.SymbolOrder {
		if !found[name] {
			found[name] = true
			l.warn("symbol ordering file: no section has a symbol %s", name)
		}
	}
	return order
}

// inSequence are sections whose parts must stay in the order of the files: they are pieces of one function or table.
var inSequence = map[string]bool{
	".init": true, ".fini": true, ".init_array": true, ".fini_array": true, ".preinit_array": true, ".ctors": true, ".dtors": true, ".eh_frame": true,
}

// sortMembers puts the members of an output section in order.
func (l *linker) sortMembers(out *outSection, order map[secRef]int) {
	if l.opt.SortSection != SortNone && !inSequence[out.name] {
		slices.SortStableFunc(out.members, func(a, b secRef) int {
			if a.obj < 0 || b.obj < 0 {
				return cmp.Compare(min(a.obj, 0), min(b.obj, 0))
			}
			x, y := l.objs[a.obj], l.objs[b.obj]
			if l.opt.SortSection == SortAlignment {
				return cmp.Compare(y.secs[b.sec].align, x.secs[a.sec].align)
			}
			return strings.Compare(x.secName(a.sec), y.secName(b.sec))
		})
	}
	switch out.name {
	case ".init_array", ".fini_array":
		l.sortByKey(out, func(m secRef) int { return initPriority(l.objs[m.obj], l.objs[m.obj].secName(m.sec)) })
		return
	case ".text":
		l.sortByKey(out, func(m secRef) int { return l.objs[m.obj].secs[m.sec].class.order() })
	}
	if len(order) > 0 {
		l.sortByKey(out, func(m secRef) int {
			if place, ok := order[m]; ok {
				return place
			}
			return len(l.opt.SymbolOrder) + len(l.opt.SectionOrder) + 1
		})
	}
}

// sortByKey sorts the members of an output section by numbers. There are many members and few numbers.
func (l *linker) sortByKey(out *outSection, key func(m secRef) int) {
	keys := make([]int, len(out.members))
	l.par((len(keys)+4095)/4096, func(i int) {
		for k := i * 4096; k < min((i+1)*4096, len(keys)); k++ {
			if m := out.members[k]; m.obj >= 0 {
				keys[k] = key(m)
			}
		}
	})
	if slices.IsSorted(keys) {
		return
	}
	byKey := map[int][]secRef{}
	for i, k := range keys {
		byKey[k] = append(byKey[k], out.members[i])
	}
	out.members = out.members[:0]
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		out.members = append(out.members, byKey[k]...)
	}
}

// textOrder keeps code apart that is seldom run, as GNU ld does.
func textOrder(name string) int {
	if !strings.HasPrefix(name, ".text.") {
		return len(textParts)
	}
	for i, p := range textParts {
		if hasPart(name, p) {
			return i
		}
	}
	return len(textParts)
}

// textParts are kinds of code that compilers tell apart.
var textParts = []string{".text.unlikely", ".text.exit", ".text.startup", ".text.hot"}
