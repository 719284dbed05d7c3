package elf

import (
	"bytes"
	"iter"
)

// Note types of owner "GNU".
const (
	NT_GNU_ABI_TAG         = 1
	NT_GNU_HWCAP           = 2
	NT_GNU_BUILD_ID        = 3
	NT_GNU_GOLD_VERSION    = 4
	NT_GNU_PROPERTY_TYPE_0 = 5
)

// Property types of NT_GNU_PROPERTY_TYPE_0 (x86-64 psABI, "Program
// Property").
const (
	GNU_PROPERTY_STACK_SIZE           = 1
	GNU_PROPERTY_NO_COPY_ON_PROTECTED = 2
	GNU_PROPERTY_1_NEEDED             = 0xb0008000
	GNU_PROPERTY_X86_FEATURE_1_AND    = 0xc0000002
	GNU_PROPERTY_X86_FEATURE_2_NEEDED = 0xc0008001
	GNU_PROPERTY_X86_ISA_1_NEEDED     = 0xc0008002
	GNU_PROPERTY_X86_FEATURE_2_USED   = 0xc0010001
	GNU_PROPERTY_X86_ISA_1_USED       = 0xc0010002
)

// X86Feature is the value of GNU_PROPERTY_X86_FEATURE_1_AND.
type X86Feature uint32

// Features of the code as a whole.
const (
	GNU_PROPERTY_X86_FEATURE_1_IBT     X86Feature = 1
	GNU_PROPERTY_X86_FEATURE_1_SHSTK   X86Feature = 2
	GNU_PROPERTY_X86_FEATURE_1_LAM_U48 X86Feature = 4
	GNU_PROPERTY_X86_FEATURE_1_LAM_U57 X86Feature = 8
)

var x86FeatureNames = []numName{{1, "IBT"}, {2, "SHSTK"}, {4, "LAM_U48"}, {8, "LAM_U57"}}

func (x X86Feature) String() string { return flagNames(x86FeatureNames, uint64(x)) }

// X86ISA is the value of GNU_PROPERTY_X86_ISA_1_NEEDED and _USED.
type X86ISA uint32

// Levels of the x86-64 instruction set.
const (
	GNU_PROPERTY_X86_ISA_1_BASELINE X86ISA = 1
	GNU_PROPERTY_X86_ISA_1_V2       X86ISA = 2
	GNU_PROPERTY_X86_ISA_1_V3       X86ISA = 4
	GNU_PROPERTY_X86_ISA_1_V4       X86ISA = 8
)

var x86ISANames = []numName{{1, "x86-64-baseline"}, {2, "x86-64-v2"}, {4, "x86-64-v3"}, {8, "x86-64-v4"}}

func (x X86ISA) String() string { return flagNames(x86ISANames, uint64(x)) }

// Note is an entry of a PT_NOTE.
type Note struct {
	Name  string // the owner, without its NUL
	Type  uint32
	Desc  []byte // not copied
	Vaddr uint64 // of the entry's header
	Start uint64 // address of Desc
}

