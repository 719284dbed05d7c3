package link

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"strings"

	"weld/image/elf"
)

// parseProperties reads the notes of .note.gnu.property (x86-64 psABI, "Program Property").
func (o *object) parseProperties(b []byte, m *machineInfo) {
	for len(b) >= 12 {
		nameSize, descSize, typ := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint32(b[8:])
		body := b[12:]
		at := alignUp(nameSize, 4)
		if !inRange(at, descSize, uint64(len(body))) {
			return
		}
		if typ == elf.NT_GNU_PROPERTY_TYPE_0 && nameSize == 4 && string(body[:4]) == "GNU\x00" {
			o.parsePropertyList(body[at:at+descSize], m)
		}
		next := alignUp(at+descSize, m.class.word)
		if 12+next > uint64(len(b)) {
			return
		}
		// Entries are aligned to a word from the start of the section.
		b = b[min(alignUp(12+at+descSize, m.class.word), uint64(len(b))):]
	}
}

func (o *object) parsePropertyList(b []byte, m *machineInfo) {
	for len(b) >= 8 {
		typ, size := le.Uint32(b), uint64(le.Uint32(b[4:]))
		if size > uint64(len(b)-8) {
			return
		}
		if size == 4 {
			v := le.Uint32(b[8:])
			switch {
			case typ == m.feature:
				o.features |= v
			case typ == elf.GNU_PROPERTY_X86_ISA_1_NEEDED && m.feature == elf.GNU_PROPERTY_X86_FEATURE_1_AND:
				o.isaNeeded |= v
			}
		}
		b = b[min(8+alignUp(size, m.class.word), uint64(len(b))):]
	}
}

// mergeProperties finds what the properties of all objects are together.
func (l *linker) mergeProperties() {
	l.features = ^uint32(0)
	any := false
	for _, o := range l.objs {
		any = true
		l.features &= o.features
		l.isaNeeded |= o.isaNeeded
	}
	if !any {
		l.features = 0
	}
	l.features &= l.mi.featureMask
	if l.opt.BTI && l.mi.feature == aarch64FeatureAnd {
		l.features |= aarch64BTI
	}
	if l.mi.feature != elf.GNU_PROPERTY_X86_FEATURE_1_AND {
		return
	}
	if l.opt.IBT {
		l.features |= uint32(elf.GNU_PROPERTY_X86_FEATURE_1_IBT)
	}
	if l.opt.SHSTK {
		l.features |= uint32(elf.GNU_PROPERTY_X86_FEATURE_1_SHSTK)
	}
	l.features |= l.opt.FeatureBits
	l.isaNeeded |= l.opt.ISANeeded
	l.reportCET()
	l.ibt = l.opt.IBTPLT || l.features&uint32(elf.GNU_PROPERTY_X86_FEATURE_1_IBT) != 0
}

// reportCET reports objects that are not marked for control-flow protection.
func (l *linker) reportCET() {
	if l.opt.CETReport == ReportNone {
		return
	}
	want := uint32(elf.GNU_PROPERTY_X86_FEATURE_1_IBT | elf.GNU_PROPERTY_X86_FEATURE_1_SHSTK)
	for _, o := range l.objs {
		if missing := want &^ o.features; missing != 0 {
			var names []string
			if missing&uint32(elf.GNU_PROPERTY_X86_FEATURE_1_IBT) != 0 {
				names = append(names, "IBT")
			}
			if missing&uint32(elf.GNU_PROPERTY_X86_FEATURE_1_SHSTK) != 0 {
				names = append(names, "SHSTK")
			}
			err := fileErr(ErrFormat, o.name, "", "it is not marked for %s", strings.Join(names, " and "))
			if l.opt.CETReport == ReportError {
				l.reports.add(err)
			} else {
				l.warn("%v", err)
			}
		}
	}
}

// makeNotes makes .note.gnu.property and .note.gnu.build-id.
func (l *linker) makeNotes() {
	var props []byte
	prop := func(typ, v uint32) {
		props = le.AppendUint32(props, typ)
		props = le.AppendUint32(props, 4)
		props = le.AppendUint32(props, v)
		if l.class.word == 8 {
			props = le.AppendUint32(props, 0)
		}
	}
	if l.features != 0 {
		prop(l.mi.feature, l.features)
	}
	if l.isaNeeded != 0 {
		prop(elf.GNU_PROPERTY_X86_ISA_1_NEEDED, l.isaNeeded)
	}
	if len(props) > 0 {
		l.addNote(".note.gnu.property", l.class.word, elf.NT_GNU_PROPERTY_TYPE_0, props)
	}
	var id []byte
	switch l.opt.BuildID {
	case BuildIDSHA1:
		id = make([]byte, sha1.Size)
	case BuildIDMD5:
		id = make([]byte, md5.Size)
	case BuildIDUUID:
		id = make([]byte, 16)
		rand.Read(id)
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	case BuildIDHex:
		id = l.opt.BuildIDBytes
	}
	if m := l.opt.PackageMetadata; m != "" {
		l.addNoteOf("FDO\x00", ".note.package", 4, packageNote, append([]byte(m), 0))
	}
	if id != nil {
		l.buildID = l.addNote(".note.gnu.build-id", 4, elf.NT_GNU_BUILD_ID, id)
		l.result.BuildID = id
	}
}

// packageNote is the type of the note of a package (systemd, "Package Metadata for Executable Files").
const packageNote = 0xcafe1a7e

func (l *linker) addNote(name string, align uint64, typ uint32, desc []byte) *synth {
	return l.addNoteOf("GNU\x00", name, align, typ, desc)
}

// addNoteOf makes a note of an owner, whose name has four bytes.
func (l *linker) addNoteOf(owner, name string, align uint64, typ uint32, desc []byte) *synth {
	var b []byte
	b = le.AppendUint32(b, 4)
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	b = append(b, owner...)
	b = append(b, desc...)
	s := l.synthSection(name, shtNote, shfAlloc, align)
	s.size = alignUp(uint64(len(b)), align)
	s.write = func(buf []byte) error { copy(buf, b); return nil }
	return s
}
