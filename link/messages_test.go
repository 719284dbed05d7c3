package link_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link"
	"weld/link/ldcmd"
)

// command runs the linker's command line in the folder of d.
func command(t testing.TB, d *testenv.Dir, args ...string) (status int, out, err string) {
	t.Helper()
	t.Chdir(d.Path)
	var stdout, stderr bytes.Buffer
	status = ldcmd.Main(t.Context(), "ld", args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// gnu runs GNU ld likewise.
func gnu(t testing.TB, d *testenv.Dir, args ...string) (status int, out string) {
	t.Helper()
	testenv.Need(t, "ld")
	cmd := exec.Command("ld", args...)
	cmd.Dir = d.Path
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	msg, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(msg)
}

// TestSourceLines looks at the source lines that errors have, by the kind of debug information.
func TestSourceLines(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("refer.c", `
int missing(void);
int pointer_missing(void);
static int other(void) { return 1; }
int caller(void) { return missing() +
  other(); }
int (*in_data)(void) = pointer_missing;
`)
	d.Write("refer.cc", "int missing(int);\ntemplate <class T> inline T f(T v) {\n  return missing(v); }\nint use() { return f(1); }\n")
	for _, c := range []struct {
		name, source, want string
		flags              []string
	}{
		{"default", "refer.c", "referenced by refer.c:5 (", nil},
		{"sections", "refer.c", "referenced by refer.c:5 (", []string{"-ffunction-sections"}},
		{"dwarf 4", "refer.c", "referenced by refer.c:5 (", []string{"-gdwarf-4"}},
		{"zlib", "refer.c", "referenced by refer.c:5 (", []string{"-gz=zlib"}},
		{"lines only", "refer.c", "referenced by refer.c:5 (", []string{"-g1"}},
		{"none", "refer.c", "referenced by ", []string{"-g0"}},
		{"group", "refer.cc", "referenced by refer.cc:3 (", nil},
		{"types", "refer.cc", "referenced by refer.cc:3 (", []string{"-fdebug-types-section"}},
	} {
		obj := d.Object(strings.ReplaceAll(c.name, " ", "")+".o", append(c.flags, d.Join(c.source), "-O0", "-fPIC")...)
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Mode: link.Shared, Unresolved: link.UnresolvedError})
		if err == nil || !strings.Contains(err.Error(), c.want+obj+":(.text") {
			t.Errorf("%s: error %v, wanted %q and the object", c.name, err, c.want)
		}
		if c.source == "refer.c" && !strings.Contains(err.Error(), "+0x0) in in_data") {
			t.Errorf("%s: error %v does not name the variable", c.name, err)
		}
	}
}

// TestSourceLinesOf looks at the lines on other processors.
func TestSourceLinesOf(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("refer.c", "int missing(void);\nint caller(int n) {\n  n += 3;\n  n = n * n;\n  return n + missing(); }\n")
	const want = "referenced by refer.c:5 ("
	for _, triplet := range []string{"aarch64-linux-gnu", "i686-linux-gnu", "riscv64-linux-gnu"} {
		tool(t, d.Path, triplet+"-gcc", "-c", "-g", "-O0", "-fPIC", "refer.c", "-o", triplet+".o")
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: d.Join(triplet + ".o")}}, Mode: link.Shared, Unresolved: link.UnresolvedError})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, wanted %q", triplet, err, want)
		}
	}
}

// TestSuggestions has undefined symbols that are nearly ones that are defined.
func TestSuggestions(t *testing.T) {
	d := testenv.NewDir(t)
	defs := d.Object("defs.o", d.Write("defs.cc", `
namespace space { int placed(int) { return 1; } struct thing { int method(long) { return 2; } }; int (thing::*keep)(long) = &thing::method; }
int not_c(int) { return 1; }
int overloaded(long) { return 1; }
extern "C" { int is_c(void) { return 1; } int spelling(void) { return 2; } int Case_Matters(void) { return 3; } }
`), "-O0")
	for _, c := range []struct{ ref, want string }{
		{"speling", "did you mean: spelling, defined in " + defs},
		{"pselling", "did you mean: spelling"},
		{"case_matters", "did you mean: Case_Matters"},
		{"_Z4is_cv", `did you mean: extern "C" is_c`},
		{"not_c", `did you mean: not_c(int), declared without extern "C"`},
		{"_Z6placedi", "did you mean: space::placed(int)"},
		{"_Z10overloadedi", "did you mean: overloaded(long)"},
		{"_ZN5space5thing6methodEi", "did you mean: space::thing::method(long)"},
		{"_Z9overloadel", "did you mean: overloaded(long)"},
		{"_ZTV6vclass", "no definition of its first virtual function"},
		{"entirely_else", ""},
	} {
		ref := assemble(t, d, "ref", "\t.globl _start\n_start:\tcall "+c.ref+"\n")
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: ref}, {Path: defs}}})
		u := new(link.UndefinedError)
		if !errors.As(err, &u) || !strings.HasPrefix(u.Hint, strings.TrimSuffix(c.want, "no definition of its first virtual function")) || !strings.Contains(u.Hint, c.want) || c.want == "" && u.Hint != "" {
			t.Errorf("%s: error %v, wanted the hint %q", c.ref, err, c.want)
		}
	}
}

