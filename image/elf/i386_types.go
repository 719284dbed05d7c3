package elf

// R_386 is a relocation type of EM_386 (Intel386 psABI, "Relocation Types").
type R_386 uint32

// Relocation types of EM_386.
const (
	R_386_NONE          R_386 = 0
	R_386_32            R_386 = 1
	R_386_PC32          R_386 = 2
	R_386_GOT32         R_386 = 3
	R_386_PLT32         R_386 = 4
	R_386_COPY          R_386 = 5
	R_386_GLOB_DAT      R_386 = 6
	R_386_JMP_SLOT      R_386 = 7
	R_386_RELATIVE      R_386 = 8
	R_386_GOTOFF        R_386 = 9
	R_386_GOTPC         R_386 = 10
	R_386_32PLT         R_386 = 11
	R_386_TLS_TPOFF     R_386 = 14
	R_386_TLS_IE        R_386 = 15
	R_386_TLS_GOTIE     R_386 = 16
	R_386_TLS_LE        R_386 = 17
	R_386_TLS_GD        R_386 = 18
	R_386_TLS_LDM       R_386 = 19
	R_386_16            R_386 = 20
	R_386_PC16          R_386 = 21
	R_386_8             R_386 = 22
	R_386_PC8           R_386 = 23
	R_386_TLS_GD_32     R_386 = 24
	R_386_TLS_GD_PUSH   R_386 = 25
	R_386_TLS_GD_CALL   R_386 = 26
	R_386_TLS_GD_POP    R_386 = 27
	R_386_TLS_LDM_32    R_386 = 28
	R_386_TLS_LDM_PUSH  R_386 = 29
	R_386_TLS_LDM_CALL  R_386 = 30
	R_386_TLS_LDM_POP   R_386 = 31
	R_386_TLS_LDO_32    R_386 = 32
	R_386_TLS_IE_32     R_386 = 33
	R_386_TLS_LE_32     R_386 = 34
	R_386_TLS_DTPMOD32  R_386 = 35
	R_386_TLS_DTPOFF32  R_386 = 36
	R_386_TLS_TPOFF32   R_386 = 37
	R_386_SIZE32        R_386 = 38
	R_386_TLS_GOTDESC   R_386 = 39
	R_386_TLS_DESC_CALL R_386 = 40
	R_386_TLS_DESC      R_386 = 41
	R_386_IRELATIVE     R_386 = 42
	R_386_GOT32X        R_386 = 43
)

var i386Names = []numName{
	{0, "R_386_NONE"}, {1, "R_386_32"}, {2, "R_386_PC32"}, {3, "R_386_GOT32"}, {4, "R_386_PLT32"}, {5, "R_386_COPY"},
	{6, "R_386_GLOB_DAT"}, {7, "R_386_JMP_SLOT"}, {8, "R_386_RELATIVE"}, {9, "R_386_GOTOFF"}, {10, "R_386_GOTPC"},
	{11, "R_386_32PLT"}, {14, "R_386_TLS_TPOFF"}, {15, "R_386_TLS_IE"}, {16, "R_386_TLS_GOTIE"}, {17, "R_386_TLS_LE"},
	{18, "R_386_TLS_GD"}, {19, "R_386_TLS_LDM"}, {20, "R_386_16"}, {21, "R_386_PC16"}, {22, "R_386_8"},
	{23, "R_386_PC8"}, {24, "R_386_TLS_GD_32"}, {25, "R_386_TLS_GD_PUSH"}, {26, "R_386_TLS_GD_CALL"},
	{27, "R_386_TLS_GD_POP"}, {28, "R_386_TLS_LDM_32"}, {29, "R_386_TLS_LDM_PUSH"}, {30, "R_386_TLS_LDM_CALL"},
	{31, "R_386_TLS_LDM_POP"}, {32, "R_386_TLS_LDO_32"}, {33, "R_386_TLS_IE_32"}, {34, "R_386_TLS_LE_32"},
	{35, "R_386_TLS_DTPMOD32"}, {36, "R_386_TLS_DTPOFF32"}, {37, "R_386_TLS_TPOFF32"}, {38, "R_386_SIZE32"},
	{39, "R_386_TLS_GOTDESC"}, {40, "R_386_TLS_DESC_CALL"}, {41, "R_386_TLS_DESC"}, {42, "R_386_IRELATIVE"},
	{43, "R_386_GOT32X"},
}

func (r R_386) String() string { return nameOf(i386Names, uint64(r), "R_386_") }
