package link

import "weld/image/elf"

// x8664 is the machine of the psABI "System V Application Binary Interface, AMD64 Architecture Processor Supplement".
type x8664 struct{}

var x8664Info = machineInfo{
	em: elf.EM_X86_64, class: class64, emulation: "elf_x86_64", formats: []string{"elf64-x86-64"}, page: 4096, base: 0x400000,
	interpreter: "/lib64/ld-linux-x86-64.so.2", separateCode: true, gotPltHeader: 3, moduleTP: true, values: true,
	abs32: uint32(elf.R_X86_64_32), abs64: uint32(elf.R_X86_64_64),
	feature:     elf.GNU_PROPERTY_X86_FEATURE_1_AND,
	featureMask: uint32(elf.GNU_PROPERTY_X86_FEATURE_1_IBT | elf.GNU_PROPERTY_X86_FEATURE_1_SHSTK),
	dyn: dynTypes{
		symbolic: uint32(elf.R_X86_64_64), relative: uint32(elf.R_X86_64_RELATIVE), globDat: uint32(elf.R_X86_64_GLOB_DAT),
		jumpSlot: uint32(elf.R_X86_64_JMP_SLOT), copy: uint32(elf.R_X86_64_COPY), irelative: uint32(elf.R_X86_64_IRELATIVE),
		tpoff: uint32(elf.R_X86_64_TPOFF64), dtpmod: uint32(elf.R_X86_64_DTPMOD64), dtpoff: uint32(elf.R_X86_64_DTPOFF64),
		tlsdesc: uint32(elf.R_X86_64_TLSDESC),
	},
}

func (x8664) info() *machineInfo { return &x8664Info }

func (x8664) relocName(typ uint32) string { return elf.R_X86_64(typ).String() }

func (x8664) relocSize(typ uint32) (uint64, bool) { return x86RelocSize(elf.R_X86_64(typ)) }
