package ctype

// Tags that this package looks at (DWARF 5, table 7.3).
const (
	tagArrayType         = 0x01
	tagClassType         = 0x02
	tagEnumerationType   = 0x04
	tagFormalParameter   = 0x05
	tagMember            = 0x0d
	tagPointerType       = 0x0f
	tagReferenceType     = 0x10
	tagCompileUnit       = 0x11
	tagStructureType     = 0x13
	tagSubroutineType    = 0x15
	tagTypedef           = 0x16
	tagUnionType         = 0x17
	tagUnspecifiedParams = 0x18
	tagInheritance       = 0x1c
	tagPtrToMemberType   = 0x1f
	tagSubrangeType      = 0x21
	tagBaseType          = 0x24
	tagConstType         = 0x26
	tagEnumerator        = 0x28
	tagPackedType        = 0x2d
	tagVariantPart       = 0x33
	tagSubprogram        = 0x2e
	tagVariable          = 0x34
	tagVolatileType      = 0x35
	tagRestrictType      = 0x37
	tagInterfaceType     = 0x38
	tagNamespace         = 0x39
	tagUnspecifiedType   = 0x3b
	tagPartialUnit       = 0x3c
	tagImportedUnit      = 0x3d
	tagSharedType        = 0x40
	tagTypeUnit          = 0x41
	tagRvalueRefType     = 0x42
	tagTemplateAlias     = 0x43
	tagAtomicType        = 0x47
	tagImmutableType     = 0x4b
	tagSkeletonUnit      = 0x4a
)

// Attributes (DWARF 5, table 7.5; above 0x2000 those of GNU).
const (
	atSibling           = 0x01
	atLocation          = 0x02
	atName              = 0x03
	atByteSize          = 0x0b
	atBitOffset         = 0x0c
	atBitSize           = 0x0d
	atLowPC             = 0x11
	atHighPC            = 0x12
	atLanguage          = 0x13
	atImport            = 0x18
	atProducer          = 0x25
	atPrototyped        = 0x27
	atUpperBound        = 0x2f
	atLowerBound        = 0x22
	atAbstractOrigin    = 0x31
	atArtificial        = 0x34
	atCallingConvention = 0x36
	atCount             = 0x37
	atMemberLocation    = 0x38
	atDeclFile          = 0x3a
	atDeclLine          = 0x3b
	atDeclaration       = 0x3c
	atEncoding          = 0x3e
	atExternal          = 0x3f
	atSpecification     = 0x47
	atType              = 0x49
	atRanges            = 0x55
	atEnumClass         = 0x6d
	atVirtuality        = 0x4c
	atDeleted           = 0x8a
	atDefaulted         = 0x8b
	atStmtList          = 0x10
	atSignature         = 0x69
	atDataBitOffset     = 0x6b
	atLinkageName       = 0x6e
	atStrOffsetsBase    = 0x72
	atAddrBase          = 0x73
	atRnglistsBase      = 0x74
	atDwoName           = 0x76
	atCompDir           = 0x1b
	atAlignment         = 0x88
	atMacros            = 0x79
	atMIPSLinkageName   = 0x2007
	atGNUMacros         = 0x2119
	atGNUVector         = 0x2107
	atGNUDwoName        = 0x2130
	atGNUDwoID          = 0x2131
	atGNURangesBase     = 0x2132
	atGNUAddrBase       = 0x2133
)

// Forms (DWARF 5, table 7.6; those of GNU for split files and dwz above).
const (
	formAddr         = 0x01
	formBlock2       = 0x03
	formBlock4       = 0x04
	formData2        = 0x05
	formData4        = 0x06
	formData8        = 0x07
	formString       = 0x08
	formBlock        = 0x09
	formBlock1       = 0x0a
	formData1        = 0x0b
	formFlag         = 0x0c
	formSdata        = 0x0d
	formStrp         = 0x0e
	formUdata        = 0x0f
	formRefAddr      = 0x10
	formRef1         = 0x11
	formRef2         = 0x12
	formRef4         = 0x13
	formRef8         = 0x14
	formRefUdata     = 0x15
	formIndirect     = 0x16
	formSecOffset    = 0x17
	formExprloc      = 0x18
	formFlagPresent  = 0x19
	formStrx         = 0x1a
	formAddrx        = 0x1b
	formRefSup4      = 0x1c
	formStrpSup      = 0x1d
	formData16       = 0x1e
	formLineStrp     = 0x1f
	formRefSig8      = 0x20
	formImplicit     = 0x21
	formLoclistx     = 0x22
	formRnglistx     = 0x23
	formRefSup8      = 0x24
	formStrx1        = 0x25
	formStrx2        = 0x26
	formStrx3        = 0x27
	formStrx4        = 0x28
	formAddrx1       = 0x29
	formAddrx2       = 0x2a
	formAddrx3       = 0x2b
	formAddrx4       = 0x2c
	formGNUAddrIndex = 0x1f01
	formGNUStrIndex  = 0x1f02
	formGNURefAlt    = 0x1f20
	formGNUStrpAlt   = 0x1f21
)

