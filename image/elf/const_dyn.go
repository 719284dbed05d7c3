package elf

// DynTag is d_tag.
type DynTag int64

// Dynamic tags.
const (
	DT_NULL            DynTag = 0
	DT_NEEDED          DynTag = 1
	DT_PLTRELSZ        DynTag = 2
	DT_PLTGOT          DynTag = 3
	DT_HASH            DynTag = 4
	DT_STRTAB          DynTag = 5
	DT_SYMTAB          DynTag = 6
	DT_RELA            DynTag = 7
	DT_RELASZ          DynTag = 8
	DT_RELAENT         DynTag = 9
	DT_STRSZ           DynTag = 10
	DT_SYMENT          DynTag = 11
	DT_INIT            DynTag = 12
	DT_FINI            DynTag = 13
	DT_SONAME          DynTag = 14
	DT_RPATH           DynTag = 15
	DT_SYMBOLIC        DynTag = 16
	DT_REL             DynTag = 17
	DT_RELSZ           DynTag = 18
	DT_RELENT          DynTag = 19
	DT_PLTREL          DynTag = 20
	DT_DEBUG           DynTag = 21
	DT_TEXTREL         DynTag = 22
	DT_JMPREL          DynTag = 23
	DT_BIND_NOW        DynTag = 24
	DT_INIT_ARRAY      DynTag = 25
	DT_FINI_ARRAY      DynTag = 26
	DT_INIT_ARRAYSZ    DynTag = 27
	DT_FINI_ARRAYSZ    DynTag = 28
	DT_RUNPATH         DynTag = 29
	DT_FLAGS           DynTag = 30
	DT_PREINIT_ARRAY   DynTag = 32
	DT_PREINIT_ARRAYSZ DynTag = 33
	DT_SYMTAB_SHNDX    DynTag = 34
	DT_RELRSZ          DynTag = 35
	DT_RELR            DynTag = 36
	DT_RELRENT         DynTag = 37

	DT_GNU_PRELINKED  DynTag = 0x6ffffdf5
	DT_GNU_CONFLICTSZ DynTag = 0x6ffffdf6
	DT_GNU_LIBLISTSZ  DynTag = 0x6ffffdf7
	DT_CHECKSUM       DynTag = 0x6ffffdf8
	DT_PLTPADSZ       DynTag = 0x6ffffdf9
	DT_MOVEENT        DynTag = 0x6ffffdfa
	DT_MOVESZ         DynTag = 0x6ffffdfb
	DT_FEATURE_1      DynTag = 0x6ffffdfc
	DT_POSFLAG_1      DynTag = 0x6ffffdfd
	DT_SYMINSZ        DynTag = 0x6ffffdfe
	DT_SYMINENT       DynTag = 0x6ffffdff
	DT_GNU_HASH       DynTag = 0x6ffffef5
	DT_TLSDESC_PLT    DynTag = 0x6ffffef6
	DT_TLSDESC_GOT    DynTag = 0x6ffffef7
	DT_GNU_CONFLICT   DynTag = 0x6ffffef8
	DT_GNU_LIBLIST    DynTag = 0x6ffffef9
	DT_CONFIG         DynTag = 0x6ffffefa
	DT_DEPAUDIT       DynTag = 0x6ffffefb
	DT_AUDIT          DynTag = 0x6ffffefc
	DT_PLTPAD         DynTag = 0x6ffffefd
	DT_MOVETAB        DynTag = 0x6ffffefe
	DT_SYMINFO        DynTag = 0x6ffffeff
	DT_VERSYM         DynTag = 0x6ffffff0
	DT_RELACOUNT      DynTag = 0x6ffffff9
	DT_RELCOUNT       DynTag = 0x6ffffffa
	DT_FLAGS_1        DynTag = 0x6ffffffb
	DT_VERDEF         DynTag = 0x6ffffffc
	DT_VERDEFNUM      DynTag = 0x6ffffffd
	DT_VERNEED        DynTag = 0x6ffffffe
	DT_VERNEEDNUM     DynTag = 0x6fffffff
	DT_X86_64_PLT     DynTag = 0x70000000
	DT_X86_64_PLTSZ   DynTag = 0x70000001
	DT_X86_64_PLTENT  DynTag = 0x70000003
	DT_AUXILIARY      DynTag = 0x7ffffffd
	DT_USED           DynTag = 0x7ffffffe
	DT_FILTER         DynTag = 0x7fffffff
)

