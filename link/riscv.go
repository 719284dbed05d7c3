package link

import (
	"weld/image/elf"
)

// riscv64 is the machine of the "RISC-V ELF psABI Specification" with XLEN of 64.
type riscv64 struct{}

// Bits of e_flags (psABI, "File Header").
const (
	efRVC      = 1
	efFloatABI = 6
	efRVE      = 8
	efTSO      = 16
)

const (
	dtRISCVVariantCC   = elf.DynTag(0x70000001)
	shtRISCVAttributes = 0x70000003
	ptRISCVAttributes  = elf.ProgType(0x70000003)

	rvRelax = uint32(elf.R_RISCV_RELAX)
	rvAlign = uint32(elf.R_RISCV_ALIGN)
)

var riscv64Info = machineInfo{
	em: elf.EM_RISCV, class: class64, emulation: "elf64lriscv", formats: []string{"elf64-littleriscv"}, page: 4096, base: 0x10000,
	interpreter: "/lib/ld-linux-riscv64-lp64d.so.1", gotHeader: 1, gotPltHeader: 2, variantI: true, dtpBias: 0x800,
	abs32: uint32(elf.R_RISCV_32), abs64: uint32(elf.R_RISCV_64),
	dyn: dynTypes{
		symbolic: uint32(elf.R_RISCV_64), relative: uint32(elf.R_RISCV_RELATIVE), globDat: uint32(elf.R_RISCV_64),
		jumpSlot: uint32(elf.R_RISCV_JUMP_SLOT), copy: uint32(elf.R_RISCV_COPY), irelative: uint32(elf.R_RISCV_IRELATIVE),
		tpoff: uint32(elf.R_RISCV_TLS_TPREL64), dtpmod: uint32(elf.R_RISCV_TLS_DTPMOD64), dtpoff: uint32(elf.R_RISCV_TLS_DTPREL64),
		tlsdesc: uint32(elf.R_RISCV_TLSDESC),
	},
}

func (riscv64) info() *machineInfo { return &riscv64Info }

func (riscv64) relocName(typ uint32) string { return elf.R_RISCV(typ).String() }

func (riscv64) relocSize(typ uint32) (uint64, bool) {
	switch elf.R_RISCV(typ) {
	case elf.R_RISCV_RELAX, elf.R_RISCV_ALIGN, elf.R_RISCV_TPREL_ADD, elf.R_RISCV_TLSDESC_CALL, elf.R_RISCV_GOT32_PCREL:
		if elf.R_RISCV(typ) == elf.R_RISCV_RELAX || elf.R_RISCV(typ) == elf.R_RISCV_ALIGN {
			return 0, true
		}
		return 4, true
	case elf.R_RISCV_ADD8, elf.R_RISCV_SUB8, elf.R_RISCV_SET8, elf.R_RISCV_SET6, elf.R_RISCV_SUB6, elf.R_RISCV_SET_ULEB128, elf.R_RISCV_SUB_ULEB128:
		return 1, true
	case elf.R_RISCV_ADD16, elf.R_RISCV_SUB16, elf.R_RISCV_SET16, elf.R_RISCV_RVC_BRANCH, elf.R_RISCV_RVC_JUMP, elf.R_RISCV_RVC_LUI:
		return 2, true
	case elf.R_RISCV_32, elf.R_RISCV_ADD32, elf.R_RISCV_SUB32, elf.R_RISCV_SET32, elf.R_RISCV_32_PCREL, elf.R_RISCV_PLT32,
		elf.R_RISCV_BRANCH, elf.R_RISCV_JAL, elf.R_RISCV_GOT_HI20, elf.R_RISCV_TLS_GOT_HI20, elf.R_RISCV_TLS_GD_HI20,
		elf.R_RISCV_PCREL_HI20, elf.R_RISCV_PCREL_LO12_I, elf.R_RISCV_PCREL_LO12_S, elf.R_RISCV_HI20, elf.R_RISCV_LO12_I, elf.R_RISCV_LO12_S,
		elf.R_RISCV_TPREL_HI20, elf.R_RISCV_TPREL_LO12_I, elf.R_RISCV_TPREL_LO12_S, elf.R_RISCV_TLSDESC_HI20,
		elf.R_RISCV_TLSDESC_LOAD_LO12, elf.R_RISCV_TLSDESC_ADD_LO12:
		return 4, true
	case elf.R_RISCV_64, elf.R_RISCV_ADD64, elf.R_RISCV_SUB64, elf.R_RISCV_CALL, elf.R_RISCV_CALL_PLT:
		return 8, true
	}
	return 0, false
}

// rvSum reports whether a relocation adds to, subtracts from or sets a number of a fixed size.
func rvSum(typ elf.R_RISCV) bool {
	return typ >= elf.R_RISCV_ADD8 && typ <= elf.R_RISCV_SUB64 || typ >= elf.R_RISCV_SUB6 && typ <= elf.R_RISCV_SET32
}

