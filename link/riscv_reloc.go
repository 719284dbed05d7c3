package link

import (
	"sort"

	"weld/image/elf"
)

func (riscv64) scan(sc *scanner, rels []byte) {
	l := sc.l
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_RISCV(r.typ)
		switch typ {
		case elf.R_RISCV_NONE, elf.R_RISCV_RELAX, elf.R_RISCV_ALIGN:
			continue
		}
		size, known := riscv64{}.relocSize(r.typ)
		t, ok := sc.begin(&r, size, known)
		if !ok {
			continue
		}
		if sc.s.kind == secEh && !rvData(typ) {
			sc.err(r, "it is for code, and .eh_frame has none")
			continue
		}
		switch typ {
		case elf.R_RISCV_64:
			sc.absolute(r, &t)
		case elf.R_RISCV_32, elf.R_RISCV_HI20, elf.R_RISCV_RVC_LUI:
			sc.narrow(&r, &t)
		case elf.R_RISCV_LO12_I, elf.R_RISCV_LO12_S, elf.R_RISCV_PCREL_HI20, elf.R_RISCV_32_PCREL:
			sc.relative(&r, &t)
		case elf.R_RISCV_CALL, elf.R_RISCV_CALL_PLT, elf.R_RISCV_PLT32, elf.R_RISCV_BRANCH, elf.R_RISCV_JAL, elf.R_RISCV_RVC_BRANCH, elf.R_RISCV_RVC_JUMP:
			sc.branch(&t)
		case elf.R_RISCV_GOT_HI20, elf.R_RISCV_GOT32_PCREL:
			sc.got(&t)
		case elf.R_RISCV_TLS_GOT_HI20:
			if sc.tlsSymbol(&r, &t, false) {
				sc.need(&t, needGOTTP)
				if l.opt.Mode == Shared {
					l.staticTLS.Store(true)
				}
			}
		case elf.R_RISCV_TLS_GD_HI20:
			if sc.tlsSymbol(&r, &t, false) {
				sc.need(&t, needTLSGD)
			}
		case elf.R_RISCV_TLSDESC_HI20:
			if !sc.tlsSymbol(&r, &t, false) {
				continue
			}
			switch l.tlsModel(&t) {
			case tlsKeep:
				sc.need(&t, needTLSDesc)
			case tlsIE:
				sc.need(&t, needGOTTP)
			}
		case elf.R_RISCV_TPREL_HI20, elf.R_RISCV_TPREL_LO12_I, elf.R_RISCV_TPREL_LO12_S, elf.R_RISCV_TPREL_ADD:
			if sc.tlsSymbol(&r, &t, false) {
				sc.localExec(&r, &t)
			}
		}
	}
}

// What becomes of code.
const (
	rvKeep    uint8 = iota
	rvAligned       // R_RISCV_ALIGN: some of the nops are removed
	rvJAL           // auipc, jalr: jal
	rvCJ            // auipc, jalr: c.j
	rvDelete        // the instruction is removed, and those that it belongs to use gp, tp or zero
	rvGP            // auipc is removed, and those that it belongs to use gp
	rvCLUI          // lui: c.lui
)

// rvLength returns how long the code of a relocation that can be shortened is.
func rvLength(r *rela) uint64 {
	switch elf.R_RISCV(r.typ) {
	case elf.R_RISCV_ALIGN:
		return uint64(r.addend)
	case elf.R_RISCV_CALL, elf.R_RISCV_CALL_PLT:
		return 8
	}
	return 4
}

func fits(v uint64, bits uint) bool { return int64(v) >= -1<<(bits-1) && int64(v) < 1<<(bits-1) }

// nearBase reports whether an address, and those of what is near it in the same variable, have no upper half.
func nearBase(v uint64) bool { return fits(v, 12) && fits(v+64, 12) }

