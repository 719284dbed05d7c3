package debug

import (
	"crypto/sha1"
	"encoding/binary"
	"sync"
	"syscall"

	"weld/image/elf"
	"weld/internal/rawfile"
	"weld/native"
)

// The runtime object is a small shared object that weld makes for the probes: tracers find probes in the file of a
// mapping (.note.stapsdt), and the Go linker writes no such section. Native functions are called in it as well, so that
// debuggers find their callers (frames.go). It is a file in memory, the first of the list, and
// debuggers open it as /proc/PID/fd/N.

var probesOnce sync.Once

// SetUpProbes makes the probes fire: those of the executable if it has been stamped with notes of them, else, if object is
// set, those of the runtime object, which takes a file descriptor for good. Without memory for it no probe fires.
func SetUpProbes(object bool) {
	probesOnce.Do(func() {
		if stamped() {
			own := new([numProbes]uintptr)
			ownSites(own)
			sites.Store(own)
		} else if object {
			loadObject()
		}
	})
}

// loadObject maps the runtime object and puts it into the list.
func loadObject() error {
	data := runtimeObject()
	fd, name, err := native.ObjectFile("weld-probes.so", data)
	if err != nil {
		return err
	}
	fail := func(err error) error {
		syscall.Close(fd)
		return err
	}
	f, err := elf.ReadHead(name, rawfile.Descriptor(fd), int64(len(data)))
	if err != nil {
		return fail(err)
	}
	m, err := native.MapImage(f, fd)
	if err != nil {
		return fail(err)
	}
	lm, err := NewLinkMap(m.Bias, name, m.Bias+objectDynamic)
	if err != nil {
		native.Unmap(m.Addr, m.Size)
		return fail(err)
	}
	list := new([numProbes]uintptr)
	for p := range list {
		list[p] = m.Bias + objectText + uintptr(p)*siteSize
	}
	v := Space(0)
	if alone := v.StartMap(); alone {
		v.Add(lm)
		v.EndMap()
	} else {
		v.AddFirst(lm)
	}
	objectFile = linkMap(lm).Name
	sites.Store(list)
	native.SetStubs(m.Bias+objectStub, m.Bias+objectBridge+1, m.Bias+objectResolve)
	return nil
}

// NewLinkMap makes a struct link_map, with a copy of the name, until FreeLinkMap.
func NewLinkMap(bias uintptr, name string, dynamic uintptr) (uintptr, error) {
	s, err := native.NewString(name)
	if err != nil {
		return 0, err
	}
	p, err := native.Alloc(LinkMapSize)
	if err != nil {
		native.FreeString(s, name)
		return 0, err
	}
	*linkMap(p) = LinkMap{Addr: bias, Name: s, Ld: dynamic}
	return p, nil
}

// FreeLinkMap gives back what NewLinkMap has made, which is in no list any more.
func FreeLinkMap(p uintptr) {
	name := linkMap(p).Name
	native.FreeString(name, native.String(name))
	native.Free(p, LinkMapSize)
}

// LinkMapSize is what is allocated for a struct link_map, in bytes.
const LinkMapSize = 64

// The layout of the runtime object: what is read at its beginning, the text on a page of its own, and what only files
// have behind it.
const (
	objectNote    = 0x200 // build-id
	objectBase    = 0x240 // .stapsdt.base, which the addresses in the notes are measured from
	objectDynamic = 0x280
	objectHash    = 0x300
	objectDynsym  = 0x380
	objectDynstr  = 0x500
	objectFrames  = 0x700 // .eh_frame
	objectText    = 0x1000
	objectChange  = objectText + uintptr(numProbes)*siteSize
	objectStub    = objectChange + siteSize
	objectBridge  = objectStub + stubSize
	objectResolve = objectBridge + siteSize // .plt
	objectFixup   = objectResolve + siteSize
	objectTextEnd = objectFixup + siteSize
	siteSize      = 16
	stubSize      = 16

	noteBuildIDSize = 16 + sha1.Size
)

