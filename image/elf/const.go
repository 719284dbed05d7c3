package elf

import "strconv"

// numName names one value of a numbered vocabulary.
type numName struct {
	v uint64
	s string
}

// nameOf returns the name of v in table, or prefix followed by v in hex.
func nameOf(table []numName, v uint64, prefix string) string {
	for i := range table {
		if table[i].v == v {
			return table[i].s
		}
	}
	return prefix + "0x" + strconv.FormatUint(v, 16)
}

// flagNames joins the names of the bits set in v with "+"; bits without a
// name are given in hex.
func flagNames(table []numName, v uint64) string {
	if v == 0 {
		return "0x0"
	}
	s := ""
	for i := range table {
		if b := table[i].v; v&b == b {
			if s != "" {
				s += "+"
			}
			s += table[i].s
			v &^= b
		}
	}
	if v != 0 {
		if s != "" {
			s += "+"
		}
		s += "0x" + strconv.FormatUint(v, 16)
	}
	return s
}

// Class is e_ident[EI_CLASS].
type Class uint8

// File classes.
const (
	ELFCLASSNONE Class = 0
	ELFCLASS32   Class = 1
	ELFCLASS64   Class = 2
)

var classNames = []numName{{0, "ELFCLASSNONE"}, {1, "ELFCLASS32"}, {2, "ELFCLASS64"}}

func (c Class) String() string { return nameOf(classNames, uint64(c), "ELFCLASS_") }

// Data is e_ident[EI_DATA], the byte order.
type Data uint8

// Byte orders.
const (
	ELFDATANONE Data = 0
	ELFDATA2LSB Data = 1
	ELFDATA2MSB Data = 2
)

var dataNames = []numName{{0, "ELFDATANONE"}, {1, "ELFDATA2LSB"}, {2, "ELFDATA2MSB"}}

func (d Data) String() string { return nameOf(dataNames, uint64(d), "ELFDATA_") }

// OSABI is e_ident[EI_OSABI].
type OSABI uint8

// Operating system ABIs.
const (
	ELFOSABI_NONE       OSABI = 0
	ELFOSABI_HPUX       OSABI = 1
	ELFOSABI_NETBSD     OSABI = 2
	ELFOSABI_GNU        OSABI = 3
	ELFOSABI_LINUX      OSABI = 3
	ELFOSABI_SOLARIS    OSABI = 6
	ELFOSABI_AIX        OSABI = 7
	ELFOSABI_FREEBSD    OSABI = 9
	ELFOSABI_OPENBSD    OSABI = 12
	ELFOSABI_STANDALONE OSABI = 255
)

var osabiNames = []numName{
	{0, "ELFOSABI_NONE"}, {1, "ELFOSABI_HPUX"}, {2, "ELFOSABI_NETBSD"}, {3, "ELFOSABI_GNU"},
	{6, "ELFOSABI_SOLARIS"}, {7, "ELFOSABI_AIX"}, {9, "ELFOSABI_FREEBSD"}, {12, "ELFOSABI_OPENBSD"},
	{255, "ELFOSABI_STANDALONE"},
}

func (o OSABI) String() string { return nameOf(osabiNames, uint64(o), "ELFOSABI_") }

// Type is e_type.
type Type uint16

// Object file types.
const (
	ET_NONE Type = 0
	ET_REL  Type = 1
	ET_EXEC Type = 2
	ET_DYN  Type = 3
	ET_CORE Type = 4
)

var typeNames = []numName{{0, "ET_NONE"}, {1, "ET_REL"}, {2, "ET_EXEC"}, {3, "ET_DYN"}, {4, "ET_CORE"}}

func (t Type) String() string { return nameOf(typeNames, uint64(t), "ET_") }

// Machine is e_machine.
type Machine uint16

// Machines.
const (
	EM_NONE      Machine = 0
	EM_SPARC     Machine = 2
	EM_386       Machine = 3
	EM_68K       Machine = 4
	EM_MIPS      Machine = 8
	EM_PARISC    Machine = 15
	EM_PPC       Machine = 20
	EM_PPC64     Machine = 21
	EM_S390      Machine = 22
	EM_ARM       Machine = 40
	EM_SH        Machine = 42
	EM_SPARCV9   Machine = 43
	EM_IA_64     Machine = 50
	EM_X86_64    Machine = 62
	EM_AARCH64   Machine = 183
	EM_RISCV     Machine = 243
	EM_BPF       Machine = 247
	EM_LOONGARCH Machine = 258
	EM_ALPHA     Machine = 0x9026
)