// rvShorten returns what the code of a relocation can become, how many bytes are saved and how many there were.
func (a *applier) rvShorten(r *rela, data []byte, loc, gp uint64, hasGP bool) (act uint8, saved uint32, length uint64) {
	length = rvLength(r)
	if r.sym >= a.o.nsyms || !inRange(r.off, length, uint64(len(data))) {
		return rvKeep, 0, 0
	}
	typ := elf.R_RISCV(r.typ)
	rvc := a.o.eflags&efRVC != 0
	switch typ {
	case elf.R_RISCV_CALL, elf.R_RISCV_CALL_PLT:
		t, s := a.symbolOf(*r)
		v := a.callee(&t, s) + uint64(r.addend) - loc
		rd := le.Uint32(data[r.off+4:]) >> 7 & 31
		switch {
		case rvc && rd == 0 && fits(v, 12):
			return rvCJ, 6, length
		case fits(v, 21):
			return rvJAL, 4, length
		}
	case elf.R_RISCV_TPREL_HI20, elf.R_RISCV_TPREL_ADD:
		t, s := a.symbolOf(*r)
		if nearBase(a.tpOffset(&t, s, r)) {
			return rvDelete, 4, length
		}
	case elf.R_RISCV_HI20:
		_, s := a.symbolOf(*r)
		v := s + uint64(r.addend)
		rd := le.Uint32(data[r.off:]) >> 7 & 31
		switch hi := int64(int32(rvHi(v))) >> 12; {
		case nearBase(v) || hasGP && nearBase(v-gp) && !a.l.pic:
			return rvDelete, 4, length
		case rvc && rd != 0 && rd != 2 && hi != 0 && hi >= -32 && hi < 32:
			return rvCLUI, 2, length
		}
	case elf.R_RISCV_PCREL_HI20:
		t, s := a.symbolOf(*r)
		if hasGP && fits(s+uint64(r.addend)-gp, 12) && !t.isAbs() {
			return rvGP, 4, length
		}
	}
	return rvKeep, 0, 0
}

// Immediates of the instruction formats (unprivileged ISA, "Immediate Encoding Variants").
func rvI(b []byte, v uint64) { le.PutUint32(b, le.Uint32(b)&0xfffff|uint32(v)<<20) }
func rvU(b []byte, v uint64) { le.PutUint32(b, le.Uint32(b)&0xfff|rvHi(v)) }
func rvS(b []byte, v uint64) {
	le.PutUint32(b, le.Uint32(b)&^0xfe000f80|uint32(v)>>5&0x7f<<25|uint32(v)&31<<7)
}
func rvB(b []byte, v uint64) {
	x := uint32(v)
	le.PutUint32(b, le.Uint32(b)&^0xfe000f80|x>>12&1<<31|x>>5&0x3f<<25|x>>1&15<<8|x>>11&1<<7)
}
func rvJ(b []byte, v uint64) {
	x := uint32(v)
	le.PutUint32(b, le.Uint32(b)&0xfff|x>>20&1<<31|x>>1&0x3ff<<21|x>>11&1<<20|x>>12&0xff<<12)
}
func rvCBranch(b []byte, v uint64) {
	x := uint16(v)
	le.PutUint16(b, le.Uint16(b)&^0x1c7c|x>>8&1<<12|x>>3&3<<10|x>>6&3<<5|x>>1&3<<3|x>>5&1<<2)
}
func rvCJump(b []byte, v uint64) {
	x := uint16(v)
	le.PutUint16(b, le.Uint16(b)&^0x1ffc|x>>11&1<<12|x>>4&1<<11|x>>8&3<<9|x>>10&1<<8|x>>6&1<<7|x>>7&1<<6|x>>1&7<<3|x>>5&1<<2)
}

// rvBase has an instruction use another register as its base.
func rvBase(b []byte, reg uint32) { le.PutUint32(b, le.Uint32(b)&^(31<<15)|reg<<15) }

const (
	regZero = 0
	regGP   = 3
	regTP   = 4
)

