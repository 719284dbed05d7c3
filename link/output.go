package link

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"weld/image/elf"
)

// write makes the output in memory or in a file.
func (l *linker) write() error {
	l.result.Size = int64(l.fileSize)
	if l.opt.Output == "" {
		l.buf = make([]byte, l.fileSize)
		if err := l.fill(nil); err != nil {
			return err
		}
		if l.opt.Writer == nil {
			l.result.Data = l.buf
			return nil
		}
		n, err := l.opt.Writer.Write(l.buf)
		if err == nil && n < len(l.buf) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return &FileError{File: "the output", What: "cannot write it: " + err.Error(), Kind: err}
		}
		return nil
	}
	return l.writeFile()
}

// writeFile writes the output beside its path, and finish renames it, so that there is the old file or the whole new one. What is not
// a regular file, such as /dev/null, is written to.
func (l *linker) writeFile() error {
	path := l.opt.Output
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fileErr(fs.ErrInvalid, path, "", "cannot write it: it is a directory")
		}
		l.buf = make([]byte, l.fileSize)
		if err := l.fill(nil); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return l.cannotWrite(err)
		}
		_, err = f.Write(l.buf)
		if err = cmp.Or(err, f.Close()); err != nil {
			return l.cannotWrite(err)
		}
		return nil
	}
	f, err := createTemp(path)
	if err != nil {
		return l.cannotWrite(err)
	}
	l.temp = f.Name()
	defer f.Close()
	if err := reserve(f, int64(l.fileSize)); err != nil {
		return l.cannotWrite(err)
	}
	if err := l.fill(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return l.cannotWrite(err)
	}
	return nil
}

// finish gives the output its name, and closes the inputs meanwhile: the old output and the mappings of the inputs take the kernel about
// the same time.
func (l *linker) finish() error {
	l.listDiscarded()
	inputs := l.sources
	if len(l.lto.plugins) > 0 {
		inputs = nil // the plugins may look into them to the end
	}
	var err error
	l.par(1+len(inputs), func(i int) {
		switch {
		case i > 0:
			inputs[i-1].close()
		case l.temp != "":
			if err = os.Rename(l.temp, l.opt.Output); err == nil {
				l.temp = ""
			}
		}
	})
	switch {
	case err != nil:
		return l.cannotWrite(err)
	case l.temp != "":
		return l.ctx.Err()
	}
	return nil
}

// cannotWrite makes the error that the output could not be written.
func (l *linker) cannotWrite(err error) error {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		err = pe.Err
	}
	return &FileError{File: l.opt.Output, What: "cannot write it: " + err.Error(), Kind: err}
}

// createTemp creates a file beside path, executable as the process's mask allows.
func createTemp(path string) (*os.File, error) {
	for i := 0; ; i++ {
		name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+randomSuffix())
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o777)
		if err == nil || !errors.Is(err, fs.ErrExist) || i > 100 {
			return f, err
		}
	}
}

func randomSuffix() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// writeMember copies a section of an object to its place in the content of an output section and relocates it, or has a part of the
// linker's own written. content begins at offset base of the section.
func (l *linker) writeMember(content []byte, base uint64, out *outSection, m secRef) error {
	if m.obj < 0 {
		s := l.synths[m.sec]
		if s.write == nil || s.size == 0 {
			return nil
		}
		return s.write(content[s.off-base:][:s.size:s.size])
	}
	o := l.objs[m.obj]
	s := &o.secs[m.sec]
	if s.typ == shtNobits {
		return nil
	}
	buf := content[s.outOff-base:][:s.size:s.size]
	data := o.bytes(m.sec)
	a := applier{
		l: l, o: o, sec: m.sec, buf: buf, addr: s.addr, alloc: s.flags&shfAlloc != 0,
		rel: o.relBase + s.relAt, dyn: o.dynBase + s.dynAt, flip: o.flipped(m.sec, out, l.class.word),
	}
	if a.flip {
		w := int(l.class.word)
		for i := 0; i+w <= len(data); i += w {
			copy(buf[len(data)-w-i:], data[i:i+w])
		}
	} else if s.kind == secRelax {
		o.copyRelaxed(buf, &o.relaxes[s.extra])
	} else {
		copy(buf, data)
	}
	if s.rel == 0 {
		return nil
	}
	if l.opt.Mode == Relocatable {
		if l.mi.rel {
			l.putAddends(o, m.sec, buf)
		}
		return nil
	}
	if a.alloc {
		l.mach.apply(&a, o.relas(m.sec))
	} else {
		a.tombstone = l.tombstone(o.secName(m.sec))
		l.mach.applyDebug(&a, o.relas(m.sec))
	}
	return a.errs.err()
}

