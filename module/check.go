package module

import (
	"fmt"
	"slices"
	"strings"

	"weld/ctype"
	"weld/image/elf"
	"weld/internal/rtld"
)

// checker checks a module before anything of it is mapped.
type checker struct {
	m       *Module
	host    []*export
	f       *elf.File
	exports Table
	imports Table
	bound   map[string]*export
	listed  map[string]bool // imports
}

// pageSize is that of the machine.
const pageSize = 4096

// maxProgs bounds the program headers, which are looked through for each relocation.
const maxProgs = 128

// maxTLS bounds the thread-local storage of a module, of which every thread has a copy.
const maxTLS = 16 << 20

// file checks all of a module but that the host has what it imports.
func (c *checker) file(data []byte) error {
	f, err := elf.New(c.m.Name, data)
	if err != nil {
		return c.m.headError(err)
	}
	c.f = f
	for _, check := range []func() error{c.head, c.dynamic, c.tables, c.places, c.relocations} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// head checks what the headers say.
func (c *checker) head() error {
	f, m := c.f, c.m
	if err := f.CheckMachine(elf.EM_X86_64); err != nil {
		return m.headError(err)
	}
	if f.Type != elf.ET_DYN {
		return m.fail(ErrNotModule, nil, "", "its type is %v, not that of a shared object (ET_DYN)", f.Type)
	}
	if n := len(f.Progs); n > maxProgs {
		return m.fail(ErrTooBig, nil, "", "it has %d program headers, more than %d", n, maxProgs)
	}
	if err := f.CheckLoad(pageSize); err != nil {
		return m.headError(err)
	}
	lo, hi := f.LoadSpan()
	if limit := m.opts.MaxSize; limit > 0 && hi-lo > uint64(limit) {
		return m.fail(ErrTooBig, nil, "", "it takes %d bytes of memory, more than %d", hi-lo, limit)
	}
	switch {
	case f.TLS != nil && f.TLS.Memsz > maxTLS:
		return m.fail(ErrTooBig, nil, "PT_TLS", "%d bytes of thread-local variables, more than %d", f.TLS.Memsz, maxTLS)
	case f.WriteExec():
		return m.fail(ErrRefused, nil, "", "a segment is writable and executable at once")
	case f.ExecStack() && f.Stack != nil:
		return m.fail(ErrRefused, nil, "PT_GNU_STACK", "it wants an executable stack")
	}
	return nil
}

// dynamic checks what the dynamic section says.
func (c *checker) dynamic() error {
	f, m := c.f, c.m
	d := &f.Dynamic
	refuse := func(tag, format string, args ...any) error { return m.fail(ErrRefused, nil, tag, format, args...) }
	switch {
	case !f.HasDynamic:
		return m.fail(ErrNotModule, nil, "", "it has no dynamic section")
	case d.Flags1&elf.DF_1_PIE != 0:
		return m.fail(ErrNotModule, nil, "DF_1_PIE", "it is an executable")
	case len(d.Needed) > 0:
		return refuse("DT_NEEDED", "it needs libraries: %s", strings.Join(d.Needed, ", "))
	case len(d.Filter) > 0 || len(d.Auxiliary) > 0:
		return refuse("DT_FILTER", "it is a filter for libraries: %s", strings.Join(slices.Concat(d.Filter, d.Auxiliary), ", "))
	case len(f.VersionNeeds()) > 0:
		return refuse("DT_VERNEED", "it needs versions of symbols of libraries")
	case d.TextRel:
		return refuse("DT_TEXTREL", "it has relocations in its text")
	case d.Flags1&elf.DF_1_NODELETE != 0:
		return refuse("DF_1_NODELETE", "it could not be freed")
	case f.Rel().Len() > 0 || f.PltRelRel().Len() > 0:
		return refuse("DT_REL", "it has relocations without addends")
	}
	return nil
}

// tables reads the tables of symbols.
func (c *checker) tables() error {
	m := c.m
	var found [2]*ctype.SigTable
	for i, typ := range []uint32{ctype.NoteExports, ctype.NoteImports} {
		name := []string{".note.weld.exports", ".note.weld.imports"}[i]
		t, err := ctype.FindSigTable(c.f, typ)
		if err != nil {
			return m.fail(ErrTable, err, name, "%s", trim(err, m.Name))
		}
		if t == nil {
			return m.fail(ErrNotModule, nil, name, "it has no such table; weld link --module makes modules")
		}
		if !c.within(t.Addr, t.Size, elf.PF_R, elf.PF_W) {
			return m.fail(ErrTable, nil, name, "the table at %#x is not in a segment that is only read", t.Addr)
		}
		found[i] = t
	}
	if a, b := found[0], found[1]; a.Addr < b.Addr+b.Size && b.Addr < a.Addr+a.Size {
		return m.fail(ErrTable, nil, ".note.weld.imports", "the tables overlap at %#x", max(a.Addr, b.Addr))
	}
	for i, t := range found {
		for j := range t.Entries {
			e := &t.Entries[j]
			s := Symbol{Name: e.Name, Signature: e.Signature, Variable: e.Object, Weak: e.Weak}
			if e.Signature.Hash != 0 {
				k, err := e.Known(m.Name)
				if err != nil {
					return m.fail(ErrTable, err, "signature of "+e.Name, "%s", err)
				}
				s.Type = k.Type
				if (k.Type.Kind == ctype.Func) == e.Object {
					return m.fail(ErrTable, nil, "signature of "+e.Name, "%s is the type of a function, or of a variable, and the entry says otherwise", e.Signature.Text)
				}
			}
			if i == 0 {
				s.Addr = uintptr(e.Value)
				c.exports = append(c.exports, s)
			} else {
				c.imports = append(c.imports, s)
			}
		}
	}
	return nil
}

// within reports whether a range of addresses is in one segment with all flags of want and none of not.
func (c *checker) within(addr, size uint64, want, not elf.ProgFlag) bool {
	return slices.ContainsFunc(c.f.Progs, func(s elf.Prog) bool {
		return s.Type == elf.PT_LOAD && s.Flags&want == want && s.Flags&not == 0 && addr-s.Vaddr < s.Memsz && size <= s.Memsz-(addr-s.Vaddr)
	})
}

// places checks where the exports are.
func (c *checker) places() error {
	for i := range c.exports {
		s := &c.exports[i]
		want, size, what := elf.PF_X, uint64(1), "an executable segment"
		if s.Variable {
			want, what = elf.PF_R, "a readable segment"
			if s.Type != nil && s.Type.Strip().Kind != ctype.Array && s.Type.Strip().Size > 0 {
				size = uint64(s.Type.Strip().Size)
			}
		}
		if !c.within(uint64(s.Addr), size, want, 0) {
			return c.m.fail(ErrTable, nil, "export "+s.Name, "%#x is not in %s", s.Addr, what)
		}
	}
	return nil
}

// relocations checks where relocations write, and what of.
func (c *checker) relocations() error {
	f := c.f
	c.listed = map[string]bool{}
	for i := range c.imports {
		c.listed[c.imports[i].Name] = true
	}
	var unlisted []string
	seen := map[uint32]bool{}
	strong := map[string]bool{}
	for t, table := range []elf.RelaTable{f.Rela(), f.PltRel()} {
		for i := range table.Len() {
			r := table.At(i)
			typ := elf.R_X86_64(r.Type)
			place := fmt.Sprintf("relocation %d of %s", i, []string{"DT_RELA", "DT_JMPREL"}[t])
			size := uint64(8)
			switch typ {
			case elf.R_X86_64_NONE:
				continue
			case elf.R_X86_64_RELATIVE, elf.R_X86_64_RELATIVE64, elf.R_X86_64_GLOB_DAT, elf.R_X86_64_JMP_SLOT, elf.R_X86_64_64, elf.R_X86_64_PC64,
				elf.R_X86_64_SIZE64, elf.R_X86_64_DTPMOD64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64:
			case elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_PC32, elf.R_X86_64_SIZE32:
				size = 4
			case elf.R_X86_64_TLSDESC:
				size = 16
			case elf.R_X86_64_IRELATIVE:
				if !c.within(uint64(r.Addend), 1, elf.PF_X, 0) {
					return c.m.fail(ErrReloc, nil, place, "the resolver %#x of an indirect function is not in an executable segment", uint64(r.Addend))
				}
			default:
				return c.m.fail(ErrReloc, nil, place, "its type is %v, which modules do not have", typ)
			}
			if !c.within(r.Off, size, elf.PF_W, 0) {
				return c.m.fail(ErrReloc, nil, place, "it would write %d bytes at %#x, outside the module's writable segments", size, r.Off)
			}
			s, ok := f.Sym(r.Sym)
			if !ok && r.Sym != 0 {
				return c.m.fail(ErrReloc, nil, place, "there is no symbol %d", r.Sym)
			}
			if r.Sym == 0 || s.Defined() || seen[r.Sym] {
				continue
			}
			seen[r.Sym] = true
			name := f.SymName(s)
			strong[name] = strong[name] || s.Bind() != elf.STB_WEAK
			switch typ {
			case elf.R_X86_64_DTPMOD64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64, elf.R_X86_64_TLSDESC:
				return c.m.fail(ErrRefused, nil, place, "%s, which it imports, is thread-local", name)
			}
			if !c.listed[name] && s.Bind() != elf.STB_WEAK && name != "__tls_get_addr" {
				unlisted = append(unlisted, name)
			}
		}
	}
	for i := range c.imports {
		s := &c.imports[i]
		s.Weak = s.Weak && !strong[s.Name]
	}
	for v := range f.Relr().All() {
		if !c.within(v, 8, elf.PF_W, 0) {
			return c.m.fail(ErrReloc, nil, "DT_RELR", "it would write 8 bytes at %#x, outside the module's writable segments", v)
		}
	}
	if unlisted != nil {
		slices.Sort(unlisted)
		e := &ImportsError{Module: c.m.Name}
		for _, name := range slices.Compact(unlisted) {
			e.Imports = append(e.Imports, &ImportError{Name: name, Kind: ErrUnlisted})
		}
		return e
	}
	return nil
}

// bind looks each import up in the host's table.
func (c *checker) bind() error {
	e := &ImportsError{Module: c.m.Name}
	c.bound = map[string]*export{}
	for i := range c.imports {
		s := &c.imports[i]
		j, ok := slices.BinarySearchFunc(c.host, s.Name, func(x *export, name string) int { return strings.Compare(x.Name, name) })
		if !ok {
			if !s.Weak {
				e.Imports = append(e.Imports, &ImportError{Name: s.Name, Kind: ErrUndefined, Module: declared(s)})
			}
			continue
		}
		x := c.host[j]
		if err := c.match(s, x); err != nil {
			e.Imports = append(e.Imports, err)
			continue
		}
		c.bound[s.Name] = x
		s.Addr = x.Addr
	}
	if len(e.Imports) > 0 {
		return e
	}
	return nil
}

// declared is a symbol's declaration, "" if its type is not known.
func declared(s *Symbol) string {
	if s.Type == nil {
		return ""
	}
	return s.Decl()
}

// match compares an import with an export.
func (c *checker) match(s *Symbol, x *export) *ImportError {
	err := &ImportError{Name: s.Name, Kind: ErrMismatch, Module: declared(s), Host: declared(&x.Symbol)}
	if x.fn != nil {
		err.Host = "Go " + x.fn.String()
	}
	switch {
	case x.Type == nil && x.fn == nil: // the host has said so
		return nil
	case s.Type == nil && c.m.opts.AllowUntyped:
		return nil
	case s.Type == nil:
		err.Kind = ErrUntyped
		err.Why = "the module does not say what type it has"
		return err
	case x.fn != nil: // what is behind pointers counts too, as far as both say it
		if e := ctype.Check(s.Type, x.fn, ctype.Callback); e != nil {
			err.Why = e.Error()
			return err
		}
		return nil
	case s.Signature.Text == x.Signature.Text:
		return nil
	}
	err.Why = differences(s, &x.Symbol)
	return err
}

// differences says in words how the type of an import differs from that of an export.
func differences(s, x *Symbol) string {
	const most = 4
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if a, b := s.Type.Strip(), x.Type.Strip(); a.Kind == ctype.Func && b.Kind == ctype.Func {
		if len(a.Params) != len(b.Params) {
			add("the module passes %d arguments, the host takes %d", len(a.Params), len(b.Params))
		}
		if a.Variadic != b.Variadic {
			add("variable arguments are passed by the module: %t, taken by the host: %t", a.Variadic, b.Variadic)
		}
		if a.Convention != b.Convention {
			add("the module has the calling convention %q, the host %q", a.Convention, b.Convention)
		}
	}
	for _, d := range ctype.Diff(x.Type, s.Type) {
		switch {
		case len(list) > most:
		case len(list) == most:
			add("and more")
		case d.Effect == ctype.Harmless:
		case d.Old == "" || d.New == "":
			add("%s", d)
		case d.Where != "":
			add("%s: the module has %s, the host %s", d.Where, d.New, d.Old)
		case s.Type.Kind != ctype.Func || x.Type.Kind != ctype.Func:
			add("the module has %s, the host %s", d.New, d.Old)
		}
	}
	if list == nil {
		add("the module has %s, the host %s", s.Signature.Text, x.Signature.Text)
	}
	return strings.Join(list, "; ")
}

// resolver returns what the run-time linker asks for a module's imports, as long as it is loaded. Only those that were checked are there.
func resolver(bound map[string]*export) rtld.Imports {
	return func(name string) (addr uintptr, owner *rtld.Object, ok bool) {
		x := bound[name]
		if x == nil || x.owner != nil && x.owner.Closed() {
			return 0, nil, false
		}
		return x.Addr, x.owner, true
	}
}
