package ctype

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	weldelf "weld/image/elf"
)

// Query is a symbol whose type is asked for: an entry of the symbol table of the file.
type Query struct {
	Name string
	Addr uint64          // st_value, without a bias; 0, but of STT_TLS: go by the name
	Type weldelf.SymType // STT_FUNC, STT_GNU_IFUNC, STT_OBJECT or STT_TLS
}

// Symbols returns the symbols of the file's symbol table (.symtab, else .dynsym) that it defines for others: functions and variables of
// the bindings global and weak. The addresses of a relocatable object, which has none, are made up, and are those that
// Lookup wants. The error is a *elf.FormatError, a *FormatError or of package os.
func (in *Info) Symbols() (list []Query, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	err = in.withELF(func(f *elfFile) (err error) {
		list, err = f.symbols()
		return err
	})
	return list, err
}

// symbols reads the symbol table.
func (f *elfFile) symbols() ([]Query, error) {
	table := f.find(".symtab")
	if table < 0 {
		table = f.find(".dynsym")
	}
	if table < 0 {
		return nil, nil
	}
	s := &f.sections[table]
	if int(s.Link) >= len(f.sections) {
		return nil, f.err(s, ErrCorrupt, "its string table is section %d, which there is not", s.Link)
	}
	syms, err := f.raw(s)
	if err != nil {
		return nil, err
	}
	strs, err := f.raw(&f.sections[s.Link])
	if err != nil {
		return nil, err
	}
	var list []Query
	for ; len(syms) >= 24; syms = syms[24:] {
		bind, typ := weldelf.SymBind(syms[4]>>4), weldelf.SymType(syms[4]&15)
		shndx := le.Uint16(syms[6:])
		vis := weldelf.SymVis(syms[5] & 3)
		if bind == weldelf.STB_LOCAL || shndx == weldelf.SHN_UNDEF || shndx == weldelf.SHN_ABS || vis == weldelf.STV_HIDDEN || vis == weldelf.STV_INTERNAL {
			continue
		}
		switch typ {
		case weldelf.STT_FUNC, weldelf.STT_OBJECT, weldelf.STT_TLS, weldelf.STT_GNU_IFUNC, weldelf.STT_COMMON:
		default:
			continue
		}
		name := stringAt(strs, uint64(le.Uint32(syms)))
		if len(name) == 0 {
			continue
		}
		q := Query{Name: string(name), Type: typ}
		if q.Addr = f.symbolValue(syms); shndx == weldelf.SHN_COMMON {
			q.Addr, q.Type = 0, weldelf.STT_OBJECT
		}
		list = append(list, q)
	}
	return list, nil
}

// Known is what is known of a symbol.
type Known struct {
	Type *Type  // of kind Func for a function
	Name string // of the function or variable in the debugging information, which aliases do not share
	From Source
	File string // where it was found

	ref dieRef
}

// Lookup returns the type of a symbol. A function is looked for by its address, as a name may be an alias's; what that leads
// to nothing for, by name. At the address of an indirect function (STT_GNU_IFUNC) is its
// resolver: the type is what that returns a pointer to, if it says so. What was written in assembly is looked for by name: if C code of the file declares the symbol, that is its type.
//
// The error is an *UnknownError if nothing is known, and a *FormatError if the information is damaged.
func (in *Info) Lookup(q Query) (*Known, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil {
		return nil, err
	}
	switch {
	case in.dwarf != nil:
		return in.lookupDWARF(q)
	case in.btf != nil:
		return in.btf.lookup(q)
	}
	return nil, unknown(in.name, q.Name, ErrNoDebugInfo, "there is no debugging information")
}

