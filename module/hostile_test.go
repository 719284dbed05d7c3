package module_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"weld/ctype"
	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
	"weld/module"
)

var le = binary.LittleEndian

// small is a module with a call, a pointer to a variable of its own, and one to a function that it imports.
func small(t testing.TB) []byte {
	d := testenv.NewDir(t)
	src := d.Write("small.c", "int host_add(int, int);\nint number = 3;\nint *where = &number;\nint (*other)(int, int) = host_add;\nint call(int n) { return host_add(n, *where); }\n")
	return linkModule(t, link.Options{BuildID: link.BuildIDSHA1}, d.Object("small.o", "-fPIC", src))
}

func smallHost(t testing.TB) *module.Exports {
	h := new(module.Exports)
	if err := h.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	return h
}

// An image is a module that is changed.
type image struct {
	t    testing.TB
	data []byte
	f    *elf.File
}

func newImage(t testing.TB, data []byte) *image {
	f, err := elf.New("small", data)
	if err != nil {
		t.Fatal(err)
	}
	return &image{t, slices.Clone(data), f}
}

func (m *image) put64(off, v uint64)        { le.PutUint64(m.data[off:], v) }
func (m *image) put32(off uint64, v uint32) { le.PutUint32(m.data[off:], v) }

// offset is where an address is in the file.
func (m *image) offset(vaddr uint64) uint64 {
	off, ok := m.f.Offset(vaddr)
	if !ok {
		m.t.Fatalf("%#x is not in the file", vaddr)
	}
	return off
}

// dyn changes the value of a tag of the dynamic section.
func (m *image) dyn(tag elf.DynTag, v uint64) {
	for i, d := range m.f.DynEntries() {
		if d.Tag == tag {
			m.put64(m.offset(m.f.Dynamic.Addr)+uint64(i)*16+8, v)
			return
		}
	}
	m.t.Fatalf("there is no %v", tag)
}

// replace makes one tag of the dynamic section another.
func (m *image) replace(old, now elf.DynTag, v uint64) {
	m.dyn(old, v)
	for i, d := range m.f.DynEntries() {
		if d.Tag == old {
			m.put64(m.offset(m.f.Dynamic.Addr)+uint64(i)*16, uint64(now))
		}
	}
}

// prog returns where the first program header of a type, and with flags, is.
func (m *image) prog(typ elf.ProgType, flags elf.ProgFlag) uint64 {
	for i := range m.f.Progs {
		if p := &m.f.Progs[i]; p.Type == typ && p.Flags&flags == flags {
			return m.f.Phoff + uint64(i)*56
		}
	}
	m.t.Fatalf("there is no %v", typ)
	return 0
}

// table returns where a table of symbols is.
func (m *image) table(typ uint32) uint64 {
	t, err := ctype.FindSigTable(m.f, typ)
	if err != nil || t == nil {
		m.t.Fatal(err)
	}
	return m.offset(t.Addr)
}

// rela returns where a relocation of a type is.
func (m *image) rela(typ elf.R_X86_64) uint64 {
	for _, x := range []struct {
		t    elf.RelaTable
		addr uint64
	}{{m.f.Rela(), m.f.Dynamic.Rela.Addr}, {m.f.PltRel(), m.f.Dynamic.JmpRel.Addr}} {
		for i := range x.t.Len() {
			if x.t.At(i).Type == uint32(typ) {
				return m.offset(x.addr) + uint64(i)*24
			}
		}
	}
	m.t.Fatalf("there is no %v", typ)
	return 0
}

// reader fails from an offset on.
type reader struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("the disk is on fire")

func (r reader) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > r.from {
		return 0, errDisk
	}
	return r.ReaderAt.ReadAt(b, off)
}

