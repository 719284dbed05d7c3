package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"weld/ctype"
)

// printer writes lines and tables; the first error stays.
type printer struct {
	w   *bufio.Writer
	tab *tabwriter.Writer
}

// row writes a line of a table with its cells.
func (p *printer) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = fmt.Sprint(c)
	}
	// Columns of spaces at the end of a line would be left over after an empty cell.
	fmt.Fprintln(p.tab, strings.TrimRight(strings.Join(text, "\t"), "\t "))
}

// title ends a table and begins another.
func (p *printer) title(s string) {
	p.tab.Flush()
	fmt.Fprintf(p.w, "\n%s\n", s)
}

type address uint64

func (a address) String() string { return fmt.Sprintf("%#x", uint64(a)) }

// print writes info for people to read.
func (info *fileInfo) print(w io.Writer) error {
	b := bufio.NewWriter(w)
	p := &printer{w: b, tab: tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)}
	info.printSummary(p)

	p.title("Program headers")
	p.row("  Type", "Flags", "Offset", "Vaddr", "File size", "Memory size", "Align")
	for _, s := range info.Segments {
		p.row("  "+s.Type, s.Flags, address(s.Offset), address(s.Vaddr), address(s.Filesz), address(s.Memsz), address(s.Align))
	}
	if d := info.Dynamic; d != nil {
		info.printDynamic(p)
	}
	if len(info.VersionNeeds) > 0 {
		p.title("Versions needed")
		for _, n := range info.VersionNeeds {
			var names []string
			for _, v := range n.Versions {
				if v.Weak {
					v.Name += " (weak)"
				}
				names = append(names, v.Name)
			}
			p.row("  "+n.File, strings.Join(names, ", "))
		}
	}
	if len(info.VersionDefs) > 0 {
		p.title("Versions defined")
		for _, d := range info.VersionDefs {
			var notes []string
			if d.Base {
				notes = append(notes, "base")
			}
			if d.Weak {
				notes = append(notes, "weak")
			}
			if len(d.Parents) > 0 {
				notes = append(notes, "parent "+strings.Join(d.Parents, ", "))
			}
			p.row(fmt.Sprintf("  %d", d.Index), d.Name, strings.Join(notes, "; "))
		}
	}
	if r := info.Relocations; r.Rela+r.Rel+r.Relr+r.Plt > 0 {
		p.title("Relocations")
		for _, name := range slices.SortedFunc(maps.Keys(r.ByType), func(a, b string) int {
			return cmp.Or(-cmp.Compare(r.ByType[a], r.ByType[b]), cmp.Compare(a, b))
		}) {
			p.row("  "+name, r.ByType[name])
		}
		if r.Relr > 0 {
			p.row("  RELR", r.Relr)
		}
	}
	if len(info.SymbolList) > 0 {
		p.title("Dynamic symbols")
		p.row("  Value", "Size", "Type", "Bind", "Visibility", "Name")
		for _, s := range info.SymbolList {
			value := fmt.Sprintf("%016x", s.Value)
			if !s.Defined {
				value = "undefined"
			}
			p.row("  "+value, s.Size, s.Type, s.Bind, s.Visibility, s.fullName())
		}
	}
	if t := info.Types; t != nil {
		if t.From != ctype.FromNowhere.String() || t.Exports == nil && t.Imports == nil || t.Error != "" {
			p.title("Types")
			p.row("  From", strings.TrimSpace(t.From+" "+t.File+" "+t.Error))
			p.types(t.List)
		}
		for _, table := range []struct {
			title string
			list  []typeInfo
		}{{"Table of exports", t.Exports}, {"Table of imports", t.Imports}} {
			if table.list != nil {
				p.title(table.title)
				p.types(table.list)
			}
		}
	}
	if err := p.tab.Flush(); err != nil {
		return err
	}
	return b.Flush()
}

func (p *printer) types(list []typeInfo) {
	p.row("  Hash", "Type and signature")
	for _, x := range list {
		if x.Unknown != "" {
			p.row("  "+strings.Repeat("-", 16), x.Name+": "+x.Unknown)
			continue
		}
		p.row("  "+x.Hash, x.Type+"    "+x.Signature)
	}
}

// fullName gives the name with its version as GNU tools write it. A symbol that stands for a version has no other.
func (s symbolInfo) fullName() string {
	switch {
	case s.Version == "" || s.Version == s.Name:
		return s.Name
	case s.Default:
		return s.Name + "@@" + s.Version
	case s.From != "":
		return s.Name + "@" + s.Version + " (" + s.From + ")"
	}
	return s.Name + "@" + s.Version
}

