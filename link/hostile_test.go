package link_test

import (
	"bytes"
	"context"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

const stackNote = "\t.section .note.GNU-stack,\"\",@progbits\n"

// TestHostileRelocations has relocations at places where what the linker does with others of their type would go wrong.
func TestHostileRelocations(t *testing.T) {
	const (
		indirect = "\t.globl f, _start\n\t.type f, @gnu_indirect_function\nf:\n_start:\tnop; nop; nop; nop; nop; nop; nop; nop\n\t.reloc 0, %s, f\n"
		// An .eh_frame whose CIE ends in what looks like the instruction of a relocation at the FDE's beginning.
		frames = "\t.globl _start\n_start:\tnop\n\t.section .eh_frame, \"a\", @progbits\n" +
			"\t.long 20, 0\n\t.byte 1\n\t.asciz \"zR\"\n\t.byte 1, 0x78, 16, 1, 0x1b, 12, 7, 8, 0x90, 1, 0xff, 0x15\n" +
			"\t.long 20, 28, 0, 1, 0, 0\n\t.reloc 24, %s, _start-4\n\t.reloc 32, R_X86_64_PC32, .text\n"
	)
	d := testenv.NewDir(t)
	for i, c := range []struct{ source, want string }{
		{"\t.globl _start\n_start:\tnop\n\t.section .ctors.00001, \"aw\", @progbits\n\t.quad 0, 0\n\t.reloc 4, R_X86_64_64, _start\n", "not within one word"},
		{fmt.Sprintf(indirect, "R_X86_64_GOTPC32_TLSDESC"), "no thread-local variable"},
		{fmt.Sprintf(indirect, "R_X86_64_GOTTPOFF"), "no thread-local variable"},
		{fmt.Sprintf(indirect, "R_X86_64_TLSGD"), "no thread-local variable"},
		{fmt.Sprintf(indirect, "R_X86_64_TLSLD"), "cannot be rewritten"},
		{fmt.Sprintf(frames, "R_X86_64_GOTPCRELX"), "it is for code"},
		{fmt.Sprintf(frames, "R_X86_64_TLSLD"), "it is for code"},
	} {
		obj := assemble(t, d, fmt.Sprint("hostile", i), c.source)
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}})
		if !errors.Is(err, link.ErrReloc) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d: error %v, wanted %q", i, err, c.want)
		}
	}
}

// namesObject returns an object with a .text section and n symbols, local or global. The name of each is the end of one long name,
// so many bytes in for each.
func namesObject(n, size, step int, local bool) []byte {
	le := binary.LittleEndian
	strs := append(append([]byte{0}, bytes.Repeat([]byte{'a'}, size-1)...), 0)
	names := []byte("\x00.text\x00.symtab\x00.strtab\x00.shstrtab\x00")
	syms := make([]byte, 24)
	first, info := uint32(1), byte(elf.STB_GLOBAL)<<4
	if local {
		first, info = uint32(n+1), 0
	}
	for i := range n {
		syms = le.AppendUint32(syms, uint32(1+i*step))
		syms = append(syms, info, 0, 1, 0)
		syms = append(syms, make([]byte, 16)...)
	}
	b := make([]byte, 64)
	headers := make([]byte, 64)
	add := func(name, typ uint32, flags uint64, data []byte, link, info uint32, align, entry uint64) {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		headers = le.AppendUint32(le.AppendUint32(headers, name), typ)
		headers = le.AppendUint64(le.AppendUint64(headers, flags), 0)
		headers = le.AppendUint64(le.AppendUint64(headers, uint64(len(b))), uint64(len(data)))
		headers = le.AppendUint32(le.AppendUint32(headers, link), info)
		headers = le.AppendUint64(le.AppendUint64(headers, align), entry)
		b = append(b, data...)
	}
	add(1, uint32(elf.SHT_PROGBITS), uint64(elf.SHF_ALLOC|elf.SHF_EXECINSTR), make([]byte, 16), 0, 0, 1, 0)
	add(7, uint32(elf.SHT_SYMTAB), 0, syms, 3, first, 8, 24)
	add(15, uint32(elf.SHT_STRTAB), 0, strs, 0, 0, 1, 0)
	add(23, uint32(elf.SHT_STRTAB), 0, names, 0, 0, 1, 0)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_REL))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], uint64(len(b)))
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 5)
	le.PutUint16(b[62:], 4)
	return append(b, headers...)
}

