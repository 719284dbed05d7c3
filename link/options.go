package link

import (
	"io"
	"io/fs"

	"weld/image/elf"
)

// A Mode is what kind of file is made.
type Mode uint8

// Modes.
const (
	Exec        Mode = iota // an executable of fixed address (ET_EXEC)
	PIE                     // a position-independent executable
	Shared                  // a shared library
	Relocatable             // one relocatable object of all (-r)
)

// An Input is a file to link. Exactly one of Path, Library, Data and Reader is set.
type Input struct {
	Path    string      // a path, in Options.FS if that is set
	Library string      // as for -l: libNAME.so or libNAME.a, or with a leading colon the file name itself
	Data    []byte      // a file in memory, which must not change before Link returns
	Reader  io.ReaderAt // a file of Size bytes
	Size    int64
	Name    string // the name of Data and Reader in messages

	AsNeeded     bool // a shared library is needed only if it defines what an object refers to
	Static       bool // Library means an archive only
	WholeArchive bool // all members of an archive are linked
	Lazy         bool // an object is linked only if it defines something that is undefined
}

// A Defsym is a symbol that the caller defines.
type Defsym struct {
	Name  string
	Alias string // the symbol it has the value of, plus Value; "" for an absolute value
	Value uint64
}

// HashStyle says which hash tables the dynamic symbols get.
type HashStyle uint8

// Hash styles; they can be combined.
const (
	HashGNU HashStyle = 1 << iota
	HashSysV
)

// Strip says what is left out of the output.
type Strip uint8

// Strip levels.
const (
	StripNone  Strip = iota
	StripDebug       // debug sections
	StripAll         // those and the symbol table
)

// Unresolved says what happens to symbols that stay undefined.
type Unresolved uint8

// What happens to undefined symbols.
const (
	UnresolvedDefault       Unresolved = iota // an error in an executable, left to the run-time linker in a shared library
	UnresolvedError                           // an error
	UnresolvedIgnore                          // left to the run-time linker; 0 in a static executable
	UnresolvedIgnoreObjects                   // likewise if objects refer to them, an error if shared libraries do
)

// Compression says how debug sections of the output are compressed.
type Compression uint8

// Ways of compression.
const (
	CompressNone Compression = iota
	CompressZlib             // ELFCOMPRESS_ZLIB
	CompressZstd             // ELFCOMPRESS_ZSTD
)

// ICFKind says which identical functions become one.
type ICFKind uint8

// Kinds of identical code folding.
const (
	ICFNone ICFKind = iota
	ICFSafe         // those of which no object takes the address: it says so in .llvm_addrsig
	ICFAll          // all: different functions may have the same address
)

// Report says what becomes of a finding.
type Report uint8

// What becomes of a finding.
const (
	ReportNone Report = iota
	ReportWarning
	ReportError
)

// OrphanHandling says what happens to input sections that GNU ld's default linker script does not name.
type OrphanHandling uint8

// What happens to orphan sections.
const (
	OrphanPlace   OrphanHandling = iota // they become output sections
	OrphanWarn                          // likewise, with a warning
	OrphanError                         // they are an error
	OrphanDiscard                       // they are left out
)

// BuildIDKind is the kind of build ID.
type BuildIDKind uint8

// Kinds of build IDs.
const (
	BuildIDNone BuildIDKind = iota
	BuildIDSHA1             // 20 bytes that depend on the content
	BuildIDMD5              // 16 bytes that depend on the content
	BuildIDUUID             // 16 random bytes
	BuildIDHex              // Options.BuildIDBytes
)

