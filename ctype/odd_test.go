package ctype

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// build compiles text with a compiler into a library, or, by -c, into an object.
func build(t testing.TB, dir, file, text string, cc ...string) (*Info, string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, file+".so")
	run(t, dir, cc[0], append(cc[1:], "-shared", "-fPIC", "-w", "-g", file, "-o", out)...)
	return openInfo(t, out, nil), out
}

// typeOfSymbol returns the type of a symbol of a library.
func typeOfSymbol(t testing.TB, in *Info, path, name string) *Type {
	t.Helper()
	for _, q := range exports(t, path) {
		if q.Name != name {
			continue
		}
		k, err := in.Lookup(q)
		if err != nil {
			t.Fatal(err)
		}
		return k.Type
	}
	t.Fatalf("%s has no %s", path, name)
	return nil
}

// TestRecursive has structs that are parameters of functions that they point to, each of which C allows.
func TestRecursive(t *testing.T) {
	in, path := build(t, t.TempDir(), "rec.c", `
		struct s { int x; int (*f)(struct s); };
		struct b; struct a { void (*f)(struct b); }; struct b { struct a (*f)(struct a, struct b); long n; };
		int one(struct s s) { return s.x; }
		void two(struct a a, struct b b) { }
		void three(struct s a, struct s b) { }`, "gcc")
	for name, want := range map[string]string{
		"one":   "fn({@0 s32;@64 *fn(#0)s32}16)s32",
		"two":   "fn({@0 *fn({@0 *fn(#0,#1)#0;@64 s64}16)void}8,#1)void",
		"three": "fn({@0 s32;@64 *fn(#0)s32}16,#0)void",
	} {
		f := typeOfSymbol(t, in, path, name)
		if s, err := SignatureOf(f); err != nil || s.Text != want {
			t.Errorf("%s: %s %v, want %s", name, s.Text, err, want)
		}
		if list := Diff(f, f); list != nil {
			t.Errorf("%s differs from itself: %v", name, list)
		}
	}
}

// TestRepeated has structs of two of the same struct each, 60 deep, and arrays of nothing that are long: what is done with a type
// must not take as long as it is large.
func TestRepeated(t *testing.T) {
	start := time.Now()
	twice := NewStruct(Struct, "s0", 4, []Member{{Name: "v", Type: &Type{Kind: Int, Name: "int", Size: 4, Signed: true}}})
	nothing := NewStruct(Struct, "n0", 0, nil)
	for i := range 60 {
		twice = NewStruct(Struct, "s", 4<<min(i+1, 40), []Member{{Name: "a", Type: twice}, {Name: "b", Type: twice, Offset: twice.Size * 8}})
		nothing = NewStruct(Struct, "n", 0, []Member{{Name: "a", Type: nothing}, {Name: "b", Type: nothing}})
	}
	long := NewStruct(Struct, "l", 8, []Member{{Name: "v", Type: &Type{Kind: Array, Elem: nothing, Len: 1 << 45, Size: 0}}, {Name: "p", Type: PointerTo(voidType)}})
	for _, s := range []*Type{twice, nothing, long} {
		f := &Type{Kind: Func, Elem: s, Params: []Param{{"", s}, {"", PointerTo(s)}}}
		if _, err := SignatureOf(f); err != nil {
			t.Error(err)
		}
		other := NewStruct(s.Kind, s.Name, s.Size, append([]Member{}, s.body.members...))
		if list := Diff(PointerTo(s), PointerTo(other)); list != nil {
			t.Error(list)
		}
		Check(f, reflect.TypeFor[func(goPoint, *goPoint)](), Call)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("it took %v", d)
	}
}