// TestLongNames has objects whose symbols share one name, or are ends of it: they would make the output any number of times as large,
// or its string table of a size that 32 bits do not hold.
func TestLongNames(t *testing.T) {
	for name, data := range map[string][]byte{
		"local, 4 GiB": namesObject(4096, 1<<20, 0, true),
		"global":       namesObject(40000, 200000, 1, false),
	} {
		for _, mode := range []link.Mode{link.Shared, link.Relocatable} {
			_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: data, Name: "names"}}, Mode: mode})
			if !errors.Is(err, link.ErrTooLarge) || !strings.HasPrefix(err.Error(), "names: ") {
				t.Errorf("%s, mode %d: error %v", name, mode, err)
			}
		}
	}
	sections := namesObject(1, 1<<20, 0, false)
	le := binary.LittleEndian
	text := sections[le.Uint64(sections[40:])+64:][:64:64]
	const n = 50000
	for i := range n {
		sections = append(sections, text...)
		le.PutUint32(sections[len(sections)-64:], uint32(1+i))
	}
	le.PutUint16(sections[60:], 5+n)
	le.PutUint16(sections[62:], 3) // the long name is that of sections
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: sections, Name: "names"}}, Mode: link.Shared}); !errors.Is(err, link.ErrTooLarge) || !strings.Contains(err.Error(), "the names of its sections") {
		t.Errorf("sections: error %v", err)
	}
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: namesObject(500, 2000, 1, false), Name: "names"}}, Mode: link.Shared}); err != nil {
		t.Error(err)
	}
}

// TestLostLocals refers to a local symbol of a group that another file has given, which GNU ld and lld refuse.
func TestLostLocals(t *testing.T) {
	d := testenv.NewDir(t)
	group := "\t.section .text.f, \"axG\", @progbits, f, comdat\n\t.globl f\nf:\tnop\nlocal:\tret\n"
	a := assemble(t, d, "a", group+"\t.text\n\t.globl _start\n_start:\tnop\n")
	b := assemble(t, d, "b", group+"\t.data\n\t.quad local\n")
	tables := assemble(t, d, "tables", group+"\t.section .gcc_except_table, \"a\", @progbits\n\t.quad local\n")
	_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: a}, {Path: b}}})
	if !errors.Is(err, link.ErrReloc) || !strings.Contains(err.Error(), "b.o: (.data+0x0)") || !strings.Contains(err.Error(), "the symbol is local to section .text.f") {
		t.Errorf("error %v", err)
	}
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: a}, {Path: tables}}}); err != nil {
		t.Errorf("from a table of exceptions: %v", err)
	}
}

