package link_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/link"
)

var gdbSlot = regexp.MustCompile(`(?m)^\[ *\d+\] (.*?): *(?:T?\d+ \[|$)`)

// TestGDBIndex makes .gdb_index with and without tables of names in the objects, compares it with lld's, and has gdb use it.
func TestGDBIndex(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	d.Write("a.cc", `
namespace space { int counter = 3; struct shape { int side; int area(); }; enum colour { red, green }; enum class kind { big }; template <class T> T twice(T v) { return v * 2; } }
int space::shape::area() { return side * side + (int)kind::big; }
static int hidden(int n) { return n + space::counter; }
typedef int number;
number use(int n) { return hidden(n) + space::twice(n) + space::green; }
`)
	d.Write("b.c", "struct shape { int x; } only_b; extern int use_c(int); int use_c(int n) { return n + only_b.x; }\n")
	d.Write("main.cc", "int use(int); extern \"C\" int use_c(int); int main() { return use(1) + use_c(2) - 8; }\n")
	names := func(path string) []string {
		out := tool(t, d.Path, "readelf", "--debug-dump=gdb_index", path)
		if !strings.Contains(out, "Version 7") || strings.Contains(out, "Warning") {
			t.Errorf("%s: readelf says\n%s", path, out)
		}
		_, out, _ = strings.Cut(out, "Symbol table:")
		var list []string
		for _, m := range gdbSlot.FindAllStringSubmatch(out, -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return list
	}
	for _, flags := range [][]string{{"-g", "-ggnu-pubnames"}, {"-g"}, {"-g", "-fdebug-types-section"}, {"-gdwarf-4"}} {
		var objs []string
		for _, src := range []string{"a.cc", "b.c", "main.cc"} {
			obj := strings.TrimSuffix(strings.TrimSuffix(src, ".cc"), ".c") + ".o"
			tool(t, d.Path, "gcc", append([]string{"-c", src, "-o", obj, "-O0", "-ffunction-sections"}, flags...)...)
			objs = append(objs, obj)
		}
		tool(t, d.Path, "g++", append([]string{"-o", "out", "-B", weld, "-Wl,--gdb-index"}, objs...)...)
		got := names("out")
		for _, want := range []string{"space", "space::counter", "space::shape", "space::shape::area", "space::twice<int>", "hidden", "use", "use_c", "only_b", "shape", "main", "number", "int", "space::colour", "space::red", "space::kind"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q: %s is not in the index: %q", flags, want, got)
			}
		}
		if slices.Contains(flags, "-ggnu-pubnames") {
			tool(t, d.Path, llvm(t, "clang++"), append([]string{"-o", "lld", "--ld-path=" + llvm(t, "ld.lld"), "-Wl,--gdb-index"}, objs...)...)
			if want := names("lld"); !slices.Equal(got, want) {
				t.Errorf("names %q\nlld's %q", got, want)
			}
		}
		out := tool(t, d.Path, "gdb", "-nx", "-batch", "-ex", "break space::shape::area", "-ex", "info line hidden", "-ex", "ptype struct space::shape", "-ex", "list use", "-ex", "maint info symtabs", "out")
		for _, want := range []string{"Breakpoint 1 at", "Line 4 of \"a.cc\"", "int side;", "return hidden(n)"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q: gdb does not say %q:\n%s", flags, want, out)
			}
		}
	}
	tool(t, d.Path, "g++", "-o", "plain", "-B", weld, "a.o", "b.o", "main.o", "-Wl,--gdb-index", "-Wl,--no-gdb-index")
	if strings.Contains(tool(t, d.Path, "readelf", "-SW", "plain"), ".gdb_index") {
		t.Error("--no-gdb-index is passed over")
	}
	for _, kind := range []string{"zlib", "zstd"} {
		tool(t, d.Path, "g++", "-o", "both", "-B", weld, "a.o", "b.o", "main.o", "-Wl,--gdb-index", "-Wl,--compress-debug-sections="+kind)
		if got := names("both"); !slices.Contains(got, "space::shape::area") {
			t.Errorf("with %s: %q", kind, got)
		}
	}
}

// TestDamagedGDBIndex makes the index of damaged debug information: a warning, or an index, and no more.
func TestDamagedGDBIndex(t *testing.T) {
	d := testenv.NewDir(t)
	obj := read(t, d.Object("a.o", d.Write("a.cc", "namespace n { struct s { int f(int); }; enum e { x }; int s::f(int v) { return v; } }\n"), "-fPIC", "-O0"))
	secs, err := openELF(t, d.Join("a.o")).Sections()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secs {
		if !strings.HasPrefix(s.Name, ".debug_info") && s.Name != ".debug_abbrev" && s.Name != ".debug_rnglists" {
			continue
		}
		for off := s.Off; off < s.Off+s.Size; off++ {
			for _, v := range []byte{0xff, obj[off] ^ 1, 0} {
				data := bytes.Clone(obj)
				data[off] = v
				res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: data, Name: "damaged"}}, Mode: link.Shared, GDBIndex: true, Threads: 1})
				if err != nil || res.Size > 10*int64(len(obj)) {
					t.Fatalf("%s+%#x set to %#x: error %v", s.Name, off-s.Off, v, err)
				}
			}
		}
	}
}