func (riscv64) apply(a *applier, rels []byte) {
	var x *relaxSec
	if s := &a.o.secs[a.sec]; s.kind == secRelax {
		x = &a.o.relaxes[s.extra]
	}
	all := rels
	for i := 0; len(rels) >= relaSize; i, rels = i+1, rels[relaSize:] {
		r := decodeRela(rels)
		switch elf.R_RISCV(r.typ) {
		case elf.R_RISCV_NONE, elf.R_RISCV_RELAX:
			continue
		}
		act := rvKeep
		size, known := riscv64{}.relocSize(r.typ)
		at := r.off - a.inOff
		if x != nil {
			act, at = x.acts[i], at-uint64(x.before[i])
			if act != rvKeep {
				size = rvLength(&r) - uint64(x.removed[i])
			}
		}
		if a.flip {
			var ok bool
			if at, ok = a.begin(&r, size, known); !ok {
				continue
			}
		}
		if !known || r.sym >= a.o.nsyms || !inRange(at, size, uint64(len(a.buf))) {
			a.err(r, "it is not known in objects, or its symbol or its place is not there")
			continue
		}
		a.riscv(r, act, a.buf[at:], a.addr+at, size, x, all)
	}
}

// rvCheck makes an error of a value that does not fit or is odd.
func (a *applier) rvCheck(r *rela, v uint64, bits uint, align uint64) bool {
	if !fits(v, bits) || v%align != 0 {
		a.err(*r, "the value %#x is out of range or not aligned", v)
		return false
	}
	return true
}

// riscv does one relocation at b, whose address is p.
func (a *applier) riscv(r rela, act uint8, b []byte, p, size uint64, x *relaxSec, rels []byte) {
	l := a.l
	typ := elf.R_RISCV(r.typ)
	switch act {
	case rvAligned:
		for n := size; n > 0; {
			if n >= 4 {
				le.PutUint32(b, 0x00000013)
				b, n = b[4:], n-4
			} else {
				le.PutUint16(b, 1) // c.nop
				b, n = b[2:], n-min(n, 2)
			}
		}
		return
	case rvDelete, rvGP:
		return
	}
	t, s := a.symbolOf(r)
	v := s + uint64(r.addend)
	switch typ {
	case elf.R_RISCV_64:
		a.absolute(r, &t, b, p, v)
	case elf.R_RISCV_32:
		a.put32(b, r, v, int64(v) < 0)
	case elf.R_RISCV_CALL, elf.R_RISCV_CALL_PLT:
		v = a.callee(&t, s) + uint64(r.addend) - p
		jalr := uint32(0)
		if act != rvKeep {
			jalr = le.Uint32(a.o.bytes(a.sec)[r.off+4:]) >> 7 & 31
		}
		switch {
		case act == rvCJ && a.rvCheck(&r, v, 12, 2):
			le.PutUint16(b, 0xa001) // c.j
			rvCJump(b, v)
		case act == rvJAL && a.rvCheck(&r, v, 21, 2):
			le.PutUint32(b, 0x6f|jalr<<7)
			rvJ(b, v)
		case act == rvKeep && a.rvCheck(&r, v+0x800, 32, 1):
			rvU(b, v)
			rvI(b[4:], v)
		}
	case elf.R_RISCV_BRANCH, elf.R_RISCV_JAL, elf.R_RISCV_RVC_BRANCH, elf.R_RISCV_RVC_JUMP:
		v = a.callee(&t, s) + uint64(r.addend) - p
		switch {
		case typ == elf.R_RISCV_BRANCH && a.rvCheck(&r, v, 13, 2):
			rvB(b, v)
		case typ == elf.R_RISCV_JAL && a.rvCheck(&r, v, 21, 2):
			rvJ(b, v)
		case typ == elf.R_RISCV_RVC_BRANCH && a.rvCheck(&r, v, 9, 2):
			rvCBranch(b, v)
		case typ == elf.R_RISCV_RVC_JUMP && a.rvCheck(&r, v, 12, 2):
			rvCJump(b, v)
		}
	case elf.R_RISCV_GOT_HI20, elf.R_RISCV_TLS_GOT_HI20, elf.R_RISCV_TLS_GD_HI20, elf.R_RISCV_PCREL_HI20:
		if v = a.rvHigh(&r, &t, s) - p; a.rvCheck(&r, v+0x800, 32, 1) {
			rvU(b, v)
		}
	case elf.R_RISCV_GOT32_PCREL:
		a.put32(b, r, a.gotAddr(&t)+uint64(r.addend)-p, true)
	case elf.R_RISCV_PLT32:
		a.put32(b, r, a.callee(&t, s)+uint64(r.addend)-p, true)
	case elf.R_RISCV_32_PCREL:
		a.put32(b, r, v-p, true)
	case elf.R_RISCV_PCREL_LO12_I, elf.R_RISCV_PCREL_LO12_S:
		a.rvLow(r, b, x, rels)
	case elf.R_RISCV_HI20:
		switch hi := rvHi(v); {
		case !a.rvCheck(&r, v+0x800, 32, 1):
		case act == rvCLUI:
			rd := le.Uint32(a.o.bytes(a.sec)[r.off:]) >> 7 & 31
			le.PutUint16(b, uint16(0x6001|rd<<7|hi>>17&1<<12|hi>>12&31<<2))
		default:
			rvU(b, v)
		}
	case elf.R_RISCV_LO12_I, elf.R_RISCV_LO12_S:
		if x != nil && relaxMarked(rels[a.rvIndex(rels, r)+relaSize:], r.off) && !l.opt.NoRelax {
			// The same decision as for the instruction that has the upper half, which may be anywhere: fits is that of the last round.
			gp, hasGP := l.globalPointer()
			switch {
			case fits(v, 12):
				rvBase(b, regZero)
			case hasGP && fits(v-gp, 12) && !l.pic:
				rvBase(b, regGP)
				v -= gp
			}
		}
		rvLo(typ == elf.R_RISCV_LO12_S, b, v)
	case elf.R_RISCV_TPREL_HI20:
		if v = a.tpOffset(&t, s, &r); a.rvCheck(&r, v+0x800, 32, 1) {
			rvU(b, v)
		}
	case elf.R_RISCV_TPREL_LO12_I, elf.R_RISCV_TPREL_LO12_S:
		v = a.tpOffset(&t, s, &r)
		if x != nil && fits(v, 12) && !l.opt.NoRelax && relaxMarked(rels[a.rvIndex(rels, r)+relaSize:], r.off) {
			rvBase(b, regTP)
		}
		rvLo(typ == elf.R_RISCV_TPREL_LO12_S, b, v)
	case elf.R_RISCV_TPREL_ADD:
	case elf.R_RISCV_TLSDESC_HI20, elf.R_RISCV_TLSDESC_LOAD_LO12, elf.R_RISCV_TLSDESC_ADD_LO12, elf.R_RISCV_TLSDESC_CALL:
		a.rvDescriptor(r, b, p, x, rels)
	default:
		a.rvNumber(r, b, v)
	}
}