func (info *fileInfo) printSummary(p *printer) {
	h := info.Header
	p.row("File", info.File)
	p.row("Size", info.Size)
	p.row("Type", h.Type)
	p.row("Machine", fmt.Sprintf("%s (%s), %s, %s", h.Machine, h.Arch, h.Class, h.Data))
	p.row("OS/ABI", fmt.Sprintf("%s, version %d", h.OSABI, h.ABIVersion))
	if h.Flags != 0 {
		p.row("Flags", fmt.Sprintf("%#x", h.Flags))
	}
	p.row("Entry", address(h.Entry))
	p.row("Headers", fmt.Sprintf("%d program headers, %d section headers", h.Phnum, h.Shnum))
	if info.Interpreter != "" {
		p.row("Interpreter", info.Interpreter)
	}
	if info.BuildID != "" {
		p.row("Build ID", info.BuildID)
	}
	if info.ABITag != "" {
		p.row("ABI tag", info.ABITag)
	}
	n := info.Symbols
	p.row("Symbols", fmt.Sprintf("%d dynamic: %d defined, %d undefined, %d exported; %d in .symtab", n.Dynamic, n.Defined, n.Undefined, n.Exported, n.Symtab))
	if len(n.ByType) > 0 {
		p.row("", counts(n.ByType))
		p.row("", counts(n.ByBind))
	}
	r := info.Relocations
	p.row("Relocations", fmt.Sprintf("%d RELA, %d REL, %d RELR, %d for the PLT", r.Rela, r.Rel, r.Relr, r.Plt))
	f := info.InitFini
	p.row("Start", fmt.Sprintf("DT_INIT %v, %d in DT_PREINIT_ARRAY, %d in DT_INIT_ARRAY", address(f.Init), f.PreinitArray, f.InitArray))
	p.row("End", fmt.Sprintf("DT_FINI %v, %d in DT_FINI_ARRAY", address(f.Fini), f.FiniArray))
	if t := info.TLS; t != nil {
		model := ""
		if t.Static {
			model = ", static (DF_STATIC_TLS)"
		}
		p.row("TLS", fmt.Sprintf("%d bytes, %d of them initialised, aligned to %d%s", t.Memsz, t.Filesz, t.Align, model))
	}
	switch t := info.RELRO; {
	case t == nil:
		p.row("RELRO", "none")
	case t.Full:
		p.row("RELRO", fmt.Sprintf("%d bytes at %v, full", t.Memsz, address(t.Vaddr)))
	default:
		p.row("RELRO", fmt.Sprintf("%d bytes at %v, partial", t.Memsz, address(t.Vaddr)))
	}
	switch s := info.Stack; {
	case !s.Present && s.Executable:
		p.row("Stack", "executable, as there is no PT_GNU_STACK")
	case s.Executable:
		p.row("Stack", "executable")
	default:
		p.row("Stack", "not executable")
	}
	if info.WriteExec {
		p.row("Warning", "a segment is both writable and executable")
	}
	if t := info.Properties; t != nil {
		var list []string
		list = append(list, t.X86Features...)
		for _, isa := range t.X86ISANeeded {
			list = append(list, isa+" needed")
		}
		for _, isa := range t.X86ISAUsed {
			list = append(list, isa+" used")
		}
		if t.StackSize > 0 {
			list = append(list, fmt.Sprintf("stack of %d bytes", t.StackSize))
		}
		if t.NoCopyOnProtected {
			list = append(list, "no copy on protected")
		}
		p.row("Properties", cmp.Or(strings.Join(list, ", "), "none that is known"))
	}
	if t := info.EhFrameHdr; t != nil {
		table := "without a search table"
		if t.Table {
			table = "with a search table"
		}
		p.row("Unwinding", fmt.Sprintf(".eh_frame_hdr at %v, .eh_frame at %v, %d FDEs, %s", address(t.Vaddr), address(t.EhFrame), t.FDECount, table))
	}
	if info.EhFrameHdrBad != "" {
		p.row("Unwinding", "bad .eh_frame_hdr: "+info.EhFrameHdrBad)
	}
}

func (info *fileInfo) printDynamic(p *printer) {
	d := info.Dynamic
	p.title("Dynamic section")
	row := func(name, value string) {
		if value != "" {
			p.row("  "+name, value)
		}
	}
	row("Soname", d.Soname)
	row("Needed", strings.Join(d.Needed, ", "))
	if d.Rpath != nil {
		row("Rpath", *d.Rpath)
	}
	if d.Runpath != nil {
		row("Runpath", *d.Runpath)
	}
	row("Filter", strings.Join(d.Filter, ", "))
	row("Auxiliary", strings.Join(d.Auxiliary, ", "))
	row("Flags", strings.Join(append(slices.Clone(d.Flags), d.Flags1...), ", "))
	var notes []string
	for _, n := range []struct {
		set  bool
		text string
	}{{d.BindNow, "immediate binding"}, {d.Symbolic, "symbolic"}, {d.TextRel, "relocations of text"}} {
		if n.set {
			notes = append(notes, n.text)
		}
	}
	row("Meaning", strings.Join(notes, ", "))
	row("Hash tables", strings.Join(d.Hash, ", "))
	row("Entries", fmt.Sprint(len(d.Entries)))
}

// counts prints numbers with what they count, the largest first.
func counts(m map[string]int) string {
	var list []string
	for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(-cmp.Compare(m[a], m[b]), cmp.Compare(a, b))
	}) {
		list = append(list, fmt.Sprintf("%d %s", m[k], k))
	}
	return strings.Join(list, ", ")
}