// TestGroupSignatures has groups of the same name whose signature is a local symbol in one file and a global one in the other,
// and drops sections of groups that nothing refers to but by their group.
func TestGroupSignatures(t *testing.T) {
	d := testenv.NewDir(t)
	a := assemble(t, d, "a", "\t.section .rodata.k, \"aG\", @progbits, k, comdat\n\t.globl k\nk:\t.ascii \"FIRST\"\n"+
		"\t.text\n\t.globl _start\n_start:\tmov k, %eax\n\tcall f\n"+
		"\t.section .text.f, \"axG\", @progbits, f, comdat\n\t.globl f\nf:\tret\n"+
		"\t.section .rodata.f, \"aG\", @progbits, f, comdat\n\t.ascii \"BESIDE\"\n"+
		"\t.section .text.g, \"axG\", @progbits, g, comdat\n\t.globl g\ng:\tret\n"+
		"\t.section .rodata.g, \"aG\", @progbits, g, comdat\n\t.ascii \"UNUSED\"\n")
	b := assemble(t, d, "b", "\t.section .rodata.k, \"aG\", @progbits, k, comdat\n\t.ascii \"SECOND\"\n")
	for _, inputs := range [][]link.Input{{{Path: a}, {Path: b}}, {{Path: a}}} {
		res, err := link.Link(t.Context(), link.Options{Inputs: inputs, GCSections: len(inputs) == 1})
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]bool{"FIRST": true, "SECOND": false, "BESIDE": true, "UNUSED": len(inputs) == 2} {
			if got := bytes.Contains(res.Data, []byte(text)); got != want {
				t.Errorf("%d objects: %s is in the output: %v", len(inputs), text, got)
			}
		}
	}
}

// TestFramesOfText has a CIE with an absolute address in a shared library that may have relocations of text.
func TestFramesOfText(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "f", "\t.globl f\nf:\t.cfi_startproc\n\t.cfi_personality 0, personality\n\tnop\n\t.cfi_endproc\npersonality:\tret\n"+
		"\t.data\n\t.quad f, personality\n"+stackNote)
	res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Mode: link.Shared, NoText: true})
	if err != nil {
		t.Fatal(err)
	}
	path := d.Write("f.so", string(res.Data))
	out := tool(t, "", "readelf", "-rW", path)
	if n := strings.Count(out, "R_X86_64_RELATIVE"); n != 2 || strings.Contains(out, "R_X86_64_NONE") {
		t.Errorf("%d relative relocations, wanted that of .eh_frame and that of .data:\n%s", n, out)
	}
}

// TestAliasOrder has aliases of symbols that are defined by a later option.
func TestAliasOrder(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "c", "\t.globl _start, c\n_start:\tmov $a, %eax\nc = 0x1234\n")
	res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Defsyms: []link.Defsym{{Name: "a", Alias: "b", Value: 1}, {Name: "b", Alias: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "", "nm", d.Write("c", string(res.Data))); !strings.Contains(out, "0000000000001235 A a\n0000000000001234 A b\n") {
		t.Errorf("symbols:\n%s", out)
	}
}

// TestRelroAtEnd has a segment that ends with what becomes read-only, for pages larger than the machine's: the range must not go on
// behind what is mapped, or mprotect fails.
func TestRelroAtEnd(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "x", "\t.globl x\n\t.section .data.rel.ro, \"aw\", @progbits\nx:\t.quad x\n"+stackNote)
	out := d.Join("x.so")
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Output: out, Mode: link.Shared, Now: true, MaxPageSize: 1 << 16}); err != nil {
		t.Fatal(err)
	}
	prog := d.Program("open", d.Write("open.c", "#include <dlfcn.h>\n#include <stdio.h>\nint main(int c, char **v) { if (dlopen(v[1], RTLD_NOW)) return 0; puts(dlerror()); return 1; }\n"))
	tool(t, "", prog, out)
}

// TestFarStubs has stubs that are more than 2 GiB from the words they jump through.
func TestFarStubs(t *testing.T) {
	d := testenv.NewDir(t)
	const align, far = 1 << 5, 1 << 30 // an assembler would make the object as large
	obj := read(t, assemble(t, d, "far", "\tcall f@plt\n\t.section .rodata, \"a\", @progbits\n\t.p2align 5\n\t.quad 1\n\t.section .zrodata, \"a\", @progbits\n\t.p2align 5\n\t.quad 1\n\t.data\n\t.p2align 5\n\t.quad 1\n"))
	for h := obj[binary.LittleEndian.Uint64(obj[40:]):]; len(h) >= 64; h = h[64:] {
		if binary.LittleEndian.Uint64(h[48:]) == align {
			binary.LittleEndian.PutUint64(h[48:], far)
		}
	}
	_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: obj, Name: "far.o"}}, Mode: link.Shared, MaxOutput: 8 << 30})
	if !errors.Is(err, link.ErrTooLarge) || !strings.Contains(err.Error(), "section .plt: it is more than 2 GiB from .got.plt") {
		t.Errorf("error %v", err)
	}
}

