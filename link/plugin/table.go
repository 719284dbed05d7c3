//go:build linux && amd64

package plugin

import (
	"fmt"
	"slices"
	"unsafe"

	"weld"
	"weld/image/elf"
	"weld/link"
)

// Values of enum ld_plugin_status.
const (
	statusOK int32 = iota
	statusNoSyms
	statusBadHandle
	statusErr
)

// Values of enum ld_plugin_level.
const (
	levelInfo int32 = iota
	levelWarning
	levelError
	levelFatal
)

// Values of enum ld_plugin_tag.
const (
	tagNull                 = 0
	tagAPIVersion           = 1
	tagLinkerOutput         = 3
	tagOption               = 4
	tagRegisterClaimFile    = 5
	tagRegisterSymbolsRead  = 6
	tagRegisterCleanup      = 7
	tagAddSymbols           = 8
	tagGetSymbols           = 9
	tagAddInputFile         = 10
	tagMessage              = 11
	tagGetInputFile         = 12
	tagReleaseInputFile     = 13
	tagAddInputLibrary      = 14
	tagOutputName           = 15
	tagSetExtraLibraryPath  = 16
	tagGNULdVersion         = 17
	tagGetView              = 18
	tagGetInputSectionCount = 19
	tagGetInputSectionType  = 20
	tagGetInputSectionName  = 21
	tagGetInputSectionBytes = 22
	tagGetSymbolsV2         = 25
	tagGetSymbolsV3         = 28
	tagGetInputSectionAlign = 29
	tagGetInputSectionSize  = 30
	tagRegisterNewInput     = 31
	tagAddSymbolsV2         = 33
)

const (
	apiVersion   = 1
	gnuLdVersion = 2*100 + 40 // the release of GNU ld that this is like
	maxSymbols   = 1 << 28
)

// Values of enum ld_plugin_symbol_type.
const (
	symTypeFunc = 1
	symTypeData = 2
)

// An entry is a struct ld_plugin_tv.
type entry struct {
	tag int32
	_   int32
	val uintptr
}

// An inputFile is a struct ld_plugin_input_file.
type inputFile struct {
	name         *byte
	fd           int32
	_            int32
	offset, size int64
	handle       uintptr
}

// A symbol is a struct ld_plugin_symbol.
type symbol struct {
	name       *byte
	_          *byte // version
	def        uint8
	typ        uint8
	_          [2]uint8 // section_kind, unused
	visibility int32
	size       uint64
	comdatKey  *byte
	resolution int32
	_          int32
}

// A section is a struct ld_plugin_section.
type section struct {
	handle uintptr
	index  uint32
	_      uint32
}

