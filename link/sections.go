package link

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"weld/image/elf"
)

// A secRef names a section of an object, or with obj -1 a part of the output that the linker makes.
type secRef struct {
	obj int32
	sec uint32
}

// A synth is a part of the output that the linker makes itself.
type synth struct {
	size  uint64
	align uint64
	off   uint64 // in the output section
	out   *outSection
	// write fills in the part; buf has size bytes. It may run at the same time as others.
	write func(buf []byte) error
	// alone says that write fills in every byte of buf, whatever it held, and that nothing else writes there.
	alone bool
}

func (s *synth) addr() uint64 { return s.out.addr + s.off }

// An outSection is a section of the output.
type outSection struct {
	name    string
	typ     uint32
	flags   uint32
	rank    int
	order   int // of creation
	index   int // of the section header; of what is left out, 0
	align   uint64
	entsize uint64
	addr    uint64
	off     uint64
	size    uint64
	link    *outSection
	info    func() uint32
	members []secRef
	nameOff uint32
	keep    bool        // even if it is empty
	beside  *outSection // the one that symbols in this one are said to be in, if it is not in the output
	// compressed is what is written in place of the members.
	compressed []byte
	data       []byte // what is written, if it is kept until all is known
}

// Names of output sections that take in sections with a longer name, as in the default script of GNU ld.
var outPrefixes = []string{
	".text", ".rodata", ".data.rel.ro", ".data", ".bss", ".tdata", ".tbss", ".gcc_except_table", ".init_array", ".fini_array",
	".sdata", ".sbss", ".srodata", ".preinit_array", ".ctors", ".dtors", ".ltext", ".lrodata", ".ldata", ".lbss", ".eh_frame", ".note.gnu.build-id",
}

// An outClass is one of the usual output sections: of the names in outPrefixes, and in front of them of textParts, the place from 1 on.
// 0 stands for all other names.
type outClass uint8

// classOf returns the class of the output section that a section goes into.
func classOf(name string, flags uint32) outClass {
	if flags&shfAlloc == 0 || len(name) < 4 || name[0] != '.' || name[1] == 'n' {
		return 0
	}
	if i := textOrder(name); i < len(textParts) {
		return outClass(1 + i)
	}
	for i, p := range outPrefixes {
		if len(name) >= len(p) && name[:len(p)] == p && (len(name) == len(p) || name[len(p)] == '.') {
			return outClass(1 + len(textParts) + i)
		}
	}
	return 0
}

// order returns where sections of a class come in .text.
func (c outClass) order() int {
	if c == 0 {
		return len(textParts)
	}
	return min(int(c)-1, len(textParts))
}

var linkOncePrefixes = []struct{ in, out string }{
	{".gnu.linkonce.t.", ".text"}, {".gnu.linkonce.r.", ".rodata"}, {".gnu.linkonce.d.rel.ro.", ".data.rel.ro"},
	{".gnu.linkonce.d.", ".data"}, {".gnu.linkonce.b.", ".bss"}, {".gnu.linkonce.td.", ".tdata"}, {".gnu.linkonce.tb.", ".tbss"},
	{".gnu.linkonce.wi.", ".debug_info"},
}

// outName returns the name of the output section that a section goes into.
func outName(name string, flags uint32) string {
	if len(name) < 4 || name[0] != '.' {
		return name
	}
	switch name[1] {
	case 't', 'r', 'd', 'b', 'g', 'i', 'f', 'p', 'c', 'l', 'e', 's':
	default:
		return name
	}
	if flags&shfAlloc == 0 {
		return name
	}
	for _, p := range outPrefixes {
		if rest, ok := strings.CutPrefix(name, p); ok && (rest == "" || rest[0] == '.') {
			switch p {
			case ".ctors":
				return ".init_array"
			case ".dtors":
				return ".fini_array"
			}
			return p
		}
	}
	for _, p := range linkOncePrefixes {
		if strings.HasPrefix(name, p.in) {
			return p.out
		}
	}
	return name
}

// outName is outName as the options have it.
func (l *linker) outName(name string, flags uint32) string {
	out := outName(name, flags)
	if out == ".text" && l.opt.KeepTextPrefix {
		if i := textOrder(name); i < len(textParts) {
			return textParts[i]
		}
	}
	return out
}

type outKey struct {
	name string
	tls  bool
}

// output returns the output section of a name, making it if it is new.
func (l *linker) output(name string, typ, flags uint32) *outSection {
	key := outKey{name, flags&shfTLS != 0}
	if out := l.outByName[key]; out != nil {
		return out
	}
	out := &outSection{name: name, typ: typ, flags: flags, order: len(l.outs), align: 1}
	l.outByName[key] = out
	l.outs = append(l.outs, out)
	return out
}

