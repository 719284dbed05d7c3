package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"weld/image/elf"
	"weld/internal/search"
)

type infoCmd struct {
	JSON    bool `help:"Print it as a JSON object."`
	Symbols bool `help:"List the dynamic symbols with their versions."`
	Types   bool `help:"List the C types of what it exports, and their signatures, as far as there is debugging information or a table of them."`

	File string `arg:"" help:"A path, or a name without a slash that is searched as weld call searches it."`
}

// Help is the second part of weld info --help.
func (*infoCmd) Help() string {
	return `It shows the ELF header, the program headers, the dynamic section, the versions wanted and defined, the relocations by
type, what runs at the start and the end, thread-local storage, the notes and the unwind table. Of a linker script, which development
packages put under the name of a library, it says that it is one and which libraries it names.`
}

// fileInfo is what weld info shows. Addresses are those in the file, without a load address.
type fileInfo struct {
	File          string          `json:"file"`
	Size          int             `json:"size"`
	Header        headerInfo      `json:"header"`
	Interpreter   string          `json:"interpreter,omitempty"`
	Segments      []segmentInfo   `json:"segments"`
	Dynamic       *dynamicInfo    `json:"dynamic,omitempty"`
	Symbols       symbolCounts    `json:"symbols"`
	SymbolList    []symbolInfo    `json:"symbol_list,omitempty"`
	VersionNeeds  []versionNeed   `json:"version_needs"`
	VersionDefs   []versionDef    `json:"version_defs"`
	Relocations   relocationInfo  `json:"relocations"`
	InitFini      initFini        `json:"init_fini"`
	TLS           *tlsInfo        `json:"tls,omitempty"`
	RELRO         *relroInfo      `json:"relro,omitempty"`
	Stack         stackInfo       `json:"stack"`
	WriteExec     bool            `json:"write_exec"`
	BuildID       string          `json:"build_id,omitempty"`
	ABITag        string          `json:"abi_tag,omitempty"`
	Properties    *propertiesInfo `json:"properties,omitempty"`
	EhFrameHdr    *ehFrameHdrInfo `json:"eh_frame_hdr,omitempty"`
	EhFrameHdrBad string          `json:"eh_frame_hdr_error,omitempty"`
	Types         *typesInfo      `json:"types,omitempty"`
}

type headerInfo struct {
	Class      string `json:"class"`
	Data       string `json:"data"`
	OSABI      string `json:"osabi"`
	ABIVersion uint8  `json:"abi_version"`
	Type       string `json:"type"`
	Machine    string `json:"machine"`
	Arch       string `json:"arch"`
	Entry      uint64 `json:"entry"`
	Flags      uint32 `json:"flags"`
	Phnum      int    `json:"phnum"`
	Shnum      int    `json:"shnum"`
}

type segmentInfo struct {
	Type   string `json:"type"`
	Flags  string `json:"flags"`
	Offset uint64 `json:"offset"`
	Vaddr  uint64 `json:"vaddr"`
	Paddr  uint64 `json:"paddr"`
	Filesz uint64 `json:"filesz"`
	Memsz  uint64 `json:"memsz"`
	Align  uint64 `json:"align"`
}

type dynamicInfo struct {
	Soname    string     `json:"soname,omitempty"`
	Needed    []string   `json:"needed"`
	Rpath     *string    `json:"rpath,omitempty"`
	Runpath   *string    `json:"runpath,omitempty"`
	Filter    []string   `json:"filter,omitempty"`
	Auxiliary []string   `json:"auxiliary,omitempty"`
	Flags     []string   `json:"flags"`
	Flags1    []string   `json:"flags_1"`
	Symbolic  bool       `json:"symbolic"`
	TextRel   bool       `json:"textrel"`
	BindNow   bool       `json:"bind_now"`
	Hash      []string   `json:"hash"`
	Entries   []dynEntry `json:"entries"`
}

type dynEntry struct {
	Tag   string `json:"tag"`
	Value uint64 `json:"value"`
}

