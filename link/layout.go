package link

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"weld/image/elf"
)

// The order of sections: by what may be done with the memory, so that each kind is a segment, with what becomes read-only after
// relocation first among the writable ones. The ranks within a kind are those of GNU ld's default script.
var sectionRanks = map[string]int{
	".interp": 1, ".note.gnu.property": 2, ".note.gnu.build-id": 3, ".note.ABI-tag": 4,
	".hash": 10, ".gnu.hash": 11, ".dynsym": 12, ".dynstr": 13, ".gnu.version": 14, ".gnu.version_d": 15, ".gnu.version_r": 16,
	".rela.dyn": 17, ".rel.dyn": 17, ".relr.dyn": 18, ".rela.plt": 19, ".rel.plt": 19,
	".text.unlikely": 34, ".text.exit": 34, ".text.startup": 34, ".text.hot": 34,
	".init": 30, ".plt": 31, ".plt.got": 32, ".plt.sec": 33, ".text": 34, ".fini": 39,
	".rodata": 50, ".eh_frame_hdr": 56, ".eh_frame": 57, ".gcc_except_table": 58,
	".tdata": 70, ".tbss": 71, ".preinit_array": 72, ".init_array": 73, ".fini_array": 74, ".data.rel.ro": 75, ".dynamic": 77, ".got": 78,
	".srodata": 51, ".got.plt": 90, ".data": 91, ".sdata": 98, ".sbss": 99, ".bss": 100,
}

const (
	rankNote    = 5
	rankMeta    = 20 // other read-only sections before the code
	rankExec    = 35
	rankRodata  = 51
	rankTdata   = 70
	rankTbss    = 71
	rankRelro   = 76
	rankRelroGP = 79
	rankData    = 92
	rankBss     = 100
	rankDebug   = 200
)

// rankOut returns the place of an output section in the order.
func (l *linker) rankOut(out *outSection) int {
	if out.flags&shfAlloc == 0 {
		switch out.name {
		case ".symtab":
			return rankDebug + 10
		case ".strtab":
			return rankDebug + 11
		}
		return rankDebug
	}
	fits := func(r int) bool {
		switch {
		case out.flags&shfWrite != 0:
			return r >= 70
		case out.flags&shfExec != 0:
			return r >= 30 && r < 50
		}
		return r < 30 || r >= 50 && r < 70
	}
	if r, ok := sectionRanks[out.name]; ok && fits(r) {
		switch {
		case out.name == ".bss" && out.typ != shtNobits:
			return rankData
		case out.name == ".got.plt" && l.opt.Now:
			return rankRelroGP
		case out.flags&shfTLS != 0 && r != rankTdata && r != rankTbss:
		default:
			return r
		}
	}
	switch {
	case out.flags&shfTLS != 0 && out.typ == shtNobits:
		return rankTbss
	case out.flags&shfTLS != 0:
		return rankTdata
	case out.flags&(shfWrite|shfExec) == shfExec:
		return rankExec
	case out.flags&shfWrite == 0 && out.typ == shtNote:
		return rankNote
	case out.flags&shfWrite == 0:
		return rankRodata
	case strings.HasPrefix(out.name, ".data.rel.ro"), out.typ == shtInitArray, out.typ == shtFiniArray, out.typ == shtPreinitArray, out.name == ".jcr":
		return rankRelro
	case out.typ == shtNobits:
		return rankBss
	}
	return rankData
}

// pageSize is the size of a page of memory, which Options.MaxPageSize can be more than.
const pageSize = 4096

func (out *outSection) isRelro() bool { return out.rank >= 70 && out.rank < 90 }

// perm returns the permissions of the segment of a section.
func (l *linker) perm(out *outSection) elf.ProgFlag {
	p := elf.PF_R
	if out.flags&shfWrite != 0 {
		p |= elf.PF_W
	}
	if out.flags&shfExec != 0 {
		p |= elf.PF_X
	}
	if p == elf.PF_R && !l.separateCode() {
		p |= elf.PF_X
	}
	return p
}

// separateCode reports whether code has segments of its own.
func (l *linker) separateCode() bool {
	if l.mi.separateCode {
		return !l.opt.NoSeparateCode
	}
	return l.opt.SeparateCode
}