// table makes the table of the linker's functions that onload gets.
func (p *plugin) table() ([]entry, error) {
	table := []entry{{tag: tagAPIVersion, val: apiVersion}, {tag: tagGNULdVersion, val: gnuLdVersion}, {tag: tagLinkerOutput, val: outputKind(p.conf.Mode)}}
	add := func(tag int32, v *byte) {
		table = append(table, entry{tag: tag, val: uintptr(unsafe.Pointer(v))})
	}
	add(tagOutputName, p.cstring(p.conf.Output))
	for _, o := range p.conf.Options {
		add(tagOption, p.cstring(o))
	}
	for _, c := range []struct {
		tag int32
		fn  any
	}{
		{tagMessage, p.message}, // first of the functions: plugins complain by it about the rest
		{tagRegisterClaimFile, func(f uintptr) int32 { return register(&p.claimFile, f) }},
		{tagRegisterSymbolsRead, func(f uintptr) int32 { return register(&p.allSymbolsRead, f) }},
		{tagRegisterCleanup, func(f uintptr) int32 { return register(&p.cleanup, f) }},
		{tagRegisterNewInput, func(uintptr) int32 { return statusOK }},
		{tagAddSymbols, p.addSymbols},
		{tagAddSymbolsV2, p.addSymbols},
		{tagGetSymbols, func(h uintptr, n int32, s *symbol) int32 { return p.getSymbols(h, n, s, 1) }},
		{tagGetSymbolsV2, func(h uintptr, n int32, s *symbol) int32 { return p.getSymbols(h, n, s, 2) }},
		{tagGetSymbolsV3, func(h uintptr, n int32, s *symbol) int32 { return p.getSymbols(h, n, s, 3) }},
		{tagAddInputFile, func(path *byte) int32 { return p.addInput(link.Input{Path: goString(path)}) }},
		{tagAddInputLibrary, func(name *byte) int32 { return p.addInput(link.Input{Library: goString(name), AsNeeded: true}) }},
		{tagSetExtraLibraryPath, func(*byte) int32 { return statusOK }},
		{tagGetInputFile, p.getInputFile},
		{tagReleaseInputFile, p.releaseInputFile},
		{tagGetView, p.getView},
		{tagGetInputSectionCount, p.sectionCount},
		{tagGetInputSectionType, func(s section, typ *uint32) int32 {
			return p.section(s, func(x *elf.Section, _ string, _ []byte) { *typ = uint32(x.Type) })
		}},
		{tagGetInputSectionName, func(s section, name **byte) int32 {
			return p.section(s, func(_ *elf.Section, n string, _ []byte) { *name = p.strdup(n) })
		}},
		{tagGetInputSectionBytes, func(s section, data **byte, n *uint64) int32 {
			return p.section(s, func(_ *elf.Section, _ string, b []byte) { *data, *n = unsafe.SliceData(b), uint64(len(b)) })
		}},
		{tagGetInputSectionAlign, func(s section, align *uint32) int32 {
			return p.section(s, func(x *elf.Section, _ string, _ []byte) { *align = uint32(x.Addralign) })
		}},
		{tagGetInputSectionSize, func(s section, size *uint64) int32 {
			return p.section(s, func(x *elf.Section, _ string, _ []byte) { *size = x.Size })
		}},
	} {
		cb, err := weld.NewCallback(c.fn)
		if err != nil {
			return nil, err
		}
		p.callbacks = append(p.callbacks, cb)
		table = append(table, entry{tag: c.tag, val: cb.Addr()})
	}
	table = append(table, entry{tag: tagNull})
	p.keep.Pin(&table[0])
	return table, nil
}

// outputKind returns the value of enum ld_plugin_output_file_type.
func outputKind(m link.Mode) uintptr {
	switch m {
	case link.Relocatable:
		return 0
	case link.Shared:
		return 2
	case link.PIE:
		return 3
	}
	return 1
}

// register keeps a function of the plugin.
func register[F any](to *F, addr uintptr) int32 {
	f, err := weld.FuncAt[F](addr)
	if err != nil {
		return statusErr
	}
	*to = f
	return statusOK
}

// file returns the file of a handle, or nil.
func (p *plugin) file(handle uintptr) *file {
	if handle == 0 || handle > uintptr(len(p.files)) {
		return nil
	}
	return p.files[handle-1]
}

// addSymbols takes the symbols of the file that is being claimed.
func (p *plugin) addSymbols(handle uintptr, n int32, list *symbol) int32 {
	f := p.file(handle)
	if f == nil || f != p.claiming {
		return statusBadHandle
	}
	if n < 0 || n > maxSymbols {
		return statusErr
	}
	for i := range unsafe.Slice(list, n) {
		s := &unsafe.Slice(list, n)[i]
		if s.def > uint8(link.PluginCommon) || s.visibility < 0 || s.visibility > 3 {
			p.errs = append(p.errs, fmt.Sprintf("symbol %s of %s has kind %d and visibility %d", goString(s.name), f.Name, s.def, s.visibility))
			return statusErr
		}
		sym := link.PluginSymbol{
			Name: goString(s.name), Kind: link.PluginSymbolKind(s.def), Size: s.size, ComdatKey: goString(s.comdatKey),
			Visibility: [...]elf.SymVis{elf.STV_DEFAULT, elf.STV_PROTECTED, elf.STV_INTERNAL, elf.STV_HIDDEN}[s.visibility],
		}
		switch s.typ {
		case symTypeFunc:
			sym.Type = elf.STT_FUNC
		case symTypeData:
			sym.Type = elf.STT_OBJECT
		}
		f.syms = append(f.syms, sym)
	}
	return statusOK
}

