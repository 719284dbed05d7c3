package ctype

import (
	"cmp"
	"slices"
	"sort"
)

// rangesOf calls f for each range of addresses that DW_AT_ranges leads to, until it returns false.
func (u *unit) rangesOf(a *attr, f func(lo, hi uint64) bool) {
	if u.version < 5 {
		u.rangesV4(a.u, f)
		return
	}
	off := a.u
	sec := u.d.sec.rnglists
	if a.form == formRnglistx {
		if a.u > 1<<32 {
			return
		}
		size := uint64(4)
		if u.key.is64 {
			size = 8
		}
		r := readerAt(sec, u.rangesBase+a.u*size)
		off = u.rangesBase + r.offset(u.key.is64)
		if r.bad {
			return
		}
	}
	r := readerAt(sec, off)
	base := u.low
	for !r.bad {
		var lo, hi uint64
		switch r.u8() {
		case rleEnd:
			return
		case rleBaseAddressx:
			base, _ = u.addrIndex(r.uleb())
			continue
		case rleBaseAddress:
			base = r.uint(u.addrSize)
			continue
		case rleStartxEndx:
			lo, _ = u.addrIndex(r.uleb())
			hi, _ = u.addrIndex(r.uleb())
		case rleStartxLength:
			lo, _ = u.addrIndex(r.uleb())
			hi = lo + r.uleb()
		case rleOffsetPair:
			lo = base + r.uleb()
			hi = base + r.uleb()
		case rleStartEnd:
			lo = r.uint(u.addrSize)
			hi = r.uint(u.addrSize)
		case rleStartLength:
			lo = r.uint(u.addrSize)
			hi = lo + r.uleb()
		default:
			return
		}
		if !r.bad && hi > lo && !f(lo, hi) {
			return
		}
	}
}

// rangesV4 reads .debug_ranges. Split units of GNU's kind have theirs in the file of the skeletons.
func (u *unit) rangesV4(off uint64, f func(lo, hi uint64) bool) {
	d := u.d
	if d.main != nil {
		d, off = d.main, off+u.rangesBase
	}
	r := readerAt(d.sec.ranges, off)
	base := u.low
	top := ^uint64(0) >> (64 - 8*u.addrSize)
	for !r.bad {
		lo, hi := r.uint(u.addrSize), r.uint(u.addrSize)
		switch {
		case lo == 0 && hi == 0:
			return
		case lo == top:
			base = hi
		case hi > lo && !r.bad && !f(base+lo, base+hi):
			return
		}
	}
}

// makeSpans finds out which unit covers which addresses.
func (in *Info) makeSpans() {
	x := &in.index
	if x.spansOK {
		return
	}
	x.spansOK = true
	d := in.dwarf
	covered := d.readAranges(&x.spans)
	budget := 1<<16 + len(d.sec.info) // ranges: hostile units could share one long list
	for i, u := range d.units {
		if covered[i] || u.setup() != nil {
			continue
		}
		switch {
		case u.ranges != nil:
			u.rangesOf(u.ranges, func(lo, hi uint64) bool {
				x.spans = append(x.spans, span{lo, hi, u})
				budget--
				return budget > 0
			})
		case u.hasLow && u.high != nil:
			hi := u.high.u
			if v, ok := u.address(u.high); ok {
				hi = v
			} else {
				hi += u.low
			}
			if hi > u.low {
				x.spans = append(x.spans, span{u.low, hi, u})
			}
		}
	}
	slices.SortStableFunc(x.spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
}

// readAranges reads .debug_aranges and reports which units it speaks of. A unit of gcc without code is in it too, with no
// ranges.
func (d *dwarf) readAranges(spans *[]span) []bool {
	covered := make([]bool, len(d.units))
	for pos := uint64(0); pos < uint64(len(d.sec.aranges)); {
		r := readerAt(d.sec.aranges, pos)
		is64 := false
		n := uint64(r.u32())
		if n == 0xffffffff {
			is64 = true
			n = r.u64()
		}
		if r.bad || n > uint64(r.left()) || n == 0 {
			return covered
		}
		r.b = r.b[:uint64(r.pos)+n]
		version := r.u16()
		off := r.offset(is64)
		addr, seg := int(r.u8()), int(r.u8())
		if version != 2 || addr < 1 || addr > 8 || seg != 0 || r.bad {
			pos = uint64(len(r.b))
			continue
		}
		var u *unit
		if i := sort.Search(len(d.units), func(i int) bool { return d.units[i].off >= off }); i < len(d.units) && d.units[i].off == off {
			u = d.units[i]
		}
		for (uint64(r.pos)-pos)%uint64(2*addr) != 0 && r.left() > 0 {
			r.pos++
		}
		for u != nil && r.left() >= 2*addr {
			lo, size := r.uint(addr), r.uint(addr)
			if lo == 0 && size == 0 {
				break
			}
			if size > 0 && lo+size > lo {
				*spans = append(*spans, span{lo, lo + size, u})
				covered[u.index] = true
			}
		}
		pos = uint64(len(r.b))
	}
	return covered
}