var machineNames = []numName{
	{0, "EM_NONE"}, {2, "EM_SPARC"}, {3, "EM_386"}, {4, "EM_68K"}, {8, "EM_MIPS"}, {15, "EM_PARISC"},
	{20, "EM_PPC"}, {21, "EM_PPC64"}, {22, "EM_S390"}, {40, "EM_ARM"}, {42, "EM_SH"}, {43, "EM_SPARCV9"},
	{50, "EM_IA_64"}, {62, "EM_X86_64"}, {183, "EM_AARCH64"}, {243, "EM_RISCV"}, {247, "EM_BPF"},
	{258, "EM_LOONGARCH"}, {0x9026, "EM_ALPHA"},
}

var machineArchs = []numName{
	{2, "sparc"}, {3, "i386"}, {4, "m68k"}, {8, "mips"}, {15, "parisc"}, {20, "powerpc"}, {21, "powerpc64"},
	{22, "s390"}, {40, "arm"}, {42, "sh"}, {43, "sparc64"}, {50, "ia64"}, {62, "x86-64"}, {183, "aarch64"},
	{243, "riscv"}, {247, "bpf"}, {258, "loongarch"}, {0x9026, "alpha"},
}

func (m Machine) String() string { return nameOf(machineNames, uint64(m), "EM_") }

// Arch returns the usual name of the machine, such as "x86-64" or "i386".
func (m Machine) Arch() string { return nameOf(machineArchs, uint64(m), "machine ") }

// ProgType is p_type.
type ProgType uint32

// Program header types.
const (
	PT_NULL         ProgType = 0
	PT_LOAD         ProgType = 1
	PT_DYNAMIC      ProgType = 2
	PT_INTERP       ProgType = 3
	PT_NOTE         ProgType = 4
	PT_SHLIB        ProgType = 5
	PT_PHDR         ProgType = 6
	PT_TLS          ProgType = 7
	PT_GNU_EH_FRAME ProgType = 0x6474e550
	PT_GNU_STACK    ProgType = 0x6474e551
	PT_GNU_RELRO    ProgType = 0x6474e552
	PT_GNU_PROPERTY ProgType = 0x6474e553
	PT_GNU_SFRAME   ProgType = 0x6474e554
)

var progTypeNames = []numName{
	{0, "PT_NULL"}, {1, "PT_LOAD"}, {2, "PT_DYNAMIC"}, {3, "PT_INTERP"}, {4, "PT_NOTE"}, {5, "PT_SHLIB"},
	{6, "PT_PHDR"}, {7, "PT_TLS"}, {0x6474e550, "PT_GNU_EH_FRAME"}, {0x6474e551, "PT_GNU_STACK"},
	{0x6474e552, "PT_GNU_RELRO"}, {0x6474e553, "PT_GNU_PROPERTY"}, {0x6474e554, "PT_GNU_SFRAME"},
}

func (t ProgType) String() string { return nameOf(progTypeNames, uint64(t), "PT_") }

// ProgFlag is p_flags.
type ProgFlag uint32

// Segment permissions.
const (
	PF_X ProgFlag = 1
	PF_W ProgFlag = 2
	PF_R ProgFlag = 4
)

var progFlagNames = []numName{{1, "PF_X"}, {2, "PF_W"}, {4, "PF_R"}}

func (f ProgFlag) String() string { return flagNames(progFlagNames, uint64(f)) }

// SectionType is sh_type.
type SectionType uint32

