package link

import (
	"slices"
	"strings"

	"weld/image/elf"
)

// scriptSections are the output sections that GNU ld's default linker script for ELF names, beside those of outPrefixes.
var scriptSections = []string{
	".interp", ".note.gnu.property", ".note.gnu.build-id", ".hash", ".gnu.hash", ".dynsym", ".dynstr", ".gnu.version", ".gnu.version_d", ".gnu.version_r",
	".rela.dyn", ".rela.plt", ".relr.dyn", ".init", ".plt", ".plt.got", ".plt.sec", ".fini", ".rodata1", ".eh_frame_hdr", ".gnu_extab",
	".exception_ranges", ".jcr", ".dynamic", ".got", ".got.plt", ".data1", ".dynbss", ".comment", ".gnu.build.attributes", ".line",
	".debug", ".gnu.attributes", ".stab", ".stabstr", ".sframe",
}

// checkOrphans does what Options.Orphans says with sections that the script does not name.
func (l *linker) checkOrphans() {
	if l.opt.Orphans == OrphanPlace {
		return
	}
	for _, o := range l.objs {
		for i := range o.secs {
			s := &o.secs[i]
			if s.state != secLive || s.size == 0 {
				continue
			}
			name := l.outName(o.secName(uint32(i)), s.flags)
			if slices.Contains(outPrefixes, name) || slices.Contains(textParts, name) || slices.Contains(scriptSections, name) || strings.HasPrefix(name, ".debug_") {
				continue
			}
			switch l.opt.Orphans {
			case OrphanWarn:
				l.warn("%s: section %s is an orphan: it becomes the output section %s", o.name, o.secName(uint32(i)), name)
			case OrphanError:
				l.reports.add(o.err(ErrFormat, o.place(uint32(i)), "an orphan section"))
			case OrphanDiscard:
				s.state = secGC
			}
		}
	}
}

// checkExecStack makes an error of objects that ask for an executable stack, if that is wanted.
func (l *linker) checkExecStack() {
	if !l.opt.ErrorExecStack || l.opt.ExecStack || l.opt.NoExecStack {
		return
	}
	for _, o := range l.objs {
		if o.execStack {
			l.reports.add(o.err(ErrFormat, "section .note.GNU-stack", "it requires an executable stack"))
		}
	}
}

// checkSegments warns of segments that are writable and executable.
func (l *linker) checkSegments() {
	for _, s := range l.segments {
		if s.typ == elf.PT_LOAD && s.flags&elf.PF_W != 0 && s.flags&elf.PF_X != 0 && !l.opt.NoWarnRWX {
			l.warn("the output has a segment that is writable and executable (%s)", s.outs[0].name)
		}
	}
}