// orderSections sorts the output sections that are not empty and numbers them.
func (l *linker) orderSections() {
	refs := l.referencedBounds()
	for _, out := range l.outs {
		out.rank = l.rankOut(out)
		if out.size > 0 || out.keep || refs[out.name] {
			l.order = append(l.order, out)
		} else if out.flags&shfAlloc != 0 {
			l.empty = append(l.empty, out)
		}
	}
	slices.SortStableFunc(l.order, l.compareSections)
	for _, out := range l.empty {
		i, found := slices.BinarySearchFunc(l.order, out, l.compareSections)
		for found && i < len(l.order) && l.compareSections(l.order[i], out) == 0 {
			i++
		}
		for i--; i >= 0; i-- {
			if l.order[i].flags&shfAlloc != 0 && l.order[i].flags&shfTLS == out.flags&shfTLS {
				out.beside = l.order[i]
				break
			}
		}
	}
	for i, out := range l.order {
		out.index = i + 1
		out.nameOff = l.symtab.shstr.add(out.name)
	}
	if t := l.got.relaPlt; t != nil {
		t.out.link = l.relaLink()
		to := l.got.gotPlt.out
		if l.got.pltMain == nil && l.got.got != nil {
			to = l.got.got.out
		}
		t.out.info = func() uint32 { return uint32(to.index) }
	}
	if t := l.got.relaDyn; t != nil {
		t.out.link = l.relaLink()
	}
}

// compareSections compares the places of two output sections.
func (l *linker) compareSections(a, b *outSection) int {
	nobits := func(o *outSection) int {
		if o.typ == shtNobits && o.flags&shfTLS == 0 {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(nobits(a), nobits(b)), l.compareText(a, b))
}

// placeEmpty gives sections that are not in the output, as there is nothing in them, the address where they would be, and that of
// the output's start if there is nothing before: there may be symbols in them.
func (l *linker) placeEmpty() {
	for _, out := range l.empty {
		if out.addr = l.base; out.beside != nil {
			out.addr = out.beside.addr + out.beside.size
		}
	}
}

// compareText orders sections of code that are kept apart.
func (l *linker) compareText(a, b *outSection) int {
	if !l.opt.KeepTextPrefix || a.rank != sectionRanks[".text"] {
		return 0
	}
	return cmp.Compare(textOrder(a.name), textOrder(b.name))
}

func (l *linker) relaLink() *outSection {
	if l.dyn.dynsym != nil {
		return l.dyn.dynsym.out
	}
	if l.symtab.tab != nil {
		return l.symtab.tab.out
	}
	return nil
}

// referencedBounds returns names of sections that __start_ symbols refer to.
func (l *linker) referencedBounds() map[string]bool {
	refs := map[string]bool{}
	for _, p := range l.places {
		if name, ok := strings.CutPrefix(l.syms.at(p.id).name, "__start_"); ok {
			refs[name] = true
		}
	}
	return refs
}

// layout gives sections their addresses and offsets, and makes the program headers.
func (l *linker) layout() error {
	if l.segments == nil {
		l.orderSections()
	}
	if len(l.order) >= 0xff00-1 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "", "it has %d sections, and a symbol can say only %d", len(l.order), 0xff00)
	}
	if l.segments == nil {
		l.makeSegments()
	}
	page := l.page
	off := l.class.ehdr + l.class.phdr*uint64(len(l.segments))
	base := uint64(0)
	if l.opt.Mode == Exec {
		base = l.opt.ImageBase
		if base == 0 {
			base = alignUp(l.mi.base, page)
		}
	} else {
		base = l.opt.ImageBase
	}
	if base, err := l.baseFor(base, off); err != nil {
		return err
	} else {
		l.base = base
	}
	addr := l.base + off
	var loads []*segment
	for _, s := range l.segments {
		if s.typ == elf.PT_LOAD {
			loads = append(loads, s)
		}
	}
	content := l.contentAfter()
	var prev *outSection
	var tlsAt uint64 // the next address in the TLS template, which runs on where memory does not
	for i, out := range l.order {
		if out.flags&shfAlloc == 0 {
			break
		}
		// A thread-local section without content takes no room, but a segment may begin with it.
		tbss := out.typ == shtNobits && out.flags&shfTLS != 0
		hasRoom := tbss || out.typ != shtNobits || content[i]
		if l.newLoad(prev, out) {
			// A new segment begins on a page of its own, and in the file where it is on the same place of a page.
			loads = loads[1:]
			align := loads[0].align
			if _, ok := l.opt.SectionStart[out.name]; !ok {
				addr = alignUp(addr, align)
			}
			if out.flags&shfWrite == 0 || align > page || l.opt.SeparateSegments {
				off = alignUp(off, align)
			} else {
				addr += off % page
			}
		}
		if prev != nil && prev.isRelro() && !out.isRelro() && !l.opt.NoRelro {
			next := alignUp(addr, page)
			if hasRoom {
				off += next - addr
			}
			addr = next
			l.relroEnd = addr
		}
		if at, ok := l.opt.SectionStart[out.name]; ok {
			if at < addr || at&(out.align-1) != 0 {
				return &OptionError{"section-start", fmt.Sprintf("%s cannot be at %#x: what comes before it ends at %#x, and its alignment is %d", out.name, at, addr, out.align)}
			}
			off += (at - off) & (max(page, out.align) - 1)
			addr = at
		}
		align := out.align
		if out.flags&shfTLS != 0 && (prev == nil || prev.flags&shfTLS == 0) {
			align = max(align, l.tls.align) // what the C library of a static program expects
		}
		next := alignUp(addr, align)
		if hasRoom {
			off += next - addr
		}
		addr = next
		if tbss {
			out.addr, out.off = alignUp(max(tlsAt, addr), out.align), off
			tlsAt = out.addr + out.size
			prev = out
			continue
		}
		out.addr, out.off = addr, off
		addr += out.size
		if out.typ != shtNobits {
			off += out.size
		} else if hasRoom {
			off += out.size
		}
		if out.flags&shfTLS != 0 {
			tlsAt = addr
		}
		if addr > math.MaxInt64/4 || off > math.MaxInt64/4 || l.class.word == 4 && (addr > math.MaxUint32 || off > math.MaxUint32) {
			return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section "+out.name, "the output is too large")
		}
		prev = out
	}
	if prev != nil && prev.isRelro() && !l.opt.NoRelro {
		l.relroEnd = alignUp(addr, pageSize) // the page is mapped whole, and what is behind it is not
	}
	l.placeEmpty()
	l.symtab.shstr.add(".shstrtab")
	l.unloadedOff = off
	if err := l.placeUnloaded(off); err != nil {
		return err
	}
	l.finishSegments()
	l.checkSegments()
	l.findMarks()
	return nil
}