func rvLo(store bool, b []byte, v uint64) {
	if store {
		rvS(b, v)
	} else {
		rvI(b, v)
	}
}

// rvIndex returns the offset of a relocation in its table.
func (a *applier) rvIndex(rels []byte, r rela) int {
	n := len(rels) / relaSize
	i := sort.Search(n, func(i int) bool { return le.Uint64(rels[i*relaSize:]) >= r.off })
	for ; i < n; i++ {
		if decodeRela(rels[i*relaSize:]) == r {
			return i * relaSize
		}
	}
	return len(rels) - relaSize
}

// rvHigh returns the address that the upper half of a relative address is of.
func (a *applier) rvHigh(r *rela, t *target, s uint64) uint64 {
	switch elf.R_RISCV(r.typ) {
	case elf.R_RISCV_GOT_HI20:
		return a.gotAddr(t) + uint64(r.addend)
	case elf.R_RISCV_TLS_GOT_HI20:
		return a.l.gotWord(a.auxOf(t).gottp) + uint64(r.addend)
	case elf.R_RISCV_TLS_GD_HI20:
		return a.l.gotWord(a.auxOf(t).gd) + uint64(r.addend)
	}
	return s + uint64(r.addend)
}

// rvPartner finds the relocation of the upper half that one of the lower half belongs to: its symbol is the place of that. It
// returns the address of that place.
func (a *applier) rvPartner(r rela, x *relaxSec, rels []byte) (hi rela, act uint8, p uint64, ok bool) {
	e := a.o.sym(r.sym)
	if e.shndx != a.sec {
		return hi, 0, 0, false
	}
	n := len(rels) / relaSize
	i := sort.Search(n, func(i int) bool { return le.Uint64(rels[i*relaSize:]) >= e.value })
	for ; i < n; i++ {
		hi = decodeRela(rels[i*relaSize:])
		if hi.off != e.value {
			break
		}
		switch elf.R_RISCV(hi.typ) {
		case elf.R_RISCV_PCREL_HI20, elf.R_RISCV_GOT_HI20, elf.R_RISCV_TLS_GOT_HI20, elf.R_RISCV_TLS_GD_HI20, elf.R_RISCV_TLSDESC_HI20:
			p = a.addr + hi.off - a.inOff
			if x != nil {
				act, p = x.acts[i], p-uint64(x.before[i])
			}
			return hi, act, p, hi.sym < a.o.nsyms
		}
	}
	return hi, 0, 0, false
}