func (in *Info) lookupDWARF(q Query) (*Known, error) {
	var why error
	if (q.Addr != 0 || q.Type == weldelf.STT_TLS) && q.Type != weldelf.STT_GNU_IFUNC {
		var refs []dieRef
		var err error
		if q.Type == weldelf.STT_OBJECT || q.Type == weldelf.STT_TLS {
			refs = in.variableAt(q.Addr, q.Type == weldelf.STT_TLS)
		} else if refs, err = in.functionAt(q.Addr); err != nil {
			return nil, err
		}
		k, err := in.choose(q, refs)
		if k != nil {
			merged := k.ref.u.lang == langRust // its compiler leaves nothing of one of two functions with the same code
			if k.Name != q.Name && (in.mayFold || merged) {
				if own := in.folded(q); own != nil {
					return own, nil
				}
				if merged {
					return nil, unknown(in.file, q.Name, ErrNotFound, "the compiler has made it the same as %s", k.Name)
				}
			}
			return k, nil
		}
		if e, ok := err.(*UnknownError); err != nil && !ok {
			return nil, err
		} else if ok {
			why = e
		}
	} else if q.Type == weldelf.STT_GNU_IFUNC {
		if k, err := in.byResolver(q); k != nil || err != nil {
			return k, err
		}
		why = unknown(in.file, q.Name, ErrIndirect, "it is an indirect function, of which the resolver does not say what it returns")
	}
	in.prepareNames()
	k, err := in.choose(q, in.find(&in.index.names, q.Name))
	switch {
	case k != nil:
		return k, nil
	case err != nil && why == nil:
		return nil, err
	case why != nil:
		return nil, why
	case in.nameErr != nil:
		return nil, in.nameErr
	}
	return nil, unknown(in.file, q.Name, ErrNotFound, "the debugging information of %s does not have it", in.file)
}

// folds reports whether the linker of a file may have folded functions of the same code, and so of different types, into one: GNU
// ld does not.
func (f *elfFile) folds() bool {
	i := f.find(".comment")
	if i < 0 || f.sections[i].Size > 1<<16 {
		return true
	}
	b, err := f.raw(&f.sections[i])
	return err != nil || len(b) == 0 || bytes.Contains(b, []byte("LLD")) || bytes.Contains(b, []byte("mold")) || f.find(".note.gnu.gold-version") >= 0
}

// folded returns what the entry of a function says that was folded into another: it has the symbol's name, and an address that is
// another's or none any more. nil: there is none, as for an alias.
func (in *Info) folded(q Query) *Known {
	in.prepareNames()
	for _, ref := range in.find(&in.index.names, q.Name) {
		e, err := ref.u.die(ref.off)
		if err != nil || e.get(atLowPC) == nil && e.get(atRanges) == nil {
			continue
		}
		if k, err := in.known(q, ref); err == nil && k.Name == q.Name {
			return k
		}
	}
	return nil
}

// byResolver returns the type of an indirect function by that of its resolver, if that is declared to return a pointer to such
// a function, as those of the C library are.
func (in *Info) byResolver(q Query) (*Known, error) {
	refs, err := in.functionAt(q.Addr)
	if err != nil {
		return nil, err
	}
	k, err := in.choose(Query{Name: q.Name}, refs)
	if k == nil {
		if _, ok := err.(*UnknownError); err != nil && !ok {
			return nil, err
		}
		return nil, nil
	}
	p := k.Type.Elem.Strip()
	if k.Type.Kind != Func || p.Kind != Pointer {
		return nil, nil
	}
	if k.Type = p.Elem.Strip(); k.Type.Kind != Func || k.Type.Unchecked {
		return nil, nil
	}
	return k, nil
}

func (in *Info) prepareNames() {
	if !in.index.namesOK {
		in.dwarf.altFile() // before several goroutines want it
		in.makeNames()
	}
}

// variableAt returns the entries of variables at an address.
func (in *Info) variableAt(addr uint64, tls bool) (refs []dieRef) {
	in.prepareNames()
	ps := in.index.places
	for i := sort.Search(len(ps), func(i int) bool { return ps[i].addr >= addr }); i < len(ps) && ps[i].addr == addr; i++ {
		if (ps[i].kind == tlsPlace) == tls {
			refs = append(refs, dieRef{ps[i].u, ps[i].off})
		}
	}
	return refs
}