type symbolCounts struct {
	Dynamic   int            `json:"dynamic"` // the null symbol not counted
	Defined   int            `json:"defined"`
	Undefined int            `json:"undefined"`
	Exported  int            `json:"exported"`
	ByType    map[string]int `json:"by_type"`
	ByBind    map[string]int `json:"by_bind"`
	Symtab    int            `json:"symtab"` // of .symtab, likewise
}

type symbolInfo struct {
	Index      uint32 `json:"index"`
	Name       string `json:"name"`
	Version    string `json:"version,omitempty"`
	Default    bool   `json:"default_version,omitempty"` // name@@version
	From       string `json:"from,omitempty"`            // the library a wanted version is of
	Defined    bool   `json:"defined"`
	Type       string `json:"type"`
	Bind       string `json:"bind"`
	Visibility string `json:"visibility"`
	Value      uint64 `json:"value"`
	Size       uint64 `json:"size"`
}

type versionNeed struct {
	File     string        `json:"file"`
	Versions []versionWant `json:"versions"`
}

type versionWant struct {
	Name  string `json:"name"`
	Index uint16 `json:"index"`
	Weak  bool   `json:"weak"`
}

type versionDef struct {
	Name    string   `json:"name"`
	Index   uint16   `json:"index"`
	Base    bool     `json:"base"`
	Weak    bool     `json:"weak"`
	Parents []string `json:"parents,omitempty"`
}

type relocationInfo struct {
	Rela   int            `json:"rela"`
	Rel    int            `json:"rel"`
	Relr   int            `json:"relr"`
	Plt    int            `json:"plt"`
	ByType map[string]int `json:"by_type"` // RELR not counted
}

type initFini struct {
	Init         uint64 `json:"init,omitempty"`
	Fini         uint64 `json:"fini,omitempty"`
	PreinitArray uint64 `json:"preinit_array"` // number of entries
	InitArray    uint64 `json:"init_array"`
	FiniArray    uint64 `json:"fini_array"`
}

type tlsInfo struct {
	Vaddr  uint64 `json:"vaddr"`
	Filesz uint64 `json:"filesz"`
	Memsz  uint64 `json:"memsz"`
	Align  uint64 `json:"align"`
	Static bool   `json:"static_tls"` // DF_STATIC_TLS
}

type relroInfo struct {
	Vaddr uint64 `json:"vaddr"`
	Memsz uint64 `json:"memsz"`
	Full  bool   `json:"full"` // with immediate binding, so that the GOT is covered
}

type stackInfo struct {
	Present    bool `json:"present"` // PT_GNU_STACK
	Executable bool `json:"executable"`
}

type propertiesInfo struct {
	X86Features       []string `json:"x86_features"`
	X86ISANeeded      []string `json:"x86_isa_needed"`
	X86ISAUsed        []string `json:"x86_isa_used"`
	StackSize         uint64   `json:"stack_size,omitempty"`
	NoCopyOnProtected bool     `json:"no_copy_on_protected"`
}

type ehFrameHdrInfo struct {
	Vaddr    uint64 `json:"vaddr"`
	EhFrame  uint64 `json:"eh_frame"`
	FDECount uint64 `json:"fde_count"`
	Table    bool   `json:"search_table"`
}

func (c *infoCmd) Run(s *streams) error {
	m, err := elf.Open(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		if path := findLibrary(c.File); path != "" {
			m, err = elf.Open(path)
		}
	}
	if err != nil {
		var fe *elf.FormatError
		if errors.As(err, &fe) && errors.Is(err, elf.ErrLinkerScript) {
			return fmt.Errorf("%s is a linker script, not a library: it names %s", c.File, strings.Join(fe.Libs, ", "))
		}
		return err
	}
	defer m.Close()
	info, err := describe(m.File, len(m.Data), c.Symbols)
	if err != nil {
		return err
	}
	if c.Types {
		if err := info.describeTypes(m.File, m.Name); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeJSON(s.out, info, "  ")
	}
	return info.print(s.out)
}