var dynTagNames = []numName{
	{0, "DT_NULL"}, {1, "DT_NEEDED"}, {2, "DT_PLTRELSZ"}, {3, "DT_PLTGOT"}, {4, "DT_HASH"}, {5, "DT_STRTAB"},
	{6, "DT_SYMTAB"}, {7, "DT_RELA"}, {8, "DT_RELASZ"}, {9, "DT_RELAENT"}, {10, "DT_STRSZ"}, {11, "DT_SYMENT"},
	{12, "DT_INIT"}, {13, "DT_FINI"}, {14, "DT_SONAME"}, {15, "DT_RPATH"}, {16, "DT_SYMBOLIC"}, {17, "DT_REL"},
	{18, "DT_RELSZ"}, {19, "DT_RELENT"}, {20, "DT_PLTREL"}, {21, "DT_DEBUG"}, {22, "DT_TEXTREL"},
	{23, "DT_JMPREL"}, {24, "DT_BIND_NOW"}, {25, "DT_INIT_ARRAY"}, {26, "DT_FINI_ARRAY"},
	{27, "DT_INIT_ARRAYSZ"}, {28, "DT_FINI_ARRAYSZ"}, {29, "DT_RUNPATH"}, {30, "DT_FLAGS"},
	{32, "DT_PREINIT_ARRAY"}, {33, "DT_PREINIT_ARRAYSZ"}, {34, "DT_SYMTAB_SHNDX"}, {35, "DT_RELRSZ"},
	{36, "DT_RELR"}, {37, "DT_RELRENT"},
	{0x6ffffdf5, "DT_GNU_PRELINKED"}, {0x6ffffdf6, "DT_GNU_CONFLICTSZ"}, {0x6ffffdf7, "DT_GNU_LIBLISTSZ"},
	{0x6ffffdf8, "DT_CHECKSUM"}, {0x6ffffdf9, "DT_PLTPADSZ"}, {0x6ffffdfa, "DT_MOVEENT"},
	{0x6ffffdfb, "DT_MOVESZ"}, {0x6ffffdfc, "DT_FEATURE_1"}, {0x6ffffdfd, "DT_POSFLAG_1"},
	{0x6ffffdfe, "DT_SYMINSZ"}, {0x6ffffdff, "DT_SYMINENT"}, {0x6ffffef5, "DT_GNU_HASH"},
	{0x6ffffef6, "DT_TLSDESC_PLT"}, {0x6ffffef7, "DT_TLSDESC_GOT"}, {0x6ffffef8, "DT_GNU_CONFLICT"},
	{0x6ffffef9, "DT_GNU_LIBLIST"}, {0x6ffffefa, "DT_CONFIG"}, {0x6ffffefb, "DT_DEPAUDIT"},
	{0x6ffffefc, "DT_AUDIT"}, {0x6ffffefd, "DT_PLTPAD"}, {0x6ffffefe, "DT_MOVETAB"}, {0x6ffffeff, "DT_SYMINFO"},
	{0x6ffffff0, "DT_VERSYM"}, {0x6ffffff9, "DT_RELACOUNT"}, {0x6ffffffa, "DT_RELCOUNT"},
	{0x6ffffffb, "DT_FLAGS_1"}, {0x6ffffffc, "DT_VERDEF"}, {0x6ffffffd, "DT_VERDEFNUM"},
	{0x6ffffffe, "DT_VERNEED"}, {0x6fffffff, "DT_VERNEEDNUM"}, {0x70000000, "DT_X86_64_PLT"},
	{0x70000001, "DT_X86_64_PLTSZ"}, {0x70000003, "DT_X86_64_PLTENT"}, {0x7ffffffd, "DT_AUXILIARY"},
	{0x7ffffffe, "DT_USED"}, {0x7fffffff, "DT_FILTER"},
}

func (t DynTag) String() string { return nameOf(dynTagNames, uint64(t), "DT_") }

// DynFlag is the value of DT_FLAGS.
type DynFlag uint64

// DT_FLAGS bits.
const (
	DF_ORIGIN     DynFlag = 0x1
	DF_SYMBOLIC   DynFlag = 0x2
	DF_TEXTREL    DynFlag = 0x4
	DF_BIND_NOW   DynFlag = 0x8
	DF_STATIC_TLS DynFlag = 0x10
)

