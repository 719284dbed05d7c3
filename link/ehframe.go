package link

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"weld/image/elf"
)

// An ehInput is a section .eh_frame of an object, split into its records (LSB, "Exception Frames").
type ehInput struct {
	sec  uint32
	recs []ehRec
}

// An ehRec is a CIE or an FDE.
type ehRec struct {
	off, size    uint32 // in the input, the length field included
	relLo, relHi uint32 // its relocations
	cie          int32  // of an FDE, the index of its CIE; -1 of a CIE
	live         bool   // it is in the output; of a CIE, also that it is not another's copy
	used         bool   // of a CIE: an FDE that is in the output has it
	out          uint64 // offset in the output section; of a CIE also if it is another's copy
}

// An ehTable is the output's .eh_frame.
type ehTable struct {
	*synth
	inputs []secRef
	starts []uint64 // where the records of each input begin
	nFDE   int
	hdr    *synth
}

// ehFrame adds a section to .eh_frame.
func (l *linker) ehFrame(out *outSection, oi, sec int) {
	if l.eh == nil {
		l.eh = &ehTable{synth: l.addSynth(out, 8)}
		l.eh.write = l.writeEhFrame
	}
	l.eh.inputs = append(l.eh.inputs, secRef{int32(oi), uint32(sec)})
}

// parseEhFrames splits the .eh_frame sections of an object into records.
func (o *object) parseEhFrames(l *linker) error {
	for i := range o.secs {
		s := &o.secs[i]
		if s.state != secLive || s.flags&shfAlloc == 0 || s.typ != shtProgbits && s.typ != shtUnwind || o.secName(uint32(i)) != ".eh_frame" {
			continue
		}
		recs, err := o.splitEhFrame(l, uint32(i))
		if err != nil {
			return err
		}
		s.kind, s.extra = secEh, int32(len(o.ehs))
		o.ehs = append(o.ehs, ehInput{uint32(i), recs})
	}
	return nil
}

func (o *object) splitEhFrame(l *linker, sec uint32) ([]ehRec, error) {
	b := o.bytes(sec)
	bad := func(off uint64, format string, args ...any) error {
		return o.err(ErrFormat, fmt.Sprintf("section .eh_frame+%#x", off), format, args...)
	}
	if uint64(len(b)) > math.MaxInt32 {
		return nil, bad(0, "it is larger than 2 GiB")
	}
	rels := o.sortedRelas(sec)
	nrel := uint32(len(rels) / relaSize)
	count := 0
	for off := uint64(0); off+4 <= uint64(len(b)); {
		n := uint64(le.Uint32(b[off:]))
		if n >= 4 {
			count++
		}
		off += n + 4
	}
	recs := tableOf[ehRec](&l.mem, count)[:0]
	byOff := map[uint32]int32{}
	rel := uint32(0)
	for off := uint64(0); off < uint64(len(b)); {
		if uint64(len(b))-off < 4 {
			return nil, bad(off, "a record of %d bytes", uint64(len(b))-off)
		}
		n := uint64(le.Uint32(b[off:]))
		if n == 0 {
			off += 4 // the terminator: further ones may follow when objects have been combined
			continue
		}
		if n == math.MaxUint32 {
			return nil, bad(off, "a record with a 64-bit length is not supported")
		}
		if n < 4 || n > uint64(len(b))-off-4 {
			return nil, bad(off, "a record of %#x bytes in a section of %#x", n, len(b))
		}
		r := ehRec{off: uint32(off), size: uint32(n + 4), cie: -1}
		for rel < nrel && le.Uint64(rels[rel*relaSize:]) < off {
			rel++
		}
		r.relLo = rel
		for rel < nrel && le.Uint64(rels[rel*relaSize:]) < off+n+4 {
			rel++
		}
		r.relHi = rel
		if id := le.Uint32(b[off+4:]); id == 0 {
			byOff[r.off] = int32(len(recs))
		} else {
			k, ok := byOff[uint32(off)+4-id]
			if !ok {
				return nil, bad(off, "an FDE names a CIE at %#x, where there is none", uint32(off)+4-id)
			}
			r.cie = k
		}
		recs = append(recs, r)
		off += n + 4
	}
	return recs, nil
}

// sortedRelas returns the relocations of a section in the order of their offsets.
func (o *object) sortedRelas(sec uint32) []byte {
	b := o.relas(sec)
	n := len(b) / relaSize
	less := func(i, j int) bool { return le.Uint64(b[i*relaSize:]) < le.Uint64(b[j*relaSize:]) }
	sorted := true
	for i := 1; i < n && sorted; i++ {
		sorted = !less(i, i-1)
	}
	if sorted {
		return b
	}
	idx := make([]int, n)
	for i := range idx {
		idx[i] = i
	}
	sort.SliceStable(idx, func(i, j int) bool { return less(idx[i], idx[j]) })
	out := make([]byte, 0, len(b))
	for _, i := range idx {
		out = append(out, b[i*relaSize:][:relaSize]...)
	}
	if o.inflated == nil {
		o.inflated = map[uint32][]byte{}
	}
	o.inflated[o.secs[sec].rel] = out
	return out
}

// fdeTarget returns the section that an FDE describes code of, and false if that is not in the output.
func (o *object) fdeTarget(sec uint32, r *ehRec) (uint32, bool) {
	rels := o.relas(sec)
	for k := r.relLo; k < r.relHi; k++ {
		rl := decodeRela(rels[k*relaSize:])
		if rl.off != uint64(r.off)+8 {
			continue
		}
		if rl.sym >= o.nsyms {
			return 0, false
		}
		e := o.sym(rl.sym)
		return e.shndx, e.shndx != 0 && e.shndx < shnBase && o.secs[e.shndx].state == secLive && o.secs[e.shndx].kind != secFolded
	}
	return 0, false
}

