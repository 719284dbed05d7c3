package link

import (
	"weld/image/elf"
)

// aarch64 is the machine of "ELF for the Arm 64-bit Architecture" (AAELF64).
type aarch64 struct{}

// Properties of GNU_PROPERTY_AARCH64_FEATURE_1_AND (AAELF64, "Program Property").
const (
	aarch64FeatureAnd = 0xc0000000
	aarch64BTI        = 1
	aarch64PAC        = 2
	aarch64GCS        = 4
)

// Tags of the dynamic section (AAELF64, "Dynamic Section").
const (
	dtAArch64BTIPLT     = elf.DynTag(0x70000001)
	dtAArch64PACPLT     = elf.DynTag(0x70000003)
	dtAArch64VariantPCS = elf.DynTag(0x70000005)
)

var aarch64Info = machineInfo{
	em: elf.EM_AARCH64, class: class64, emulation: "aarch64linux", formats: []string{"elf64-littleaarch64"}, page: 0x10000, base: 0x400000,
	interpreter: "/lib/ld-linux-aarch64.so.1", gotHeader: 1, gotPltHeader: 3, variantI: true, tcb: 16,
	abs32: uint32(elf.R_AARCH64_ABS32), abs64: uint32(elf.R_AARCH64_ABS64),
	feature: aarch64FeatureAnd, featureMask: aarch64BTI | aarch64PAC | aarch64GCS,
	dyn: dynTypes{
		symbolic: uint32(elf.R_AARCH64_ABS64), relative: uint32(elf.R_AARCH64_RELATIVE), globDat: uint32(elf.R_AARCH64_GLOB_DAT),
		jumpSlot: uint32(elf.R_AARCH64_JUMP_SLOT), copy: uint32(elf.R_AARCH64_COPY), irelative: uint32(elf.R_AARCH64_IRELATIVE),
		tpoff: uint32(elf.R_AARCH64_TLS_TPREL64), dtpmod: uint32(elf.R_AARCH64_TLS_DTPMOD64), dtpoff: uint32(elf.R_AARCH64_TLS_DTPREL64),
		tlsdesc: uint32(elf.R_AARCH64_TLSDESC),
	},
}

func (aarch64) info() *machineInfo { return &aarch64Info }

func (aarch64) relocName(typ uint32) string { return elf.R_AARCH64(typ).String() }

func (aarch64) relocSize(typ uint32) (uint64, bool) {
	k := a64Kind(typ)
	return uint64(k.size()), k.expr != 0
}

// What a relocation is for: the operation of AAELF64, "Static AArch64 relocations".
type a64Expr uint8

const (
	a64Abs      a64Expr = 1 + iota // S+A
	a64LO                          // S+A, of which the page is in another instruction
	a64Rel                         // S+A-P
	a64Page                        // Page(S+A)-Page(P)
	a64Branch                      // S+A-P, where S may be a stub
	a64GOT                         // G(S)
	a64GOTPage                     // Page(G(S))-Page(P)
	a64GOTRel                      // G(S)+A-P
	a64GOTOff                      // G(S)-Page(GOT)
	a64SymGOT                      // S+A-GOT
	a64GD                          // GTLSIDX
	a64GDPage                      // Page(GTLSIDX)-Page(P)
	a64LD                          // GLDM
	a64LDPage                      // Page(GLDM)-Page(P)
	a64DTP                         // DTPREL(S+A)
	a64IE                          // GTPREL
	a64IEPage                      // Page(GTPREL)-Page(P)
	a64IERel                       // GTPREL-P
	a64TP                          // TPREL(S+A)
	a64Desc                        // GTLSDESC
	a64DescPage                    // Page(GTLSDESC)-Page(P)
	a64DescCall                    // a mark on the call
)

// How the value is stored.
type a64Enc uint8

const (
	a64Data16 a64Enc = 1 + iota
	a64Data32
	a64Data64
	a64Adr     // immediate of adr
	a64Adrp    // likewise of adrp, in pages
	a64Add     // bits 0 to 11 in add
	a64AddHi   // bits 12 to 23
	a64Ldst0   // bits 0 to 11 in a load or store, by its size
	a64Ldst1   // bits 1 to 11
	a64Ldst2   // bits 2 to 11
	a64Ldst3   // bits 3 to 11
	a64Ldst4   // bits 4 to 11
	a64Lo15    // bits 3 to 14
	a64Movw0   // a group of 16 bits in movz or movk
	a64Movw1   // bits 16 to 31
	a64Movw2   // bits 32 to 47
	a64Movw3   // bits 48 to 63
	a64Movs0   // a group in movz, or inverted in movn
	a64Movs1   // bits 16 to 31
	a64Movs2   // bits 32 to 47
	a64Imm26   // b and bl
	a64Imm19   // conditional branches and loads of literals
	a64Imm14   // tbz and tbnz
	a64Nothing // only a mark
)

