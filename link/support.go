package link

import "weld/image/elf"

// What gcc links into each library from files of its own, crtbeginS.o and libc_nonshared.a: the handle that the C library
// knows the library's destructors by, their call when it is unloaded, and functions that pass the handle on. It is taken
// only where objects refer to it.
var support = []struct {
	symbol string // a function, or with handle set the handle
	handle bool
	code   string
	refs   []supportRef
}{
	{symbol: "__dso_handle", handle: true, code: "\xf3\x0f\x1e\xfa" + // endbr64
		"\x48\x8b\x05\x00\x00\x00\x00" + // mov __cxa_finalize@GOTPCREL(%rip),%rax
		"\x48\x85\xc0" + // test %rax,%rax
		"\x74\x09" + // je, over the next two
		"\x48\x8d\x3d\x00\x00\x00\x00" + // lea __dso_handle(%rip),%rdi
		"\xff\xe0" + // jmp *%rax
		"\xc3", // ret
		refs: []supportRef{{7, elf.R_X86_64_REX_GOTPCRELX, "__cxa_finalize"}, {19, elf.R_X86_64_PC32, "__dso_handle"}}},
	{symbol: "atexit", code: "\xf3\x0f\x1e\xfa" +
		"\x31\xf6" + // xor %esi,%esi
		"\x48\x8d\x15\x00\x00\x00\x00" + // lea __dso_handle(%rip),%rdx
		"\xff\x25\x00\x00\x00\x00", // jmp *__cxa_atexit@GOTPCREL(%rip)
		refs: []supportRef{{9, elf.R_X86_64_PC32, "__dso_handle"}, {15, elf.R_X86_64_GOTPCRELX, "__cxa_atexit"}}},
	{symbol: "at_quick_exit", code: "\xf3\x0f\x1e\xfa" +
		"\x48\x8d\x35\x00\x00\x00\x00" + // lea __dso_handle(%rip),%rsi
		"\xff\x25\x00\x00\x00\x00", // jmp *__cxa_at_quick_exit@GOTPCREL(%rip)
		refs: []supportRef{{7, elf.R_X86_64_PC32, "__dso_handle"}, {13, elf.R_X86_64_GOTPCRELX, "__cxa_at_quick_exit"}}},
	{symbol: "pthread_atfork", code: "\xf3\x0f\x1e\xfa" +
		"\x48\x8d\x0d\x00\x00\x00\x00" + // lea __dso_handle(%rip),%rcx
		"\xff\x25\x00\x00\x00\x00", // jmp *__register_atfork@GOTPCREL(%rip)
		refs: []supportRef{{7, elf.R_X86_64_PC32, "__dso_handle"}, {13, elf.R_X86_64_GOTPCRELX, "__register_atfork"}}},
}

// A supportRef is a place in the code that gets the distance to a symbol.
type supportRef struct {
	off    uint64
	typ    elf.R_X86_64
	symbol string
}

// Support returns objects for x86-64 with what gcc links into each library from files of its own: __dso_handle and the call of
// __cxa_finalize when the library is unloaded, atexit, at_quick_exit and pthread_atfork. Each is linked only if something refers
// to it and nothing else defines it.
func Support() []Input {
	var list []Input
	for i := range support {
		s := &support[i]
		syms := []objectSymbol{{name: s.symbol, global: true, sec: 1, typ: elf.STT_FUNC}}
		if s.handle {
			syms = []objectSymbol{{name: "fini", sec: 1, typ: elf.STT_FUNC}, {name: s.symbol, global: true, sec: 2, typ: elf.STT_OBJECT}}
		}
		ref := func(name string) uint32 {
			for k := range syms {
				if syms[k].name == name {
					return uint32(k + 1)
				}
			}
			syms = append(syms, objectSymbol{name: name, global: true, weak: name == "__cxa_finalize"})
			return uint32(len(syms))
		}
		secs := []objectSection{{name: ".text", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, data: []byte(s.code)}}
		for _, r := range s.refs {
			secs[0].relas = append(secs[0].relas, objectRela{r.off, r.typ, ref(r.symbol), -4})
		}
		if s.handle {
			secs = append(secs, objectSection{name: ".data.rel.ro", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_WRITE, data: make([]byte, 8)},
				objectSection{name: ".fini_array", typ: elf.SHT_FINI_ARRAY, flags: elf.SHF_ALLOC | elf.SHF_WRITE, data: make([]byte, 8),
					relas: []objectRela{{0, elf.R_X86_64_64, ref("fini"), 0}}})
		}
		list = append(list, Input{Data: makeObject(secs, syms), Name: "weld's " + s.symbol, Lazy: true})
	}
	return list
}

