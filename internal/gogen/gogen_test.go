package gogen

import (
	"bytes"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weld/ctype"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// everything is what has all names be wanted.
func everything(string) bool { return true }

// generate writes the package for a library, and checks that it is in gofmt's form.
func generate(t testing.TB, lib string, o *Options) string {
	t.Helper()
	l, err := Read(lib, everything, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Write(l, o)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := format.Source(text); err != nil || !bytes.Equal(text, again) {
		t.Errorf("not in gofmt's form: %v", err)
	}
	return string(text)
}

// build builds, and vets unless the tests are to be short, a generated package and a program that uses it, and returns the program.
func build(t *testing.T, pkg, text, program string) string {
	t.Helper()
	testenv.Need(t, "go")
	d := testenv.NewDir(t)
	d.Write("go.mod", "module genapp\n\ngo 1.26\n")
	d.Write("go.work", "go 1.26\n\nuse (\n\t.\n\t"+testenv.Root(t)+"\n)\n")
	d.Write(pkg+"/"+pkg+".go", text)
	d.Write("main.go", program)
	steps := [][]string{{"build", "-buildvcs=false", "-o", "program", "."}, {"vet", "./" + pkg}}
	if testing.Short() {
		steps = steps[:1]
	}
	for _, args := range steps {
		cmd := exec.Command("go", args...)
		cmd.Dir = d.Path
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK="+d.Join("go.work"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return d.Join("program")
}

// TestGenerated generates a package for a library that has one of each kind of thing, and runs a program that uses all of it.
func TestGenerated(t *testing.T) {
	use, err := os.ReadFile(filepath.Join("testdata", "use.go.txt"))
	if err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	lib := d.Shared("liball.so", "all.c", "-g3")
	text := generate(t, lib, &Options{})
	for _, want := range []string{
		"package all\n",
		"//\tint all_add(int a, int b)\n",
		"AllKeywords func(type_ int32, func_ int32, range_ int32, string_ int32, select_ int32, a1 int32, a_1 int32) int32",
		"AllSum func(n int32, args ...any) float64",
		"// Opaque is struct opaque, all.c:4, which is described in a source file, not in a header",
		"bit-fields: low (bit 576, 3 wide), middle (bit 579, 7 wide)",
		"// Member items at offset 8, long [], has no field: it is an array of a length that is not known.",
		"Visit  uintptr // int (*)(struct node *, void *)",
		"// they pass a struct with floating-point numbers and a union that is in two words by value\n//\n//\tall_by_across\n",
		"// they pass a packed struct of up to 16 bytes by value\n//\n//\tall_by_packed\n",
		"// they pass long double, which Go has not\n//\n//\tall_long_double\n",
		"// they take a va_list\n//\n//\tall_vsum\n",
		"// they are thread-local, and have an address for each thread\n//\n//\tall_thread_local\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"ALL_CAST", "ALL_SELF", "ALL_CALL", "ALL_TOO_BIG", "ALL_PRIVATE", "INT_MAX"} {
		if strings.Contains(text, not+" ") {
			t.Errorf("%s is there", not)
		}
	}
	if t.Failed() {
		return
	}
	program := build(t, "all", text, string(use))
	out, err := exec.Command(program, lib).CombinedOutput()
	if err != nil || string(out) != "works\n" {
		t.Errorf("%v\n%s", err, out)
	}

	// The same package does not bind to a library of which all types are others.
	source, err := os.ReadFile(filepath.Join("testdata", "all.c"))
	if err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join("testdata", "all.h"))
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer("int all_add(int a, int b)", "int all_add(long a, int b)", "all_counter", "all_other").Replace
	wrong := strings.NewReplacer("{ int x, y; }", "{ int x, y, z; }").Replace
	d.Write("all.h", wrong(other(string(header))))
	bad := d.Shared("libbad.so", d.Write("other.c", other(string(source))), "-I"+d.Path)
	out, err = exec.Command(program, bad).CombinedOutput()
	if err == nil {
		t.Fatal("it binds to another library")
	}
	for _, want := range []string{"all_counter", "all_add", "C wants long (8 bytes), Go passes int32", "all_swap", "all_name"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// TestNames has names that Go has other uses for.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"libz.so.1": "z", "/usr/lib/libfoo-2.1.so": "foo21", "libfunc.so": "libfunc", "lib3d.so": "d", "libßß.so": "lib",
	} {
		if got := PackageName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	w := &writer{opt: Options{Trim: []string{"sqlite3_", "x"}}}
	for name, want := range map[string]string{
		"sqlite3_open_v2": "OpenV2", "sqlite3": "Sqlite3", "sqlite3_": "Sqlite3", "_private": "Private", "__": "X", "x9": "X9", "a_1": "A_1", "é": "X",
	} {
		if got := w.exported(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestEvaluate gives macros their values.
func TestEvaluate(t *testing.T) {
	for body, want := range map[string]string{
		"1": "1", "0x10UL": "16", "010": "8", "-1": "-1", "(1 << 3) + 1": "9", "1 << 3 + 1": "16", "1 | 2 ^ 3 & 1": "3", "~0": "-1", "'a'": "97", `'\n'`: "10",
		`"a" "b"`: `"ab"`, "1.5e3": "1500", "0x1p4": "16", "7 % 4": "3", "-7 / 2": "-3", "1 / 0": "", "1 << 64": "", "(int) 1": "", "sizeof(int)": "", "1 +": "",
		"": "", "()": "", `"a" + 1`: "", "1.5 | 1": "", "1 /* one */": "1", "x": "", "18446744073709551615": "18446744073709551615", "18446744073709551616": "",
		"0b11": "3", "1__0": "", "'ab'": "", `"`: "", "/*": "", "1 2": "", "08": "",
		`"\033[0m"`: `"\x1b[0m"`, `"a\0b\12"`: `"a\x00b\n"`, `"\\0"`: `"\\0"`, `"\x1b["`: `"\x1b["`, `"\x1bcd"`: "", `"\4000"`: "", `'\0'`: "0", `'\''`: "39", "''": "",
		"~0u": "", "-1UL": "", "1u - 2": "", "2u - 1": "1", "~U": "", "U": "1",
	} {
		e := evaluator{macros: map[string]string{"M": body, "U": "1u"}}
		got := ""
		if v := e.value("M"); v != nil {
			got = v.ExactString()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// TestEvaluateOnce has each of many macros use the one before twice.
func TestEvaluateOnce(t *testing.T) {
	e := evaluator{macros: map[string]string{"M0": "0u"}}
	for i := range 30 {
		e.macros[fmt.Sprintf("M%d", i+1)] = fmt.Sprintf("M%d + M%d", i, i)
	}
	if v := e.value("M30"); v == nil || v.ExactString() != "0" || !e.uns {
		t.Errorf("%v", v)
	}
}

// TestNamesEndNoComment has names of types, which damaged debugging information may give, that would end a comment and go on as Go.
func TestNamesEndNoComment(t *testing.T) {
	const tag = "s\nfunc init() { panic(1) }\n//"
	opaque := &ctype.Type{Kind: ctype.Struct, Name: tag, Incomplete: true}
	l := &Library{Name: "lib\nx", Source: "a\nb"}
	for i, k := range []*ctype.Type{ctype.PointerTo(opaque), opaque, {Kind: ctype.Int, Name: tag, Size: 4}, {Kind: ctype.Enum, Name: tag, Size: 4}, {Kind: ctype.Union, Name: tag, Size: 8}, {Kind: ctype.Struct, Name: tag, Size: 8}} {
		l.Symbols = append(l.Symbols, Symbol{Name: fmt.Sprint("f", i), Type: &ctype.Type{Kind: ctype.Func, Elem: k, Params: []ctype.Param{{Name: tag, Type: ctype.PointerTo(k)}, {Type: k}}}},
			Symbol{Name: fmt.Sprint("v", i), Type: &ctype.Type{Kind: ctype.Typedef, Name: tag, Elem: k}})
	}
	text, err := Write(l, &Options{})
	if err != nil || strings.Contains(string(text), "\nfunc init()") {
		t.Errorf("%v\n%s", err, text)
	}
}

// FuzzWrite has types read from prototypes with any names and macros with any body become Go, which has to parse.
func FuzzWrite(f *testing.F) {
	f.Add("int f(int type, struct s { int func; union { long a; char b[3]; } u; } *p, int (*cb)(void *, double))", "f", "(1 << 3)")
	f.Add("void g(struct { short a; int b; } v, const char *s, ...)", "g_g", `"x" "y"`)
	f.Fuzz(func(t *testing.T, decl, name, body string) {
		k, err := ctype.ParseDecl(decl)
		if err != nil {
			return
		}
		l := &Library{Name: name, Symbols: []Symbol{{Name: name, Type: k.Type}, {Name: k.Name, Type: k.Type}, {Name: name + "v", Type: ctype.PointerTo(k.Type)}},
			Macros: []ctype.Macro{{Name: "M", Body: body, At: ctype.Place{File: "m.h"}}, {Name: name, Body: body, At: ctype.Place{File: "m.h", Line: 1}}}}
		text, err := Write(l, &Options{Package: "p"})
		if err != nil {
			t.Fatalf("%v", err)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
