package link

import "weld/image/elf"

// A Plugin turns objects of a compiler's intermediate code into machine code: link-time optimisation. Package link/plugin makes
// one of a linker plugin that compilers bring, such as gcc's liblto_plugin.so. One goroutine at a time calls its methods.
type Plugin interface {
	// Claim looks at a file. If it is one for the plugin, Claim returns true and the symbols of the file, whose Resolution is
	// not set. f and its Data stay valid until Close.
	Claim(f *PluginFile) (syms []PluginSymbol, claimed bool, err error)
	// Compile is called once, when it is known where all symbols are defined, with all files that were claimed. It returns
	// what is linked in their place.
	Compile(files []ClaimedFile) ([]Input, error)
	// Close frees what the plugin has, its temporary files too. What Compile has returned is open then.
	Close() error
}

// A PluginFile is an object that a plugin may claim.
type PluginFile struct {
	Name   string // for messages
	Path   string // the file it is in, an archive maybe; "" if it is in no file of the operating system
	Offset int64  // of its first byte in that file
	Data   []byte // its content
}

// A ClaimedFile is a file that a plugin has claimed, with what became of its symbols.
type ClaimedFile struct {
	File *PluginFile
	// Symbols are those that Claim has returned, in the same order, with Resolution set; nil if the file is a member of an
	// archive that is not linked.
	Symbols []PluginSymbol
}

// A PluginSymbol is a global symbol of a file that a plugin has claimed.
type PluginSymbol struct {
	Name       string
	Kind       PluginSymbolKind
	Type       elf.SymType // STT_FUNC, STT_OBJECT, or STT_NOTYPE if it is not known
	Visibility elf.SymVis
	Size       uint64 // of a common symbol in bytes
	ComdatKey  string // the signature of its section group; "" if it is in none
	Resolution Resolution
}

// PluginSymbolKind says how a file defines a symbol; the values are those of the linker plugin API (enum ld_plugin_symbol_kind).
type PluginSymbolKind uint8

// How symbols are defined.
const (
	PluginDef PluginSymbolKind = iota
	PluginWeakDef
	PluginUndef
	PluginWeakUndef
	PluginCommon
)

// A Resolution says what became of a symbol; the values are those of the linker plugin API (enum ld_plugin_symbol_resolution).
type Resolution uint8

// Resolutions. IR is a file that a plugin has claimed.
const (
	ResolutionUnknown     Resolution = iota
	ResolvedUndef                    // nothing defines it
	PrevailingDef                    // this definition holds, and other files refer to it
	PrevailingDefIROnly              // this definition holds, and only IR refers to it
	PreemptedReg                     // the definition of another object holds
	PreemptedIR                      // the definition of another IR file holds
	ResolvedIR                       // an IR file defines what is referred to
	ResolvedExec                     // an object does
	ResolvedDyn                      // a shared library does
	PrevailingDefExported            // this definition holds, only IR refers to it, and the output may export it
)

// A PluginRef names a plugin of the command line.
type PluginRef struct {
	Path    string
	Options []string // -plugin-opt
}

// A PluginConfig is what a plugin has to know of the link.
type PluginConfig struct {
	PluginRef
	Mode   Mode
	Output string // path; "" for memory
	// Warn is called with messages of the plugin that are no errors.
	Warn func(msg string)
}