var dynFlagNames = []numName{
	{0x1, "DF_ORIGIN"}, {0x2, "DF_SYMBOLIC"}, {0x4, "DF_TEXTREL"}, {0x8, "DF_BIND_NOW"}, {0x10, "DF_STATIC_TLS"},
}

func (f DynFlag) String() string { return flagNames(dynFlagNames, uint64(f)) }

// DynFlag1 is the value of DT_FLAGS_1.
type DynFlag1 uint64

// DT_FLAGS_1 bits.
const (
	DF_1_NOW        DynFlag1 = 0x00000001
	DF_1_GLOBAL     DynFlag1 = 0x00000002
	DF_1_GROUP      DynFlag1 = 0x00000004
	DF_1_NODELETE   DynFlag1 = 0x00000008
	DF_1_LOADFLTR   DynFlag1 = 0x00000010
	DF_1_INITFIRST  DynFlag1 = 0x00000020
	DF_1_NOOPEN     DynFlag1 = 0x00000040
	DF_1_ORIGIN     DynFlag1 = 0x00000080
	DF_1_DIRECT     DynFlag1 = 0x00000100
	DF_1_TRANS      DynFlag1 = 0x00000200
	DF_1_INTERPOSE  DynFlag1 = 0x00000400
	DF_1_NODEFLIB   DynFlag1 = 0x00000800
	DF_1_NODUMP     DynFlag1 = 0x00001000
	DF_1_CONFALT    DynFlag1 = 0x00002000
	DF_1_ENDFILTEE  DynFlag1 = 0x00004000
	DF_1_DISPRELDNE DynFlag1 = 0x00008000
	DF_1_DISPRELPND DynFlag1 = 0x00010000
	DF_1_NODIRECT   DynFlag1 = 0x00020000
	DF_1_IGNMULDEF  DynFlag1 = 0x00040000
	DF_1_NOKSYMS    DynFlag1 = 0x00080000
	DF_1_NOHDR      DynFlag1 = 0x00100000
	DF_1_EDITED     DynFlag1 = 0x00200000
	DF_1_NORELOC    DynFlag1 = 0x00400000
	DF_1_SYMINTPOSE DynFlag1 = 0x00800000
	DF_1_GLOBAUDIT  DynFlag1 = 0x01000000
	DF_1_SINGLETON  DynFlag1 = 0x02000000
	DF_1_STUB       DynFlag1 = 0x04000000
	DF_1_PIE        DynFlag1 = 0x08000000
)

var dynFlag1Names = []numName{
	{0x00000001, "DF_1_NOW"}, {0x00000002, "DF_1_GLOBAL"}, {0x00000004, "DF_1_GROUP"}, {0x00000008, "DF_1_NODELETE"},
	{0x00000010, "DF_1_LOADFLTR"}, {0x00000020, "DF_1_INITFIRST"}, {0x00000040, "DF_1_NOOPEN"},
	{0x00000080, "DF_1_ORIGIN"}, {0x00000100, "DF_1_DIRECT"}, {0x00000200, "DF_1_TRANS"},
	{0x00000400, "DF_1_INTERPOSE"}, {0x00000800, "DF_1_NODEFLIB"}, {0x00001000, "DF_1_NODUMP"},
	{0x00002000, "DF_1_CONFALT"}, {0x00004000, "DF_1_ENDFILTEE"}, {0x00008000, "DF_1_DISPRELDNE"},
	{0x00010000, "DF_1_DISPRELPND"}, {0x00020000, "DF_1_NODIRECT"}, {0x00040000, "DF_1_IGNMULDEF"},
	{0x00080000, "DF_1_NOKSYMS"}, {0x00100000, "DF_1_NOHDR"}, {0x00200000, "DF_1_EDITED"},
	{0x00400000, "DF_1_NORELOC"}, {0x00800000, "DF_1_SYMINTPOSE"}, {0x01000000, "DF_1_GLOBAUDIT"},
	{0x02000000, "DF_1_SINGLETON"}, {0x04000000, "DF_1_STUB"}, {0x08000000, "DF_1_PIE"},
}

func (f DynFlag1) String() string { return flagNames(dynFlag1Names, uint64(f)) }
