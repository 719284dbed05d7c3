package ctype

import (
	"path/filepath"
	"strconv"
)

// Place is a line of a source file. The zero value: not known.
type Place struct {
	File string // as the compiler was given it, with the folder it ran in before a relative path
	Line int    // from 1; 0: not known
}

func (p Place) String() string {
	switch {
	case p.File == "":
		return "an unknown place"
	case p.Line == 0:
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// declAt is where a type or symbol is declared: DW_AT_decl_file and DW_AT_decl_line of an entry of u.
type declAt struct {
	u          *unit
	file, line uint32
}

// declared returns where an entry says that it is declared.
func (e *die) declared() declAt {
	file, ok := e.uint(atDeclFile)
	line, _ := e.uint(atDeclLine)
	if !ok || file > 1<<24 || line > 1<<30 {
		return declAt{}
	}
	return declAt{e.u, uint32(file), uint32(line)}
}

// place looks up the name of the file. It is for holders of Info.mu.
func (d declAt) place() Place {
	if d.u == nil {
		return Place{}
	}
	files := d.u.fileNames()
	if int(d.file) >= len(files) || files[d.file] == "" {
		return Place{}
	}
	return Place{files[d.file], int(d.line)}
}

// Declared returns where the struct, union or enum is described in the source; the zero Place if that is not known. The line tables are
// read for that.
func (t *Type) Declared() Place {
	if t.body == nil || t.body.at.u == nil {
		return Place{}
	}
	in := t.body.at.u.d.in
	in.mu.Lock()
	defer in.mu.Unlock()
	return t.body.at.place()
}

// Declared returns where the function or variable is declared, or defined, in the source; the zero Place if that is not known.
func (k *Known) Declared() Place {
	if k.ref.u == nil || k.ref.off == 0 {
		return Place{}
	}
	in := k.ref.u.d.in
	in.mu.Lock()
	defer in.mu.Unlock()
	e, err := k.ref.u.die(k.ref.off)
	if err != nil {
		return Place{}
	}
	chain, err := e.chain()
	if err != nil {
		return Place{}
	}
	for _, e := range chain {
		if p := e.declared().place(); p.File != "" {
			return p
		}
	}
	return Place{}
}

// extra reads a section of the file that d is of, which a look at types does without. It is nil if there is none, or it is damaged.
func (d *dwarf) extra(name string) (b []byte) {
	read := func(f *elfFile) (err error) {
		b, err = f.section(name)
		return err
	}
	var err error
	if d.name == d.in.name {
		err = d.in.withELF(read)
	} else {
		err = withFile(d.name, &d.in.budget, read)
	}
	if err != nil {
		return nil
	}
	return b
}

// lineTable returns .debug_line, which is read once.
func (d *dwarf) lineTable() []byte {
	if !d.lineSet {
		d.lineSet = true
		name := ".debug_line"
		if d.isDWO {
			name += ".dwo"
		}
		d.line = d.extra(name)
	}
	return d.line
}

// fileNames returns the names of the source files of a unit by their number.
func (u *unit) fileNames() []string {
	if u.filesSet {
		return u.files
	}
	u.filesSet = true
	of := u
	if u.skel != nil { // a split unit has the numbers of its skeleton's table
		of = u.skel
	}
	if of.setup() != nil || !of.hasStmtList {
		return nil
	}
	if u.files = u.d.fileLists[of.stmtList]; u.files == nil || of != u {
		u.files = of.readFiles(of.d.lineTable(), of.stmtList)
		if of == u {
			if u.d.fileLists == nil {
				u.d.fileLists = map[uint64][]string{}
			}
			u.d.fileLists[of.stmtList] = u.files
		}
	}
	return u.files
}

// Content types of the file tables of DWARF 5 (table 7.27).
const (
	lnctPath      = 1
	lnctDirectory = 2
)

// maxFiles bounds the files of a unit, and maxFileWork those of all.
const (
	maxFiles    = 1 << 16
	maxFileWork = 1 << 22
)

// readFiles reads the file table of the line table at off (DWARF 5 and 4, section 6.2.4). What is damaged gives no names.
func (u *unit) readFiles(section []byte, off uint64) []string {
	r := readerAt(section, off)
	is64 := false
	n := uint64(r.u32())
	if n == 0xffffffff {
		is64 = true
		n = r.u64()
	}
	if r.bad || n > uint64(r.left()) || is64 != u.key.is64 {
		return nil
	}
	r.b = r.b[:r.pos+int(n)]
	version := r.u16()
	if version < 2 || version > 5 {
		return nil
	}
	if version == 5 {
		r.skip(2) // sizes of addresses and segments
	}
	r.offset(is64)
	r.skip(1) // smallest instruction
	if version >= 4 {
		r.skip(1) // operations of an instruction
	}
	r.skip(3) // default_is_stmt, line_base, line_range
	if base := r.u8(); base > 0 {
		r.skip(uint64(base) - 1)
	}
	dir := func(list []string, i uint64, name string) string {
		if filepath.IsAbs(name) || name == "" {
			return name
		}
		folder := ""
		if i < uint64(len(list)) {
			folder = list[i]
		}
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(u.compDir, folder)
		}
		return filepath.Join(folder, name)
	}
	var dirs, files []string
	if version == 5 {
		for _, x := range u.fileEntries(&r) {
			dirs = append(dirs, x.name)
		}
		for _, x := range u.fileEntries(&r) {
			files = append(files, dir(dirs, x.dir, x.name))
		}
	} else {
		dirs, files = []string{u.compDir}, []string{""}
		for len(dirs) < maxFiles {
			s := r.cstring()
			if len(s) == 0 {
				break
			}
			dirs = append(dirs, string(s))
		}
		for len(files) < maxFiles {
			s := r.cstring()
			if len(s) == 0 {
				break
			}
			files = append(files, dir(dirs, r.uleb(), string(s)))
			r.uleb()
			r.uleb()
		}
	}
	if r.bad {
		return nil
	}
	return files
}

type fileEntry struct {
	name string
	dir  uint64
}

// fileEntries reads the folders or the files of a line table of version 5.
func (u *unit) fileEntries(r *reader) (list []fileEntry) {
	type format struct {
		content uint64
		form    uint16
	}
	var formats []format
	for range r.u8() {
		formats = append(formats, format{r.uleb(), uint16(r.uleb())})
	}
	n := r.uleb()
	if u.d.fileWork += int(min(n, maxFiles)); n > maxFiles || n > uint64(r.left()) || u.d.fileWork > maxFileWork || len(formats) == 0 {
		if n > 0 {
			r.fail()
		}
		return nil
	}
	for range n {
		if r.bad {
			return nil
		}
		var x fileEntry
		for _, f := range formats {
			a := u.value(r, 0, f.form, 0)
			switch f.content {
			case lnctPath:
				x.name = string(u.str(&a))
			case lnctDirectory:
				x.dir = a.u
			}
		}
		list = append(list, x)
	}
	return list
}