// getSymbols tells the plugin what became of a file's symbols. Version 1 has no word for exported symbols; only 3 has one for
// files that are not linked.
func (p *plugin) getSymbols(handle uintptr, n int32, list *symbol, version int) int32 {
	f := p.file(handle)
	if f == nil {
		return statusBadHandle
	}
	if n < 0 || int(n) > len(f.syms) {
		return statusErr
	}
	syms := unsafe.Slice(list, n)
	if f.told == nil {
		if version >= 3 && len(f.syms) > 0 {
			return statusNoSyms
		}
		for i := range syms {
			syms[i].resolution = int32(link.PreemptedReg)
		}
		return statusOK
	}
	for i := range syms {
		r := f.told[i].Resolution
		if version < 2 && r == link.PrevailingDefExported {
			r = link.PrevailingDef
		}
		syms[i].resolution = int32(r)
	}
	return statusOK
}

func (p *plugin) addInput(in link.Input) int32 {
	p.made = append(p.made, in)
	return statusOK
}

func (p *plugin) getInputFile(handle uintptr, to *inputFile) int32 {
	f := p.file(handle)
	if f == nil {
		return statusBadHandle
	}
	in, err := p.inputFile(f)
	if err != nil {
		p.errs = append(p.errs, err.Error())
		return statusErr
	}
	*to = *in
	return statusOK
}

func (p *plugin) releaseInputFile(handle uintptr) int32 {
	f := p.file(handle)
	if f == nil {
		return statusBadHandle
	}
	if f != p.claiming {
		f.close()
	}
	return statusOK
}

// getView hands out the content of a file, which stays where it is until the link ends.
func (p *plugin) getView(handle uintptr, view **byte) int32 {
	f := p.file(handle)
	if f == nil {
		return statusBadHandle
	}
	*view = unsafe.SliceData(f.Data)
	return statusOK
}

func (p *plugin) sectionCount(handle uintptr, n *uint32) int32 {
	f := p.file(handle)
	if f == nil {
		return statusBadHandle
	}
	secs, _, err := f.sections()
	if err != nil {
		return statusErr
	}
	*n = uint32(len(secs))
	return statusOK
}

// section calls get with a section of a file, its name and its content.
func (p *plugin) section(s section, get func(x *elf.Section, name string, data []byte)) int32 {
	f := p.file(s.handle)
	if f == nil {
		return statusBadHandle
	}
	secs, ef, err := f.sections()
	if err != nil || uint64(s.index) >= uint64(len(secs)) {
		return statusErr
	}
	x := &secs[s.index]
	data, err := ef.SectionData(x)
	if err != nil {
		return statusErr
	}
	get(x, x.Name, data)
	return statusOK
}

// message takes a message, of which the format is printf's. Arguments beyond the fourth are on the stack, where there is
// something to read whether or not they were passed.
func (p *plugin) message(level int32, format *byte, a0, a1, a2, a3, a4, a5, a6, a7 uintptr) int32 {
	msg := printf(goString(format), []uintptr{a0, a1, a2, a3, a4, a5, a6, a7})
	switch level {
	case levelInfo, levelWarning:
		if p.conf.Warn != nil && level == levelWarning {
			p.conf.Warn(p.conf.Path + ": " + msg)
		}
	case levelError:
		if !slices.Contains(p.errs, msg) {
			p.errs = append(p.errs, msg)
		}
	default:
		panic(fatal{msg}) // the plugin does not expect that it comes back
	}
	return statusOK
}
