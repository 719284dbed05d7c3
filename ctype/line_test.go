package ctype

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const placesSource = `#define ONE 1
#define TEXT "a" /* b */
#define GONE 2
#undef GONE
#define CALL(x) x
struct s {
	int a;
};
enum e { E1, E2 };
enum { U1 = 4 };
int counter = U1;
int f(struct s *p,
	enum e e) { return p->a + e; }
`

// TestPlaces compares lines, macros and enums with the source that they are from, in all forms that they are written down.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "places.c"), []byte(placesSource), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, cc := range [][]string{
		{"gcc", "-gdwarf-5"}, {"gcc", "-gdwarf-4"}, {"clang-19", "-gdwarf-5"}, {"clang-19", "-gdwarf-4"},
		{"gcc", "-gdwarf-5", "-fdebug-types-section"}, {"gcc", "-gdwarf-5", "-gsplit-dwarf"}, {"gcc", "-gdwarf-5", "-c"}, {"clang-19", "-gdwarf-5", "-c"},
	} {
		out := filepath.Join(dir, "places.so")
		args := append([]string{"-fPIC", "-g3"}, cc[1:]...)
		if cc[0] == "clang-19" {
			args = append(args, "-fdebug-macro")
		}
		if args[len(args)-1] != "-c" && !slices.Contains(args, "-c") {
			args = append(args, "-shared")
		}
		run(t, dir, cc[0], append(args, "places.c", "-o", out)...)
		in := openInfo(t, out, nil)
		want := func(what string, got Place, line int) {
			t.Helper()
			if got.File != filepath.Join(dir, "places.c") || got.Line != line {
				t.Errorf("%v: %s is at %v, want line %d", cc, what, got, line)
			}
		}
		list, err := in.Symbols()
		if err != nil || len(list) != 2 {
			t.Fatalf("%v: %v, %v", cc, list, err)
		}
		for _, q := range list {
			k, err := in.Lookup(q)
			if err != nil {
				t.Fatalf("%v: %v", cc, err)
			}
			want(q.Name, k.Declared(), map[string]int{"f": 12, "counter": 11}[q.Name])
			if q.Name == "f" {
				want("struct s", k.Type.Params[0].Type.Elem.Declared(), 6)
				want("enum e", k.Type.Params[1].Type.Declared(), 9)
			}
		}
		enums, err := in.Enums()
		if err != nil || len(enums) != 2 && cc[0] == "gcc" {
			t.Errorf("%v: enums %v, %v", cc, enums, err)
		}
		if slices.Contains(cc, "-gsplit-dwarf") || slices.Contains(cc, "-c") || cc[0] == "clang-19" && cc[1] == "-gdwarf-4" {
			continue // they are in the .dwo, not joined yet, or in .debug_macinfo: none of these is read
		}
		macros, err := in.Macros()
		if err != nil {
			t.Errorf("%v: %v", cc, err)
		}
		var own []Macro
		for _, m := range macros {
			if !m.At.System() {
				own = append(own, m)
			}
		}
		if len(own) != 2 || own[0].Name != "ONE" || own[0].Body != "1" || own[1].Name != "TEXT" || own[1].Body != `"a"` {
			t.Errorf("%v: macros %v", cc, own)
		} else {
			want("TEXT", own[1].At, 2)
		}
	}
}