// runtimeObject returns the file of the runtime object: the same in every process of an executable.
func runtimeObject() []byte {
	le := binary.LittleEndian
	b := make([]byte, objectTextEnd)
	var strs []byte
	str := func(s string) uint32 {
		at := uint32(len(strs))
		strs = append(append(strs, s...), 0)
		return at
	}
	str("")

	// Text, and the dynamic symbols of it.
	const dynsyms = 1 + int(numProbes) + 5
	define := func(i int, name string, at, size uintptr) {
		sym := b[objectDynsym+i*24:]
		le.PutUint32(sym, str(name))
		sym[4] = uint8(elf.STB_GLOBAL)<<4 | uint8(elf.STT_FUNC)
		section := ".text"
		if at >= objectResolve {
			section = ".plt"
		}
		le.PutUint16(sym[6:], objectSections.index(section))
		le.PutUint64(sym[8:], uint64(at))
		le.PutUint64(sym[16:], uint64(size))
	}
	for p, info := range probeNames {
		site := objectText + uintptr(p)*siteSize
		copy(b[site:], "\x90\xc3") // nop; ret
		for i := site + 2; i < site+siteSize; i++ {
			b[i] = 0xcc // int3
		}
		size := uintptr(2)
		if probe(p) == mapStart || probe(p) == unmapStart {
			size = 3
			b[site+1], b[site+2] = 0xeb, byte(objectChange-(site+size)) // jmp
		}
		define(1+p, "rtld_"+info.name, site, size)
	}
	b[objectChange] = 0xc3 // ret
	define(dynsyms-3, changeSite, objectChange, 1)
	gate := native.DescribeGate()
	copy(b[objectStub:], callStub(gate))
	define(dynsyms-2, stubName, objectStub, stubSize)
	copy(b[objectBridge:], bridgeStub)
	define(dynsyms-1, bridgeName, objectBridge, uintptr(len(bridgeStub)))
	copy(b[objectResolve:], resolveCode)
	define(dynsyms-4, resolveName, objectResolve, uintptr(len(resolveCode)))
	fixup := le.AppendUint64([]byte{0xff, 0x25, 0, 0, 0, 0}, uint64(gate.Fixup)) // jmp *0(%rip)
	copy(b[objectFixup:], fixup)
	define(dynsyms-5, fixupName, objectFixup, uintptr(len(fixup)))
	frames := ehFrame(objectFrames, objectText, uint64(objectStub), stubSize, uint64(objectBridge), gate)
	copy(b[objectFrames:objectText], frames)
	soname := str("weld-probes.so")
	copy(b[objectDynstr:], strs)
	dynstrSize := uint64(len(strs))

	// DT_HASH of one bucket: the symbols in a row.
	le.PutUint32(b[objectHash:], 1)
	le.PutUint32(b[objectHash+4:], uint32(dynsyms))
	le.PutUint32(b[objectHash+8:], 1)
	for i := 1; i+1 < dynsyms; i++ {
		le.PutUint32(b[objectHash+12+4*i:], uint32(i+1))
	}
	dynamic := []uint64{
		uint64(elf.DT_SONAME), uint64(soname),
		uint64(elf.DT_HASH), objectHash,
		uint64(elf.DT_STRTAB), objectDynstr,
		uint64(elf.DT_STRSZ), dynstrSize,
		uint64(elf.DT_SYMTAB), objectDynsym,
		uint64(elf.DT_SYMENT), 24,
		uint64(elf.DT_NULL), 0,
	}
	for i, v := range dynamic {
		le.PutUint64(b[objectDynamic+8*i:], v)
	}

	// Behind the text what no process maps: the notes, and the names of the sections.
	list := [numProbes]uint64{}
	for p := range list {
		list[p] = uint64(objectText + uintptr(p)*siteSize)
	}
	notes := StapNotes(list[:], objectBase)
	size := map[string][2]uint64{
		".note.gnu.build-id": {objectNote, noteBuildIDSize},
		".stapsdt.base":      {objectBase, 1},
		".dynamic":           {objectDynamic, uint64(8 * len(dynamic))},
		".hash":              {objectHash, uint64(12 + 4*dynsyms)},
		".dynsym":            {objectDynsym, uint64(24 * dynsyms)},
		".dynstr":            {objectDynstr, dynstrSize},
		".eh_frame":          {objectFrames, uint64(len(frames))},
		".text":              {objectText, uint64(objectResolve - objectText)},
		".plt":               {uint64(objectResolve), uint64(objectTextEnd - objectResolve)},
		".note.stapsdt":      {uint64(len(b)), uint64(len(notes))},
	}
	b = append(b, notes...)
	names := []byte{0}
	at := make([]uint32, len(objectSections))
	for i, s := range objectSections {
		if s.name != "" {
			at[i] = uint32(len(names))
			names = append(append(names, s.name...), 0)
		}
	}
	size[".shstrtab"] = [2]uint64{uint64(len(b)), uint64(len(names))}
	b = append(b, names...)
	b = append(b, make([]byte, -len(b)&7)...)
	shoff := len(b)
	for i, s := range objectSections {
		h := make([]byte, 64)
		le.PutUint32(h, at[i])
		le.PutUint32(h[4:], uint32(s.typ))
		le.PutUint64(h[8:], uint64(s.flags))
		if s.flags&elf.SHF_ALLOC != 0 {
			le.PutUint64(h[16:], size[s.name][0])
		}
		le.PutUint64(h[24:], size[s.name][0])
		le.PutUint64(h[32:], size[s.name][1])
		le.PutUint32(h[40:], uint32(objectSections.index(s.link)))
		if s.name == ".dynsym" {
			le.PutUint32(h[44:], 1) // first symbol that is not local
		}
		if s.typ != elf.SHT_NULL {
			le.PutUint64(h[48:], s.align)
		}
		le.PutUint64(h[56:], s.entry)
		b = append(b, h...)
	}
	objectHeaders(b, uint64(shoff), uint64(8*len(dynamic)))

	// The build-id is a hash of the rest.
	note := b[objectNote:][:noteBuildIDSize]
	le.PutUint32(note, 4)
	le.PutUint32(note[4:], sha1.Size)
	le.PutUint32(note[8:], uint32(elf.NT_GNU_BUILD_ID))
	copy(note[12:], "GNU\x00")
	sum := sha1.Sum(b)
	copy(note[16:], sum[:])
	return b
}