// TestOddNames reads an archive of the BSD kind whose members have names of odd length (as of FreeBSD's ar, which adds no padding to
// names).
func TestOddNames(t *testing.T) {
	d := testenv.NewDir(t)
	archive := []byte("!<arch>\n")
	for _, name := range []string{"odd.o", "even.o"} {
		data := read(t, assemble(t, d, name, "\t.globl "+name[:3]+"\n"+name[:3]+":\tnop\n"))
		archive = fmt.Appendf(archive, "#1/%-13d%-12d%-6d%-6d%-8o%-10d`\n%s%s", len(name), 0, 0, 0, 0o644, len(name)+len(data), name, data)
		if len(archive)%2 != 0 {
			archive = append(archive, '\n')
		}
	}
	res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: archive, Name: "bsd.a", WholeArchive: true}}, Mode: link.Shared})
	if err != nil || len(res.Files) != 2 {
		t.Errorf("%v, %v", res, err)
	}
}

// lateContext is done once there is a file.
type lateContext struct {
	context.Context
	path string
	asks atomic.Int32
}

func (c *lateContext) Err() error {
	if _, err := os.Stat(c.path); err == nil {
		c.asks.Add(1)
		return context.Canceled
	}
	return nil
}

// TestCancelledLate is cancelled when the output has its name: then the link has succeeded.
func TestCancelledLate(t *testing.T) {
	d := testenv.NewDir(t)
	c := &lateContext{Context: t.Context(), path: d.Join("out")}
	obj := assemble(t, d, "start", "\t.globl _start\n_start:\tnop\n")
	if _, err := link.Link(c, link.Options{Inputs: []link.Input{{Path: obj}}, Output: c.path}); err != nil || c.asks.Load() == 0 {
		t.Errorf("error %v, asked %d times", err, c.asks.Load())
	}
}

// TestCommonInArchive has a common symbol and members of an archive that define it: only what GNU ld links for it is linked.
func TestCommonInArchive(t *testing.T) {
	d := testenv.NewDir(t)
	a := assemble(t, d, "a", "\t.globl _start, other\n_start:\tnop\n\t.comm x, 8, 8\n\t.comm z, 8, 8\n\t.data\nother:\t.quad x\n")
	for name, source := range map[string]string{
		"first":  "\t.weak x, z\n\t.data\nx:\t.quad 1\nz:\t.quad 1\n",
		"two":    "\t.globl x, z\n\t.data\nx:\t.quad 1\nz:\t.quad 1\n",
		"z":      "\t.globl z\n\t.data\nz:\t.quad 1\n",
		"strong": "\t.globl x\n\t.data\nx:\t.quad 1\n",
		"weak":   "\t.weak x\n\t.globl other\n\t.data\nx:\t.quad 1\nother:\t.quad 2\n",
		"common": "\t.comm x, 16, 8\n\t.globl other\n\t.data\nother:\t.quad 2\n",
	} {
		assemble(t, d, name, source)
		tool(t, d.Path, "ar", "rcs", name+".a", name+".o")
	}
	tool(t, d.Path, "ar", "rcs", "both.a", "common.o", "strong.o")
	for _, c := range []struct {
		archives       []string
		linked, member string // the archive and its member
	}{
		{[]string{"strong.a"}, "strong.a", "strong.o"},
		{[]string{"weak.a"}, "", ""},
		{[]string{"common.a"}, "", ""},
		{[]string{"both.a"}, "both.a", "strong.o"},
		{[]string{"weak.a", "common.a", "both.a", "strong.a"}, "both.a", "strong.o"},
		{[]string{"first.a", "two.a", "z.a"}, "two.a", "two.o"},
	} {
		inputs := []link.Input{{Path: a}}
		for _, n := range c.archives {
			inputs = append(inputs, link.Input{Path: d.Join(n)})
		}
		res, err := link.Link(t.Context(), link.Options{Inputs: inputs})
		if err != nil {
			t.Errorf("%q: %v", c.archives, err)
			continue
		}
		var linked string
		for _, f := range res.Files {
			if strings.Contains(f, ".a(") {
				linked += f
			}
		}
		if (linked != "") != (c.linked != "") || c.linked != "" && !strings.HasSuffix(linked, c.linked+"("+c.member+")") {
			t.Errorf("%q: linked %q, wanted %s of %s", c.archives, linked, c.member, c.linked)
		}
		out := tool(t, d.Path, "ld", append([]string{"-t", "-t", "-o", "ld.out", a}, c.archives...)...)
		if strings.Contains(out, ".a)") != (c.linked != "") || c.linked != "" && !strings.Contains(out, "("+c.linked+")"+c.member) {
			t.Errorf("%q: GNU ld links %s", c.archives, out)
		}
	}
}