// findLibrary returns the path of the library that a name without a slash stands for, "" if there is none.
func findLibrary(name string) string {
	if strings.Contains(name, "/") {
		return ""
	}
	for _, libc := range []search.Flavor{search.Glibc, search.Musl} {
		s := search.New(search.Config{Libc: libc, LibraryPath: search.SplitLibraryPath(libc, os.Getenv("LD_LIBRARY_PATH"))})
		if path, err := s.Find(name, nil, nil); err == nil {
			return path
		}
	}
	return ""
}

// describe collects what there is to show of f.
func describe(f *elf.File, size int, symbols bool) (*fileInfo, error) {
	h := f.Header
	info := &fileInfo{
		File: f.Name, Size: size, Interpreter: f.Interp, Segments: []segmentInfo{},
		Header: headerInfo{h.Class.String(), h.Data.String(), h.OSABI.String(), h.ABIVersion, h.Type.String(), h.Machine.String(), h.Machine.Arch(),
			h.Entry, h.Flags, len(f.Progs), int(h.Shnum)},
		Stack:     stackInfo{f.Stack != nil, f.ExecStack()},
		WriteExec: f.WriteExec(),
		BuildID:   hex.EncodeToString(f.BuildID()),
	}
	for _, p := range f.Progs {
		info.Segments = append(info.Segments, segmentInfo{p.Type.String(), permissions(p.Flags), p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align})
	}
	if f.HasDynamic {
		info.Dynamic = describeDynamic(f)
	}
	if err := info.describeSymbols(f, symbols); err != nil {
		return nil, err
	}
	info.VersionNeeds, info.VersionDefs = describeVersions(f)
	info.Relocations = countRelocations(f)
	d := &f.Dynamic
	info.InitFini = initFini{d.Init, d.Fini, d.PreinitArray.Size / 8, d.InitArray.Size / 8, d.FiniArray.Size / 8}
	if p := f.TLS; p != nil {
		info.TLS = &tlsInfo{p.Vaddr, p.Filesz, p.Memsz, p.Align, d.Flags&elf.DF_STATIC_TLS != 0}
	}
	if p := f.Relro; p != nil {
		info.RELRO = &relroInfo{p.Vaddr, p.Memsz, d.BindNow}
	}
	if tag, ok := f.ABITag(); ok {
		systems := map[uint32]string{0: "Linux", 1: "Hurd", 2: "Solaris", 3: "FreeBSD"}
		name := systems[tag.OS]
		if name == "" {
			name = fmt.Sprintf("system %d", tag.OS)
		}
		info.ABITag = fmt.Sprintf("%s %d.%d.%d", name, tag.Major, tag.Minor, tag.Subminor)
	}
	if p, ok := f.GNUProperties(); ok {
		info.Properties = &propertiesInfo{flagList(uint64(p.X86Feature1), p.X86Feature1), flagList(uint64(p.X86ISANeeded), p.X86ISANeeded),
			flagList(uint64(p.X86ISAUsed), p.X86ISAUsed), p.StackSize, p.NoCopyOnProtected}
	}
	if p := f.EhFrameHdr; p != nil {
		if eh, err := f.ParseEhFrameHdr(); err != nil {
			info.EhFrameHdrBad = err.Error()
		} else {
			info.EhFrameHdr = &ehFrameHdrInfo{p.Vaddr, eh.EhFrame, eh.FDECount, eh.HasTable()}
		}
	}
	return info, nil
}