// TestDuplicateLines has functions and variables that are defined twice, with lines of both places.
func TestDuplicateLines(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("first.cc", "namespace n {\nint twice(int) { return 1; }\nint number = 1; }\n")
	d.Write("second.cc", "namespace n {\n\nint number = 2;\nint twice(int) { return 2; } }\n")
	var inputs []link.Input
	for _, n := range []string{"first", "second"} {
		inputs = append(inputs, link.Input{Path: d.Object(n+".o", d.Join(n+".cc"), "-O0", "-fPIC")})
	}
	_, err := link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"duplicate symbol: n::twice(int) (_ZN1n5twiceEi)\n\tdefined at first.cc:2 (", "\n\tdefined at second.cc:4 (",
		"duplicate symbol: n::number (_ZN1n6numberE)\n\tdefined at first.cc:3 (", "\n\tdefined at second.cc:3 (",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, wanted %q", err, want)
		}
	}
	_, err = link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared, NoDemangle: true, ErrorLimit: 1})
	more := new(link.MoreError)
	if !errors.As(err, &more) || more.Count != 1 || !strings.Contains(err.Error(), "symbol: _ZN1n5twiceEi\n") {
		t.Errorf("with a limit and without demangling: %v", err)
	}
}

// TestDamagedDebug has an error in objects whose debug information is cut, changed or absurd: the error is the same, without lines.
func TestDamagedDebug(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, d.Object("refer.o", d.Write("refer.c", "int missing(void);\nint caller(void) { return missing(); }\n"), "-O0", "-fPIC"))
	f := openELF(t, d.Join("refer.o"))
	secs, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secs {
		if !strings.HasPrefix(s.Name, ".debug_line") && s.Name != ".debug_info" && s.Name != ".debug_abbrev" {
			continue
		}
		for off := s.Off; off < s.Off+s.Size; off++ {
			for _, v := range []byte{0, 0xff, obj[off] ^ 1} {
				data := bytes.Clone(obj)
				data[off] = v
				_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: data, Name: "damaged"}}, Mode: link.Shared, Unresolved: link.UnresolvedError, Threads: 1})
				if u := new(link.UndefinedError); !errors.As(err, &u) || u.Symbol != "missing" {
					t.Fatalf("%s+%#x set to %#x: error %v", s.Name, off-s.Off, v, err)
				}
			}
		}
	}
}

// TestUnresolvedOptions compares what the options for undefined symbols make of them with GNU ld.
func TestUnresolvedOptions(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("start.o", d.Write("start.c", "extern int in_object; int of_lib(void); int *p = &in_object; void _start(void) { of_lib(); if (&in_object) in_object++; }\n"), "-fPIC")
	d.GlibcShared("lib.so", d.Write("lib.c", "int in_lib(void); int of_lib(void) { return in_lib(); }\n"), "-nostdlib", "-Wl,-soname,lib.so")
	for _, args := range [][]string{
		{}, {"-pie"}, {"--unresolved-symbols=ignore-all"}, {"--unresolved-symbols=ignore-in-object-files"}, {"--unresolved-symbols=ignore-in-shared-libs"},
		{"--unresolved-symbols=report-all"}, {"--warn-unresolved-symbols"}, {"--warn-unresolved-symbols", "--error-unresolved-symbols"},
		{"--warn-unresolved-symbols", "--fatal-warnings"}, {"-shared"}, {"-shared", "-z", "defs"}, {"-shared", "-z", "defs", "--warn-unresolved-symbols"},
		{"-shared", "--no-undefined"}, {"--allow-shlib-undefined"}, {"-shared", "--no-allow-shlib-undefined"},
	} {
		line := append([]string{"start.o", "lib.so", "-o", "out"}, args...)
		wantStatus, want := gnu(t, d, append(line, "-o", "gnu")...)
		status, _, got := command(t, d, line...)
		if status != wantStatus {
			t.Errorf("%q: status %d, wanted %d\n%s\nGNU ld:\n%s", args, status, wantStatus, got, want)
		}
		for _, sym := range []string{"in_object", "in_lib"} {
			if strings.Contains(got, "undefined symbol: "+sym) != strings.Contains(want, "undefined reference to `"+sym) {
				t.Errorf("%q: of %s is said\n%s\nGNU ld:\n%s", args, sym, got, want)
			}
		}
		if strings.Contains(got, "warning: undefined") != strings.Contains(want, "warning: ") {
			t.Errorf("%q: warnings\n%s\nGNU ld:\n%s", args, got, want)
		}
	}
}