// changeSite names what the functions of map_start and unmap_start go on to: one place that is reached when the list is about
// to change, for who has few breakpoints (see Watch).
const changeSite = "rtld_change"

type objectSection struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	link  string
	align uint64
	entry uint64
}

type objectSectionList []objectSection

func (l objectSectionList) index(name string) uint16 {
	for i, s := range l {
		if s.name == name {
			return uint16(i)
		}
	}
	return 0
}

var objectSections = objectSectionList{
	{},
	{".note.gnu.build-id", elf.SHT_NOTE, elf.SHF_ALLOC, "", 4, 0},
	{".stapsdt.base", elf.SHT_PROGBITS, elf.SHF_ALLOC, "", 1, 0},
	{".dynamic", elf.SHT_DYNAMIC, elf.SHF_ALLOC, ".dynstr", 8, 16},
	{".hash", elf.SHT_HASH, elf.SHF_ALLOC, ".dynsym", 8, 4},
	{".dynsym", elf.SHT_DYNSYM, elf.SHF_ALLOC, ".dynstr", 8, 24},
	{".dynstr", elf.SHT_STRTAB, elf.SHF_ALLOC, "", 1, 0},
	{".eh_frame", elf.SHT_PROGBITS, elf.SHF_ALLOC, "", 8, 0},
	{".text", elf.SHT_PROGBITS, elf.SHF_ALLOC | elf.SHF_EXECINSTR, "", 16, 0},
	{".plt", elf.SHT_PROGBITS, elf.SHF_ALLOC | elf.SHF_EXECINSTR, "", 16, 0},
	{".note.stapsdt", elf.SHT_NOTE, 0, "", 4, 0},
	{".shstrtab", elf.SHT_STRTAB, 0, "", 1, 0},
}

// objectHeaders writes the ELF header and the program headers.
func objectHeaders(b []byte, shoff, dynamicSize uint64) {
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_DYN))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint64(b[40:], shoff)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	progs := []struct {
		typ             elf.ProgType
		flags           elf.ProgFlag
		at, size, align uint64
	}{
		{elf.PT_LOAD, elf.PF_R, 0, objectText, native.PageSize},
		{elf.PT_LOAD, elf.PF_R | elf.PF_X, objectText, uint64(objectTextEnd - objectText), native.PageSize},
		{elf.PT_DYNAMIC, elf.PF_R, objectDynamic, dynamicSize, 8},
		{elf.PT_NOTE, elf.PF_R, objectNote, noteBuildIDSize, 4},
		{elf.PT_GNU_STACK, elf.PF_R | elf.PF_W, 0, 0, 16},
	}
	le.PutUint16(b[56:], uint16(len(progs)))
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], uint16(len(objectSections)))
	le.PutUint16(b[62:], objectSections.index(".shstrtab"))
	for i, p := range progs {
		h := b[64+56*i:]
		le.PutUint32(h, uint32(p.typ))
		le.PutUint32(h[4:], uint32(p.flags))
		for j, v := range []uint64{p.at, p.at, p.at, p.size, p.size, p.align} {
			le.PutUint64(h[8+8*j:], v)
		}
	}
}

// StapNotes returns the notes (.note.stapsdt) of the probes, given the addresses of their functions in the order of
// Probes, and the address of .stapsdt.base, 0 for none.
func StapNotes(addrs []uint64, base uint64) []byte {
	le := binary.LittleEndian
	var b []byte
	for p, info := range probeNames {
		args := probeArgs2
		if info.part {
			args = probeArgs3
		}
		text := "rtld\x00" + info.name + "\x00" + args + "\x00"
		b = le.AppendUint32(b, 8)
		b = le.AppendUint32(b, uint32(24+len(text)))
		b = le.AppendUint32(b, 3) // NT_STAPSDT
		b = append(b, "stapsdt\x00"...)
		b = le.AppendUint64(b, addrs[p])
		b = le.AppendUint64(b, base)
		b = le.AppendUint64(b, 0) // no semaphore
		b = append(b, text...)
		b = append(b, make([]byte, -len(b)&3)...)
	}
	return b
}

// Probes returns the names of the probes.
func Probes() []string {
	list := make([]string, numProbes)
	for p := range list {
		list[p] = probeNames[p].name
	}
	return list
}