// TestConditions has a module for each condition that Inferno's dynld checks, by its number in the order of its source, and for each
// that it does not.
func TestConditions(t *testing.T) {
	data := small(t)
	host := smallHost(t)
	defer host.Close()
	m := load(t, data, host, &module.Options{MaxSize: int64(len(data)) + 1<<16})
	if got := must[func(int32) int32](t, m, "call")(4); got != 7 {
		t.Fatalf("unchanged: %d", got)
	}
	if err := m.Free(); err != nil {
		t.Fatal(err)
	}
	lo, hi := newImage(t, data).f.LoadSpan()
	span := int64(hi - lo)

	mode, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	overcommits := err == nil && mode[0] == '1'
	const head, entry = 16, 32 // of a table of symbols
	type change = func(m *image)
	before := [2]int{mappings(t), descriptors(t)}
	for _, c := range []struct {
		number string
		what   string
		change change
		opts   module.Options
		r      func(data []byte) (io.ReaderAt, int64)
		kind   error
		want   string
	}{
		{number: "1", what: "a size that no memory has", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b), 1 << 62 }, kind: module.ErrTooBig},
		{number: "1", what: "a size that the file has not", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b), 1 << 36 }, kind: module.ErrRead},
		{number: "1", what: "a negative size", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b), -1 }, kind: module.ErrRead},
		{number: "2", what: "a header cut short", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b[:40]), 40 }, kind: module.ErrRead},
		{number: "2", what: "nothing", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(nil), 0 }, kind: module.ErrNotModule},
		{number: "2", what: "a reader that fails", r: func(b []byte) (io.ReaderAt, int64) { return reader{bytes.NewReader(b), 0}, int64(len(b)) }, kind: errDisk, want: "the disk is on fire"},
		{number: "3", what: "a text", r: func(b []byte) (io.ReaderAt, int64) {
			s := strings.NewReader(strings.Repeat("no module\n", 100))
			return s, s.Size()
		}, kind: module.ErrNotModule},
		{number: "3", what: "another processor", change: func(m *image) { m.data[18] = byte(elf.EM_AARCH64) }, kind: module.ErrPlatform, want: "EM_AARCH64"},
		{number: "3", what: "32 bits", change: func(m *image) { m.data[4] = 1 }, kind: module.ErrPlatform},
		{number: "3", what: "big-endian", change: func(m *image) { m.data[5] = 2 }, kind: module.ErrPlatform},
		{number: "3", what: "an object", change: func(m *image) { m.data[16] = byte(elf.ET_REL) }, kind: module.ErrNotModule, want: "ET_REL"},
		{number: "4", what: "no table of exports", change: func(m *image) { m.put32(m.table(ctype.NoteExports)-12, 77) }, kind: module.ErrNotModule, want: ".note.weld.exports"},
		{number: "4", what: "no table of imports", change: func(m *image) { m.put32(m.table(ctype.NoteImports)-12, 77) }, kind: module.ErrNotModule, want: ".note.weld.imports"},
		{number: "4", what: "notes outside", change: func(m *image) { m.put64(m.prog(elf.PT_NOTE, 0)+16, 1<<40) }, kind: module.ErrTable},
		{number: "5", what: "a file that is too big", opts: module.Options{MaxSize: int64(len(data)) - 1}, kind: module.ErrTooBig, want: fmt.Sprint(len(data))},
		{number: "5", what: "an image that is too big", opts: module.Options{MaxSize: span - 1}, kind: module.ErrTooBig, want: fmt.Sprint(span)},
		{number: "6", what: "an image that no memory has", change: func(m *image) { m.put64(m.prog(elf.PT_LOAD, elf.PF_W)+40, 1<<46) }, kind: module.ErrNotModule},
		{number: "6", what: "an image that the machine has not", change: func(m *image) { m.put64(m.prog(elf.PT_LOAD, elf.PF_W)+40, 1<<45) }, kind: module.ErrMap, want: "cannot allocate memory"},
		{number: "7", what: "segments cut short", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b[:5000]), 5000 }, kind: module.ErrRead},
		{number: "7", what: "a reader with less than it should have", r: func(b []byte) (io.ReaderAt, int64) { return bytes.NewReader(b[:5000]), int64(len(b)) }, kind: module.ErrRead},
		{number: "8", what: "a reader that fails in the end", r: func(b []byte) (io.ReaderAt, int64) {
			return reader{bytes.NewReader(b), int64(len(b)) - 1}, int64(len(b))
		}, kind: module.ErrRead},
		{number: "9", what: "relocations beyond the end", change: func(m *image) { m.dyn(elf.DT_RELA, hi-8) }, kind: module.ErrRead},
		{number: "10", what: "relocations of a part of an entry", change: func(m *image) { m.dyn(elf.DT_RELASZ, 23) }, kind: module.ErrNotModule},
		{number: "11", what: "relocations that no memory has", change: func(m *image) { m.dyn(elf.DT_RELASZ, 24<<57) }, kind: module.ErrRead},
		{number: "12", what: "relocations outside", change: func(m *image) { m.dyn(elf.DT_RELA, 1<<40) }, kind: module.ErrRead},
		{number: "13", what: "an implausible number of imports", change: func(m *image) { m.put32(m.table(ctype.NoteImports)+4, 0x80000000) }, kind: module.ErrTable, want: "2147483648 entries"},
		{number: "14", what: "as many imports as there can be", change: func(m *image) { m.put32(m.table(ctype.NoteImports)+4, 0xffffffff) }, kind: module.ErrTable},
		{number: "15", what: "an import more than there is room for", change: func(m *image) { m.put32(m.table(ctype.NoteImports)+4, 2) }, kind: module.ErrTable},
		{number: "16", what: "a name without an end", change: func(m *image) {
			m.data[m.table(ctype.NoteImports)+head+entry+uint64(le.Uint32(m.data[m.table(ctype.NoteImports)+8:]))-1] = 'x'
		}, kind: module.ErrTable, want: "do not end"},
		{number: "16", what: "a name outside", change: func(m *image) { m.put32(m.table(ctype.NoteImports)+head+16, 1<<20) }, kind: module.ErrTable},
		{number: "19", what: "relocations of another size", change: func(m *image) { m.dyn(elf.DT_RELAENT, 16) }, kind: module.ErrNotModule},
		{number: "20", what: "a relocation more than there is", change: func(m *image) { m.dyn(elf.DT_RELASZ, 24<<16) }, kind: module.ErrRead},
		{number: "21", what: "a place beyond the end", change: func(m *image) { m.put64(m.rela(elf.R_X86_64_64), hi) }, kind: module.ErrReloc, want: "outside the module's writable segments"},
		{number: "22", what: "relocations of a kind that there is not", change: func(m *image) { m.dyn(elf.DT_PLTREL, 3) }, kind: module.ErrNotModule},
		{number: "22", what: "relocations without addends", change: func(m *image) { m.dyn(elf.DT_PLTREL, uint64(elf.DT_REL)) }, kind: module.ErrNotModule},
		{number: "23", what: "a symbol that there is not", change: func(m *image) { m.put32(m.rela(elf.R_X86_64_JMP_SLOT)+12, 1<<30) }, kind: module.ErrReloc, want: "no symbol 1073741824"},
		{number: "23", what: "a type that there is not", change: func(m *image) { m.put32(m.rela(elf.R_X86_64_64)+8, 200) }, kind: module.ErrReloc},
		{number: "23", what: "a copy", change: func(m *image) { m.put32(m.rela(elf.R_X86_64_64)+8, uint32(elf.R_X86_64_COPY)) }, kind: module.ErrReloc, want: "R_X86_64_COPY"},

		// What dynld does not check.
		{number: "a", what: "a place before the image", change: func(m *image) { m.put64(m.rela(elf.R_X86_64_JMP_SLOT), ^uint64(0)-7) }, kind: module.ErrReloc},
		{number: "a", what: "a place in the text", change: func(m *image) { m.put64(m.rela(elf.R_X86_64_RELATIVE), 0x1000) }, kind: module.ErrReloc},
		{number: "a", what: "a place across the end", change: func(m *image) { m.put64(m.rela(elf.R_X86_64_64), hi-4) }, kind: module.ErrReloc},
		{number: "a", what: "a resolver outside", change: func(m *image) {
			m.put32(m.rela(elf.R_X86_64_RELATIVE)+8, uint32(elf.R_X86_64_IRELATIVE))
			m.put64(m.rela(elf.R_X86_64_RELATIVE)+16, hi+8)
		}, kind: module.ErrReloc, want: "resolver"},
		{number: "b", what: "an export outside", change: func(m *image) { m.put64(m.table(ctype.NoteExports)+head+8, 1<<40) }, kind: module.ErrTable, want: "export call: 0x10000000000 is not in an executable segment"},
		{number: "b", what: "a function in the data", change: func(m *image) { m.put64(m.table(ctype.NoteExports)+head+8, hi-8) }, kind: module.ErrTable, want: "export call"},
		{number: "b", what: "a variable across the end", change: func(m *image) { m.put64(m.table(ctype.NoteExports)+head+entry+8, hi-2) }, kind: module.ErrTable, want: "export number"},
		{number: "c", what: "a segment past the end of all addresses", change: func(m *image) { m.put64(m.prog(elf.PT_LOAD, elf.PF_W)+16, ^uint64(0)-0xfff) }, kind: module.ErrRead},
		{number: "c", what: "more in the file than in memory", change: func(m *image) { m.put64(m.prog(elf.PT_LOAD, elf.PF_W)+32, 1<<40) }, kind: module.ErrRead},
		{number: "c", what: "much thread-local storage", change: func(m *image) {
			p := m.prog(elf.PT_GNU_STACK, 0)
			m.put32(p, uint32(elf.PT_TLS))
			m.put64(p+16, le.Uint64(m.data[m.prog(elf.PT_LOAD, elf.PF_W)+16:]))
			m.put64(p+8, le.Uint64(m.data[m.prog(elf.PT_LOAD, elf.PF_W)+8:]))
			m.put64(p+40, 1<<40)
		}, kind: module.ErrTooBig},
		{number: "d", what: "a negative number of relocations", change: func(m *image) { m.dyn(elf.DT_RELASZ, ^uint64(0)-23) }, kind: module.ErrNotModule},
		{number: "e", what: "a second relocation that is wrong", change: func(m *image) { m.put64(m.offset(m.f.Dynamic.Rela.Addr)+24, 1) }, kind: module.ErrReloc, want: "relocation 1 of DT_RELA: it would write 8 bytes at 0x1"},
		{number: "h", what: "an import without a signature", change: func(m *image) {
			at := m.table(ctype.NoteImports) + head
			m.put64(at, 0)
			m.put32(at+20, 0)
		}, kind: module.ErrUntyped, want: "the module does not say what type it has"},
		{number: "h", what: "a signature that is not its text's", change: func(m *image) { m.put64(m.table(ctype.NoteImports)+head, 1) }, kind: module.ErrTable, want: "is not that of its text"},
		{number: "h", what: "a function that is said to be a variable", change: func(m *image) { m.put32(m.table(ctype.NoteImports)+head+28, 1) }, kind: module.ErrTable},
		{number: "i", what: "an import that is not in the table", change: func(m *image) {
			m.data[m.offset(m.f.Dynamic.Strtab.Addr)+uint64(bytes.Index(m.data[m.offset(m.f.Dynamic.Strtab.Addr):], []byte("host_add")))] = 'g'
		}, kind: module.ErrUnlisted, want: "gost_add"},
		{number: "j", what: "an export twice", change: func(m *image) {
			at := m.table(ctype.NoteExports) + head
			copy(m.data[at+entry+16:], m.data[at+16:at+20])
		}, kind: module.ErrTable, want: "call is there twice"},
		{number: "j", what: "exports out of order", change: func(m *image) {
			at := m.table(ctype.NoteExports) + head
			one := slices.Clone(m.data[at : at+entry])
			copy(m.data[at:], m.data[at+entry:at+2*entry])
			copy(m.data[at+entry:], one)
		}, kind: module.ErrTable, want: "is not in order"},
		{number: "k", what: "a segment that is writable and executable", change: func(m *image) { m.put32(m.prog(elf.PT_LOAD, elf.PF_X)+4, 7) }, kind: module.ErrRefused, want: "writable and executable"},
		{number: "k", what: "an executable stack", change: func(m *image) { m.put32(m.prog(elf.PT_GNU_STACK, 0)+4, 7) }, kind: module.ErrRefused, want: "executable stack"},
		{number: "l", what: "another file", opts: module.Options{SHA256: new([32]byte)}, kind: module.ErrChecksum},

		// What is refused by name.
		{number: "+", what: "a library", change: func(m *image) { m.replace(elf.DT_HASH, elf.DT_NEEDED, 1) }, kind: module.ErrRefused, want: "DT_NEEDED"},
		{number: "+", what: "a filter", change: func(m *image) { m.replace(elf.DT_HASH, elf.DT_AUXILIARY, 1) }, kind: module.ErrRefused, want: "DT_FILTER"},
		{number: "+", what: "versions", change: func(m *image) {
			at := m.f.Dynamic.Hash // where there is room then: an entry of no versions
			m.put64(m.offset(at), 1)
			m.put64(m.offset(at)+8, 0)
			m.replace(elf.DT_HASH, elf.DT_VERNEED, at)
		}, kind: module.ErrRefused, want: "DT_VERNEED"},
		{number: "+", what: "text relocations", change: func(m *image) { m.replace(elf.DT_HASH, elf.DT_TEXTREL, 0) }, kind: module.ErrRefused, want: "DT_TEXTREL"},
		{number: "+", what: "what cannot be freed", change: func(m *image) { m.dyn(elf.DT_FLAGS_1, uint64(elf.DF_1_NODELETE)) }, kind: module.ErrRefused, want: "DF_1_NODELETE"},
		{number: "+", what: "an executable", change: func(m *image) { m.dyn(elf.DT_FLAGS_1, uint64(elf.DF_1_PIE)) }, kind: module.ErrNotModule, want: "DF_1_PIE"},
		{number: "+", what: "no dynamic section", change: func(m *image) { m.put32(m.prog(elf.PT_DYNAMIC, 0), 0) }, kind: module.ErrNotModule},
		{number: "+", what: "a table that can be written to", change: func(m *image) { m.put32(m.prog(elf.PT_LOAD, 0)+4, 6) }, kind: module.ErrTable, want: "only read"},
		{number: "+", what: "tables that overlap", change: func(m *image) {
			// The strings of the first one go on to the end of the second one.
			first, second := m.table(ctype.NoteImports), m.table(ctype.NoteExports)
			t, _ := ctype.FindSigTable(m.f, ctype.NoteExports)
			old := le.Uint32(m.data[first-16:])
			size := uint32(second + t.Size - first)
			m.put32(first-16, size)
			m.put32(first+8, le.Uint32(m.data[first+8:])+size-old)
			p := m.prog(elf.PT_GNU_EH_FRAME, 0)
			m.put32(p, uint32(elf.PT_NOTE))
			m.put64(p+8, second-20)
			m.put64(p+16, t.Addr-20)
			m.put64(p+32, t.Size+20)
			m.put64(p+40, t.Size+20)
		}, kind: module.ErrTable, want: "the tables overlap"},
		{number: "+", what: "two tables of exports", change: func(m *image) {
			m.put32(m.table(ctype.NoteImports)-12, ctype.NoteExports)
		}, kind: module.ErrTable, want: "a second table"},
	} {
		if c.kind == module.ErrMap && overcommits {
			continue // the machine has it
		}
		b := data
		if c.change != nil {
			m := newImage(t, data)
			c.change(m)
			b = m.data
		}
		r, size := io.ReaderAt(bytes.NewReader(b)), int64(len(b))
		if c.r != nil {
			r, size = c.r(b)
		}
		m, err := module.Load(r, size, host, &c.opts)
		var le *module.LoadError
		var ie *module.ImportsError
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) || !errors.As(err, &le) && !errors.As(err, &ie) {
			t.Errorf("(%s) %s: %v, want %v: %s", c.number, c.what, err, c.kind, c.want)
		}
		if m != nil {
			m.Free()
		}
	}
	// (17), (18), (f) and (g) are what is left: symbols that are not there or of another type, and what errors leave behind; TestHundred
	// has more of the former.
	if _, err := module.Load(bytes.NewReader(data), int64(len(data)), nil, nil); !errors.Is(err, module.ErrUndefined) || !strings.Contains(err.Error(), "int host_add(int, int)") {
		t.Errorf("(17) %v", err)
	}
	var other module.Exports
	defer other.Close()
	if err := other.Func("host_add", func(a int64, b int32) int32 { return b }); err != nil {
		t.Fatal(err)
	}
	if _, err := module.Load(bytes.NewReader(data), int64(len(data)), &other, nil); !errors.Is(err, module.ErrMismatch) ||
		!strings.Contains(err.Error(), "argument 1: C passes int (4 bytes), Go takes int64: 8 bytes, not 4\n\tmodule: int host_add(int, int)\n\thost:   Go func(int64, int32) int32") {
		t.Errorf("(18) %v", err)
	}
	if after := [2]int{mappings(t), descriptors(t)}; after[0] > before[0]+4 || after[1] > before[1] {
		t.Errorf("(f) mappings and descriptors: %v before, %v after", before, after)
	}
	if err := host.Close(); err != nil {
		t.Errorf("(f) the table is still in use: %v", err)
	}
}

