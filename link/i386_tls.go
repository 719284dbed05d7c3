package link

import (
	"weld/image/elf"
)

// Thread-local storage of i386 (Ulrich Drepper, "ELF Handling For Thread-Local Storage"; for descriptors Alexandre Oliva, "Thread-Local
// Storage Descriptors for IA32 and AMD64/EM64T"). Code that asks for an address is rewritten as for x86-64.

// i386GD returns the register with the GOT in the code of the general dynamic model that can be rewritten, 12 bytes from start on:
// lea x@tlsgd(,%reg,1),%eax; call, or lea x@tlsgd(%reg),%eax; call; nop, or with a call through the GOT.
func i386GD(data []byte, r rela, rest []byte) (reg byte, start uint64, ok bool) {
	if !callRel386(rest, r.off) {
		return 0, 0, false
	}
	off := r.off
	switch {
	case off >= 3 && data[off-3] == 0x8d && data[off-2] == 4 && data[off-1]&0xc7 == 5 && after(data, off+4, []byte{0xe8}) && uint64(len(data)) >= off+9:
		return data[off-1] >> 3 & 7, off - 3, true
	case off < 2 || data[off-2] != 0x8d || data[off-1]&0xf8 != 0x80 || data[off-1]&7 == 4 || uint64(len(data)) < off+10:
		return 0, 0, false
	case data[off+4] == 0xe8 && data[off+9] == 0x90, data[off+4] == 0xff && data[off+5]&0xf8 == 0x90:
		return data[off-1] & 7, off - 2, true
	}
	return 0, 0, false
}

// i386LD returns the length of the code of the local dynamic model, which begins two bytes before the relocation, or 0:
// lea x@tlsldm(%reg),%eax; call.
func i386LD(data []byte, r rela, rest []byte) uint64 {
	off := r.off
	switch {
	case !callRel386(rest, off) || off < 2 || data[off-2] != 0x8d || data[off-1]&0xf8 != 0x80 || data[off-1]&7 == 4:
	case after(data, off+4, []byte{0xe8}) && uint64(len(data)) >= off+9:
		return 11
	case uint64(len(data)) >= off+10 && data[off+4] == 0xff && data[off+5]&0xf8 == 0x90:
		return 12
	}
	return 0
}

// callRel386 reports whether the next relocation is that of the call that follows an instruction whose relocation is at off.
func callRel386(rest []byte, off uint64) bool {
	if len(rest) < relaSize {
		return false
	}
	n := decodeRela(rest)
	switch elf.R_386(n.typ) {
	case elf.R_386_PLT32, elf.R_386_PC32:
		return n.off == off+5
	case elf.R_386_GOT32X, elf.R_386_GOT32:
		return n.off == off+6
	}
	return false
}

// i386IE returns how an instruction of the initial exec model is rewritten to have the offset as its operand: where it begins, before
// the relocation, and its new bytes before that. There are none if it cannot be.
func i386IE(data []byte, r rela) []byte {
	off := r.off
	if elf.R_386(r.typ) == elf.R_386_TLS_IE && off >= 1 && data[off-1] == 0xa1 {
		return []byte{0xb8} // mov x@indntpoff, %eax -> mov $x@ntpoff, %eax
	}
	if off < 2 {
		return nil
	}
	op, modrm := data[off-2], data[off-1]
	if elf.R_386(r.typ) == elf.R_386_TLS_IE && modrm&0xc7 != 5 || elf.R_386(r.typ) == elf.R_386_TLS_GOTIE && (modrm&0xc0 != 0x80 || modrm&7 == 4) {
		return nil
	}
	switch reg := modrm >> 3 & 7; op {
	case 0x8b: // mov
		return []byte{0xc7, 0xc0 | reg}
	case 0x03: // add
		return []byte{0x81, 0xc0 | reg}
	}
	return nil
}

// i386Desc reports whether a relocation R_386_TLS_GOTDESC is in the instruction that can be rewritten: lea x@tlsdesc(%reg),%eax, or, as
// compilers may move that to %eax before the call, another register.
func i386Desc(data []byte, r rela) bool {
	return r.off >= 2 && data[r.off-2] == 0x8d && data[r.off-1]&0xc0 == 0x80 && data[r.off-1]&7 != 4
}