// What makeObject makes an object of.
type (
	objectSection struct {
		name  string
		typ   elf.SectionType
		flags elf.SectionFlag
		data  []byte
		relas []objectRela
	}
	objectSymbol struct { // the local ones come first
		name         string
		global, weak bool
		sec          uint16 // 1 for the first section; 0 for an undefined symbol
		typ          elf.SymType
	}
	objectRela struct {
		off    uint64
		typ    elf.R_X86_64
		sym    uint32
		addend int64
	}
)

// makeObject returns a relocatable object. What it defines is hidden.
func makeObject(secs []objectSection, syms []objectSymbol) []byte {
	const ehdr, shdr = 64, 64
	b := make([]byte, ehdr)
	names := []byte{0}
	heads := make([]byte, shdr)
	add := func(name string, typ elf.SectionType, flags elf.SectionFlag, data []byte, link, info uint32, entsize uint64) {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		heads = le.AppendUint32(heads, uint32(len(names)))
		names = append(append(names, name...), 0)
		heads = le.AppendUint32(heads, uint32(typ))
		for _, v := range []uint64{uint64(flags), 0, uint64(len(b)), uint64(len(data))} {
			heads = le.AppendUint64(heads, v)
		}
		heads = le.AppendUint32(heads, link)
		heads = le.AppendUint32(heads, info)
		heads = le.AppendUint64(heads, 8)
		heads = le.AppendUint64(heads, entsize)
		b = append(b, data...)
	}
	for _, s := range secs {
		add(s.name, s.typ, s.flags, s.data, 0, 0, 0)
	}
	symtab, strtab, locals := make([]byte, 24), []byte{0}, uint32(1)
	for _, s := range syms {
		symtab = le.AppendUint32(symtab, uint32(len(strtab)))
		strtab = append(append(strtab, s.name...), 0)
		bind, vis := elf.STB_LOCAL, elf.STV_DEFAULT
		switch {
		case s.weak:
			bind = elf.STB_WEAK
		case s.global:
			bind = elf.STB_GLOBAL
		default:
			locals++
		}
		if s.global && s.sec != 0 {
			vis = elf.STV_HIDDEN
		}
		symtab = append(symtab, uint8(bind)<<4|uint8(s.typ), uint8(vis))
		symtab = le.AppendUint16(symtab, s.sec)
		symtab = append(symtab, make([]byte, 16)...)
	}
	tab := uint32(len(secs) + 1)
	add(".symtab", elf.SHT_SYMTAB, 0, symtab, tab+1, locals, 24)
	add(".strtab", elf.SHT_STRTAB, 0, strtab, 0, 0, 0)
	add(".note.GNU-stack", elf.SHT_PROGBITS, 0, nil, 0, 0, 0)
	for i, s := range secs {
		var relas []byte
		for _, r := range s.relas {
			relas = le.AppendUint64(relas, r.off)
			relas = le.AppendUint64(relas, uint64(r.sym)<<32|uint64(r.typ))
			relas = le.AppendUint64(relas, uint64(r.addend))
		}
		if relas != nil {
			add(".rela"+s.name, elf.SHT_RELA, elf.SHF_INFO_LINK, relas, tab, uint32(i+1), 24)
		}
	}
	add(".shstrtab", elf.SHT_STRTAB, 0, append(names, ".shstrtab\x00"...), 0, 0, 0)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_REL))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], uint64(len(b)))
	le.PutUint16(b[52:], ehdr)
	le.PutUint16(b[58:], shdr)
	le.PutUint16(b[60:], uint16(len(heads)/shdr))
	le.PutUint16(b[62:], uint16(len(heads)/shdr-1))
	return append(b, heads...)
}
