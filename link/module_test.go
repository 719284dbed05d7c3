package link_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"weld/ctype"
	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

// tableOf reads a table of symbols of a file.
func tableOf(t testing.TB, data []byte, typ uint32) *ctype.SigTable {
	t.Helper()
	f, err := elf.New("out", data)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := ctype.FindSigTable(f, typ)
	if err != nil {
		t.Fatal(err)
	}
	if tab == nil {
		tab = &ctype.SigTable{}
	}
	return tab
}

// textOf is a table as text: a line an entry.
func textOf(tab *ctype.SigTable) string {
	var b strings.Builder
	for i := range tab.Entries {
		e := &tab.Entries[i]
		b.WriteString(e.Name)
		if e.Object {
			b.WriteString(" object")
		}
		if e.Weak {
			b.WriteString(" weak")
		}
		b.WriteString(" " + e.Signature.Text + "\n")
	}
	return b.String()
}

// TestModuleTables links modules, and looks at their tables and at what the linker refuses.
func TestModuleTables(t *testing.T) {
	d := testenv.NewDir(t)
	object := func(name, src string, args ...string) link.Input {
		return link.Input{Path: d.Object(strings.NewReplacer(".", "_").Replace(name)+".o", append([]string{"-fPIC", d.Write(name, src)}, args...)...)}
	}
	const uses = "struct s { int a; };\nint give(struct s *s, long n);\nextern int var[];\nint maybe(void) __attribute__((weak));\nstatic int local(void) { return 1; }\n" +
		"int own(struct s s) { return give(&s, 2) + var[1] + (maybe ? maybe() : 0) + local(); }\nint shared_var = 1; double hidden __attribute__((visibility(\"hidden\")));\n" +
		"__thread int tls; const char *name(void) { return \"\"; }\n"
	a := object("a.c", uses)
	bare := object("bare.c", uses, "-g0")
	other := object("other.c", "int give(void *s, int n);\nint more(void) { return give(0, 1); }\n")
	same := object("same.c", "struct s;\nint give(struct s *s, long n);\nint more(void) { return give(0, 1); }\n")
	cxx := object("c.cc", "extern \"C\" int give(int);\nint twice(int n);\nstruct T { virtual ~T(); int v; };\nT::~T() { give(v); }\nnamespace n { int f(T *t, int &r) { return twice(t->v) + r + give(1); } }\n")
	clang := d.Join("clang.o")
	tool(t, d.Path, llvm(t, "clang"), "-g", "-O0", "-fPIC", "-c", "a.c", "-o", clang)
	tls := object("t.c", "extern __thread int there;\nint get(void) { return there; }\n")
	ifunc := object("i.c", "static int one(void) { return 1; }\nstatic void *choose(void) { return one; }\nint f(void) __attribute__((ifunc(\"choose\")));\nint g(void) { return f(); }\n")
	lib := link.Input{Path: d.Shared("libgive.so", d.Write("give.c", "int give(void *s, long n) { return 0; }\n"))}
	text := func(s string) []link.Text { return []link.Text{{Name: "list", Data: []byte(s)}} }
	const aExports = "name fn()*s8\nown fn({@0 s32}4)s32\nshared_var object s32\n"
	const aImports = "give fn(*struct s,s64)s32\nmaybe weak fn()s32\nvar object []s32\n"

	for _, c := range []struct {
		name             string
		inputs           []link.Input
		opt              link.Options
		imports, exports string
		errs             []string
	}{
		{name: "a module", inputs: []link.Input{a}, imports: aImports, exports: aExports},
		{name: "declared twice alike", inputs: []link.Input{a, same}, imports: aImports, exports: "more fn()s32\n" + aExports},
		{name: "declared twice", inputs: []link.Input{a, other}, errs: []string{"other_c.o: give: it is declared as int give(void *, int) here, and as int give(struct s *, long) in "}},
		{name: "without debugging information", inputs: []link.Input{bare}, errs: []string{"give: nothing defines it, and its type is not known", "compile with gcc -g", "var: nothing defines it"}},
		{name: "with prototypes", inputs: []link.Input{bare}, opt: link.Options{ModuleImports: text("# what the host has\nint give(struct s *s, long n);\nunchecked var\nmaybe\n")},
			errs: []string{"maybe: nothing defines it, and its type is not known"}},
		{name: "with prototypes for all", inputs: []link.Input{bare}, opt: link.Options{ModuleImports: text("int give(struct s *s, long n);\nunchecked var\nint maybe(void)\n")},
			imports: "give fn(*struct s,s64)s32\nmaybe weak fn()s32\nvar \n"},
		{name: "clang has no declarations", inputs: []link.Input{{Path: clang}}, errs: []string{"its type is not known"}},
		{name: "clang with prototypes", inputs: []link.Input{{Path: clang}}, opt: link.Options{ModuleImports: text("int give(struct s *s, long n); # a comment\nunchecked var maybe\n")},
			imports: "give fn(*struct s,s64)s32\nmaybe weak \nvar \n", exports: aExports},
		{name: "a list", inputs: []link.Input{a}, opt: link.Options{ModuleImports: text("give\n")}, errs: []string{"var: nothing defines it, and it is not in the list of what the module may import"}},
		{name: "a list and all else", inputs: []link.Input{a}, opt: link.Options{ModuleImports: text("int give(struct s *s, long n)\n*\n")}, imports: aImports, exports: aExports},
		{name: "another prototype", inputs: []link.Input{a}, opt: link.Options{ModuleImports: text("int give(long)\n*\n")}, errs: []string{"it is declared as int give(struct s *, long) here, and as int give(long) in list:1"}},
		{name: "a bad list", inputs: []link.Input{a}, opt: link.Options{ModuleImports: text("int give(;\nint f(int)\nint f(long)\n")}, errs: []string{"list: line 1: ", "list: line 3: f is in list:2 already"}},
		{name: "a list of exports", inputs: []link.Input{a}, opt: link.Options{ExportList: text("own")}, imports: aImports, exports: "own fn({@0 s32}4)s32\n"},
		{name: "exports that there are not", inputs: []link.Input{a}, opt: link.Options{ExportList: text("own gone hidden local")}, errs: []string{"gone: nothing defines it for others", "hidden: nothing", "local: nothing"}},
		{name: "an export of another type", inputs: []link.Input{a}, opt: link.Options{ExportList: text("int own(int)")}, errs: []string{"own: the prototype is int own(int), and ", "defines it as int own(struct s)"}},
		{name: "exports without debugging information", inputs: []link.Input{bare}, opt: link.Options{ModuleImports: text("unchecked give var maybe"), ExportList: text("const char *name(void)\nown")},
			imports: "give \nmaybe weak \nvar \n", exports: "name fn()*s8\nown \n"},
		{name: "C++", inputs: []link.Input{cxx}, opt: link.Options{ModuleImports: text("*\nunchecked _ZdlPv _ZdlPvm")}, imports: "_Z5twicei fn(s32)s32\n_ZTVN10__cxxabiv117__class_type_infoE object \n_ZdlPvm \n__gxx_personality_v0 \ngive fn(s32)s32\n",
			exports: "_ZN1TD0Ev fn(*struct T)void\n_ZN1TD1Ev fn(*struct T)void\n_ZN1TD2Ev fn(*struct T)void\n_ZN1n1fEP1TRi fn(*struct T,*s32)s32\n"},
		{name: "a thread-local import", inputs: []link.Input{tls}, errs: []string{"there: a thread-local variable cannot be imported"}},
		{name: "an indirect function", inputs: []link.Input{ifunc}, exports: "g fn()s32\n"},
		{name: "an indirect function that is listed", inputs: []link.Input{ifunc}, opt: link.Options{ExportList: text("f")}, errs: []string{"f: it is listed in list:1, and of STT_GNU_IFUNC"}},
		{name: "a library", inputs: []link.Input{a, lib}, errs: []string{"libgive.so: a module needs no libraries"}},
		{name: "another processor", inputs: []link.Input{a}, opt: link.Options{Machine: elf.EM_AARCH64}, errs: []string{"modules are for x86-64"}},
		{name: "an object", inputs: []link.Input{a}, opt: link.Options{Mode: link.Relocatable}, errs: []string{"a relocatable object has no tables"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opt.Inputs, c.opt.Module = c.inputs, true
			res, err := link.Link(t.Context(), c.opt)
			for _, want := range c.errs {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
			}
			if c.errs != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := textOf(tableOf(t, res.Data, ctype.NoteImports)); got != c.imports {
				t.Errorf("imports:\n%swant\n%s", got, c.imports)
			}
			if got := textOf(tableOf(t, res.Data, ctype.NoteExports)); got != c.exports {
				t.Errorf("exports:\n%swant\n%s", got, c.exports)
			}
			f, _ := elf.New("out", res.Data)
			if len(f.Dynamic.Needed) > 0 || f.Dynamic.TextRel || f.Interp != "" {
				t.Errorf("%+v", f.Dynamic)
			}
		})
	}
}