// TestUnneededLibrary has a library that is linked as needed and is not: nothing is exported for it.
func TestUnneededLibrary(t *testing.T) {
	d := testenv.NewDir(t)
	a := assemble(t, d, "a", "\t.globl _start, x, y\n_start:\tnop\n\t.section .data.x, \"aw\"\nx:\t.ascii \"UNUSED\"\n\t.section .data.y, \"aw\"\ny:\t.ascii \"NEITHER\"\n")
	lib := assemble(t, d, "lib", "\t.globl f, y\nf:\tnop\n\t.data\n\t.quad x\ny:\t.quad 0\n")
	so := d.Join("lib.so")
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: lib}}, Output: so, Mode: link.Shared}); err != nil {
		t.Fatal(err)
	}
	for _, asNeeded := range []bool{true, false} {
		res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: a}, {Path: so, AsNeeded: asNeeded}}, GCSections: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"UNUSED", "NEITHER"} {
			if got := bytes.Contains(res.Data, []byte(text)); got == asNeeded {
				t.Errorf("as needed %v: %s is in the output: %v", asNeeded, text, got)
			}
		}
	}
}

// TestBuildIDBehindMuch has an object whose own note makes the section of the build ID one that is written in several pieces.
func TestBuildIDBehindMuch(t *testing.T) {
	d := testenv.NewDir(t)
	a := assemble(t, d, "a", "\t.globl _start\n_start:\tnop\n\t.section .note.gnu.build-id,\"a\",@note\n\t.long 4, 3000000, 1\n\t.string \"abc\"\n\t.zero 3000000\n")
	opt := link.Options{Inputs: []link.Input{{Path: a}}, BuildID: link.BuildIDSHA1}
	res, err := link.Link(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	opt.Output = d.Join("out")
	if _, err := link.Link(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(opt.Output)
	if err != nil || !bytes.Equal(file, res.Data) || !bytes.Contains(file, res.BuildID) {
		t.Errorf("the file of %d bytes is not what is made in memory, of %d with the build ID %x: %v", len(file), len(res.Data), res.BuildID, err)
	}
}

// TestManyVersions has more versions than .gnu.version has numbers for, and as many as it has: of symbols that are defined, and of
// those that are referred to.
func TestManyVersions(t *testing.T) {
	const most = 1<<15 - 2 // without 0, and 1 for what has none
	d := testenv.NewDir(t)
	var defs, refs strings.Builder
	for i := range most {
		fmt.Fprintf(&defs, "\t.globl f%[1]d\nf%[1]d:\tnop\n\t.symver f%[1]d, g%[1]d@@V%[1]d, remove\n", i)
		fmt.Fprintf(&refs, "\t.quad g%d\n", i)
	}
	all := link.Input{Path: assemble(t, d, "all", defs.String()+stackNote)}
	more := link.Input{Path: assemble(t, d, "more", "\t.globl one\none:\tnop\n\t.symver one, more@@MORE, remove\n"+stackNote)}
	wants := link.Input{Path: assemble(t, d, "wants", "\t.data\n"+refs.String()+stackNote)}
	lib := d.Join("libversions.so")
	if _, err := link.Link(t.Context(), link.Options{Mode: link.Shared, Inputs: []link.Input{all}, Output: lib}); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range uint32(f.NumSymbols()) {
		if s, _ := f.Sym(i); s.Defined() {
			if v := f.Version(i); v.Hidden || int(v.Index) < 2 || int(v.Index) > most+1 {
				t.Fatalf("%s has version %d, hidden: %v", f.SymName(s), v.Index, v.Hidden)
			}
		}
	}
	for _, c := range []struct {
		inputs []link.Input
		place  string
	}{
		{[]link.Input{all, more}, more.Path + ": "},
		{[]link.Input{wants, {Path: lib}, more}, "the output: "},
	} {
		_, err := link.Link(t.Context(), link.Options{Mode: link.Shared, Inputs: c.inputs})
		if !errors.Is(err, link.ErrTooLarge) || !strings.HasPrefix(err.Error(), c.place) {
			t.Errorf("error %.300v, wanted one of %s", err, c.place)
		}
	}
}

// TestEmptySections has symbols in sections that are not in the output, as there is nothing in them: they are where the section
// would be, and defined.
func TestEmptySections(t *testing.T) {
	d := testenv.NewDir(t)
	empty := assemble(t, d, "empty", "\t.globl t, d, mine, thread, first\n\t.hidden mine\nt:\n\t.data\nd:\n\t.section own, \"aw\"\nmine:\n"+
		"\t.section .tbss, \"awT\", @nobits\n\t.type thread, @tls_object\nthread:\n\t.section .interp, \"a\"\nfirst:\n"+stackNote)
	filled := assemble(t, d, "filled", "\t.globl _start\n_start:\tlea mine(%rip), %rax\n\tmov t@GOTPCREL(%rip), %rax\n\t.data\n\t.quad d, .bss, first\n"+stackNote)
	for _, o := range []link.Options{
		{Mode: link.Shared, Inputs: []link.Input{{Path: empty}}},
		{Mode: link.Shared, Inputs: []link.Input{{Path: empty}, {Path: filled}}},
		{Mode: link.Exec, Inputs: []link.Input{{Path: empty}, {Path: filled}}, ExportDynamic: true, ImageBase: 1 << 33},
		{Mode: link.PIE, Inputs: []link.Input{{Path: empty}, {Path: filled}}, ExportDynamic: true},
	} {
		res, err := link.Link(t.Context(), o)
		if err != nil {
			t.Errorf("%v of %d: %v", o.Mode, len(o.Inputs), err)
			continue
		}
		f, err := stdelf.NewFile(bytes.NewReader(res.Data))
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, s := range symbols {
			switch s.Name {
			case "t", "d", "mine", "thread", "first":
				found++
				if s.Section == stdelf.SHN_UNDEF {
					t.Errorf("%v of %d: %s is undefined", o.Mode, len(o.Inputs), s.Name)
				} else if int(s.Section) < len(f.Sections) && s.Name != "thread" {
					if sec := f.Sections[s.Section]; s.Value < sec.Addr || s.Value > sec.Addr+sec.Size {
						t.Errorf("%v of %d: %s is at %#x, %s at %#x to %#x", o.Mode, len(o.Inputs), s.Name, s.Value, sec.Name, sec.Addr, sec.Addr+sec.Size)
					}
				} else if s.Value < o.ImageBase && s.Name != "thread" {
					t.Errorf("%v of %d: %s is at %#x", o.Mode, len(o.Inputs), s.Name, s.Value)
				}
			}
		}
		if found != 5 {
			t.Errorf("%v of %d: %d symbols", o.Mode, len(o.Inputs), found)
		}
	}
}