// placeUnloaded gives sections that are not loaded their offsets, from off on.
func (l *linker) placeUnloaded(off uint64) error {
	for _, out := range l.order {
		if out.flags&shfAlloc != 0 {
			continue
		}
		off = alignUp(off, out.align)
		out.off = off
		off += out.size
	}
	l.shstrOff = off
	l.shoff = alignUp(off+uint64(len(l.symtab.shstr.data)), 8)
	l.fileSize = l.shoff + l.class.shdr*uint64(len(l.order)+2)
	return l.checkSize()
}

// baseFor returns where the output begins: at base, or lower if a section is to be at an address below. off is the size of the headers.
func (l *linker) baseFor(base, off uint64) (uint64, error) {
	before := off
	for _, out := range l.order {
		if out.flags&shfAlloc == 0 {
			break
		}
		at, ok := l.opt.SectionStart[out.name]
		switch {
		case ok && at >= base+before:
			return base, nil
		case ok && l.opt.ImageBase != 0 || ok && at < before:
			return 0, &OptionError{"section-start", fmt.Sprintf("%s cannot be at %#x: there is no room for the headers and what comes before it", out.name, at)}
		case ok:
			return (at - before) &^ (l.page - 1), nil
		}
		before = alignUp(before, max(out.align, l.page)) + out.size
	}
	return base, nil
}

// checkSize refuses an output that is larger than it may be.
func (l *linker) checkSize() error {
	limit := uint64(4 << 30)
	for _, s := range l.sources {
		limit += 16 * uint64(len(s.data))
	}
	if l.opt.MaxOutput > 0 {
		limit = uint64(l.opt.MaxOutput)
	}
	limit = min(limit, math.MaxInt/4)
	if l.fileSize > limit {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "", "it would have %#x bytes, at most %#x are allowed", l.fileSize, limit)
	}
	return nil
}

// contentAfter reports for each section whether one with content follows in the same segment, so that a section without any takes
// room in the file.
func (l *linker) contentAfter() []bool {
	list := make([]bool, len(l.order))
	for i := len(l.order) - 2; i >= 0; i-- {
		next := l.order[i+1]
		if next.flags&shfAlloc != 0 && !l.newLoad(l.order[i], next) {
			list[i] = next.typ != shtNobits || list[i+1]
		}
	}
	return list
}

// newLoad reports whether a segment begins with out.
func (l *linker) newLoad(prev, out *outSection) bool {
	if _, ok := l.opt.SectionStart[out.name]; ok {
		return true
	}
	if prev == nil {
		return l.perm(out) != l.headPerm()
	}
	return l.perm(prev) != l.perm(out)
}

// headPerm returns the permissions of the segment with the headers.
func (l *linker) headPerm() elf.ProgFlag {
	if !l.separateCode() {
		return elf.PF_R | elf.PF_X
	}
	return elf.PF_R
}

// findMarks finds the addresses that symbols such as _end stand for.
func (l *linker) findMarks() {
	m := &l.marks
	m.bss, m.etext = mark{}, mark{}
	for _, out := range l.order {
		if out.flags&shfAlloc == 0 || out.typ == shtNobits && out.flags&shfTLS != 0 {
			continue
		}
		end := mark{out.addr + out.size, out}
		m.end = end
		if out.flags&shfExec != 0 {
			m.etext = end
		}
		if out.typ != shtNobits {
			m.edata = end
		} else if m.bss.out == nil {
			m.bss = mark{out.addr, out}
		}
	}
	if m.bss.out == nil {
		m.bss = m.edata
	}
	if m.etext.out == nil {
		m.etext = m.end
	}
}
