package elf

// SymType is the low nibble of st_info.
type SymType uint8

// Symbol types.
const (
	STT_NOTYPE    SymType = 0
	STT_OBJECT    SymType = 1
	STT_FUNC      SymType = 2
	STT_SECTION   SymType = 3
	STT_FILE      SymType = 4
	STT_COMMON    SymType = 5
	STT_TLS       SymType = 6
	STT_GNU_IFUNC SymType = 10
)

var symTypeNames = []numName{
	{0, "STT_NOTYPE"}, {1, "STT_OBJECT"}, {2, "STT_FUNC"}, {3, "STT_SECTION"}, {4, "STT_FILE"},
	{5, "STT_COMMON"}, {6, "STT_TLS"}, {10, "STT_GNU_IFUNC"},
}

func (t SymType) String() string { return nameOf(symTypeNames, uint64(t), "STT_") }

// SymBind is the high nibble of st_info.
type SymBind uint8

// Symbol bindings.
const (
	STB_LOCAL      SymBind = 0
	STB_GLOBAL     SymBind = 1
	STB_WEAK       SymBind = 2
	STB_GNU_UNIQUE SymBind = 10
)

var symBindNames = []numName{{0, "STB_LOCAL"}, {1, "STB_GLOBAL"}, {2, "STB_WEAK"}, {10, "STB_GNU_UNIQUE"}}

func (b SymBind) String() string { return nameOf(symBindNames, uint64(b), "STB_") }

// SymVis is the low two bits of st_other.
type SymVis uint8

// Symbol visibilities.
const (
	STV_DEFAULT   SymVis = 0
	STV_INTERNAL  SymVis = 1
	STV_HIDDEN    SymVis = 2
	STV_PROTECTED SymVis = 3
)

var symVisNames = []numName{{0, "STV_DEFAULT"}, {1, "STV_INTERNAL"}, {2, "STV_HIDDEN"}, {3, "STV_PROTECTED"}}

func (v SymVis) String() string { return nameOf(symVisNames, uint64(v), "STV_") }

// VersionFlag is vd_flags and vna_flags.
type VersionFlag uint16

// Version flags.
const (
	VER_FLG_BASE VersionFlag = 1
	VER_FLG_WEAK VersionFlag = 2
	VER_FLG_INFO VersionFlag = 4
)

var versionFlagNames = []numName{{1, "VER_FLG_BASE"}, {2, "VER_FLG_WEAK"}, {4, "VER_FLG_INFO"}}

func (f VersionFlag) String() string { return flagNames(versionFlagNames, uint64(f)) }

// Reserved version indices (VersionRef.Index).
const (
	VER_NDX_LOCAL  uint16 = 0
	VER_NDX_GLOBAL uint16 = 1
)

// R_X86_64 is a relocation type of EM_X86_64 (x86-64 psABI, table
// "Relocation Types").
type R_X86_64 uint32

// Relocation types of EM_X86_64.
const (
	R_X86_64_NONE            R_X86_64 = 0
	R_X86_64_64              R_X86_64 = 1
	R_X86_64_PC32            R_X86_64 = 2
	R_X86_64_GOT32           R_X86_64 = 3
	R_X86_64_PLT32           R_X86_64 = 4
	R_X86_64_COPY            R_X86_64 = 5
	R_X86_64_GLOB_DAT        R_X86_64 = 6
	R_X86_64_JMP_SLOT        R_X86_64 = 7
	R_X86_64_RELATIVE        R_X86_64 = 8
	R_X86_64_GOTPCREL        R_X86_64 = 9
	R_X86_64_32              R_X86_64 = 10
	R_X86_64_32S             R_X86_64 = 11
	R_X86_64_16              R_X86_64 = 12
	R_X86_64_PC16            R_X86_64 = 13
	R_X86_64_8               R_X86_64 = 14
	R_X86_64_PC8             R_X86_64 = 15
	R_X86_64_DTPMOD64        R_X86_64 = 16
	R_X86_64_DTPOFF64        R_X86_64 = 17
	R_X86_64_TPOFF64         R_X86_64 = 18
	R_X86_64_TLSGD           R_X86_64 = 19
	R_X86_64_TLSLD           R_X86_64 = 20
	R_X86_64_DTPOFF32        R_X86_64 = 21
	R_X86_64_GOTTPOFF        R_X86_64 = 22
	R_X86_64_TPOFF32         R_X86_64 = 23
	R_X86_64_PC64            R_X86_64 = 24
	R_X86_64_GOTOFF64        R_X86_64 = 25
	R_X86_64_GOTPC32         R_X86_64 = 26
	R_X86_64_GOT64           R_X86_64 = 27
	R_X86_64_GOTPCREL64      R_X86_64 = 28
	R_X86_64_GOTPC64         R_X86_64 = 29
	R_X86_64_GOTPLT64        R_X86_64 = 30
	R_X86_64_PLTOFF64        R_X86_64 = 31
	R_X86_64_SIZE32          R_X86_64 = 32
	R_X86_64_SIZE64          R_X86_64 = 33
	R_X86_64_GOTPC32_TLSDESC R_X86_64 = 34
	R_X86_64_TLSDESC_CALL    R_X86_64 = 35
	R_X86_64_TLSDESC         R_X86_64 = 36
	R_X86_64_IRELATIVE       R_X86_64 = 37
	R_X86_64_RELATIVE64      R_X86_64 = 38
	R_X86_64_PC32_BND        R_X86_64 = 39
	R_X86_64_PLT32_BND       R_X86_64 = 40
	R_X86_64_GOTPCRELX       R_X86_64 = 41
	R_X86_64_REX_GOTPCRELX   R_X86_64 = 42
)

var x8664Names = [...]string{
	"NONE", "64", "PC32", "GOT32", "PLT32", "COPY", "GLOB_DAT", "JMP_SLOT", "RELATIVE", "GOTPCREL", "32", "32S",
	"16", "PC16", "8", "PC8", "DTPMOD64", "DTPOFF64", "TPOFF64", "TLSGD", "TLSLD", "DTPOFF32", "GOTTPOFF",
	"TPOFF32", "PC64", "GOTOFF64", "GOTPC32", "GOT64", "GOTPCREL64", "GOTPC64", "GOTPLT64", "PLTOFF64", "SIZE32",
	"SIZE64", "GOTPC32_TLSDESC", "TLSDESC_CALL", "TLSDESC", "IRELATIVE", "RELATIVE64", "PC32_BND", "PLT32_BND",
	"GOTPCRELX", "REX_GOTPCRELX",
}

func (r R_X86_64) String() string {
	if int64(r) < int64(len(x8664Names)) {
		return "R_X86_64_" + x8664Names[r]
	}
	return nameOf(nil, uint64(r), "R_X86_64_")
}
