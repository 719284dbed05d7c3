package link

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"weld/image/elf"
)

// maxVersion is the last index of a version: a word of .gnu.version has another use for the upper bit (LSB, "Symbol Version Table").
const maxVersion = 1<<15 - 1

// A versionDef is a version that the output defines.
type versionDef struct {
	name   string
	index  uint16
	parent string
}

// verIndex returns the index of the version of a dynamic symbol in the output.
func (l *linker) verIndex(s *symbol) uint16 {
	const hidden = 1 << 15
	switch {
	case s.kind == symShared:
		d := l.dsos[s.file]
		v := d.f.Version(s.idx)
		if v.Index <= elf.VER_NDX_GLOBAL {
			return elf.VER_NDX_GLOBAL
		}
		name, _, ok := d.f.VersionName(v.Index)
		if !ok {
			return elf.VER_NDX_GLOBAL
		}
		return d.versions[name]
	case s.kind == symUndef:
		return elf.VER_NDX_LOCAL
	case s.version > elf.VER_NDX_GLOBAL:
		if s.flags&isVersioned != 0 {
			return s.version | hidden
		}
		return s.version
	}
	return elf.VER_NDX_GLOBAL
}

// relrVersion is a version of the GNU C library that knows packed relative relocations.
const relrVersion = "GLIBC_ABI_DT_RELR"

// makeVersions makes the version tables (LSB, "Symbol Versioning").
func (l *linker) makeVersions() error {
	d := &l.dyn
	next := uint16(elf.VER_NDX_GLOBAL + 1)
	for i := range l.verdefs {
		next = max(next, l.verdefs[i].index+1)
	}
	needs := 0
	count := 0
	for i := range d.syms {
		s := l.syms.at(d.syms[i].id)
		if s.kind != symShared {
			continue
		}
		so := l.dsos[s.file]
		v := so.f.Version(s.idx)
		name, _, ok := so.f.VersionName(v.Index)
		if v.Index <= elf.VER_NDX_GLOBAL || !ok {
			continue
		}
		if so.versions == nil {
			so.versions = map[string]uint16{}
			needs++
		}
		if _, ok := so.versions[name]; !ok {
			so.versions[name] = 0
			count++
		}
	}
	if l.relr != nil && l.opt.RelrVersion {
		for _, so := range l.dsos {
			if _, ok := so.versions[relrVersion]; !ok && so.versions != nil && so.soname == "libc.so.6" {
				so.versions[relrVersion] = 0
				count++
			}
		}
	}
	if len(l.verdefs) == 0 && count == 0 {
		return nil
	}
	if int(next)+count > maxVersion+1 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "", "it has %d versions, and a symbol can say only %d", int(next)+count-1, maxVersion)
	}
	for _, so := range l.dsos {
		for _, name := range slices.Sorted(maps.Keys(so.versions)) {
			so.versions[name] = next
			next++
		}
	}
	d.versym = l.synthSection(".gnu.version", shtVersym, shfAlloc, 2)
	d.versym.out.entsize = 2
	d.versym.size = 2 * uint64(len(d.syms)+1)
	d.versym.write = func(buf []byte) error {
		for i := range d.syms {
			le.PutUint16(buf[2*(i+1):], l.verIndex(l.syms.at(d.syms[i].id)))
		}
		return nil
	}
	if len(l.verdefs) > 0 {
		l.makeVerdef()
	}
	if count == 0 {
		return nil
	}
	var b []byte
	left := needs
	for _, so := range l.dsos {
		if len(so.versions) == 0 {
			continue
		}
		left--
		names := slices.Sorted(maps.Keys(so.versions))
		next := uint32(16 + 16*len(names))
		if left == 0 {
			next = 0
		}
		b = le.AppendUint16(b, 1)
		b = le.AppendUint16(b, uint16(len(names)))
		b = le.AppendUint32(b, d.strs.add(so.soname))
		b = le.AppendUint32(b, 16)
		b = le.AppendUint32(b, next)
		for i, name := range names {
			next := uint32(16)
			if i+1 == len(names) {
				next = 0
			}
			b = le.AppendUint32(b, elf.SysVHash(name))
			b = le.AppendUint16(b, 0)
			b = le.AppendUint16(b, so.versions[name])
			b = le.AppendUint32(b, d.strs.add(name))
			b = le.AppendUint32(b, next)
		}
	}
	d.verneed = l.synthSection(".gnu.version_r", shtVerneed, shfAlloc, 8)
	d.verneed.size = uint64(len(b))
	d.verneed.out.info = func() uint32 { return uint32(needs) }
	d.verneed.write = func(buf []byte) error { copy(buf, b); return nil }
	return nil
}

func (l *linker) makeVerdef() {
	d := &l.dyn
	var b []byte
	def := func(flags, index uint16, name string, parent string, last bool) {
		n := uint16(1)
		if parent != "" {
			n = 2
		}
		next := uint32(20 + 8*uint32(n))
		if last {
			next = 0
		}
		b = le.AppendUint16(b, 1)
		b = le.AppendUint16(b, flags)
		b = le.AppendUint16(b, index)
		b = le.AppendUint16(b, n)
		b = le.AppendUint32(b, elf.SysVHash(name))
		b = le.AppendUint32(b, 20)
		b = le.AppendUint32(b, next)
		b = le.AppendUint32(b, d.strs.add(name))
		if parent == "" {
			b = le.AppendUint32(b, 0)
			return
		}
		b = le.AppendUint32(b, 8)
		b = le.AppendUint32(b, d.strs.add(parent))
		b = le.AppendUint32(b, 0)
	}
	def(uint16(elf.VER_FLG_BASE), 1, l.sonameOf(), "", false)
	for i, v := range l.verdefs {
		def(0, v.index, v.name, v.parent, i+1 == len(l.verdefs))
	}
	d.verdef = l.synthSection(".gnu.version_d", shtVerdef, shfAlloc, 8)
	d.verdef.size = uint64(len(b))
	n := uint32(len(l.verdefs) + 1)
	d.verdef.out.info = func() uint32 { return n }
	d.verdef.write = func(buf []byte) error { copy(buf, b); return nil }
}

// bindVersions gives references to name@version their definition: in an object as name@version or name@@version, else in a
// shared library.
func (l *linker) bindVersions() error {
	for n := range l.syms.shards[:nShards] {
		sh := &l.syms.shards[n]
		for i := 1; i < len(sh.syms); i++ {
			s := &sh.syms[i]
			at := strings.IndexByte(s.name, '@')
			if at <= 0 || s.kind != symUndef || s.flags&refObject == 0 {
				continue
			}
			base, version := s.name[:at], strings.TrimLeft(s.name[at:], "@")
			s.flags |= isVersioned
			if id := l.syms.find(base); id != 0 {
				if def := l.syms.at(id); def.kind == symObject && l.objs[def.file].versions[def.idx-l.objs[def.file].first] == version {
					s.kind, s.file, s.idx, s.typ, s.size, s.weak, s.abs = def.kind, def.file, def.idx, def.typ, def.size, def.weak, def.abs
					s.flags |= isLocalized
					continue
				}
			}
			for _, d := range l.dsos {
				h := elf.Hash(base)
				idx, e, ok := d.f.Lookup(&h, elf.NewVersion(version))
				if v := d.f.SymVersion(idx); ok && v != nil && v.Name == version {
					s.kind, s.file, s.idx, s.typ, s.size = symShared, d.index, idx, e.Type(), e.Size
					break
				}
			}
		}
	}
	return nil
}