// TestBadReader has readers that return what no reader may.
func TestBadReader(t *testing.T) {
	data := small(t)
	for name, r := range map[string]io.ReaderAt{
		"more than was asked for": readerFunc(func(b []byte, off int64) (int, error) { return len(b) + 1, nil }),
		"less than nothing":       readerFunc(func(b []byte, off int64) (int, error) { return -1, nil }),
		"nothing for ever":        readerFunc(func(b []byte, off int64) (int, error) { return 0, nil }),
	} {
		if _, err := module.Load(r, int64(len(data)), nil, nil); !errors.Is(err, module.ErrRead) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What has been loaded does not depend on the reader any more.
	host := smallHost(t)
	mine := bytes.Clone(data)
	m := load(t, mine, host, nil)
	clear(mine)
	if got := must[func(int32) int32](t, m, "call")(4); got != 7 {
		t.Errorf("%d", got)
	}
	for _, err := range []error{m.Free(), host.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(b []byte, off int64) (int, error) { return f(b, off) }

// FuzzLoad loads damaged modules. Those that could run code while they are loaded are looked at only.
func FuzzLoad(f *testing.F) {
	f.Add(small(f))
	h := newHost(f)
	host := smallHost(f)
	f.Add(build(f, "mod.c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		opts := &module.Options{Name: "fuzz", MaxSize: 64 << 20}
		exports, imports, err := module.Tables(r, r.Size(), opts)
		var le *module.LoadError
		var ie *module.ImportsError
		if err != nil {
			if !errors.As(err, &le) && !errors.As(err, &ie) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		for i := range exports {
			_ = exports[i].Decl()
		}
		for i := range imports {
			if imports.FindSym(imports[i].Name) != &imports[i] {
				t.Error("an import is not found")
			}
		}
		e, err := elf.New("fuzz", data)
		if err != nil {
			t.Fatal(err)
		}
		d := &e.Dynamic
		runs := d.Init != 0 || d.Fini != 0 || d.InitArray.Size != 0 || d.FiniArray.Size != 0 || d.PreinitArray.Size != 0
		for _, table := range []elf.RelaTable{e.Rela(), e.PltRel()} {
			for _, x := range table.All() {
				runs = runs || x.Type == uint32(elf.R_X86_64_IRELATIVE)
			}
		}
		for i := range e.NumSymbols() {
			s, _ := e.Sym(uint32(i))
			runs = runs || s.Type() == elf.STT_GNU_IFUNC
		}
		if runs {
			return
		}
		for _, host := range []*module.Exports{&h.Exports, host} {
			m, err := module.Load(r, r.Size(), host, opts)
			if err != nil {
				if !errors.As(err, &le) && !errors.As(err, &ie) {
					t.Errorf("%T: %v", err, err)
				}
				continue
			}
			if err := m.Free(); err != nil {
				t.Error(err)
			}
		}
	})
}