// TestMessageOptions has options that say which messages there are.
func TestMessageOptions(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("a.o", d.Write("a.c", "int common_a; int common_b; int weight; extern int lazy; int _start(void) { return common_a + common_b + weight + lazy; }\n"), "-fcommon")
	d.Object("b.o", d.Write("b.c", "long common_a; int common_b = 2; int weight;\n"), "-fcommon")
	d.Object("c.o", d.Write("c.c", "int lazy = 1;\n"))
	d.Object("d.o", d.Write("d.c", "int unused;\n"))
	tool(t, d.Path, "ar", "rcs", "lib.a", "c.o", "d.o")
	many := "\t.globl _start\n_start:\n"
	for i := range 30 {
		many += "\tcall missing" + string(rune('a'+i/10)) + string(rune('0'+i%10)) + "\n"
	}
	assemble(t, d, "many", many)
	d.Object("text.o", d.Write("text.c", "extern int x; int f(void) { return x; } int x;\n"), "-fno-pic", "-mcmodel=large")
	for _, c := range []struct {
		args   []string
		status int
		want   []string
		not    []string
	}{
		{args: []string{"a.o", "b.o", "lib.a"}, not: []string{"warning"}},
		{args: []string{"a.o", "b.o", "lib.a", "--warn-common"}, want: []string{
			"warning: b.o: common of 8 bytes, not 4, of common_a; the first is in a.o", "warning: a.o: common of common_b gives way to the definition in b.o",
			"warning: b.o: another common of weight; the first is in a.o"}},
		{args: []string{"a.o", "b.o", "lib.a", "--warn-common", "--no-warnings"}, not: []string{"warning"}},
		{args: []string{"a.o", "b.o", "lib.a", "--warn-common", "--fatal-warnings"}, status: 1, want: []string{"error: there were warnings"}},
		{args: []string{"a.o", "b.o", "lib.a", "--warn-common", "--fatal-warnings", "--no-fatal-warnings"}, want: []string{"warning"}},
		{args: []string{"a.o", "b.o", "lib.a", "-y", "lazy", "--trace-symbol=unused"}, want: []string{
			"a.o: reference to lazy\n", "lib.a(c.o): definition of lazy\n", "lib.a(d.o): lazy definition of unused\n"}},
		{args: []string{"a.o", "b.o", "lib.a", "--cref"}, want: []string{
			"common_b                                          b.o\n                                                  a.o\n", "lazy                                              lib.a(c.o)\n"}},
		{args: []string{"a.o", "b.o", "lib.a", "-t"}, want: []string{"a.o\nb.o\nlib.a(c.o)\n"}},
		{args: []string{"many.o"}, status: 1, want: []string{"missingb9", "10 more undefined symbols"}, not: []string{"missingc0"}},
		{args: []string{"many.o", "--error-limit=0"}, status: 1, want: []string{"missingc9"}, not: []string{"more"}},
		{args: []string{"many.o", "--error-limit", "3"}, status: 1, want: []string{"missinga2", "27 more"}, not: []string{"missinga3"}},
		{args: []string{"many.o", "--error-limit=1", "--color-diagnostics"}, status: 1, want: []string{"ld: \x1b[1;31merror:\x1b[0m undefined"}},
		{args: []string{"many.o", "--color-diagnostics=auto"}, status: 1, not: []string{"\x1b"}},
		{args: []string{"text.o", "-shared", "-z", "notext", "--warn-shared-textrel"}, want: []string{"DT_TEXTREL"}},
		{args: []string{"text.o", "-shared", "-z", "notext"}, not: []string{"DT_TEXTREL"}},
	} {
		os.Remove(d.Join("out"))
		status, out, msg := command(t, d, append(c.args, "-o", "out")...)
		if _, err := os.Stat(d.Join("out")); status != c.status || (err == nil) != (status == 0) {
			t.Errorf("%q: status %d, wanted %d; output: %v\n%s", c.args, status, c.status, err, msg)
		}
		for _, w := range c.want {
			if !strings.Contains(out+msg, w) {
				t.Errorf("%q: not said: %q\n%s%s", c.args, w, out, msg)
			}
		}
		for _, w := range c.not {
			if strings.Contains(out+msg, w) {
				t.Errorf("%q: said: %q\n%s%s", c.args, w, out, msg)
			}
		}
	}
	// A warning that is an error leaves the old output.
	d.Write("old", "old content")
	if status, _, _ := command(t, d, "a.o", "b.o", "lib.a", "--warn-common", "--fatal-warnings", "-o", "old"); status != 1 || string(read(t, d.Join("old"))) != "old content" {
		t.Errorf("status %d, and the old output is gone", status)
	}
}