// rvLow does the lower half of a relative address.
func (a *applier) rvLow(r rela, b []byte, x *relaxSec, rels []byte) {
	hi, act, p, ok := a.rvPartner(r, x, rels)
	if !ok {
		a.err(r, "there is no relocation of the upper half where its symbol is")
		return
	}
	t, s := a.symbolOf(hi)
	v := a.rvHigh(&hi, &t, s) - p
	if act == rvGP {
		gp, _ := a.l.globalPointer()
		v += p - gp
		rvBase(b, regGP)
	}
	rvLo(elf.R_RISCV(r.typ) == elf.R_RISCV_PCREL_LO12_S, b, v)
}

// rvDescriptor does a relocation of the sequence for a TLS descriptor: auipc, ld, addi a0, jalr t0. In an executable it becomes what
// leaves the offset from the thread pointer in a0.
func (a *applier) rvDescriptor(r rela, b []byte, p uint64, x *relaxSec, rels []byte) {
	const nop = 0x00000013
	l := a.l
	hi, base, typ := r, p, elf.R_RISCV(r.typ)
	if typ != elf.R_RISCV_TLSDESC_HI20 {
		var ok bool
		if hi, _, base, ok = a.rvPartner(r, x, rels); !ok || elf.R_RISCV(hi.typ) != elf.R_RISCV_TLSDESC_HI20 {
			a.err(r, "there is no relocation R_RISCV_TLSDESC_HI20 where its symbol is")
			return
		}
	}
	t, s := a.symbolOf(hi)
	model := l.tlsModel(&t)
	if model == tlsKeep {
		v := l.gotWord(a.auxOf(&t).desc) - base
		switch typ {
		case elf.R_RISCV_TLSDESC_HI20:
			rvU(b, v)
		case elf.R_RISCV_TLSDESC_LOAD_LO12, elf.R_RISCV_TLSDESC_ADD_LO12:
			rvI(b, v)
		}
		return
	}
	switch typ {
	case elf.R_RISCV_TLSDESC_HI20, elf.R_RISCV_TLSDESC_LOAD_LO12:
		le.PutUint32(b, nop)
		return
	}
	if model == tlsIE {
		// auipc a0, v; ld a0, v(a0): the second is 4 bytes behind the first.
		from := p
		if typ == elf.R_RISCV_TLSDESC_CALL {
			from -= 4
		}
		v := l.gotWord(a.auxOf(&t).gottp) - from
		if typ == elf.R_RISCV_TLSDESC_ADD_LO12 {
			le.PutUint32(b, 0x00000517)
			rvU(b, v)
		} else {
			le.PutUint32(b, 0x00053503)
			rvI(b, v)
		}
		return
	}
	v := a.tpOffset(&t, s, &hi)
	if typ == elf.R_RISCV_TLSDESC_ADD_LO12 {
		le.PutUint32(b, 0x00000537) // lui a0, v
		rvU(b, v)
	} else {
		le.PutUint32(b, 0x00050513) // addi a0, a0, v
		rvI(b, v)
	}
}