func describeDynamic(f *elf.File) *dynamicInfo {
	d := &f.Dynamic
	info := &dynamicInfo{Soname: d.Soname, Needed: append([]string{}, d.Needed...), Filter: d.Filter, Auxiliary: d.Auxiliary,
		Flags: flagList(uint64(d.Flags), d.Flags), Flags1: flagList(uint64(d.Flags1), d.Flags1),
		Symbolic: d.Symbolic, TextRel: d.TextRel, BindNow: d.BindNow, Hash: []string{}, Entries: []dynEntry{}}
	if d.HasRpath {
		info.Rpath = &d.Rpath
	}
	if d.HasRunpath {
		info.Runpath = &d.Runpath
	}
	if d.GNUHash != 0 {
		info.Hash = append(info.Hash, "DT_GNU_HASH")
	}
	if d.Hash != 0 {
		info.Hash = append(info.Hash, "DT_HASH")
	}
	for _, e := range f.DynEntries() {
		info.Entries = append(info.Entries, dynEntry{e.Tag.String(), e.Val})
	}
	return info
}

func (info *fileInfo) describeSymbols(f *elf.File, list bool) error {
	n := &info.Symbols
	n.ByType, n.ByBind = map[string]int{}, map[string]int{}
	for i, s := range f.DynSymbols().All() {
		n.Dynamic++
		if s.Defined() {
			n.Defined++
		} else {
			n.Undefined++
		}
		if s.Exported() {
			n.Exported++
		}
		n.ByType[s.Type().String()]++
		n.ByBind[s.Bind().String()]++
		if !list {
			continue
		}
		entry := symbolInfo{Index: i, Name: f.SymName(s), Defined: s.Defined(), Type: s.Type().String(), Bind: s.Bind().String(),
			Visibility: s.Visibility().String(), Value: s.Value, Size: s.Size}
		if v := f.SymVersion(i); v != nil {
			entry.Version, entry.From = v.Name, v.File
			entry.Default = s.Defined() && !f.Version(i).Hidden
		}
		info.SymbolList = append(info.SymbolList, entry)
	}
	table, err := f.SymtabSymbols()
	if err != nil {
		return err
	}
	n.Symtab = max(0, table.Len()-1)
	return nil
}

func describeVersions(f *elf.File) ([]versionNeed, []versionDef) {
	needs, defs := []versionNeed{}, []versionDef{}
	for _, n := range f.VersionNeeds() {
		need := versionNeed{File: n.File, Versions: []versionWant{}}
		for _, v := range n.Versions {
			need.Versions = append(need.Versions, versionWant{v.Name, v.Index, v.Weak})
		}
		needs = append(needs, need)
	}
	for _, d := range f.VersionDefs() {
		defs = append(defs, versionDef{d.Name, d.Index, d.Base, d.Weak, d.Parents})
	}
	return needs, defs
}

func countRelocations(f *elf.File) relocationInfo {
	n := relocationInfo{Rela: f.Rela().Len(), Rel: f.Rel().Len(), Relr: f.Relr().Count(), Plt: f.PltRel().Len() + f.PltRelRel().Len(), ByType: map[string]int{}}
	name := func(t uint32) string {
		if f.Machine == elf.EM_X86_64 {
			return elf.R_X86_64(t).String()
		}
		return fmt.Sprintf("type %d", t)
	}
	counts := map[uint32]int{}
	for _, t := range []elf.RelaTable{f.Rela(), f.PltRel()} {
		for _, r := range t.All() {
			counts[r.Type]++
		}
	}
	for _, t := range []elf.RelTable{f.Rel(), f.PltRelRel()} {
		for i := range t.Len() {
			counts[t.At(i).Type]++
		}
	}
	for t, k := range counts {
		n.ByType[name(t)] = k
	}
	return n
}

// flagList splits the names of a set of flags.
func flagList(v uint64, names fmt.Stringer) []string {
	if v == 0 {
		return []string{}
	}
	return strings.Split(names.String(), "+")
}

// permissions prints segment flags as readelf does.
func permissions(f elf.ProgFlag) string {
	b := []byte("---")
	for i, bit := range []elf.ProgFlag{elf.PF_R, elf.PF_W, elf.PF_X} {
		if f&bit != 0 {
			b[i] = "rwx"[i]
		}
	}
	if rest := f &^ (elf.PF_R | elf.PF_W | elf.PF_X); rest != 0 {
		return fmt.Sprintf("%s+%#x", b, uint32(rest))
	}
	return string(b)
}