// Kinds of unit (DWARF 5, table 7.2).
const (
	utCompile      = 1
	utType         = 2
	utPartial      = 3
	utSkeleton     = 4
	utSplitCompile = 5
	utSplitType    = 6
)

// Languages (DWARF 5, table 7.17, and later ones) that matter here: those of C, in which a declaration may lack a prototype, and
// assembly.
const (
	langC89       = 0x01
	langC         = 0x02
	langC99       = 0x0c
	langObjC      = 0x10
	langC11       = 0x1d
	langC17       = 0x2c
	langAssembly  = 0x31
	langC23       = 0x3e
	langMipsAsm   = 0x8001
	langSunAsm    = 0x9001
	langALTIUMAsm = 0x9101
	langRust      = 0x1c
)

// unlikeC are the languages whose functions are not called as they are declared, as C's are: of Fortran the arguments are addresses, with the lengths
// of strings after them, and others have conventions of their own.
var unlikeC = map[uint64]string{0x03: "Ada", 0x0d: "Ada", 0x2e: "Ada", 0x2f: "Ada", 0x05: "Cobol", 0x06: "Cobol", 0x07: "Fortran", 0x08: "Fortran",
	0x0e: "Fortran", 0x22: "Fortran", 0x23: "Fortran", 0x2d: "Fortran", 0x09: "Pascal", 0x0a: "Modula-2", 0x17: "Modula-3", 0x0f: "PL/I", 0x16: "Go",
	0x18: "Haskell", 0x1b: "OCaml", 0x1e: "Swift", 0x1f: "Julia"}

func isC(lang uint64) bool {
	switch lang {
	case langC89, langC, langC99, langObjC, langC11, langC17, langC23:
		return true
	}
	return false
}

func isAssembly(lang uint64) bool {
	switch lang {
	case langAssembly, langMipsAsm, langSunAsm, langALTIUMAsm:
		return true
	}
	return false
}

// Encodings of base types (DWARF 5, table 7.11).
const (
	ateAddress        = 0x01
	ateBoolean        = 0x02
	ateComplexFloat   = 0x03
	ateFloat          = 0x04
	ateSigned         = 0x05
	ateSignedChar     = 0x06
	ateUnsigned       = 0x07
	ateUnsignedChar   = 0x08
	ateImaginaryFloat = 0x09
	ateDecimalFloat   = 0x0f
	ateUTF            = 0x10
	ateUCS            = 0x11
	ateASCII          = 0x12
	ateComplexInteger = 0x80 // DW_ATE_lo_user, as gcc and clang use it
)

// Operations of location expressions that say where a variable is.
const (
	opAddr            = 0x03
	opConst4u         = 0x0c
	opConst8u         = 0x0e
	opPlusUconst      = 0x23
	opFormTLS         = 0x9b
	opAddrx           = 0xa1
	opConstx          = 0xa2
	opGNUPushTLS      = 0xe0
	opGNUAddrIndex    = 0xfb
	opGNUConstIndex   = 0xfc
	rleEnd            = 0
	rleBaseAddressx   = 1
	rleStartxEndx     = 2
	rleStartxLength   = 3
	rleOffsetPair     = 4
	rleBaseAddress    = 5
	rleStartEnd       = 6
	rleStartLength    = 7
	idxCompileUnit    = 1 // DW_IDX_ of .debug_names
	idxTypeUnit       = 2
	idxDieOffset      = 3
	maxAttributes     = 512 // of a DIE: more than any compiler writes
	maxUnitsPerFile   = 1 << 22
	tombstoneDistance = 0x1000 // how near the largest addresses those of discarded functions are
)