// rvNumber does a relocation of a number in data, which may be added to or subtracted from what is there.
func (a *applier) rvNumber(r rela, b []byte, v uint64) {
	switch elf.R_RISCV(r.typ) {
	case elf.R_RISCV_ADD8:
		b[0] += byte(v)
	case elf.R_RISCV_SUB8:
		b[0] -= byte(v)
	case elf.R_RISCV_SET8:
		b[0] = byte(v)
	case elf.R_RISCV_SET6:
		b[0] = b[0]&0xc0 | byte(v)&0x3f
	case elf.R_RISCV_SUB6:
		b[0] = b[0]&0xc0 | (b[0]-byte(v))&0x3f
	case elf.R_RISCV_ADD16:
		le.PutUint16(b, le.Uint16(b)+uint16(v))
	case elf.R_RISCV_SUB16:
		le.PutUint16(b, le.Uint16(b)-uint16(v))
	case elf.R_RISCV_SET16:
		le.PutUint16(b, uint16(v))
	case elf.R_RISCV_ADD32:
		le.PutUint32(b, le.Uint32(b)+uint32(v))
	case elf.R_RISCV_SUB32:
		le.PutUint32(b, le.Uint32(b)-uint32(v))
	case elf.R_RISCV_SET32:
		le.PutUint32(b, uint32(v))
	case elf.R_RISCV_ADD64:
		le.PutUint64(b, le.Uint64(b)+v)
	case elf.R_RISCV_SUB64:
		le.PutUint64(b, le.Uint64(b)-v)
	case elf.R_RISCV_SET_ULEB128, elf.R_RISCV_SUB_ULEB128:
		a.rvULEB(r, b, v)
	default:
		a.err(r, "it does not make sense here")
	}
}

// rvULEB stores a number in the bytes that another one of variable length has.
func (a *applier) rvULEB(r rela, b []byte, v uint64) {
	n := 0
	for {
		if n == len(b) || n == 10 {
			a.err(r, "there is no ULEB128 number")
			return
		}
		if n++; b[n-1]&0x80 == 0 {
			break
		}
	}
	// The first of a pair may be too large for the bytes, the difference is not.
	if elf.R_RISCV(r.typ) == elf.R_RISCV_SET_ULEB128 {
		a.uleb = v
	} else if v = a.uleb - v; n < 10 && v>>(7*n) != 0 {
		a.err(r, "the value %#x does not fit in the %d bytes that are there", v, n)
		return
	}
	for i := range n {
		c := byte(v>>(7*i)) & 0x7f
		if i < n-1 {
			c |= 0x80
		}
		b[i] = c
	}
}

func (riscv64) applyDebug(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_RISCV(r.typ)
		if typ == elf.R_RISCV_NONE || typ == elf.R_RISCV_RELAX {
			continue
		}
		size, known := riscv64{}.relocSize(r.typ)
		if typ == elf.R_RISCV_TLS_DTPREL64 || typ == elf.R_RISCV_TLS_DTPREL32 {
			size, known = 8, true
			if typ == elf.R_RISCV_TLS_DTPREL32 {
				size = 4
			}
		}
		at, ok := a.begin(&r, size, known)
		if !ok {
			continue
		}
		b := a.buf[at:]
		_, v := a.debugValue(&r)
		switch typ {
		case elf.R_RISCV_64:
			le.PutUint64(b, v)
		case elf.R_RISCV_32:
			a.put32(b, r, v, int64(v) < 0)
		case elf.R_RISCV_32_PCREL:
			a.put32(b, r, v-(a.addr+at), true)
		case elf.R_RISCV_TLS_DTPREL64:
			le.PutUint64(b, v-a.l.tlsStart-0x800)
		case elf.R_RISCV_TLS_DTPREL32:
			le.PutUint32(b, uint32(v-a.l.tlsStart-0x800))
		default:
			a.rvNumber(r, b, v)
		}
	}
}