// Section types.
const (
	SHT_NULL          SectionType = 0
	SHT_PROGBITS      SectionType = 1
	SHT_SYMTAB        SectionType = 2
	SHT_STRTAB        SectionType = 3
	SHT_RELA          SectionType = 4
	SHT_HASH          SectionType = 5
	SHT_DYNAMIC       SectionType = 6
	SHT_NOTE          SectionType = 7
	SHT_NOBITS        SectionType = 8
	SHT_REL           SectionType = 9
	SHT_SHLIB         SectionType = 10
	SHT_DYNSYM        SectionType = 11
	SHT_INIT_ARRAY    SectionType = 14
	SHT_FINI_ARRAY    SectionType = 15
	SHT_PREINIT_ARRAY SectionType = 16
	SHT_GROUP         SectionType = 17
	SHT_SYMTAB_SHNDX  SectionType = 18
	SHT_RELR          SectionType = 19
	SHT_LLVM_ADDRSIG  SectionType = 0x6fff4c03
	SHT_GNU_ATTRS     SectionType = 0x6ffffff5
	SHT_GNU_HASH      SectionType = 0x6ffffff6
	SHT_GNU_LIBLIST   SectionType = 0x6ffffff7
	SHT_GNU_VERDEF    SectionType = 0x6ffffffd
	SHT_GNU_VERNEED   SectionType = 0x6ffffffe
	SHT_GNU_VERSYM    SectionType = 0x6fffffff
	SHT_X86_64_UNWIND SectionType = 0x70000001
)

var sectionTypeNames = []numName{
	{0, "SHT_NULL"}, {1, "SHT_PROGBITS"}, {2, "SHT_SYMTAB"}, {3, "SHT_STRTAB"}, {4, "SHT_RELA"},
	{5, "SHT_HASH"}, {6, "SHT_DYNAMIC"}, {7, "SHT_NOTE"}, {8, "SHT_NOBITS"}, {9, "SHT_REL"},
	{10, "SHT_SHLIB"}, {11, "SHT_DYNSYM"}, {14, "SHT_INIT_ARRAY"}, {15, "SHT_FINI_ARRAY"},
	{16, "SHT_PREINIT_ARRAY"}, {17, "SHT_GROUP"}, {18, "SHT_SYMTAB_SHNDX"}, {19, "SHT_RELR"},
	{0x6fff4c03, "SHT_LLVM_ADDRSIG"}, {0x6ffffff5, "SHT_GNU_ATTRIBUTES"}, {0x6ffffff6, "SHT_GNU_HASH"},
	{0x6ffffff7, "SHT_GNU_LIBLIST"}, {0x6ffffffd, "SHT_GNU_VERDEF"}, {0x6ffffffe, "SHT_GNU_VERNEED"},
	{0x6fffffff, "SHT_GNU_VERSYM"}, {0x70000001, "SHT_X86_64_UNWIND"},
}

func (t SectionType) String() string { return nameOf(sectionTypeNames, uint64(t), "SHT_") }

// SectionFlag is sh_flags.
type SectionFlag uint64

// Section flags.
const (
	SHF_WRITE            SectionFlag = 0x1
	SHF_ALLOC            SectionFlag = 0x2
	SHF_EXECINSTR        SectionFlag = 0x4
	SHF_MERGE            SectionFlag = 0x10
	SHF_STRINGS          SectionFlag = 0x20
	SHF_INFO_LINK        SectionFlag = 0x40
	SHF_LINK_ORDER       SectionFlag = 0x80
	SHF_OS_NONCONFORMING SectionFlag = 0x100
	SHF_GROUP            SectionFlag = 0x200
	SHF_TLS              SectionFlag = 0x400
	SHF_COMPRESSED       SectionFlag = 0x800
	SHF_GNU_RETAIN       SectionFlag = 0x200000
	SHF_X86_64_LARGE     SectionFlag = 0x10000000
	SHF_EXCLUDE          SectionFlag = 0x80000000
)

var sectionFlagNames = []numName{
	{0x1, "SHF_WRITE"}, {0x2, "SHF_ALLOC"}, {0x4, "SHF_EXECINSTR"}, {0x10, "SHF_MERGE"}, {0x20, "SHF_STRINGS"},
	{0x40, "SHF_INFO_LINK"}, {0x80, "SHF_LINK_ORDER"}, {0x100, "SHF_OS_NONCONFORMING"}, {0x200, "SHF_GROUP"},
	{0x400, "SHF_TLS"}, {0x800, "SHF_COMPRESSED"}, {0x200000, "SHF_GNU_RETAIN"}, {0x10000000, "SHF_X86_64_LARGE"},
	{0x80000000, "SHF_EXCLUDE"},
}

func (f SectionFlag) String() string { return flagNames(sectionFlagNames, uint64(f)) }

// Special section indices of Sym.Shndx.
const (
	SHN_UNDEF  uint16 = 0
	SHN_ABS    uint16 = 0xfff1
	SHN_COMMON uint16 = 0xfff2
	SHN_XINDEX uint16 = 0xffff
)