// i386TLS decides on a relocation of thread-local storage.
func (sc *scanner) i386TLS(r rela, t *target, rest []byte) (skip bool) {
	l := sc.l
	switch elf.R_386(r.typ) {
	case elf.R_386_TLS_GD:
		model := l.tlsModel(t)
		if _, _, ok := i386GD(sc.data, r, rest); model == tlsKeep || !ok {
			sc.need(t, needTLSGD)
			return false
		}
		if model == tlsIE {
			sc.need(t, needGOTTP)
		}
		return true
	case elf.R_386_TLS_LDM:
		if l.tlsModel(&target{}) == tlsKeep {
			l.needTLSLD.Store(true)
			return false
		}
		if i386LD(sc.data, r, rest) == 0 {
			sc.err(r, "it is in code that cannot be rewritten for an executable")
			return false
		}
		return true
	case elf.R_386_TLS_GOTDESC:
		switch model := l.tlsModel(t); {
		case model == tlsKeep:
			sc.need(t, needTLSDesc)
		case !i386Desc(sc.data, r):
			sc.err(r, "it is not in an instruction lea")
		case model == tlsIE:
			sc.need(t, needGOTTP)
		}
	case elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE:
		if l.tlsModel(t) != tlsLE || i386IE(sc.data, r) == nil {
			if elf.R_386(r.typ) == elf.R_386_TLS_IE && l.pic {
				sc.dynamic(r, true)
			}
			sc.need(t, needGOTTP)
			if l.opt.Mode == Shared {
				l.staticTLS.Store(true)
			}
		}
	case elf.R_386_TLS_LE, elf.R_386_TLS_LE_32:
		sc.localExec(&r, t)
	}
	return false
}

// i386TLS does a relocation of thread-local storage.
func (a *applier) i386TLS(r rela, t *target, at, s uint64, rest []byte) (skip bool) {
	l := a.l
	b := a.buf
	in := a.o.bytes(a.sec)
	put := func(at, v uint64) { le.PutUint32(b[at:], uint32(v)) }
	got := func(word int32) uint64 { return l.gotWord(word) - l.gotBase() }
	tp := a.tpOffset(t, s, &r)
	const getTP = "\x65\xa1\x00\x00\x00\x00" // mov %gs:0, %eax
	switch elf.R_386(r.typ) {
	case elf.R_386_TLS_GD:
		reg, start, ok := i386GD(in, r, rest)
		model := l.tlsModel(t)
		if model == tlsKeep || !ok {
			put(at, got(a.auxOf(t).gd)+uint64(r.addend))
			return false
		}
		from := at - (r.off - start)
		copy(b[from:], getTP)
		if model == tlsIE { // add x@gotntpoff(%reg), %eax
			b[from+6], b[from+7] = 0x03, 0x80|reg
			put(from+8, got(a.auxOf(t).gottp))
		} else { // add $x@ntpoff, %eax
			b[from+6], b[from+7] = 0x81, 0xc0
			put(from+8, tp)
		}
		return true
	case elf.R_386_TLS_LDM:
		if l.tlsModel(&target{}) == tlsKeep {
			put(at, got(l.got.tlsld)+uint64(r.addend))
			return false
		}
		code := getTP + "\x90\x8d\x74\x26\x00" // nop; lea 0(%esi), %esi
		if i386LD(in, r, rest) == 12 {
			code = getTP + "\x8d\xb6\x00\x00\x00\x00" // lea 0(%esi), %esi
		}
		copy(b[at-2:], code)
		return true
	case elf.R_386_TLS_LDO_32:
		put(at, s+uint64(r.addend)-a.dtpBase())
	case elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE:
		absolute := elf.R_386(r.typ) == elf.R_386_TLS_IE
		if code := i386IE(in, r); code != nil && l.tlsModel(t) == tlsLE {
			copy(b[at-uint64(len(code)):], code)
			put(at, tp)
			return false
		}
		if absolute {
			v := l.gotWord(a.auxOf(t).gottp) + uint64(r.addend)
			put(at, v)
			if l.pic {
				a.relative(a.addr+at, v)
			}
			return false
		}
		put(at, got(a.auxOf(t).gottp)+uint64(r.addend))
	case elf.R_386_TLS_LE:
		put(at, tp)
	case elf.R_386_TLS_LE_32:
		put(at, uint64(r.addend)-(tp-uint64(r.addend)))
	case elf.R_386_TLS_GOTDESC:
		switch l.tlsModel(t) {
		case tlsKeep:
			put(at, got(a.auxOf(t).desc)+uint64(r.addend))
		case tlsIE: // mov x@gotntpoff(%reg), %eax or another
			b[at-2] = 0x8b
			put(at, got(a.auxOf(t).gottp))
		case tlsLE: // lea x@ntpoff, %eax or another
			b[at-1] = b[at-1]&0x38 | 0x05
			put(at, tp)
		}
	case elf.R_386_TLS_DESC_CALL:
		if l.tlsModel(t) != tlsKeep {
			b[at], b[at+1] = 0x66, 0x90 // xchg %ax, %ax
		}
	}
	return false
}