// layoutEhFrame decides which records are in the output, and where.
func (l *linker) layoutEhFrame() error {
	t := l.eh
	if t == nil {
		return nil
	}
	l.par(len(t.inputs), func(i int) {
		in := t.inputs[i]
		o := l.objs[in.obj]
		e := &o.ehs[o.secs[in.sec].extra]
		for k := range e.recs {
			r := &e.recs[k]
			if r.cie < 0 {
				continue
			}
			_, r.live = o.fdeTarget(in.sec, r)
			if r.live {
				e.recs[r.cie].used = true
			}
		}
	})
	cies := map[string]uint64{}
	var off uint64
	t.starts = make([]uint64, len(t.inputs))
	for i, in := range t.inputs {
		o := l.objs[in.obj]
		s := &o.secs[in.sec]
		e := &o.ehs[s.extra]
		t.starts[i] = off
		s.outOff = off
		for k := range e.recs {
			r := &e.recs[k]
			if r.cie < 0 {
				if !r.used {
					continue
				}
				key := l.cieKey(o, in.sec, r)
				if at, ok := cies[key]; ok {
					r.out = at
					continue
				}
				r.live = true
				cies[key] = off
			} else if r.live {
				t.nFDE++
			}
			if r.live {
				r.out = off
				off += alignUp(uint64(r.size), 8)
			}
		}
	}
	if off > math.MaxInt32 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section .eh_frame", "it is larger than 2 GiB")
	}
	t.synth.size = off + 4
	if t.hdr != nil {
		t.hdr.size = 12 + 8*uint64(t.nFDE)
	}
	return nil
}

// cieKey is equal for CIEs that mean the same.
func (l *linker) cieKey(o *object, sec uint32, r *ehRec) string {
	key := append([]byte(nil), o.bytes(sec)[r.off:r.off+r.size]...)
	rels := o.relas(sec)
	for k := r.relLo; k < r.relHi; k++ {
		rl := decodeRela(rels[k*relaSize:])
		key = le.AppendUint64(key, rl.off-uint64(r.off))
		key = le.AppendUint64(key, uint64(rl.addend))
		key = le.AppendUint32(key, uint32(rl.typ))
		if rl.sym >= o.first && rl.sym < o.nsyms {
			key = le.AppendUint32(key, uint32(o.names.ids[rl.sym-o.first]))
		} else {
			key = le.AppendUint64(key, 1<<63|uint64(o.index)<<32|uint64(rl.sym))
		}
	}
	return string(key)
}

// writeEhFrame writes .eh_frame, and .eh_frame_hdr beside it.
func (l *linker) writeEhFrame(buf []byte) error {
	t := l.eh
	// Of each FDE the distances from .eh_frame_hdr to its code, in the upper half, and to itself, so that they sort as numbers.
	entries := make([][]uint64, len(t.inputs))
	base, at := t.addr(), uint64(0)
	if t.hdr != nil {
		at = t.hdr.addr()
	}
	err := l.parErr(len(t.inputs), func(i int) error {
		in := t.inputs[i]
		o := l.objs[in.obj]
		e := &o.ehs[o.secs[in.sec].extra]
		b, rels := o.bytes(in.sec), o.relas(in.sec)
		s := &o.secs[in.sec]
		a := applier{l: l, o: o, sec: in.sec, alloc: true, rel: o.relBase + s.relAt, dyn: o.dynBase + s.dynAt}
		list := tableOf[uint64](&l.mem, len(e.recs))[:0]
		for k := range e.recs {
			r := &e.recs[k]
			if !r.live {
				continue
			}
			dst := buf[r.out:][:alignUp(uint64(r.size), 8)]
			copy(dst, b[r.off:r.off+r.size])
			le.PutUint32(dst, uint32(len(dst)-4)) // the padding is DW_CFA_nop
			if r.cie >= 0 {
				le.PutUint32(dst[4:], uint32(r.out+4-e.recs[r.cie].out))
			}
			a.buf, a.addr, a.inOff = dst, base+r.out, uint64(r.off)
			l.mach.apply(&a, rels[r.relLo*relaSize:r.relHi*relaSize])
			if r.cie < 0 || t.hdr == nil {
				continue
			}
			for j := r.relLo; j < r.relHi; j++ {
				rl := decodeRela(rels[j*relaSize:])
				if rl.off != uint64(r.off)+8 {
					continue
				}
				pc := l.relaTarget(o, rl)
				d := int64(pc - at)
				if d != int64(int32(d)) {
					return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section .eh_frame_hdr", "code at %#x is more than 2 GiB away", pc)
				}
				list = append(list, uint64(d+1<<31)<<32|uint64(uint32(base+r.out-at)))
				break
			}
		}
		entries[i] = list
		return a.errs.err()
	})
	if err != nil || t.hdr == nil {
		return err
	}
	all := slices.Concat(entries...)
	slices.Sort(all)
	hdr := l.synthBytes(t.hdr)
	hdr[0], hdr[1], hdr[2], hdr[3] = 1, elf.DW_EH_PE_pcrel|elf.DW_EH_PE_sdata4, elf.DW_EH_PE_udata4, elf.DW_EH_PE_datarel|elf.DW_EH_PE_sdata4
	le.PutUint32(hdr[4:], uint32(base-at-4))
	le.PutUint32(hdr[8:], uint32(len(all)))
	for i, e := range all {
		le.PutUint32(hdr[12+8*i:], uint32(e>>32)-1<<31)
		le.PutUint32(hdr[16+8*i:], uint32(e))
	}
	return nil
}
