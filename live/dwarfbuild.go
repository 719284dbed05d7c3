package live

import (
	"path/filepath"
	"slices"
)

// Numbers of DWARF 4, section 7.
const (
	dwTagCompileUnit = 0x11
	dwTagSubprogram  = 0x2e

	dwAtName      = 0x03
	dwAtStmtList  = 0x10
	dwAtLowPC     = 0x11
	dwAtHighPC    = 0x12
	dwAtLanguage  = 0x13
	dwAtCompDir   = 0x1b
	dwAtProducer  = 0x25
	dwAtDeclFile  = 0x3a
	dwAtDeclLine  = 0x3b
	dwAtExternal  = 0x3f
	dwAtFrameBase = 0x40
	dwAtRanges    = 0x55

	dwFormAddr        = 0x01
	dwFormData8       = 0x07
	dwFormData1       = 0x0b
	dwFormStrp        = 0x0e
	dwFormUdata       = 0x0f
	dwFormSecOffset   = 0x17
	dwFormExprloc     = 0x18
	dwFormFlagPresent = 0x19

	dwLangC99        = 0x0c
	dwOpCallFrameCFA = 0x9c

	dwLnsCopy        = 1
	dwLnsAdvancePC   = 2
	dwLnsAdvanceLine = 3
	dwLnsSetFile     = 4
	dwLnsSetColumn   = 5
	dwLneEndSequence = 1
	dwLneSetAddress  = 2

	dwVersion = 4
	producer  = "weld"
)

const (
	abbrevUnit = 1 + iota
	abbrevFunction
)

// abbrevs is .debug_abbrev.
var abbrevs = []byte{
	abbrevUnit, dwTagCompileUnit, 1,
	dwAtProducer, dwFormStrp, dwAtLanguage, dwFormData1, dwAtName, dwFormStrp, dwAtCompDir, dwFormStrp,
	dwAtLowPC, dwFormAddr, dwAtRanges, dwFormSecOffset, dwAtStmtList, dwFormSecOffset, 0, 0,
	abbrevFunction, dwTagSubprogram, 0,
	dwAtExternal, dwFormFlagPresent, dwAtName, dwFormStrp, dwAtDeclFile, dwFormUdata, dwAtDeclLine, dwFormUdata,
	dwAtLowPC, dwFormAddr, dwAtHighPC, dwFormData8, dwAtFrameBase, dwFormExprloc, 0, 0,
	0,
}

// build makes a unit for each file that a function begins in.
func (b *dwarfBuilder) build(list []*function, dir string) {
	units := map[string][]*function{}
	var order []string
	for _, f := range list {
		file := f.source.lines[0].File
		if units[file] == nil {
			order = append(order, file)
		}
		units[file] = append(units[file], f)
	}
	for _, file := range order {
		b.unit(file, dir, units[file])
		b.units++
	}
}

// string returns where a string is in .debug_str. Those of names of functions are there once for each.
func (b *dwarfBuilder) string(s string, shared bool) uint32 {
	if shared {
		if at, ok := b.files[s]; ok {
			return at
		}
		if at, ok := b.added[s]; ok {
			return at
		}
	}
	at := uint32(b.strAt) + uint32(len(b.str))
	b.str = append(append(b.str, s...), 0)
	if shared {
		b.added[s] = at
	}
	return at
}

