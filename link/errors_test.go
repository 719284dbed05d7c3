package link_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

// TestUndefined has several undefined symbols: all are reported, each with who refers to it.
func TestUndefined(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("undefined.c", `
extern int missing_variable;
int missing_function(int);
__attribute__((visibility("hidden"))) extern int environ;
int caller(void) { return missing_function(missing_variable) + missing_function(2); }
int main(void) { return caller() + missing_function(1) + environ; }
`)
	obj := d.Object("undefined.o", d.Join("undefined.c"), "-O0")
	inputs, path := linkLine(t, d, "gcc", obj)
	_, err := link.Link(t.Context(), link.Options{Inputs: inputs, LibraryPath: path, Mode: link.PIE})
	var list link.Errors
	if !errors.As(err, &list) || len(list) != 3 {
		t.Fatalf("error %v, wanted three", err)
	}
	var names []string
	for _, e := range list {
		u := new(link.UndefinedError)
		if !errors.As(e, &u) {
			t.Fatalf("error %v, wanted an UndefinedError", e)
		}
		names = append(names, u.Symbol)
		if u.Symbol == "missing_function" && (len(u.Refs) != 3 || u.Refs[0].Function != "caller" || u.Refs[2].Function != "main" || u.Refs[0].Section != ".text" || u.Refs[0].File != obj) {
			t.Errorf("references to missing_function: %v", u.Refs)
		}
		if u.Hidden != (u.Symbol == "environ") {
			t.Errorf("%s: Hidden is %t", u.Symbol, u.Hidden)
		}
	}
	if want := []string{"environ", "missing_function", "missing_variable"}; !slices.Equal(names, want) {
		t.Errorf("undefined symbols %q, wanted %q", names, want)
	}
	// A shared library may leave them, but not with -z defs.
	opt := link.Options{Inputs: []link.Input{{Path: d.Object("pic.o", d.Join("undefined.c"), "-fPIC", "-Denviron=gone")}}, Mode: link.Shared}
	if _, err := link.Link(t.Context(), opt); !strings.Contains(err.Error(), "undefined symbol: gone") || strings.Contains(err.Error(), "missing") {
		t.Errorf("a shared library: error %v, wanted one for the hidden symbol only", err)
	}
	opt.Unresolved = link.UnresolvedError
	if _, err := link.Link(t.Context(), opt); err == nil || !strings.Contains(err.Error(), "undefined symbol: missing_variable") {
		t.Errorf("with -z defs: error %v", err)
	}
}

// TestDuplicates has two definitions of two symbols.
func TestDuplicates(t *testing.T) {
	d := testenv.NewDir(t)
	a := assemble(t, d, "a", "\t.globl _start, x, y\n_start:\nnop\nx:\tnop\ny:\tnop\n")
	b := assemble(t, d, "b", "\t.globl x, y\n\t.data\nx:\t.quad 0\ny:\t.quad 0\n")
	opt := link.Options{Inputs: []link.Input{{Path: a}, {Path: b}}}
	_, err := link.Link(t.Context(), opt)
	var list link.Errors
	if !errors.As(err, &list) || len(list) != 2 {
		t.Fatalf("error %v, wanted two", err)
	}
	e := new(link.DuplicateError)
	if !errors.As(list[1], &e) || e.Symbol != "y" || e.First != (link.Ref{File: a, Section: ".text", Offset: 2, Source: "a.s:5"}) || e.Second != (link.Ref{File: b, Section: ".data", Offset: 8}) {
		t.Errorf("error %+v", e)
	}
	opt.MultipleDefs = true
	if _, err := link.Link(t.Context(), opt); err != nil {
		t.Errorf("with MultipleDefs: %v", err)
	}
}