// addSynth adds a part to an output section.
func (l *linker) addSynth(out *outSection, align uint64) *synth {
	s := &synth{align: align, out: out}
	l.addPart(s)
	return s
}

// addPart adds a part to its output section.
func (l *linker) addPart(s *synth) {
	l.synths = append(l.synths, s)
	s.out.members = append(s.out.members, secRef{-1, uint32(len(l.synths) - 1)})
}

// makeSections assigns the live sections of objects to output sections.
func (l *linker) makeSections() {
	const keptFlags = shfWrite | shfAlloc | shfExec | shfTLS
	merged := map[mergeKey]*mergedSection{}
	// Most sections go into one of a few, and need not be looked up by name again: by class, and whether they have content and are
	// thread-local.
	var known [256][2][2]*outSection
	for oi, o := range l.objs {
		for i := range o.secs {
			s := &o.secs[i]
			if s.state != secLive || s.kind == secFolded {
				continue
			}
			usual := &known[s.class][flagIndex(s.typ == shtNobits)][flagIndex(s.flags&shfTLS != 0)]
			out := *usual
			if out == nil || s.class == 0 {
				name := l.outName(o.secName(uint32(i)), s.flags)
				if s.typ == shtNobits && s.flags&shfAlloc != 0 && name == ".data" {
					name = ".bss"
				}
				out = l.output(name, outType(name, s.typ, l.mi.em), s.flags&keptFlags)
				*usual = out
			}
			out.flags |= s.flags & keptFlags
			if s.typ != out.typ && out.typ == shtNobits {
				out.typ = shtProgbits
			}
			out.keep = out.keep || s.flags&shfRetain != 0
			s.out = int32(out.order)
			if s.kind == secEh {
				l.ehFrame(out, oi, i)
				continue
			}
			if s.kind == secMerge {
				key := mergeKey{out, s.flags & (shfStrings | shfMerge), s.entsize}
				m := merged[key]
				if m == nil {
					m = l.newMerged(out, s)
					merged[key] = m
				}
				m.align = max(m.align, 1<<s.align)
				m.inputs = append(m.inputs, secRef{int32(oi), uint32(i)})
				o.merges[s.extra].to = m
				continue
			}
			out.members = append(out.members, secRef{int32(oi), uint32(i)})
		}
	}
	for _, m := range l.merged {
		m.out.entsize = m.entsize
		m.out.flags |= shfMerge
		if m.strings {
			m.out.flags |= shfStrings
		}
	}
	order := l.ordered()
	for _, out := range l.outs {
		if out.flags&shfMerge != 0 && (len(out.members) != mergeShards || out.flags&shfAlloc != 0) {
			out.flags &^= shfMerge | shfStrings
			out.entsize = 0
		}
		l.sortMembers(out, order)
	}
}

func flagIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

func outType(name string, typ uint32, em elf.Machine) uint32 {
	switch name {
	case ".init_array":
		return shtInitArray
	case ".fini_array":
		return shtFiniArray
	case ".preinit_array":
		return shtPreinitArray
	}
	if typ == shtUnwind && em == elf.EM_X86_64 {
		return shtProgbits
	}
	return typ
}

// initPriority orders sections of initialisers: the lower number first, those without one last. Those of .ctors and .dtors
// count down from 65535.
func initPriority(o *object, name string) int {
	const none = 65536
	old := strings.HasPrefix(name, ".ctors") || strings.HasPrefix(name, ".dtors")
	at := strings.LastIndexByte(name, '.')
	n, err := strconv.Atoi(name[at+1:])
	switch {
	case err != nil || at == 0 || n < 0 || n > 65535:
		base := filepath.Base(o.name)
		if old && !strings.HasPrefix(base, "crt") {
			return none + 1
		}
		return none
	case old:
		return 65535 - n
	}
	return n
}

func hasPart(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (rest == "" || rest[0] == '.')
}

// sizeSections gives the members of every output section their offsets.
func (l *linker) sizeSections() error {
	return l.parErr(len(l.outs), func(i int) error {
		out := l.outs[i]
		var off uint64
		for _, m := range out.members {
			var size, align uint64
			if m.obj < 0 {
				s := l.synths[m.sec]
				size, align = s.size, s.align
				off = alignUp(off, align)
				s.off = off
			} else {
				s := &l.objs[m.obj].secs[m.sec]
				size, align = s.size, 1<<s.align
				off = alignUp(off, align)
				s.outOff = off
			}
			if size > maxSection || off > maxSection {
				return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section "+out.name, "it is larger than %#x", uint64(maxSection))
			}
			out.align = max(out.align, align)
			off += size
		}
		out.size = off
		return nil
	})
}