// rvData reports whether a relocation is for data, not for an instruction.
func rvData(typ elf.R_RISCV) bool {
	switch typ {
	case elf.R_RISCV_32, elf.R_RISCV_64, elf.R_RISCV_ADD8, elf.R_RISCV_ADD16, elf.R_RISCV_ADD32, elf.R_RISCV_ADD64, elf.R_RISCV_SUB8,
		elf.R_RISCV_SUB16, elf.R_RISCV_SUB32, elf.R_RISCV_SUB64, elf.R_RISCV_SET6, elf.R_RISCV_SUB6, elf.R_RISCV_SET8, elf.R_RISCV_SET16,
		elf.R_RISCV_SET32, elf.R_RISCV_32_PCREL, elf.R_RISCV_SET_ULEB128, elf.R_RISCV_SUB_ULEB128, elf.R_RISCV_GOT32_PCREL, elf.R_RISCV_PLT32:
		return true
	}
	return false
}

func (riscv64) dynamicEntries(l *linker, add func(tag elf.DynTag, v uint64)) {
	for _, id := range l.got.plt {
		if l.syms.at(id).flags&isVariant != 0 {
			add(dtRISCVVariantCC, 0)
			return
		}
	}
}

// mergeFlags makes e_flags of those of all objects.
func (riscv64) mergeFlags(l *linker) error {
	const must = efFloatABI | efRVE
	names := map[uint32]string{0: "soft-float", 2: "single-float", 4: "double-float", 6: "quad-float"}
	for i, o := range l.objs {
		if i == 0 {
			l.flags = o.eflags
			continue
		}
		if (o.eflags^l.flags)&must != 0 && len(o.secs) > 0 {
			return o.err(ErrMachine, "ELF header", "e_flags %#x (%s ABI) cannot be linked with %#x (%s ABI) of %s",
				o.eflags, names[o.eflags&efFloatABI], l.flags, names[l.flags&efFloatABI], l.objs[0].name)
		}
		l.flags |= o.eflags & (efRVC | efTSO)
	}
	return nil
}

// globalPointer returns what gp is for, and whether code may use it: in executables, as the start code sets it.
func (l *linker) globalPointer() (uint64, bool) {
	id := l.syms.find("__global_pointer$")
	if id == 0 || l.opt.Mode == Shared {
		return 0, false
	}
	s := l.syms.at(id)
	return s.value, s.defined()
}

// defineGP is where gp points to: so that what is small and near is within 2 KiB of it (as GNU ld's script has it). It need not be in
// a section.
func (l *linker) defineGP() (uint64, *outSection) {
	var data, sdata, last *outSection
	for _, out := range l.order {
		if out.flags&(shfAlloc|shfWrite|shfTLS) != shfAlloc|shfWrite {
			continue
		}
		switch {
		case out.name == ".sdata" || out.name == ".sbss" && sdata == nil:
			sdata = out
		case out.name == ".data":
			data = out
		}
		last = out
	}
	if last == nil {
		return l.base, nil
	}
	end := last.addr + last.size
	small := end
	if sdata != nil {
		small = sdata.addr
	} else if data != nil {
		small = data.addr + data.size
	}
	start := small
	if data != nil {
		start = data.addr
	}
	return min(small+0x800, max(start+0x800, end-0x800)), nil
}

func (riscv64) pltSizes(l *linker) (header, entry, stub uint64) {
	header = 32
	if l.opt.Now {
		header = 0
	}
	return header, 16, 16
}

func (riscv64) lazySlot(l *linker, _ int) uint64 { return l.got.pltMain.addr() }

// rvPair writes the immediates of auipc and of a following instruction of type I that make the distance v.
func rvPair(b []byte, auipc, next uint32, v uint64) {
	le.PutUint32(b, auipc|rvHi(v))
	le.PutUint32(b[4:], next|uint32(v)<<20)
}

// rvHi is the upper 20 bits of a distance whose lower 12 bits are added with their sign.
func rvHi(v uint64) uint32 { return uint32(v+0x800) &^ 0xfff }

func rvJump(b []byte, at, slot uint64) {
	rvPair(b, 0x00000e17, 0x000e3e03, slot-at) // auipc t3, slot; ld t3, slot(t3)
	le.PutUint32(b[8:], 0x000e0367)            // jalr t1, t3
	le.PutUint32(b[12:], 0x00000013)           // nop
}

// writePlt writes the stubs of the psABI, "Program Linkage Table".
func (riscv64) writePlt(l *linker, buf []byte) error {
	t := &l.got
	if t.pltHead > 0 {
		v := t.gotPlt.addr() - t.pltMain.addr()
		for i, ins := range []uint32{
			0x00000397 | rvHi(v),       // auipc t2, .got.plt
			0x41c30333,                 // sub t1, t1, t3
			0x0003be03 | uint32(v)<<20, // ld t3, .got.plt(t2): the resolver
			0xfd430313,                 // addi t1, t1, -44: what t1 is from the first entry on
			0x00038293 | uint32(v)<<20, // addi t0, t2, .got.plt
			0x00135313,                 // srli t1, t1, 1: the offset in .got.plt
			0x0082b283,                 // ld t0, 8(t0): the link map
			0x000e0067,                 // jr t3
		} {
			le.PutUint32(buf[4*i:], ins)
		}
	}
	for i := range t.plt {
		at := l.entryAddr(i)
		rvJump(buf[at-t.pltMain.addr():], at, l.slotAddr(i))
	}
	return nil
}

func (riscv64) writeStubs(l *linker, buf []byte) error {
	t := &l.got
	for i, e := range t.stubs {
		off := uint64(i) * t.stubSize
		rvJump(buf[off:], t.pltGot.addr()+off, l.gotWord(e.word))
	}
	return nil
}
