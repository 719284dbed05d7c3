package link

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"weld/ctype"
	"weld/image/elf"
)

// Tables of symbols with the signatures of their types: the imports and exports of a module (Options.Module), and the exports of any
// other output (Options.ExportTable). docs/modules.md has the format. Signatures are computed from the debugging information of the
// objects, those of imports from declarations. What is in the tables is decided when all else of the output is known but
// where it will be; that is written into the table of exports in the end.

// ErrType is a kind of [FileError]: the type of a symbol is not known, or objects have several.
var ErrType = errors.New("a type that is not known, or not the same in all objects")

// A symbolList is the text of Options.ModuleImports or ExportList, by the names of the symbols.
type symbolList map[string]*listed

// A listed is what a list says of a symbol.
type listed struct {
	place     string      // file:line
	typ       *ctype.Type // of a prototype; nil for none
	unchecked bool        // its type does not matter
}

// readSymbolLists reads lists of symbols: names with blanks between them; lines that begin with the word unchecked and go on with
// names; prototypes in C, one a line. What follows a # is a comment. The name * in a list of imports stands for all whose type is
// known.
func readSymbolLists(texts []Text) (symbolList, error) {
	if texts == nil {
		return nil, nil
	}
	list := symbolList{}
	var errs errorList
	for _, t := range texts {
		n := 0
		for line := range strings.Lines(string(t.Data)) {
			n++
			place := fmt.Sprintf("line %d", n)
			line, _, _ = strings.Cut(line, "#")
			add := func(name string, x listed) {
				x.place = t.Name + ":" + fmt.Sprint(n)
				if old := list[name]; old != nil && (old.typ != nil && x.typ != nil || old.unchecked != x.unchecked) {
					errs.add(fileErr(ErrScript, t.Name, place, "%s is in %s already", name, old.place))
					return
				} else if old != nil && x.typ == nil {
					return
				}
				list[name] = &x
			}
			if strings.ContainsRune(line, '(') {
				k, err := ctype.ParseDecl(strings.TrimSuffix(strings.TrimSpace(line), ";"))
				if err != nil {
					errs.add(fileErr(ErrScript, t.Name, place, "%v", err))
					continue
				}
				add(k.Name, listed{typ: k.Type})
				continue
			}
			words := strings.Fields(line)
			unchecked := len(words) > 1 && words[0] == "unchecked"
			if unchecked {
				words = words[1:]
			}
			for _, w := range words {
				add(w, listed{unchecked: unchecked})
			}
		}
	}
	return list, errs.err()
}

// moduleTables is the state of the tables while they are made.
type moduleTables struct {
	imports, exports symbolList // nil: there is no list
	infos            []*ctype.Info
	symbols          []map[string]ctype.Query // what the objects define, by name
}

// readModuleLists checks and adds to the options what modules and tables need.
func (l *linker) readModuleLists() error {
	opt := l.opt
	if !opt.Module && !opt.ExportTable {
		return nil
	}
	m := &moduleTables{}
	l.module = m
	var err error
	if m.imports, err = readSymbolLists(opt.ModuleImports); err != nil {
		return err
	}
	if m.exports, err = readSymbolLists(opt.ExportList); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(m.exports))
	if opt.Mode == Relocatable {
		return &OptionError{"--export-table", "a relocatable object has no tables of signatures"}
	}
	if !opt.Module {
		// What is listed is linked, and can be found by the run-time linker too.
		opt.Undefined = append(slices.Clip(opt.Undefined), names...)
		opt.ExportSymbols = append(slices.Clip(opt.ExportSymbols), names...)
		return nil
	}
	if opt.Machine == elf.EM_NONE {
		opt.Machine = elf.EM_X86_64
	}
	if opt.Machine != elf.EM_X86_64 {
		return &OptionError{"--module", "modules are for x86-64"}
	}
	opt.Mode, opt.Static, opt.Interpreter = Shared, false, ""
	opt.Symbolic, opt.Now, opt.NoGNUUnique, opt.EhFrameHdr = true, true, true, true
	opt.Unresolved = UnresolvedIgnore // reported here
	opt.Inputs = append(slices.Clip(opt.Inputs), Support()...)
	opt.Undefined = append(slices.Clip(opt.Undefined), names...)
	if m.exports != nil && opt.VersionScripts == nil {
		script := "{ local: *; };"
		if len(names) > 0 {
			script = "{ global: \"" + strings.Join(names, "\"; \"") + "\"; local: *; };"
		}
		opt.VersionScripts = []Text{{Name: "the list of exports", Data: []byte(script)}}
	}
	return nil
}