// Notes yields the notes of the PT_NOTEs, in order. A segment whose p_align
// is 8 has 8-byte aligned entries, others have 4-byte aligned ones (gABI,
// "Note Section"). Where an entry does not fit in its segment the segment
// ends; bytes that are in several segments are read for a few of them only.
func (f *File) Notes() iter.Seq[Note] {
	return func(yield func(Note) bool) {
		budget := uint64(2*len(f.data)) + 1<<20
		for i := range f.Progs {
			p := &f.Progs[i]
			if p.Type != PT_NOTE {
				continue
			}
			b, ok := f.progBytes(p)
			if !ok {
				continue
			}
			if uint64(len(b)) > budget {
				return
			}
			budget -= uint64(len(b))
			align := uint64(4)
			if p.Align == 8 {
				align = 8
			}
			for n := range notes(b, p.Vaddr, align) {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// notes yields the entries of b, which is at vaddr.
func notes(b []byte, vaddr, align uint64) iter.Seq[Note] {
	return func(yield func(Note) bool) {
		up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
		size := uint64(len(b))
		for off := uint64(0); off+12 <= size; {
			e := b[off:]
			namesz, descsz := uint64(le.Uint32(e)), uint64(le.Uint32(e[4:]))
			desc := up(12 + namesz)
			if 12+namesz > size-off || descsz != 0 && (desc > size-off || descsz > size-off-desc) {
				return
			}
			n := Note{Name: intern(bytes.TrimSuffix(e[12:12+namesz], []byte{0})), Type: le.Uint32(e[8:]), Vaddr: vaddr + off}
			if descsz != 0 {
				n.Desc = e[desc : desc+descsz : desc+descsz]
				n.Start = vaddr + off + desc
			}
			if !yield(n) {
				return
			}
			off += up(desc + descsz)
		}
	}
}

// gnuNote returns the first note of owner "GNU" and a type.
func (f *File) gnuNote(typ uint32) []byte {
	for n := range f.Notes() {
		if n.Type == typ && n.Name == "GNU" {
			return n.Desc
		}
	}
	return nil
}

// BuildID returns the build ID, which is not a copy; nil if there is none.
func (f *File) BuildID() []byte { return f.gnuNote(NT_GNU_BUILD_ID) }

// ABITag is NT_GNU_ABI_TAG: the system and the oldest kernel that the file
// is for.
type ABITag struct {
	OS                     uint32 // 0 Linux, 1 Hurd, 2 Solaris, 3 FreeBSD
	Major, Minor, Subminor uint32
}

// ABITag returns the ABI tag, if there is one.
func (f *File) ABITag() (ABITag, bool) {
	b := f.gnuNote(NT_GNU_ABI_TAG)
	if len(b) < 16 {
		return ABITag{}, false
	}
	return ABITag{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])}, true
}

// GNUProperties is NT_GNU_PROPERTY_TYPE_0. A property that is absent is 0.
type GNUProperties struct {
	X86Feature1       X86Feature
	X86ISANeeded      X86ISA
	X86ISAUsed        X86ISA
	Needed1           uint32 // GNU_PROPERTY_1_NEEDED
	StackSize         uint64
	NoCopyOnProtected bool
}

// GNUProperties returns the program properties, false if there is no such
// note. Properties that are not in GNUProperties are passed over. The x86
// properties are read for EM_X86_64 and for images without an ELF header.
func (f *File) GNUProperties() (GNUProperties, bool) {
	b := f.gnuNote(NT_GNU_PROPERTY_TYPE_0)
	if b == nil {
		return GNUProperties{}, false
	}
	x86 := f.Machine == EM_X86_64 || f.Machine == EM_NONE
	var g GNUProperties
	for len(b) >= 8 {
		typ, n := le.Uint32(b), uint64(le.Uint32(b[4:]))
		b = b[8:]
		if n > uint64(len(b)) {
			break
		}
		v := b[:n]
		switch {
		case typ == GNU_PROPERTY_STACK_SIZE && n == 8:
			g.StackSize = le.Uint64(v)
		case typ == GNU_PROPERTY_NO_COPY_ON_PROTECTED:
			g.NoCopyOnProtected = true
		case n != 4:
		case typ == GNU_PROPERTY_1_NEEDED:
			g.Needed1 = le.Uint32(v)
		case typ == GNU_PROPERTY_X86_FEATURE_1_AND && x86:
			g.X86Feature1 = X86Feature(le.Uint32(v))
		case typ == GNU_PROPERTY_X86_ISA_1_NEEDED && x86:
			g.X86ISANeeded = X86ISA(le.Uint32(v))
		case typ == GNU_PROPERTY_X86_ISA_1_USED && x86:
			g.X86ISAUsed = X86ISA(le.Uint32(v))
		}
		b = b[min((n+7)&^7, uint64(len(b))):]
	}
	return g, true
}