// TestWrongFiles links what cannot be linked.
func TestWrongFiles(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, assemble(t, d, "start", freestanding))
	patch := func(off int, b ...byte) []byte {
		data := bytes.Clone(obj)
		copy(data[off:], b)
		return data
	}
	i386 := patch(18, 3, 0)
	lto := d.Object("lto.o", d.Write("lto.c", "int main(void) { return 0; }\n"), "-flto", "-fno-fat-lto-objects")
	prog := d.Program("prog", "hello.c")
	for _, c := range []struct {
		name string
		data []byte
		kind error
		want string
	}{
		{"wrong machine", i386, link.ErrMachine, "it is for i386 (EM_386, ELFCLASS64, ELFDATA2LSB), wanted x86-64"},
		{"cut in the header", obj[:40], link.ErrTruncated, "file ends in the ELF header"},
		{"cut in a section", obj[:len(obj)-1], link.ErrTruncated, "extend past the end of the file"},
		{"empty", nil, link.ErrFormat, "the file is empty"},
		{"text", []byte("hello world"), link.ErrScript, "neither an object, an archive, a shared library nor a linker script"},
		{"SECTIONS", []byte("SECTIONS { .text : { *(.text) } }"), link.ErrScript, "the command SECTIONS is not supported"},
		{"wrong format", []byte("OUTPUT_FORMAT(elf32-i386) INPUT(x)"), link.ErrMachine, "wanted elf64-x86-64"},
		{"endless list", []byte("GROUP ( a b"), link.ErrScript, "wanted"},
		{"missing member", []byte("/* line 1 */\nINPUT ( no_such_file.o )"), link.ErrNotFound, "no_such_file.o"},
		{"LTO", read(t, lto), link.ErrLTO, "-flto"},
		{"bitcode", []byte("BC\xc0\xde1234"), link.ErrLTO, "LLVM bitcode"},
		{"program", read(t, prog), link.ErrFormat, "executable, not a shared library"},
		{"archive cut", []byte("!<arch>\nabc"), link.ErrTruncated, "offset 0x8"},
		{"binary", []byte{0xff, 0xfe, 0, 1, 2}, link.ErrFormat, "it begins with"},
	} {
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: c.data, Name: "the input"}}, Machine: elf.EM_X86_64})
		fe := new(link.FileError)
		if !errors.As(err, &fe) || !strings.HasPrefix(fe.File, "the input") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, wanted a FileError with %q", c.name, err, c.want)
		}
		if c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: error %v is not %v", c.name, err, c.kind)
		}
	}
}

// TestRelocationErrors has relocations that cannot be done: all are reported with their place.
func TestRelocationErrors(t *testing.T) {
	d := testenv.NewDir(t)
	obj := d.Object("abs.o", d.Write("abs.c", "int x, *y = &x; int f(void) { return *y; }\nlong g(void) { return (long)&x; }\n"), "-fno-pie", "-mcmodel=small", "-O0")
	_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Mode: link.Shared})
	if !errors.Is(err, link.ErrReloc) || !strings.Contains(err.Error(), "in g: relocation R_X86_64_32S against x") && !strings.Contains(err.Error(), "relocation R_X86_64_PC32 against y") || !strings.Contains(err.Error(), "-fPIC") {
		t.Errorf("error %v", err)
	}
}

// TestPrefixes links every prefix of an object, an archive and a shared library: each is an error or, where only section headers
// that nothing needs are missing, a link.
func TestPrefixes(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, d.Object("small.o", d.Write("small.c", "__thread int t; static const char *s = \"str\"; int f(void) { return t + s[0]; } int _start(void) { return f(); }"), "-O1", "-g0", "-fPIC"))
	tool(t, d.Path, "ar", "rcs", "small.a", "small.o")
	lib := read(t, d.Shared("small.so", d.Join("small.c"), "-nostdlib", "-g0", "-Wl,--build-id=none"))
	archive := read(t, d.Join("small.a"))
	for name, data := range map[string][]byte{"object": obj, "archive": archive, "library": lib} {
		step := 1
		if len(data) > 4000 {
			step = 7
		}
		for n := 0; n < len(data); n += step {
			in := link.Input{Data: data[:n:n], Name: name}
			inputs := []link.Input{in}
			if name == "archive" {
				inputs = append(inputs, in)
				inputs[1].WholeArchive = true
			}
			if name == "library" {
				inputs = append(inputs, link.Input{Data: obj, Name: "object"})
			}
			_, err := link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared, Threads: 1})
			if err == nil && name == "object" {
				t.Errorf("%d of %d bytes of the %s were linked", n, len(data), name)
			}
		}
	}
}