// An a64Reloc says what a relocation type is. bits bounds the value: signed if it is negative, 0 if it is not checked, as it is
// for the types that end in _NC.
type a64Reloc struct {
	expr a64Expr
	enc  a64Enc
	bits int8
}

func (k a64Reloc) size() int {
	switch k.enc {
	case a64Data16:
		return 2
	case a64Data64:
		return 8
	}
	return 4
}

// The bounds of data that may be signed or not: -2^(n-1) to 2^n.
const a64Either = 100

// a64Relocs is indexed by the type; those of dynamic linking are in none of the entries.
var a64Relocs = [...]a64Reloc{
	elf.R_AARCH64_ABS64:                        {a64Abs, a64Data64, 0},
	elf.R_AARCH64_ABS32:                        {a64Abs, a64Data32, a64Either},
	elf.R_AARCH64_ABS16:                        {a64Abs, a64Data16, a64Either},
	elf.R_AARCH64_PREL64:                       {a64Rel, a64Data64, 0},
	elf.R_AARCH64_PREL32:                       {a64Rel, a64Data32, a64Either},
	elf.R_AARCH64_PREL16:                       {a64Rel, a64Data16, a64Either},
	elf.R_AARCH64_PLT32:                        {a64Branch, a64Data32, -32},
	elf.R_AARCH64_GOTPCREL32:                   {a64GOTRel, a64Data32, -32},
	elf.R_AARCH64_MOVW_UABS_G0:                 {a64Abs, a64Movw0, 16},
	elf.R_AARCH64_MOVW_UABS_G0_NC:              {a64Abs, a64Movw0, 0},
	elf.R_AARCH64_MOVW_UABS_G1:                 {a64Abs, a64Movw1, 32},
	elf.R_AARCH64_MOVW_UABS_G1_NC:              {a64Abs, a64Movw1, 0},
	elf.R_AARCH64_MOVW_UABS_G2:                 {a64Abs, a64Movw2, 48},
	elf.R_AARCH64_MOVW_UABS_G2_NC:              {a64Abs, a64Movw2, 0},
	elf.R_AARCH64_MOVW_UABS_G3:                 {a64Abs, a64Movw3, 0},
	elf.R_AARCH64_MOVW_SABS_G0:                 {a64Abs, a64Movs0, -17},
	elf.R_AARCH64_MOVW_SABS_G1:                 {a64Abs, a64Movs1, -33},
	elf.R_AARCH64_MOVW_SABS_G2:                 {a64Abs, a64Movs2, -49},
	elf.R_AARCH64_MOVW_PREL_G0:                 {a64Rel, a64Movs0, -17},
	elf.R_AARCH64_MOVW_PREL_G0_NC:              {a64Rel, a64Movw0, 0},
	elf.R_AARCH64_MOVW_PREL_G1:                 {a64Rel, a64Movs1, -33},
	elf.R_AARCH64_MOVW_PREL_G1_NC:              {a64Rel, a64Movw1, 0},
	elf.R_AARCH64_MOVW_PREL_G2:                 {a64Rel, a64Movs2, -49},
	elf.R_AARCH64_MOVW_PREL_G2_NC:              {a64Rel, a64Movw2, 0},
	elf.R_AARCH64_MOVW_PREL_G3:                 {a64Rel, a64Movw3, 0},
	elf.R_AARCH64_LD_PREL_LO19:                 {a64Rel, a64Imm19, -21},
	elf.R_AARCH64_ADR_PREL_LO21:                {a64Rel, a64Adr, -21},
	elf.R_AARCH64_ADR_PREL_PG_HI21:             {a64Page, a64Adrp, -33},
	elf.R_AARCH64_ADR_PREL_PG_HI21_NC:          {a64Page, a64Adrp, 0},
	elf.R_AARCH64_ADD_ABS_LO12_NC:              {a64LO, a64Add, 0},
	elf.R_AARCH64_LDST8_ABS_LO12_NC:            {a64LO, a64Ldst0, 0},
	elf.R_AARCH64_LDST16_ABS_LO12_NC:           {a64LO, a64Ldst1, 0},
	elf.R_AARCH64_LDST32_ABS_LO12_NC:           {a64LO, a64Ldst2, 0},
	elf.R_AARCH64_LDST64_ABS_LO12_NC:           {a64LO, a64Ldst3, 0},
	elf.R_AARCH64_LDST128_ABS_LO12_NC:          {a64LO, a64Ldst4, 0},
	elf.R_AARCH64_TSTBR14:                      {a64Branch, a64Imm14, -16},
	elf.R_AARCH64_CONDBR19:                     {a64Branch, a64Imm19, -21},
	elf.R_AARCH64_JUMP26:                       {a64Branch, a64Imm26, -28},
	elf.R_AARCH64_CALL26:                       {a64Branch, a64Imm26, -28},
	elf.R_AARCH64_GOTREL64:                     {a64SymGOT, a64Data64, 0},
	elf.R_AARCH64_GOTREL32:                     {a64SymGOT, a64Data32, -32},
	elf.R_AARCH64_GOT_LD_PREL19:                {a64GOTRel, a64Imm19, -21},
	elf.R_AARCH64_LD64_GOTOFF_LO15:             {a64GOTOff, a64Lo15, 15},
	elf.R_AARCH64_ADR_GOT_PAGE:                 {a64GOTPage, a64Adrp, -33},
	elf.R_AARCH64_LD64_GOT_LO12_NC:             {a64GOT, a64Ldst3, 0},
	elf.R_AARCH64_LD64_GOTPAGE_LO15:            {a64GOTOff, a64Lo15, 15},
	elf.R_AARCH64_TLSGD_ADR_PAGE21:             {a64GDPage, a64Adrp, -33},
	elf.R_AARCH64_TLSGD_ADD_LO12_NC:            {a64GD, a64Add, 0},
	elf.R_AARCH64_TLSLD_ADR_PAGE21:             {a64LDPage, a64Adrp, -33},
	elf.R_AARCH64_TLSLD_ADD_LO12_NC:            {a64LD, a64Add, 0},
	elf.R_AARCH64_TLSLD_MOVW_DTPREL_G2:         {a64DTP, a64Movs2, -49},
	elf.R_AARCH64_TLSLD_MOVW_DTPREL_G1:         {a64DTP, a64Movs1, -33},
	elf.R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC:      {a64DTP, a64Movw1, 0},
	elf.R_AARCH64_TLSLD_MOVW_DTPREL_G0:         {a64DTP, a64Movs0, -17},
	elf.R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC:      {a64DTP, a64Movw0, 0},
	elf.R_AARCH64_TLSLD_ADD_DTPREL_HI12:        {a64DTP, a64AddHi, 24},
	elf.R_AARCH64_TLSLD_ADD_DTPREL_LO12:        {a64DTP, a64Add, 12},
	elf.R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC:     {a64DTP, a64Add, 0},
	elf.R_AARCH64_TLSLD_LDST8_DTPREL_LO12:      {a64DTP, a64Ldst0, 12},
	elf.R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC:   {a64DTP, a64Ldst0, 0},
	elf.R_AARCH64_TLSLD_LDST16_DTPREL_LO12:     {a64DTP, a64Ldst1, 12},
	elf.R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC:  {a64DTP, a64Ldst1, 0},
	elf.R_AARCH64_TLSLD_LDST32_DTPREL_LO12:     {a64DTP, a64Ldst2, 12},
	elf.R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC:  {a64DTP, a64Ldst2, 0},
	elf.R_AARCH64_TLSLD_LDST64_DTPREL_LO12:     {a64DTP, a64Ldst3, 12},
	elf.R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC:  {a64DTP, a64Ldst3, 0},
	elf.R_AARCH64_TLSLD_LDST128_DTPREL_LO12:    {a64DTP, a64Ldst4, 12},
	elf.R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC: {a64DTP, a64Ldst4, 0},
	elf.R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21:    {a64IEPage, a64Adrp, -33},
	elf.R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC:  {a64IE, a64Ldst3, 0},
	elf.R_AARCH64_TLSIE_LD_GOTTPREL_PREL19:     {a64IERel, a64Imm19, -21},
	elf.R_AARCH64_TLSLE_MOVW_TPREL_G2:          {a64TP, a64Movs2, -49},
	elf.R_AARCH64_TLSLE_MOVW_TPREL_G1:          {a64TP, a64Movs1, -33},
	elf.R_AARCH64_TLSLE_MOVW_TPREL_G1_NC:       {a64TP, a64Movw1, 0},
	elf.R_AARCH64_TLSLE_MOVW_TPREL_G0:          {a64TP, a64Movs0, -17},
	elf.R_AARCH64_TLSLE_MOVW_TPREL_G0_NC:       {a64TP, a64Movw0, 0},
	elf.R_AARCH64_TLSLE_ADD_TPREL_HI12:         {a64TP, a64AddHi, 24},
	elf.R_AARCH64_TLSLE_ADD_TPREL_LO12:         {a64TP, a64Add, 12},
	elf.R_AARCH64_TLSLE_ADD_TPREL_LO12_NC:      {a64TP, a64Add, 0},
	elf.R_AARCH64_TLSLE_LDST8_TPREL_LO12:       {a64TP, a64Ldst0, 12},
	elf.R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC:    {a64TP, a64Ldst0, 0},
	elf.R_AARCH64_TLSLE_LDST16_TPREL_LO12:      {a64TP, a64Ldst1, 12},
	elf.R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC:   {a64TP, a64Ldst1, 0},
	elf.R_AARCH64_TLSLE_LDST32_TPREL_LO12:      {a64TP, a64Ldst2, 12},
	elf.R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC:   {a64TP, a64Ldst2, 0},
	elf.R_AARCH64_TLSLE_LDST64_TPREL_LO12:      {a64TP, a64Ldst3, 12},
	elf.R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC:   {a64TP, a64Ldst3, 0},
	elf.R_AARCH64_TLSLE_LDST128_TPREL_LO12:     {a64TP, a64Ldst4, 12},
	elf.R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC:  {a64TP, a64Ldst4, 0},
	elf.R_AARCH64_TLSDESC_ADR_PAGE21:           {a64DescPage, a64Adrp, -33},
	elf.R_AARCH64_TLSDESC_LD64_LO12:            {a64Desc, a64Ldst3, 0},
	elf.R_AARCH64_TLSDESC_ADD_LO12:             {a64Desc, a64Add, 0},
	elf.R_AARCH64_TLSDESC_CALL:                 {a64DescCall, a64Nothing, 0},
}