// TestNeededLibraries has undefined symbols of libraries that need others: with -rpath-link those are found, as by GNU ld.
func TestNeededLibraries(t *testing.T) {
	d := testenv.NewDir(t)
	d.GlibcShared("deep/libinner.so", d.Write("inner.c", "int inner(void) { return 1; }\n"), "-nostdlib", "-Wl,-soname,libinner.so")
	d.GlibcShared("libouter.so", d.Write("outer.c", "int inner(void); int lost(void); int outer(int n) { return n ? inner() : lost(); }\n"), "-nostdlib", "-Wl,-soname,libouter.so", d.Join("deep/libinner.so"))
	d.GlibcShared("libgood.so", d.Write("good.c", "int inner(void); int outer(int n) { return inner(); }\n"), "-nostdlib", "-Wl,-soname,libgood.so", d.Join("deep/libinner.so"))
	d.Object("main.o", d.Write("main.c", "int outer(int); int _start(void) { return outer(1); }\n"), "-fPIC")
	for _, c := range []struct {
		args []string
		want bool // that lost is reported
		gnu  bool // GNU ld says the same
	}{
		{[]string{"main.o", "libouter.so", "-rpath-link", "deep"}, true, true},
		{[]string{"main.o", "libouter.so", "-rpath-link", "elsewhere:deep"}, true, true},
		{[]string{"main.o", "libouter.so"}, false, false}, // GNU ld warns and reports inner too
		{[]string{"main.o", "libgood.so", "-rpath-link=deep"}, false, true},
	} {
		status, _, msg := command(t, d, append(c.args, "-o", "out")...)
		if strings.Contains(msg, "undefined symbol: lost") != c.want || strings.Contains(msg, "inner") || (status != 0) != c.want {
			t.Errorf("%q: status %d\n%s", c.args, status, msg)
		}
		if want, out := gnu(t, d, append(c.args, "-o", "out")...); c.gnu && want != status {
			t.Errorf("%q: status %d, GNU ld %d\n%s", c.args, status, want, out)
		}
	}
	// What an object defines hidden, a library cannot bind to: it would be missing at run time.
	d.Object("hides.o", d.Write("hides.c", "int outer(int); int _start(void) { return outer(1); }\n__attribute__((visibility(\"hidden\"))) int lost(void) { return 1; }\n"), "-fPIC")
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"hides.o", "libouter.so", "deep/libinner.so"}, true},
		{[]string{"hides.o", "libouter.so", "deep/libinner.so", "--allow-shlib-undefined"}, false},
	} {
		status, _, msg := command(t, d, append(c.args, "-o", "out")...)
		if found := strings.Contains(msg, "undefined symbol: lost\n\treferenced by libouter.so\n\tit is defined in hides.o, but hidden there"); found != c.want || (status != 0) != c.want {
			t.Errorf("%q: status %d\n%s", c.args, status, msg)
		}
	}
	if status, out := gnu(t, d, "hides.o", "libouter.so", "deep/libinner.so", "-o", "out"); status == 0 || !strings.Contains(out, "is referenced by DSO") {
		t.Errorf("GNU ld: status %d\n%s", status, out)
	}
	d.Write("a version.map", "{ global: *; };\n")
	d.Write("stub.so", "INPUT ( libgood.so )\n")
	if status, _, msg := command(t, d, "main.o", "stub.so", "-o", "out put", "--version-script", "a version.map", "--dependency-file=dep"); status != 0 {
		t.Fatal(msg)
	}
	want := "out\\ put: \\\n  main.o \\\n  stub.so \\\n  libgood.so \\\n  a\\ version.map\n\nmain.o:\n\nstub.so:\n\nlibgood.so:\n\na\\ version.map:\n"
	if got := string(read(t, d.Join("dep"))); got != want {
		t.Errorf("the dependency file is\n%s\nwanted\n%s", got, want)
	}
	d.Object("reloc.o", d.Write("reloc.c", "extern int x;\nint f(void) {\n  return x; }\n"), "-fno-pic")
	_, _, msg := command(t, d, "reloc.o", "-shared", "-o", "out")
	if !strings.Contains(msg, "reloc.o: reloc.c:3: (.text+0x2) in f: relocation R_X86_64_PC32 against x") {
		t.Errorf("a relocation that cannot be done: %s", msg)
	}
}