// makeModuleTables makes the tables.
func (l *linker) makeModuleTables() error {
	m := l.module
	if m == nil {
		return nil
	}
	if l.class != class64 {
		return &OptionError{"--export-table", "tables of signatures are for processors of 64 bits"}
	}
	m.infos, m.symbols = make([]*ctype.Info, len(l.objs)), make([]map[string]ctype.Query, len(l.objs))
	var errs errorList
	if l.opt.Module {
		for _, d := range l.dsos {
			if d.needed || !d.asNeeded {
				errs.add(fileErr(ErrFormat, d.name, "", "a module needs no libraries: it gets from its host what it does not define"))
			}
		}
		if l.textrel.Load() {
			errs.add(fileErr(ErrReloc, l.objs[0].name, "", "the module would have relocations in its text"))
		}
		imports, err := l.moduleImports()
		errs.add(err)
		if err == nil {
			errs.add(l.addTable(".note.weld.imports", ctype.NoteImports, imports, nil))
		}
	}
	exports, ids, err := l.moduleExports()
	errs.add(err)
	if err == nil {
		errs.add(l.addTable(".note.weld.exports", ctype.NoteExports, exports, ids))
	}
	return errs.err()
}

// addTable makes the note of a table. With ids the values are those of the symbols.
func (l *linker) addTable(section string, typ uint32, entries []ctype.SigEntry, ids map[string]symID) error {
	desc, err := ctype.AppendSigTable(nil, entries) // it sorts them
	if err != nil {
		return &OptionError{"--export-table", err.Error()}
	}
	const head = 20 // sizes, type, and the owner's name with what aligns it
	b := le.AppendUint32(nil, uint32(len(ctype.NoteOwner)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	b = append(append(b, ctype.NoteOwner...), make([]byte, head-12-len(ctype.NoteOwner))...)
	b = append(b, desc...)
	s := l.synthSection(section, shtNote, shfAlloc, 4)
	s.size = alignUp(uint64(len(b)), 4)
	s.out.keep = true
	s.write = func(buf []byte) error {
		if ids != nil {
			for i := range entries {
				ctype.SetSigValue(b[head:], i, l.syms.at(ids[entries[i].Name]).value)
			}
		}
		copy(buf, b)
		return nil
	}
	return nil
}

// eachSymbol calls fn for the global symbols, sorted by name.
func (l *linker) eachSymbol(want func(s *symbol) bool, fn func(id symID, s *symbol)) {
	var ids []symID
	for n := range nShards {
		for i := 1; i < len(l.syms.shards[n].syms); i++ {
			if want(&l.syms.shards[n].syms[i]) {
				ids = append(ids, symID(n<<idBits|i))
			}
		}
	}
	slices.SortFunc(ids, func(a, b symID) int { return cmp.Compare(l.syms.at(a).name, l.syms.at(b).name) })
	for _, id := range ids {
		fn(id, l.syms.at(id))
	}
}

// moduleImports returns the entries of what the host has to give.
func (l *linker) moduleImports() ([]ctype.SigEntry, error) {
	var list []ctype.SigEntry
	var errs errorList
	refs := map[symID][]*object{}
	l.eachSymbol(func(s *symbol) bool {
		return s.kind == symUndef && s.flags&refObject != 0 && s.flags&(needTables|refStrong) != 0 && s.name != "__tls_get_addr"
	}, func(id symID, s *symbol) { refs[id] = nil })
	for _, o := range l.objs {
		for _, id := range o.names.ids {
			if _, ok := refs[id]; ok {
				refs[id] = append(refs[id], o)
			}
		}
	}
	l.eachSymbol(func(s *symbol) bool { return s.kind == symUndef }, func(id symID, s *symbol) {
		objs, ok := refs[id]
		if !ok {
			return
		}
		name := strings.Clone(s.name)
		e, err := l.importEntry(name, s, objs)
		if err != nil {
			errs.add(err)
		} else if e != nil {
			list = append(list, *e)
		}
	})
	for _, name := range slices.Sorted(maps.Keys(l.module.imports)) {
		if x := l.module.imports[name]; x.typ != nil && !slices.ContainsFunc(list, func(e ctype.SigEntry) bool { return e.Name == name }) {
			l.warn("%s: nothing refers to %s", x.place, name)
		}
	}
	return list, errs.err()
}

// importEntry returns the entry of an undefined symbol that objects refer to, nil if it is left out: it is weak, and nobody has said
// anything of it.
func (l *linker) importEntry(name string, s *symbol, objs []*object) (*ctype.SigEntry, error) {
	m := l.module
	file := func(o *object) string { return strings.Clone(o.name) }
	if len(objs) == 0 {
		return nil, nil // an option refers to it
	}
	x := m.imports[name]
	if x == nil {
		x = compilerCalls(name)
	}
	if m.imports != nil && x == nil && m.imports["*"] == nil {
		if s.undefWeak() {
			return nil, nil
		}
		return nil, fileErr(ErrNotFound, file(objs[0]), name, "nothing defines it, and it is not in the list of what the module may import")
	}
	if s.hidden() {
		return nil, fileErr(ErrNotFound, file(objs[0]), name, "nothing defines it, and it cannot be imported as it is hidden")
	}
	if s.typ == elf.STT_TLS || s.flags&(needGOTTP|needTLSGD|needTLSDesc) != 0 {
		return nil, fileErr(ErrFormat, file(objs[0]), name, "a thread-local variable cannot be imported")
	}
	weak := s.undefWeak()
	if x != nil && x.unchecked {
		return &ctype.SigEntry{Name: name, Weak: weak, Object: s.typ == elf.STT_OBJECT || strings.HasPrefix(name, "_ZT")}, nil
	}
	var known *ctype.Known
	var from string
	var why error
	var sig ctype.Signature
	if x != nil && x.typ != nil {
		known, from = &ctype.Known{Type: x.typ}, x.place
		sig, why = ctype.SignatureOf(x.typ)
	}
	for _, o := range objs {
		k, err := l.info(o).Lookup(ctype.Query{Name: name})
		var own ctype.Signature
		if err == nil {
			own, err = ctype.SignatureOf(k.Type)
		}
		switch {
		case err != nil:
			if why == nil {
				why = err
			}
		case known == nil:
			known, from, sig = k, file(o), own
		case own.Text != sig.Text:
			return nil, fileErr(ErrType, file(o), name, "it is declared as %s here, and as %s in %s", k.Type.Declare(name), known.Type.Declare(name), from)
		}
	}
	if known == nil || sig.Hash == 0 {
		if weak && x == nil {
			return nil, nil
		}
		return nil, fileErr(ErrType, file(objs[0]), name, "nothing defines it, and its type is not known (%s): compile with gcc -g, or give its prototype, or the word unchecked, in the list of imports", reason(why))
	}
	e := ctype.NewSigEntry(name, known.Type, known.Type.Strip().Kind != ctype.Func)
	e.Weak = weak
	return &e, nil
}

// compilerCalls says what is known of what compilers refer to by themselves, without a declaration: nil for all else.
func compilerCalls(name string) *listed {
	switch name {
	case "memcpy", "memmove":
		return &listed{place: "the C library", typ: memcpyType(ctype.PointerTo(ctype.VoidType()))}
	case "memset":
		return &listed{place: "the C library", typ: memcpyType(&ctype.Type{Kind: ctype.Int, Name: "int", Size: 4, Signed: true})}
	case "memcmp":
		t := memcpyType(ctype.PointerTo(ctype.VoidType()))
		t.Elem = &ctype.Type{Kind: ctype.Int, Name: "int", Size: 4, Signed: true}
		return &listed{place: "the C library", typ: t}
	case "__gxx_personality_v0", "__gcc_personality_v0", "__stack_chk_fail":
		return &listed{unchecked: true}
	}
	for _, prefix := range []string{"__cxa_", "_Unwind_", "_ZTI", "_ZTV", "_ZTS"} {
		if strings.HasPrefix(name, prefix) {
			return &listed{unchecked: true}
		}
	}
	return nil
}

// memcpyType is the type of memcpy with another second parameter.
func memcpyType(second *ctype.Type) *ctype.Type {
	p := ctype.PointerTo(ctype.VoidType())
	size := &ctype.Type{Kind: ctype.Int, Name: "unsigned long", Size: 8}
	return &ctype.Type{Kind: ctype.Func, Size: -1, Elem: p, Params: []ctype.Param{{Type: p}, {Type: second}, {Type: size}}}
}

// reason is what an error of package ctype says, without what it says of.
func reason(err error) string {
	var u *ctype.UnknownError
	if errors.As(err, &u) {
		return u.Why
	}
	return fmt.Sprint(err)
}

// moduleExports returns the entries of what others may use: what is listed, or else all of which the type is known.
func (l *linker) moduleExports() ([]ctype.SigEntry, map[string]symID, error) {
	m := l.module
	var list []ctype.SigEntry
	ids := map[string]symID{}
	var errs errorList
	l.eachSymbol(func(s *symbol) bool {
		if s.kind != symObject && s.kind != symCommon || s.hidden() || s.abs || m.exports != nil && m.exports[s.bare()] == nil {
			return false
		}
		return (!l.opt.Module && l.opt.Mode != Shared || s.flags&isExported != 0) && s.flags&isVersioned == 0 && (s.kind != symObject || l.sectionOf(s) != nil)
	}, func(id symID, s *symbol) {
		name := strings.Clone(s.bare())
		o := l.objs[s.file]
		var x *listed
		if m.exports != nil {
			x = m.exports[name]
		}
		switch s.typ {
		case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_NOTYPE, elf.STT_COMMON:
		default:
			if x != nil {
				errs.add(fileErr(ErrType, strings.Clone(o.name), name, "it is listed in %s, and of %v, which a table of exports cannot have", x.place, s.typ))
			}
			return
		}
		if _, ok := ids[name]; ok {
			return // another version of it
		}
		e, err := l.exportEntry(name, s, o, x)
		if err != nil {
			errs.add(err)
			return
		}
		if e.Signature.Hash == 0 && x == nil {
			return
		}
		ids[name] = id
		list = append(list, e)
	})
	if errs != nil {
		return nil, nil, errs.err()
	}
	for _, name := range slices.Sorted(maps.Keys(m.exports)) {
		if _, ok := ids[name]; !ok {
			errs.add(fileErr(ErrNotFound, m.exports[name].place, name, "nothing defines it for others"))
		}
	}
	return list, ids, errs.err()
}

// exportEntry returns the entry of a symbol that object o defines.
func (l *linker) exportEntry(name string, s *symbol, o *object, x *listed) (ctype.SigEntry, error) {
	object := s.typ == elf.STT_OBJECT || s.typ == elf.STT_COMMON || s.kind == symCommon
	if x != nil && x.unchecked {
		return ctype.SigEntry{Name: name, Object: object}, nil
	}
	var t *ctype.Type
	if q, ok := l.defines(o)[s.name]; ok {
		if k, err := l.info(o).Lookup(q); err == nil {
			t = k.Type
		}
	}
	if x == nil || x.typ == nil {
		return ctype.NewSigEntry(name, t, object), nil
	}
	e := ctype.NewSigEntry(name, x.typ, false)
	if e.Signature.Hash == 0 || object {
		return e, fileErr(ErrType, x.place, name, "the prototype is not that of a function of known types")
	}
	if t != nil {
		if own, err := ctype.SignatureOf(t); err == nil && own.Text != e.Signature.Text {
			return e, fileErr(ErrType, x.place, name, "the prototype is %s, and %s defines it as %s", x.typ.Declare(name), strings.Clone(o.name), t.Declare(name))
		}
	}
	return e, nil
}

// info returns the debugging information of an object. What cannot be read has none.
func (l *linker) info(o *object) *ctype.Info {
	m := l.module
	if m.infos[o.index] == nil {
		in, err := ctype.New(strings.Clone(o.name), o.data, &ctype.Options{NoSeparate: true})
		if err != nil {
			in, _ = ctype.New(strings.Clone(o.name), emptyELF, nil)
		}
		m.infos[o.index] = in
	}
	return m.infos[o.index]
}

// defines returns the symbols that an object defines.
func (l *linker) defines(o *object) map[string]ctype.Query {
	m := l.module
	if m.symbols[o.index] == nil {
		list, _ := l.info(o).Symbols()
		m.symbols[o.index] = map[string]ctype.Query{}
		for _, q := range list {
			m.symbols[o.index][q.Name] = q
		}
	}
	return m.symbols[o.index]
}

// emptyELF is an object with nothing in it.
var emptyELF = makeObject(nil, nil)