func (b *dwarfBuilder) unit(file, dir string, fns []*function) {
	slices.SortStableFunc(fns, func(f, g *function) int { return int(f.vaddr()) - int(g.vaddr()) })
	files := map[string]int{}
	var order []string
	number := func(name string) int {
		n, ok := files[name]
		if !ok {
			n = len(order) + 1
			files[name] = n
			order = append(order, name)
		}
		return n
	}
	number(file)
	for _, f := range fns {
		for _, l := range f.source.lines {
			if l.File != "" {
				number(l.File)
			}
		}
	}

	// .debug_info
	start := len(b.info)
	b.info = le.AppendUint32(b.info, 0)
	b.info = le.AppendUint16(b.info, dwVersion)
	b.info = le.AppendUint32(b.info, 0) // .debug_abbrev
	b.info = append(b.info, 8)
	b.info = append(b.info, abbrevUnit)
	b.info = le.AppendUint32(b.info, b.string(producer, true))
	b.info = append(b.info, dwLangC99)
	b.info = le.AppendUint32(b.info, b.string(file, true))
	if filepath.IsAbs(file) {
		dir = filepath.Dir(file)
	}
	b.info = le.AppendUint32(b.info, b.string(dir, true))
	b.info = le.AppendUint64(b.info, 0) // what ranges are relative to
	b.info = le.AppendUint32(b.info, uint32(b.rangesAt)+uint32(len(b.ranges)))
	b.info = le.AppendUint32(b.info, uint32(b.lineAt)+uint32(len(b.line)))
	aranges := len(b.aranges)
	b.aranges = le.AppendUint32(b.aranges, 0)
	b.aranges = le.AppendUint16(b.aranges, 2) // version
	b.aranges = le.AppendUint32(b.aranges, uint32(b.infoAt)+uint32(start))
	b.aranges = append(b.aranges, 8, 0, 0, 0, 0, 0) // sizes of addresses and segments, padding
	fixes := len(b.fixes)
	for _, f := range fns {
		d := f.source
		fix := dwarfFix{d: d}
		b.info = append(b.info, abbrevFunction)
		b.info = le.AppendUint32(b.info, b.string(d.name, false))
		b.info = appendUleb(b.info, uint64(number(d.lines[0].File)))
		b.info = appendUleb(b.info, uint64(d.lines[0].Line))
		b.info = le.AppendUint64(b.info, f.vaddr())
		fix.high = b.infoAt + uint64(len(b.info))
		b.info = le.AppendUint64(b.info, uint64(f.size))
		b.info = append(b.info, 1, dwOpCallFrameCFA)
		fix.span = b.rangesAt + uint64(len(b.ranges))
		b.ranges = le.AppendUint64(b.ranges, f.vaddr())
		b.ranges = le.AppendUint64(b.ranges, f.vaddr()+uint64(f.size))
		fix.arange = b.arangesAt + uint64(len(b.aranges))
		b.aranges = le.AppendUint64(b.aranges, f.vaddr())
		b.aranges = le.AppendUint64(b.aranges, uint64(f.size))
		b.fixes = append(b.fixes, fix)
	}
	b.info = append(b.info, 0)
	le.PutUint32(b.info[start:], uint32(len(b.info)-start-4))
	b.ranges = append(b.ranges, make([]byte, 16)...)
	b.aranges = append(b.aranges, make([]byte, 16)...)
	le.PutUint32(b.aranges[aranges:], uint32(len(b.aranges)-aranges-4))
	b.lines(fns, order, number, b.fixes[fixes:])
}

// The header of a line program says which opcodes advance line and address at once.
const (
	lineBase   = -5
	lineRange  = 14
	opcodeBase = 13
)

// lines writes a line program (DWARF 4, 6.2): a sequence for each function.
func (b *dwarfBuilder) lines(fns []*function, files []string, number func(string) int, fixes []dwarfFix) {
	start := len(b.line)
	p := le.AppendUint32(b.line, 0)
	p = le.AppendUint16(p, dwVersion)
	header := len(p)
	p = le.AppendUint32(p, 0)
	p = append(p, 1, 1, 1, lineBase&0xff, lineRange, opcodeBase)
	p = append(p, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1) // operands of the standard opcodes
	p = append(p, 0)                                  // no directories
	for _, f := range files {
		p = append(append(p, f...), 0, 0, 0, 0)
	}
	p = append(p, 0)
	le.PutUint32(p[header:], uint32(len(p)-header-4))
	for i, f := range fns {
		p = append(p, 0, 9, dwLneSetAddress)
		fixes[i].address = b.lineAt + uint64(len(p))
		p = le.AppendUint64(p, f.vaddr()+uint64(f.source.lines[0].Offset))
		at, line, file, column := f.source.lines[0].Offset, 1, 1, 0
		for _, l := range f.source.lines {
			if l.File != "" && number(l.File) != file {
				file = number(l.File)
				p = appendUleb(append(p, dwLnsSetFile), uint64(file))
			}
			if l.Column != column {
				column = l.Column
				p = appendUleb(append(p, dwLnsSetColumn), uint64(column))
			}
			dl, da := l.Line-line, l.Offset-at
			if dl < lineBase || dl >= lineBase+lineRange {
				p = appendSleb(append(p, dwLnsAdvanceLine), int64(dl))
				dl = 0
			}
			if op := dl - lineBase + lineRange*da + opcodeBase; da < 256/lineRange && op < 256 {
				p = append(p, byte(op))
			} else {
				p = appendUleb(append(p, dwLnsAdvancePC), uint64(da))
				p = append(p, byte(dl-lineBase+opcodeBase))
			}
			at, line = l.Offset, l.Line
		}
		p = appendUleb(append(p, dwLnsAdvancePC), uint64(int(f.size)-at))
		p = append(p, 0, 1, dwLneEndSequence)
	}
	le.PutUint32(p[start:], uint32(len(p)-start-4))
	b.line = p
}
