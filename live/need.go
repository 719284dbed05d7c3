package live

import (
	"slices"

	"weld/image/elf"
)

// Versions of imports (LSB, "Symbol Versioning"): DT_VERNEED has for each file that is needed the versions that are wanted of
// it, and an index for each, which DT_VERSYM has. It is the version that an import was bound to when it was first committed: so
// a linker does it, and who opens the file later gets the same.

const (
	verneedSize = 16
	vernauxSize = 16
)

// want is a version of a file. file is the index of its name in Object.needs.
type want struct {
	file    int
	version string
}

// locate notes which files the new imports are found in, where that has versions of them.
func (o *Object) locate() {
	t := &o.imports
	if o.loader == nil || len(t.fresh) == 0 {
		return
	}
	for i, d := range o.loader.definers(o, t.fresh) {
		m := t.fresh[i]
		m.want = -1
		if d.version == "" || d.soname == "" {
			continue
		}
		file := slices.Index(o.needs, d.soname)
		if file < 0 {
			file = len(o.needs)
			o.needs = append(o.needs, d.soname)
		}
		w := want{file, d.version}
		if m.want = slices.Index(t.wants, w); m.want < 0 {
			m.want = len(t.wants)
			t.wants = append(t.wants, w)
		}
	}
}

// definer is where an import is found: both are "" if that is of no concern to the file.
type definer struct{ soname, version string }

// maxWants is how many versions of imports there can be beside those of the object's own symbols.
func (o *Object) maxWants() int { return 0x7ffe - 1 - len(*o.versionList.Load()) }

// wantSym returns what DT_VERSYM has for an import.
func (t *dynTable) wantSym(o *Object, m *Import) uint16 {
	if m.want < 0 || m.want >= o.maxWants() {
		return verGlobal
	}
	return uint16(verGlobal + 1 + len(t.verNames) + m.want)
}

// needed reports whether an import that must be there wants a version. If none does it need not be there either.
func (t *importTable) needed(want int) bool {
	return slices.ContainsFunc(t.list, func(m *Import) bool { return m.want == want && !m.weak })
}

// wantsSize returns the bytes of DT_VERNEED.
func (o *Object) wantsSize() uint64 {
	return uint64(len(o.imports.wants)) * (verneedSize + vernauxSize)
}

// writeWants writes DT_VERNEED.
func (t *dynTable) writeWants(o *Object) {
	if t.reqs == nil {
		return
	}
	b := o.bytes(t.reqs.off, o.wantsSize())
	at, last := 0, -1 // of the entry of the file before
	t.wantFiles = 0
	for file := range o.needs {
		var list []int
		for i, w := range o.imports.wants {
			if w.file == file && i < o.maxWants() {
				list = append(list, i)
			}
		}
		if list == nil {
			continue
		}
		if last >= 0 {
			le.PutUint32(b[last+12:], uint32(at-last))
		}
		last = at
		t.wantFiles++
		le.PutUint16(b[at:], 1) // vn_version
		le.PutUint16(b[at+2:], uint16(len(list)))
		le.PutUint32(b[at+4:], t.needs[file])
		le.PutUint32(b[at+8:], verneedSize)
		at += verneedSize
		for k, i := range list {
			le.PutUint32(b[at:], elf.SysVHash(o.imports.wants[i].version))
			if !o.imports.needed(i) {
				le.PutUint16(b[at+4:], uint16(elf.VER_FLG_WEAK))
			}
			le.PutUint16(b[at+6:], uint16(verGlobal+1+len(t.verNames)+i))
			le.PutUint32(b[at+8:], t.wants[i])
			if k+1 < len(list) {
				le.PutUint32(b[at+12:], vernauxSize)
			}
			at += vernauxSize
		}
	}
	t.wantsUsed = uint64(at)
}
