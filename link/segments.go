package link

import (
	"weld/image/elf"
)

// A segment is a program header of the output.
type segment struct {
	typ   elf.ProgType
	flags elf.ProgFlag
	align uint64
	outs  []*outSection
	// Of a segment without sections, and of the first PT_LOAD, which has the headers.
	off, addr, filesz, memsz uint64
}

// makeSegments makes the list of program headers; their addresses follow.
func (l *linker) makeSegments() {
	var loads, notes []*segment
	var tls, relro segment
	var prev *outSection
	loads = append(loads, &segment{typ: elf.PT_LOAD, flags: l.headPerm(), align: l.page})
	byName := map[string]*outSection{}
	for _, out := range l.order {
		if out.flags&shfAlloc == 0 {
			break
		}
		byName[out.name] = out
		if l.newLoad(prev, out) {
			loads = append(loads, &segment{typ: elf.PT_LOAD, flags: l.perm(out), align: l.page})
		}
		s := loads[len(loads)-1]
		s.align = max(s.align, out.align)
		s.outs = append(s.outs, out)
		if out.typ == shtNote {
			if n := len(notes); n > 0 && notes[n-1].align == out.align && prev != nil && prev.typ == shtNote && prev.align == out.align {
				notes[n-1].outs = append(notes[n-1].outs, out)
			} else {
				notes = append(notes, &segment{typ: elf.PT_NOTE, flags: elf.PF_R, align: out.align, outs: []*outSection{out}})
			}
		}
		if out.flags&shfTLS != 0 {
			tls.outs = append(tls.outs, out)
			tls.align = max(tls.align, out.align)
		}
		if out.isRelro() && !l.opt.NoRelro {
			relro.outs = append(relro.outs, out)
		}
		prev = out
	}
	add := func(s *segment) { l.segments = append(l.segments, s) }
	one := func(typ elf.ProgType, name string, flags elf.ProgFlag) {
		if out := byName[name]; out != nil {
			add(&segment{typ: typ, flags: flags, align: max(out.align, 1), outs: []*outSection{out}})
		}
	}
	if l.dynamic && byName[".interp"] != nil {
		add(&segment{typ: elf.PT_PHDR, flags: elf.PF_R, align: l.class.word})
		one(elf.PT_INTERP, ".interp", elf.PF_R)
	}
	for _, s := range loads {
		add(s)
	}
	if l.dynamic {
		one(elf.PT_DYNAMIC, ".dynamic", l.perm(byName[".dynamic"]))
	}
	for _, s := range notes {
		add(s)
	}
	if len(tls.outs) > 0 {
		tls.typ, tls.flags = elf.PT_TLS, elf.PF_R
		add(&tls)
		l.tls = &tls
	}
	one(elf.PT_GNU_PROPERTY, ".note.gnu.property", elf.PF_R)
	one(elf.PT_GNU_EH_FRAME, ".eh_frame_hdr", elf.PF_R)
	if l.mi.em == elf.EM_RISCV {
		for _, out := range l.order {
			if out.typ == shtRISCVAttributes {
				add(&segment{typ: ptRISCVAttributes, flags: elf.PF_R, align: 1, outs: []*outSection{out}})
			}
		}
	}
	stack := &segment{typ: elf.PT_GNU_STACK, flags: elf.PF_R | elf.PF_W, align: 16, memsz: l.opt.StackSize}
	if l.execStack() {
		stack.flags |= elf.PF_X
	}
	if !l.opt.NoGNUStack {
		add(stack)
	}
	if len(relro.outs) > 0 {
		relro.typ, relro.flags, relro.align = elf.PT_GNU_RELRO, elf.PF_R, 1
		add(&relro)
	}
}

// execStack reports whether the stack is executable: an object says so.
func (l *linker) execStack() bool {
	if l.opt.ExecStack || l.opt.NoExecStack {
		return l.opt.ExecStack
	}
	for _, o := range l.objs {
		if o.execStack {
			if !l.opt.NoWarnExecStack {
				l.warn("%s: requires an executable stack (section .note.GNU-stack)", o.name)
			}
			return true
		}
	}
	return false
}

// finishSegments gives the program headers their addresses.
func (l *linker) finishSegments() {
	phsize := l.class.phdr * uint64(len(l.segments))
	firstLoad := true
	for _, s := range l.segments {
		if s.typ == elf.PT_PHDR {
			s.off, s.addr, s.filesz, s.memsz = l.class.ehdr, l.base+l.class.ehdr, phsize, phsize
			continue
		}
		if len(s.outs) > 0 {
			s.filesz, s.memsz = 0, 0
		}
		head := s.typ == elf.PT_LOAD && firstLoad
		if head {
			firstLoad = false
			s.off, s.addr = 0, l.base
			s.filesz, s.memsz = l.class.ehdr+phsize, l.class.ehdr+phsize
		}
		for i, out := range s.outs {
			if i == 0 && !head {
				s.off, s.addr = out.off, out.addr
			}
			if out.typ == shtNobits && out.flags&shfTLS != 0 && s.typ != elf.PT_TLS {
				continue
			}
			end := out.addr + out.size - s.addr
			if out.flags&shfAlloc != 0 {
				s.memsz = max(s.memsz, end)
			}
			if out.typ != shtNobits {
				s.filesz = max(s.filesz, out.off+out.size-s.off)
			}
		}
		switch s.typ {
		case elf.PT_TLS:
			l.tlsStart = s.addr
			// The thread pointer is aligned as the segment is, counted from an aligned address.
			if l.mi.variantI {
				l.tp = s.addr - alignUp(l.mi.tcb, s.align)
			} else {
				l.tp = alignUp(s.addr+s.memsz, s.align)
			}
		case elf.PT_GNU_RELRO:
			if l.relroEnd > s.addr {
				s.memsz = l.relroEnd - s.addr
			}
			s.filesz = min(s.filesz, s.memsz)
		}
	}
}