// choose returns the first of several entries that gives a symbol a type; one with the symbol's own name goes before all
// others, as a linker may have folded functions of the same code into one.
func (in *Info) choose(q Query, refs []dieRef) (*Known, error) {
	var first *Known
	var why error
	for _, ref := range refs {
		k, err := in.known(q, ref)
		if err != nil {
			if _, ok := err.(*UnknownError); !ok {
				return nil, err
			}
			if why == nil {
				why = err
			}
			continue
		}
		if k.Name == q.Name {
			return k, nil
		}
		if first == nil {
			first = k
		}
	}
	return first, why
}

// known makes a Known of an entry.
func (in *Info) known(q Query, ref dieRef) (*Known, error) {
	if ref.off == 0 {
		return nil, unknown(in.file, q.Name, ErrAssembly, "it is written in assembly")
	}
	e, err := ref.u.die(ref.off)
	if err != nil {
		return nil, err
	}
	chain, err := e.chain()
	if err != nil {
		return nil, err
	}
	k := &Known{From: in.source, File: in.file, ref: ref}
	if link := slices.IndexFunc(chain, func(e *die) bool { return len(e.linkage()) > 0 }); link >= 0 {
		k.Name = string(chain[link].linkage())
	}
	for _, e := range chain {
		if k.Name == "" {
			k.Name = string(e.name())
		}
	}
	// What compilers declare by themselves has no place in a source, and g++'s operator new no parameters.
	if strings.HasPrefix(string(e.name()), "__builtin_") || e.flag(atDeclaration) && e.tag != tagVariable && !slices.ContainsFunc(chain, func(e *die) bool { return e.get(atDeclFile) != nil }) {
		return nil, unknown(in.file, q.Name, ErrNoPrototype, "only the compiler's own declaration of it is there")
	}
	if e.tag == tagVariable {
		d, a := inherit(chain, atType)
		if a == nil {
			return nil, unknown(in.file, q.Name, ErrNotFound, "the variable has no type")
		}
		k.Type, err = d.typeOf(0)
		return k, err
	}
	if l := unlikeC[ref.u.lang]; l != "" {
		return nil, unknown(in.file, q.Name, ErrLanguage, "it is written in %s, which does not pass arguments as they are declared", l)
	}
	if k.Type = ref.u.d.types[typeKey(ref)]; k.Type == nil {
		if k.Type, err = ref.u.signature(e, chain, 0); err != nil {
			return nil, err
		}
		ref.u.d.types[typeKey(ref)] = k.Type
	}
	if len(chain) == 1 && len(k.Type.Params) == 0 && e.flag(atArtificial) { // a thunk of C++
		return nil, unknown(in.file, q.Name, ErrNotFound, "the compiler has made it")
	}
	if k.Type.Unchecked {
		return nil, unknown(in.file, q.Name, ErrNoPrototype, "it is declared without a prototype")
	}
	return k, nil
}

// TypeNamed returns the struct, union, enum or typedef of a name, described in full. In C a tag and a typedef may share one: the
// tag is taken if kind says so, Typedef for the other.
func (in *Info) TypeNamed(kind Kind, name string) (*Type, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil {
		return nil, err
	}
	switch {
	case in.dwarf != nil:
		in.prepareNames()
		for _, ref := range in.find(&in.index.tags, name) {
			t, err := ref.u.typeAt(ref.off, 0)
			if err != nil {
				return nil, err
			}
			if t.Kind == kind && t.Name == name {
				return t, nil
			}
		}
	case in.btf != nil:
		if t := in.btf.named(kind, name); t != nil {
			return t, nil
		}
	default:
		return nil, unknown(in.name, name, ErrNoDebugInfo, "there is no debugging information")
	}
	return nil, unknown(in.file, name, ErrNotFound, "no %v of this name is described", kind)
}