// Options says what to link and how. The zero value of a field is the default of GNU ld for the processor, unless it says
// otherwise. Link does not change the Options, and they must not be changed before it returns.
type Options struct {
	Inputs []Input // in the order of the command line
	FS     fs.FS   // where paths are looked up; nil for the operating system's files
	// Output is the path of the result, written beside and renamed; "" to have it in Result.Data or Writer.
	Output string
	// Writer gets the result, whole and in one call, if it is set and Output is "".
	Writer io.Writer

	Mode        Mode
	Machine     elf.Machine // EM_NONE for that of the first object
	Static      bool        // no shared libraries
	LibraryPath []string    // folders for Input.Library and scripts (-L)
	RpathLink   []string    // -rpath-link: not used, as libraries that only shared libraries need are not read
	Sysroot     string      // the prefix of paths that begin with = in scripts and LibraryPath
	Threads     int         // 0 for GOMAXPROCS

	Entry          string // symbol or number; "" for _start, none in a shared library
	Init, Fini     string // symbols of DT_INIT and DT_FINI; "" for _init and _fini
	Interpreter    string // PT_INTERP; "" for none, or DefaultInterpreter
	Soname         string
	Rpath          []string
	OldDtags       bool // DT_RPATH rather than DT_RUNPATH
	Filter         []string
	Auxiliary      []string
	Undefined      []string // symbols that archives are searched for (-u)
	RequireDefined []string // likewise, and it is an error if they stay undefined
	Wrap           []string // --wrap
	Defsyms        []Defsym
	ExcludeLibs    []string // archives whose symbols are not exported; ALL for all
	ExportDynamic  bool     // -E
	// ExportSymbols are patterns of symbols that an executable exports (--export-dynamic-symbol).
	ExportSymbols []string
	// VersionScripts and DynamicLists are texts of such files.
	VersionScripts []Text
	DynamicLists   []Text
	Symbolic       bool // -Bsymbolic
	SymbolicFuncs  bool // -Bsymbolic-functions

	GCSections          bool
	GDBIndex            bool // .gdb_index is made
	EmitRelocs          bool // relocations of the objects are kept in the output (-q)
	ICF                 ICFKind
	KeepUnique          []string // symbols whose sections are not folded
	Strip               Strip
	DynamicData         bool              // variables are in the dynamic list (--dynamic-list-data)
	RetainSymbols       []string          // names that stay in the symbol table beside undefined ones; nil for all
	SymbolOrder         []string          // symbols whose sections come first, in this order
	SectionOrder        []string          // globs of names of input sections that come first, after those of SymbolOrder
	SortSection         SectionSort       // the order of the other input sections
	SortCommon          CommonSort        // the order of common symbols
	SectionStart        map[string]uint64 // addresses of sections of the output; they must ascend in their order
	KeepTextPrefix      bool              // .text.hot, .text.unlikely, .text.startup and .text.exit stay apart (-z keep-text-section-prefix)
	PackageMetadata     string            // JSON text for .note.package
	Orphans             OrphanHandling    // what happens to sections that GNU ld's default script does not name
	Compress            Compression       // not of relocatable objects
	HashStyle           HashStyle         // 0 for HashSysV and HashGNU
	EhFrameHdr          bool
	DiscardAll          bool // local symbols are left out of the symbol table (-x)
	DiscardLocals       bool // those that begin with .L are (-X)
	BuildID             BuildIDKind
	BuildIDBytes        []byte
	Unresolved          Unresolved
	MultipleDefs        bool // the first of several strong definitions is taken (-z muldefs)
	NoRelax             bool
	AllowShlibUndefined bool // shared libraries may have undefined symbols that nothing defines
	CheckShlibUndefined bool // they may not (the default for executables)
	NoGNUUnique         bool
	WarnUnresolved      bool // undefined symbols that would be errors are warnings, and as with UnresolvedIgnore
	WarnCommon          bool // Warn is called for common symbols that meet another definition
	WarnTextrel         bool // Warn is called if the output has run-time relocations of read-only sections
	NoDemangle          bool // messages have names as they are in the files

	Now, NoRelro                        bool // -z now, norelro
	SeparateCode, NoSeparateCode        bool // -z separate-code, noseparate-code; without either what GNU ld does for the processor
	NoText                              bool // -z notext: run-time relocations of read-only sections are no error
	ExecStack, NoExecStack              bool // -z execstack, noexecstack
	NoDelete, NoOpen, Origin, InitFirst bool // -z nodelete, nodlopen, origin, initfirst
	Interpose, NoDefaultLib, Global     bool // -z interpose, nodefaultlib, global
	NoCopyReloc                         bool // -z nocopyreloc
	IBTPLT, IBT, SHSTK                  bool // -z ibtplt, ibt, shstk (x86)
	BTI, PACPLT                         bool // -z force-bti, pac-plt (aarch64)
	// PackRelative packs relative relocations (DT_RELR). With RelrVersion the output needs the version GLIBC_ABI_DT_RELR of the GNU C
	// library, so that one which does not know packed relocations refuses it.
	PackRelative, RelrVersion       bool
	StartStopGC                     bool        // -z start-stop-gc: __start_ and __stop_ symbols do not keep sections
	SeparateSegments                bool        // -z separate-loadable-segments: no page of the file is in two segments
	ReadOnlyDynamic                 bool        // -z rodynamic: .dynamic is not writable
	NoUndefinedWeak                 bool        // -z nodynamic-undefined-weak: undefined weak symbols of an executable are 0
	NoWarnRWX                       bool        // no warning of segments that are writable and executable
	NoWarnExecStack, ErrorExecStack bool        // an object that asks for an executable stack is not worth a warning, or an error
	StartStopVisibility             string      // of __start_ and __stop_ symbols: default, internal, hidden; "" for protected
	NoGNUStack                      bool        // -z nognustack: there is no PT_GNU_STACK
	FeatureBits                     uint32      // bits of GNU_PROPERTY_X86_FEATURE_1_AND that are set whatever the objects say
	CheckVersions                   bool        // a version script must not name symbols that are not defined (--no-undefined-version)
	CETReport                       Report      // of objects that are not marked for IBT and SHSTK (-z cet-report)
	ISANeeded                       uint32      // levels of x86-64 that the output needs: bits of GNU_PROPERTY_X86_ISA_1 (-z x86-64-v2)
	DeadReloc                       []DeadReloc // -z dead-reloc-in-nonalloc
	StackSize                       uint64
	MaxPageSize                     uint64 // 0 for that of the processor's psABI
	ImageBase                       uint64 // 0 for what GNU ld has in ET_EXEC

	// MaxOutput bounds the size of the output in bytes: inputs can ask for alignments that make it much larger than they are.
	// 0 is for 16 times the size of the inputs and 4 GiB.
	MaxOutput int64

	// Plugins compile objects of intermediate code (-plugin). OpenPlugin opens one when the first such object is met; nil if there
	// are none. Without a plugin that can be opened an object that has no machine code besides is an error.
	Plugins    []PluginRef
	OpenPlugin func(PluginConfig) (Plugin, error)

	// Module makes a module, for package module to load: a shared library that needs no others, with tables of what it imports and
	// exports and the signatures of their types. The objects have to be compiled with debugging information, for x86-64. Mode
	// and what else modules have no choice of is set. ModuleImports lists what it may import; nil for whatever it refers to. A list
	// is names, with prototypes of those whose types objects do not tell: see docs/modules.md.
	Module        bool
	ModuleImports []Text
	// ExportTable puts a table of exports into any other output. With ExportList, of a module too, it has what that lists, else all
	// that others can see and whose type is known.
	ExportTable bool
	ExportList  []Text

	// CheckTypes says what becomes of a symbol that one object declares with another type than another object defines it with, by their
	// debugging information: a *TypeError.
	CheckTypes Report

	// Map is called with the text of a link map, if set.
	Map func(text []byte)
	// Warn is called with warnings, from one goroutine at a time; nil to have none.
	Warn func(msg string)
	// FatalWarnings makes it an error, ErrWarning, if there was a warning: nothing is written then.
	FatalWarnings bool
	// Print is called with lines that the options that follow ask for, from one goroutine at a time.
	Print func(line string)
	// Trace has Print called with the name of each file that is linked.
	Trace bool
	// PrintGC has Print called for each section that GCSections removes.
	PrintGC bool
	// PrintICF has Print called for each section that is folded, and what it is folded into.
	PrintICF bool
	// TraceSymbols are symbols for which Print is called with each file that refers to them or defines them.
	TraceSymbols []string
	// CrossReference is called with a table of all global symbols and the files that define them and refer to them, if set.
	CrossReference func(text []byte)
	// ListDiscarded has Result.Discarded filled in.
	ListDiscarded bool
	// Spans has Result.Spans filled in.
	Spans bool
	// Progress is called with the name of each phase when it begins.
	Progress func(phase string)
	// ErrorLimit bounds the number of undefined and of duplicate symbols that are reported, a MoreError standing for the rest; 0 for
	// all.
	ErrorLimit int
}

// A DeadReloc says what a relocation of a section that is not loaded stores if it refers to a section that is not in the output.
type DeadReloc struct {
	Section string // a glob of names of sections
	Value   uint64
}

// Text is the content of a file that steers the link.
type Text struct {
	Name string
	Data []byte
}

// A Result is what Link has made.
type Result struct {
	Data     []byte // the output, if Options.Output is "" and there is no Options.Writer
	Size     int64  // of the output in bytes
	Entry    uint64
	BuildID  []byte
	Sections []SectionInfo
	// Discarded is what sections of objects are not in the output, with Options.ListDiscarded.
	Discarded []Discarded
	// Spans is when goroutines worked, with Options.Spans.
	Spans  []Span
	Files  []string // what was linked: objects, members of archives, shared libraries
	Phases []Phase
	Opened []string // paths of the files that were read
}

// A SectionInfo is a section of the output.
type SectionInfo struct {
	Name string
	Addr uint64
	Off  uint64
	Size uint64
}
