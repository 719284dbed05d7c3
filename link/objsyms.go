package link

import (
	"bytes"
	"fmt"

	"weld/image/elf"
)

func (o *object) parseSymtab() error {
	for i := range o.secs {
		s := &o.secs[i]
		switch s.typ {
		case shtSymtab:
			if o.symtab != nil {
				return o.err(ErrFormat, fmt.Sprintf("section %d", i), "a second symbol table")
			}
			o.symtab = o.bytes(uint32(i))
			entry := o.mi.class.sym
			if s.size%entry != 0 || s.size/entry >= 1<<31 {
				return o.err(ErrFormat, o.place(uint32(i)), "the size %#x of the symbol table is no multiple of %d or too large", s.size, entry)
			}
			if o.mi.class == class32 {
				o.symtab = widenSymbols(o.symtab)
			}
			o.nsyms = uint32(s.size / entry)
			if uint64(s.link) >= uint64(len(o.secs)) || o.secs[s.link].typ != shtStrtab {
				return o.err(ErrFormat, o.place(uint32(i)), "its string table, section %d, is none", s.link)
			}
			if s.info > o.nsyms {
				return o.err(ErrFormat, o.place(uint32(i)), "the first global symbol is %d of %d", s.info, o.nsyms)
			}
			o.first = max(s.info, min(1, o.nsyms))
			o.strtab = o.bytes(s.link)
			if len(o.strtab) > 0 && o.strtab[len(o.strtab)-1] != 0 {
				return o.err(ErrTruncated, o.place(s.link), "the string table does not end in a NUL")
			}
		case shtSymtabShndx:
			o.xindex = o.bytes(uint32(i))
		}
	}
	for i := range o.nsyms {
		e := o.sym(i)
		if e.shndx < shnBase && e.shndx >= uint32(len(o.secs)) {
			return o.err(ErrFormat, fmt.Sprintf("symbol %d", i), "it is defined in section %d of %d", e.shndx, len(o.secs))
		}
		if uint64(e.name) >= uint64(len(o.strtab)) && e.name != 0 {
			return o.err(ErrFormat, fmt.Sprintf("symbol %d", i), "its name at %#x is not in the table of %#x bytes", e.name, len(o.strtab))
		}
		if e.isCommon() && (e.value > maxAlign || e.value&(e.value-1) != 0 || e.size > maxSection) {
			return o.err(ErrFormat, fmt.Sprintf("symbol %d", i), "a common symbol of %#x bytes and alignment %#x", e.size, e.value)
		}
	}
	return nil
}

// sym decodes symbol i, which must be below nsyms.
func (o *object) sym(i uint32) esym {
	b := o.symtab[uint64(i)*symSize:][:symSize]
	s := esym{name: le.Uint32(b), info: b[4], other: b[5], shndx: uint32(le.Uint16(b[6:])), value: le.Uint64(b[8:]), size: le.Uint64(b[16:])}
	if s.shndx >= 0xff00 {
		s.shndx = o.wideSection(i, s.shndx)
	}
	return s
}

// strName returns the name at off of the string table.
func (o *object) strName(off uint32) []byte {
	b, _ := cstr(o.strtab, uint64(off))
	return b
}

// symName returns the name of a symbol for messages; that of a section symbol is the section's.
func (o *object) symName(i uint32) string {
	e := o.sym(i)
	if e.typ() == elf.STT_SECTION && e.shndx < uint32(len(o.secs)) {
		return o.secName(e.shndx)
	}
	return string(o.strName(e.name))
}

// parseNames finds, hashes and bins the names of the global symbols.
func (o *object) parseNames(l *linker) error {
	left := o.maxNames()
	o.names.build(l, int(o.nsyms-o.first), func(k uint32, r *nameRef) []byte {
		if left < 0 {
			return nil
		}
		e := o.sym(o.first + k)
		name := o.strName(e.name)
		r.off, r.size, r.shndx, r.info, r.other = e.name, uint32(len(name)), e.shndx, e.info, e.other
		left -= int64(len(name))
		if e.shndx == 0 {
			if w, ok := l.wrapped(name); ok {
				o.alias(r, w)
				return []byte(w)
			}
			return name
		}
		if e.isCommon() && string(name) == "__gnu_lto_slim" {
			o.ir = irOnly
		}
		at := bytes.IndexByte(name, '@')
		if at <= 0 {
			return name
		}
		if o.versions == nil {
			o.versions = map[uint32]string{}
		}
		if def, ok := bytes.CutPrefix(name[at+1:], []byte("@")); ok {
			o.versions[k] = string(bytes.TrimPrefix(def, []byte("@")))
			o.alias(r, string(name[:at]))
			return name[:at]
		}
		o.versions[k] = string(name[at+1:])
		return name
	})
	if left < 0 {
		return o.errNames()
	}
	return nil
}

// maxNames bounds how long the names of an object's global symbols, and those of its local ones, are together: symbols can have the
// same long name, or one be the end of another, and the output could be any number of times as large.
func (o *object) maxNames() int64 { return 1<<20 + 16*int64(len(o.data)) }

func (o *object) errNames() error {
	return o.err(ErrTooLarge, "", "the names of its symbols have more than %d bytes", o.maxNames())
}

func (o *object) alias(r *nameRef, name string) {
	if o.aliases == nil {
		o.aliases = map[uint32]string{}
	}
	o.aliases[r.k], r.alias = name, true
}

// refName returns the name that a global symbol goes by.
func (o *object) refName(r *nameRef) string {
	switch {
	case r.alias:
		return o.aliases[r.k]
	case r.size == 0:
		return ""
	}
	return viewString(o.strtab[r.off:][:r.size])
}

// globalName returns the name that global symbol k goes by.
func (o *object) globalName(k uint32) string {
	if s, ok := o.aliases[k]; ok {
		return s
	}
	return viewString(o.strName(o.sym(o.first + k).name))
}

// function returns the name of the function or object that covers off of a section.
func (o *object) function(sec uint32, off uint64) string {
	for i := range o.nsyms {
		e := o.sym(i)
		if e.shndx == sec && (e.typ() == elf.STT_FUNC || e.typ() == elf.STT_OBJECT || e.typ() == elf.STT_GNU_IFUNC) && e.value <= off && off-e.value < e.size {
			return o.symName(i)
		}
	}
	return ""
}