// a64Kind returns what a relocation type is; expr is 0 for those that are not for objects.
func a64Kind(typ uint32) a64Reloc {
	if typ < uint32(len(a64Relocs)) {
		return a64Relocs[typ]
	}
	return a64Reloc{}
}

// put stores a value in an instruction or data, and reports whether it fits.
func (k a64Reloc) put(b []byte, v uint64) bool {
	switch n := k.bits; {
	case n == 0:
	case n == a64Either:
		size := 8 * k.size()
		if int64(v) < -1<<(size-1) || int64(v) >= 1<<size {
			return false
		}
	case n < 0:
		if m := int64(1) << (-n - 1); int64(v) < -m || int64(v) >= m {
			return false
		}
	case v>>n != 0:
		return false
	}
	or := func(mask, bits uint64) {
		le.PutUint32(b, le.Uint32(b)&^uint32(mask)|uint32(bits&mask))
	}
	switch k.enc {
	case a64Data16:
		le.PutUint16(b, uint16(v))
	case a64Data32:
		le.PutUint32(b, uint32(v))
	case a64Data64:
		le.PutUint64(b, v)
	case a64Adrp:
		v >>= 12
		or(3<<29|0x7ffff<<5, v&3<<29|v>>2&0x7ffff<<5)
	case a64Adr:
		or(3<<29|0x7ffff<<5, v&3<<29|v>>2&0x7ffff<<5)
	case a64Add:
		or(0xfff<<10, v<<10)
	case a64AddHi:
		or(0xfff<<10, v>>12<<10)
	case a64Ldst0, a64Ldst1, a64Ldst2, a64Ldst3, a64Ldst4:
		n := k.enc - a64Ldst0
		if v&(1<<n-1) != 0 {
			return false
		}
		or(0xfff<<10, v&0xfff>>n<<10)
	case a64Lo15:
		or(0xfff<<10, v>>3<<10)
	case a64Movw0, a64Movw1, a64Movw2, a64Movw3:
		or(0xffff<<5, v>>(16*(k.enc-a64Movw0))<<5)
	case a64Movs0, a64Movs1, a64Movs2:
		// movz for what is not negative, else movn with the bits inverted.
		op := uint64(2) << 29
		if int64(v) < 0 {
			op, v = 0, ^v
		}
		or(3<<29|0xffff<<5, op|v>>(16*(k.enc-a64Movs0))&0xffff<<5)
	case a64Imm26:
		if v&3 != 0 {
			return false
		}
		or(0x3ffffff, v>>2)
	case a64Imm19:
		if v&3 != 0 {
			return false
		}
		or(0x7ffff<<5, v>>2<<5)
	case a64Imm14:
		if v&3 != 0 {
			return false
		}
		or(0x3fff<<5, v>>2<<5)
	}
	return true
}
