package link

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"weld/image/elf"
)

var le = binary.LittleEndian

// Sizes of structures of inputs: those of ELF64. Files of ELFCLASS32 are widened to it when they are read.
const (
	symSize  = 24
	relaSize = 24
)

// Types and flags of package elf in the width they are kept in here.
const (
	shtNull         = uint32(elf.SHT_NULL)
	shtProgbits     = uint32(elf.SHT_PROGBITS)
	shtSymtab       = uint32(elf.SHT_SYMTAB)
	shtStrtab       = uint32(elf.SHT_STRTAB)
	shtRela         = uint32(elf.SHT_RELA)
	shtHash         = uint32(elf.SHT_HASH)
	shtDynamic      = uint32(elf.SHT_DYNAMIC)
	shtNote         = uint32(elf.SHT_NOTE)
	shtNobits       = uint32(elf.SHT_NOBITS)
	shtRel          = uint32(elf.SHT_REL)
	shtDynsym       = uint32(elf.SHT_DYNSYM)
	shtInitArray    = uint32(elf.SHT_INIT_ARRAY)
	shtFiniArray    = uint32(elf.SHT_FINI_ARRAY)
	shtPreinitArray = uint32(elf.SHT_PREINIT_ARRAY)
	shtGroup        = uint32(elf.SHT_GROUP)
	shtSymtabShndx  = uint32(elf.SHT_SYMTAB_SHNDX)
	shtRelr         = uint32(elf.SHT_RELR)
	shtLLVMAddrsig  = uint32(elf.SHT_LLVM_ADDRSIG)
	shtGNUHash      = uint32(elf.SHT_GNU_HASH)
	shtVerdef       = uint32(elf.SHT_GNU_VERDEF)
	shtVerneed      = uint32(elf.SHT_GNU_VERNEED)
	shtVersym       = uint32(elf.SHT_GNU_VERSYM)
	shtUnwind       = uint32(elf.SHT_X86_64_UNWIND)

	shfWrite      = uint32(elf.SHF_WRITE)
	shfAlloc      = uint32(elf.SHF_ALLOC)
	shfExec       = uint32(elf.SHF_EXECINSTR)
	shfMerge      = uint32(elf.SHF_MERGE)
	shfStrings    = uint32(elf.SHF_STRINGS)
	shfInfoLink   = uint32(elf.SHF_INFO_LINK)
	shfLinkOrder  = uint32(elf.SHF_LINK_ORDER)
	shfGroup      = uint32(elf.SHF_GROUP)
	shfTLS        = uint32(elf.SHF_TLS)
	shfCompressed = uint32(elf.SHF_COMPRESSED)
	shfRetain     = uint32(elf.SHF_GNU_RETAIN)
	shfLarge      = uint32(elf.SHF_X86_64_LARGE)
	shfExclude    = uint32(elf.SHF_EXCLUDE)

	grpComdat = 1 // GRP_COMDAT
	// stoVariant is STO_AARCH64_VARIANT_PCS and STO_RISCV_VARIANT_CC.
	stoVariant = 0x80

	shnUndef  = uint32(elf.SHN_UNDEF)
	shnAbs    = uint32(elf.SHN_ABS)
	shnCommon = uint32(elf.SHN_COMMON)
	shnXindex = uint32(elf.SHN_XINDEX)
	shnLarge  = 0xff02 // SHN_X86_64_LCOMMON
	// shnBase marks a special section index in a symbol that has been decoded: sections are numbered with 32 bits.
	shnBase = 0xffff0000
)

// An esym is a decoded symbol table entry. shndx is widened: special indices are shnBase plus their value.
type esym struct {
	name  uint32
	info  uint8
	other uint8
	shndx uint32
	value uint64
	size  uint64
}

func (s *esym) bind() elf.SymBind { return elf.SymBind(s.info >> 4) }
func (s *esym) typ() elf.SymType  { return elf.SymType(s.info & 15) }
func (s *esym) isCommon() bool    { return isCommon(s.shndx) }
func (s *esym) isAbs() bool       { return s.shndx == shnBase|shnAbs }

// isCommon reports whether a symbol is common by the index of its section.
func isCommon(shndx uint32) bool {
	return shndx == shnBase|shnCommon || shndx == shnBase|shnLarge
}

// A rela is a decoded relocation.
type rela struct {
	off    uint64
	typ    uint32
	sym    uint32
	addend int64
}

func decodeRela(b []byte) rela {
	_ = b[relaSize-1]
	return rela{le.Uint64(b), le.Uint32(b[8:]), le.Uint32(b[12:]), int64(le.Uint64(b[16:]))}
}

func putRela(b []byte, off uint64, typ, sym uint32, addend int64) {
	_ = b[relaSize-1]
	le.PutUint64(b, off)
	le.PutUint32(b[8:], typ)
	le.PutUint32(b[12:], sym)
	le.PutUint64(b[16:], uint64(addend))
}

// cstr returns the string at off of strs up to its NUL, or nil and false.
func cstr(strs []byte, off uint64) ([]byte, bool) {
	if off >= uint64(len(strs)) {
		return nil, false
	}
	end := bytes.IndexByte(strs[off:], 0)
	if end < 0 {
		return nil, false
	}
	return strs[off : off+uint64(end)], true
}

// viewString makes a string of bytes of an input without copying them: inputs do not change while they are linked.
func viewString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// viewBytes is the inverse of viewString. The bytes are not to be changed.
func viewBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// inRange reports whether size bytes at off are within n bytes.
func inRange(off, size, n uint64) bool { return off <= n && size <= n-off }

func alignUp(v, align uint64) uint64 {
	if align <= 1 {
		return v
	}
	return (v + align - 1) &^ (align - 1)
}
