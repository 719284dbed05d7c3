package ctype

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// Macro is a macro without parameters, as it is at the end of a unit.
type Macro struct {
	Name string
	Body string // what it stands for, without spaces around it; may be empty
	At   Place
}

// Operations of .debug_macro (DWARF 5, section 6.3; version 4 is GNU's).
const (
	macroDefine     = 0x01
	macroUndef      = 0x02
	macroStartFile  = 0x03
	macroEndFile    = 0x04
	macroDefineStrp = 0x05
	macroUndefStrp  = 0x06
	macroImport     = 0x07
	macroDefineSup  = 0x08
	macroUndefSup   = 0x09
	macroImportSup  = 0x0a
	macroDefineStrx = 0x0b
	macroUndefStrx  = 0x0c
)

// maxMacroFiles bounds the files that are within one another.
const maxMacroFiles = 256

// macroReader collects macros. What is imported is read each time, as names may be undefined between; the budget is of
// operations.
type macroReader struct {
	in     *Info
	u      *unit
	data   []byte
	files  []string // a stack of those that are open; "" before the first
	found  map[string]Macro
	budget int
}

// Macros returns the macros without parameters that source files define, by name: for those that are compiled with -g3. What the
// compiler defines by itself is not among them. No .debug_macro section, or a relocatable object, of which it has not been joined yet: nil. The error is a *FormatError.
func (in *Info) Macros() ([]Macro, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil || in.dwarf == nil {
		return nil, err
	}
	d := in.dwarf
	if d.object {
		return nil, nil
	}
	data := d.extra(".debug_macro")
	if data == nil {
		return nil, nil
	}
	m := &macroReader{in: in, data: data, found: map[string]Macro{}, budget: 1<<20 + 16*len(data)}
	for _, u := range d.units {
		if u.setup() != nil {
			continue
		}
		root, err := u.die(u.first)
		if err != nil {
			return nil, err
		}
		a := root.get(atMacros)
		if a == nil {
			a = root.get(atGNUMacros)
		}
		if a == nil {
			continue
		}
		m.u, m.files = u, nil
		if err := m.read(a.u, 0); err != nil {
			return nil, err
		}
	}
	var list []Macro
	for _, x := range m.found {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Macro) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// read reads the operations at an offset of the section.
func (m *macroReader) read(off uint64, depth int) error {
	d := m.u.d
	corrupt := func(format string, args ...any) error { return d.corrupt(".debug_macro", off, format, args...) }
	r := readerAt(m.data, off)
	version, flags := r.u16(), r.u8()
	if r.bad || version != 4 && version != 5 {
		return corrupt("a header of version %d", version)
	}
	if depth > 32 {
		return corrupt("imports that have no end")
	}
	is64 := flags&1 != 0
	if flags&2 != 0 {
		r.offset(is64) // of the line table, which the unit says too
	}
	operands := map[uint8][]uint16{}
	if flags&4 != 0 {
		for range r.u8() {
			op := r.u8()
			for range r.uleb() {
				if r.bad {
					break
				}
				operands[op] = append(operands[op], uint16(r.u8()))
			}
		}
	}
	for {
		if m.budget--; m.budget < 0 {
			return &FormatError{d.name, ".debug_macro", off, "too much is imported", ErrTooLarge}
		}
		op := r.u8()
		if op == 0 {
			if r.bad {
				return corrupt("it ends within the operations")
			}
			return nil
		}
		switch op {
		case macroDefine, macroUndef:
			line := r.uleb()
			m.change(op == macroDefine, line, r.cstring())
		case macroDefineStrp, macroUndefStrp:
			line := r.uleb()
			m.change(op == macroDefineStrp, line, stringAt(d.sec.str, r.offset(is64)))
		case macroDefineStrx, macroUndefStrx:
			line := r.uleb()
			m.change(op == macroDefineStrx, line, m.u.str(&attr{form: formStrx, u: r.uleb()}))
		case macroDefineSup, macroUndefSup:
			line, at := r.uleb(), r.offset(is64)
			if alt, err := d.altFile(); err == nil {
				m.change(op == macroDefineSup, line, stringAt(alt.sec.str, at))
			}
		case macroStartFile:
			r.uleb()
			n := r.uleb()
			name := ""
			if files := m.u.fileNames(); n < uint64(len(files)) {
				name = files[n]
			}
			if len(m.files) == maxMacroFiles {
				return corrupt("more than %d files are within one another", maxMacroFiles)
			}
			m.files = append(m.files, name)
		case macroEndFile:
			if len(m.files) > 0 {
				m.files = m.files[:len(m.files)-1]
			}
		case macroImport:
			if err := m.read(r.offset(is64), depth+1); err != nil {
				return err
			}
		case macroImportSup:
			r.offset(is64) // what dwz has moved is of several files, and so system headers'
		default:
			forms, ok := operands[op]
			if !ok {
				return corrupt("the operation %#x is not known", op)
			}
			for _, form := range forms {
				m.u.value(&r, 0, form, 0)
			}
		}
		if r.bad {
			return corrupt("an operation is cut off")
		}
	}
}

// change notes that a macro is defined or is not any more.
func (m *macroReader) change(define bool, line uint64, text []byte) {
	name, body, _ := bytes.Cut(text, []byte{' '})
	if len(name) == 0 || bytes.IndexByte(name, '(') >= 0 {
		return
	}
	if !define {
		delete(m.found, string(name))
		return
	}
	if len(m.files) == 0 || m.files[len(m.files)-1] == "" {
		return
	}
	m.found[string(name)] = Macro{string(name), strings.TrimSpace(string(body)), Place{m.files[len(m.files)-1], int(line & 0x3fffffff)}}
}

// Enums returns the enums that the units describe, each of a name once, in the order in which they are described. The error is a *FormatError.
func (in *Info) Enums() ([]*Type, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil || in.dwarf == nil {
		return nil, err
	}
	var list []*Type
	seen := map[string]bool{}
	for _, u := range in.dwarf.units {
		if u.setup() != nil {
			continue
		}
		u, err := u.whole()
		if err != nil {
			continue
		}
		err = u.scan(func(e *die) {
			if e.tag != tagEnumerationType || e.flag(atDeclaration) {
				return
			}
			if name := string(e.name()); name == "" || !seen[name] {
				if t, err := u.typeAt(e.off, 0); err == nil && t.Kind == Enum {
					seen[name] = true
					list = append(list, t)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// System reports whether a file is one of the system's or the compiler's own headers, by where it is.
func (p Place) System() bool {
	f := filepath.ToSlash(p.File)
	return strings.HasPrefix(f, "/usr/include/") || strings.Contains(f, "/lib/gcc/") || strings.Contains(f, "/lib/clang/") || strings.HasPrefix(f, "/usr/lib/llvm") || strings.HasSuffix(f, ">") || f == ""
}