// flipped reports whether a section's words go to the output in reverse: .ctors runs from the end, .init_array from the start.
func (o *object) flipped(sec uint32, out *outSection, word uint64) bool {
	if out.typ != shtInitArray && out.typ != shtFiniArray || o.secs[sec].size%word != 0 {
		return false
	}
	name := o.secName(sec)
	return hasPart(name, ".ctors") || hasPart(name, ".dtors")
}

// writeHeaders writes the ELF header and the program headers to b, the names of the sections and the section headers to tail.
func (l *linker) writeHeaders(b, tail []byte) {
	c := l.class
	copy(b, "\x7fELF\x02\x01\x01")
	b[4] = uint8(c.id)
	typ := elf.ET_DYN
	switch l.opt.Mode {
	case Exec:
		typ = elf.ET_EXEC
	case Relocatable:
		typ = elf.ET_REL
	}
	if typ != elf.ET_REL {
		l.result.Entry = l.entry()
	}
	le.PutUint16(b[16:], uint16(typ))
	le.PutUint16(b[18:], uint16(l.mi.em))
	le.PutUint32(b[20:], 1)
	c.putWord(b[24:], l.result.Entry)
	w := c.word
	if typ != elf.ET_REL {
		c.putWord(b[24+w:], c.ehdr)
	}
	c.putWord(b[24+2*w:], l.shoff)
	n := len(l.order) + 2
	rest := b[24+3*w:]
	le.PutUint32(rest, l.flags)
	le.PutUint16(rest[4:], uint16(c.ehdr))
	if typ != elf.ET_REL {
		le.PutUint16(rest[6:], uint16(c.phdr))
	}
	le.PutUint16(rest[8:], uint16(len(l.segments)))
	le.PutUint16(rest[10:], uint16(c.shdr))
	le.PutUint16(rest[12:], uint16(n))
	le.PutUint16(rest[14:], uint16(n-1))
	for i, s := range l.segments {
		c.putProg(b[c.ehdr+uint64(i)*c.phdr:], s)
	}
	copy(tail, l.symtab.shstr.data)
	sh := tail[l.shoff-l.shstrOff:]
	for i, out := range l.order {
		h := shdr{name: out.nameOff, typ: out.typ, flags: uint64(out.flags), addr: out.addr, off: out.off, size: out.size, align: out.align, entsize: out.entsize}
		if out.link != nil {
			h.link = uint32(out.link.index)
		}
		if out.info != nil {
			h.info = out.info()
		}
		c.putSection(sh[uint64(i+1)*c.shdr:], &h)
		l.result.Sections = append(l.result.Sections, SectionInfo{strings.Clone(out.name), out.addr, out.off, out.size})
	}
	c.putSection(sh[uint64(n-1)*c.shdr:], &shdr{name: l.symtab.shstr.add(".shstrtab"), typ: shtStrtab, off: l.shstrOff, size: uint64(len(l.symtab.shstr.data)), align: 1})
}

// entry returns the entry point.
func (l *linker) entry() uint64 {
	name := l.entryName()
	if name == "" {
		n, _ := parseUint(cmp.Or(l.opt.Entry, l.scriptEntry))
		return n
	}
	if id := l.syms.find(name); id != 0 && l.syms.at(id).kind != symUndef {
		return l.syms.at(id).value
	}
	if l.opt.Mode == Shared {
		return 0
	}
	for _, out := range l.order {
		if out.name == ".text" {
			l.warn("cannot find the entry symbol %s; it is set to the start of .text, %#x", name, out.addr)
			return out.addr
		}
	}
	l.warn("cannot find the entry symbol %s; there is no entry point", name)
	return 0
}

// parseUint reads a number as C has it: decimal, 0x or 0.
func parseUint(s string) (uint64, error) { return strconv.ParseUint(s, 0, 64) }