// TestSymbolIndexDamage changes each word of an object's symbol table and relocations to extreme values.
func TestSymbolIndexDamage(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, d.Object("small.o", d.Write("small.c", "__thread int t; int x; int *p = &x; static const char *s = \"str\"; int f(void) { return t + s[0] + *p; } int _start(void) { return f(); }"), "-O1", "-g", "-fPIC"))
	for off := 0; off+4 <= len(obj); off += 4 {
		for _, v := range []uint32{0, 0xffffffff, 0x7fffffff, 0x80000000, 1} {
			data := bytes.Clone(obj)
			binary.LittleEndian.PutUint32(data[off:], v)
			res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: data, Name: "damaged"}}, Mode: link.PIE, Threads: 1, EhFrameHdr: true, GCSections: off%8 == 0})
			if err == nil && res.Size == 0 {
				t.Fatalf("offset %#x: neither an error nor an output", off)
			}
		}
	}
}

// TestCommand has the command line's own errors and what build systems ask a linker.
func TestCommand(t *testing.T) {
	d := testenv.NewDir(t)
	ld := weldDir(t) + "/ld"
	obj := assemble(t, d, "start", freestanding)
	d.Write("args", "-o 'response out'\n--defsym=status=0x400000 "+obj)
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--version"}, 0, "GNU"},
		{[]string{"-v"}, 0, "(compatible with GNU ld)"},
		{[]string{"--help"}, 0, ": supported targets: elf64-x86-64"},
		{[]string{"--help"}, 0, "no-whole-archive"},
		{nil, 2, "no input files"},
		{[]string{"--no-such-option", "-z", "no-such-keyword", obj}, 2, "unknown options: --no-such-option, -z no-such-keyword"},
		{[]string{obj, "-o"}, 2, "option -o needs a value"},
		{[]string{"-m", "elf_vax", obj}, 2, "-m elf_vax: the emulations are elf_x86_64"},
		{[]string{"-r", obj, "/lib/x86_64-linux-gnu/libc.so.6", "-o", "r.o"}, 1, "a shared library cannot be part of a relocatable object"},
		{[]string{"-q", "-s", obj}, 2, "relocations need the symbols"},
		{[]string{"--pop-state", obj}, 2, "--pop-state without --push-state"},
		{[]string{"-lnosuchlibrary", obj}, 1, "-lnosuchlibrary: no such library in the 0 folders"},
		{[]string{"-static", "-L/", "-lnosuchlibrary", obj}, 1, "-lnosuchlibrary: no such static library in the 1 folders"},
		{[]string{"-l:nosuchlibrary.so", obj}, 1, "no nosuchlibrary.so in the 0 folders"},
		{[]string{"/no/such/file.o"}, 1, "/no/such/file.o: no such file"},
		{[]string{obj}, 1, "start.o:(.text+0x2)"},
		{[]string{"@args"}, 0, ""},
		{[]string{"-o", "map", obj, "--defsym", "status=_start+0", "-Map=-", "--time"}, 0, "start.o:(.text)"},
		{[]string{"-o", "trace", obj, "--defsym", "status=_start-0", "-t"}, 0, "start.o\n"},
		{[]string{"-o", "dep", obj, "--defsym", "status=0", "--dependency-file=dep.d", "-e", "0x1234"}, 0, ""},
		{[]string{"-plugin", "x.so", "-plugin-opt=-fresolution=x", "-plugin-opt=a", "--sort-common", "-O1", "--no-as-needed", "-dp", "-EL", "-o", "o", obj, "--defsym=status=0"}, 0, ""},
	} {
		cmd := exec.Command(ld, c.args...)
		cmd.Dir = d.Path
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: exit status %d, wanted %d; output %q, wanted %q", c.args, got, c.status, out, c.want)
		}
	}
	if _, err := os.Stat(d.Join("response out")); err != nil {
		t.Error(err)
	}
	if dep := string(read(t, d.Join("dep.d"))); dep != "dep: \\\n  "+obj+"\n\n"+obj+":\n" {
		t.Errorf("the dependency file is %q", dep)
	}
	if e := openELF(t, d.Join("dep")).Entry; e != 0x1234 {
		t.Errorf("entry %#x, wanted 0x1234", e)
	}
}