// TestExportTable puts tables of exports into programs and libraries: the addresses are those of the symbols, also when it is stripped.
func TestExportTable(t *testing.T) {
	testenv.Need(t, "strip")
	d := testenv.NewDir(t)
	d.Write("p.c", "int give(int n) { return n; }\nlong var = 3;\nstatic int hidden(void) { return 4; }\nint unused(long n) { return n; }\nvoid _start(void) { __asm__ volatile (\"syscall\" : : \"a\"(60), \"D\"(give(hidden()) - 4)); }\n")
	o := d.Object("p.o", "-fPIC", "-ffreestanding", "-fno-stack-protector", d.Join("p.c"))
	d.Write("list", "give\nint unused(long)\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--export-table=list", "-static"}, "give fn(s32)s32\nunused fn(s64)s32\n"},
		{[]string{"--export-table=list", "-static", "--gc-sections"}, "give fn(s32)s32\nunused fn(s64)s32\n"},
		{[]string{"--export-table", "-pie"}, "_start fn()void\ngive fn(s32)s32\nunused fn(s64)s32\nvar object s64\n"},
		{[]string{"--export-table=list", "-pie"}, "give fn(s32)s32\nunused fn(s64)s32\n"},
		{[]string{"--export-table", "-shared"}, "_start fn()void\ngive fn(s32)s32\nunused fn(s64)s32\nvar object s64\n"},
		{[]string{"--module=list", "--export-table=list"}, "give fn(s32)s32\nunused fn(s64)s32\n"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			if status, _, msg := command(t, d, append(c.args, "-o", "out", o)...); status != 0 {
				t.Fatal(msg)
			}
			symbols := map[string]uint64{}
			f := openELF(t, d.Join("out"))
			tab, err := f.SymtabSymbols()
			if err != nil {
				t.Fatal(err)
			}
			for i := range tab.Len() {
				symbols[tab.Name(tab.At(i))] = tab.At(i).Value
			}
			tool(t, d.Path, "strip", "out")
			data := read(t, d.Join("out"))
			exports := tableOf(t, data, ctype.NoteExports)
			if got := textOf(exports); got != c.want {
				t.Errorf("%swant\n%s", got, c.want)
			}
			for _, e := range exports.Entries {
				if e.Value == 0 || e.Value != symbols[e.Name] {
					t.Errorf("%s is at %#x, the table has %#x", e.Name, symbols[e.Name], e.Value)
				}
			}
			if c.args[1] == "-static" {
				if r := runProgram(t, d, data); r.Code != 0 {
					t.Errorf("the program: %+v", r)
				}
			}
		})
	}
	for _, c := range []struct{ args, want string }{
		{"--export-table=gone", "gone"},
		{"--module=gone", "gone"},
		{"-r --export-table", "a relocatable object has no tables of signatures"},
	} {
		if status, _, msg := command(t, d, append(strings.Fields(c.args), "-o", "out2", o)...); status == 0 || !strings.Contains(msg, c.want) {
			t.Errorf("%s: %d %s, want %s", c.args, status, msg, c.want)
		}
		if _, err := os.Stat(d.Join("out2")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s has left a file", c.args)
		}
	}
}

// FuzzModule makes modules of damaged objects, and of damaged lists of imports.
func FuzzModule(f *testing.F) {
	d := testenv.NewDir(f)
	o := read(f, d.Object("a.o", "-fPIC", d.Write("a.c", "struct s { int a; };\nint give(struct s *s, long n);\nextern int var[];\nint own(struct s s) { return give(&s, 2) + var[1]; }\n")))
	f.Add(o, "int give(struct s *s, long n);\nunchecked x y # z\n*\n")
	f.Fuzz(func(t *testing.T, object []byte, list string) {
		opt := link.Options{Inputs: []link.Input{{Data: object, Name: "a.o"}}, Module: true, ModuleImports: []link.Text{{Name: "list", Data: []byte(list)}}, MaxOutput: 16 << 20, Threads: 1}
		for range 2 {
			if res, err := link.Link(t.Context(), opt); err == nil {
				if _, err := elf.New("out", res.Data); err != nil {
					t.Error(err)
				}
				tableOf(t, res.Data, ctype.NoteImports)
				tableOf(t, res.Data, ctype.NoteExports)
			}
			opt.ModuleImports = nil
		}
	})
}
