package ctype

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weld/internal/cproto"
	"weld/internal/testenv"
)

// TestCompare compares what gcc and clang make of one source, in objects and libraries, and a library with one that lacks a
// symbol.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	file := func(name string) *Info { return openInfo(t, filepath.Join(dir, name), nil) }
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-gdwarf-4", src, "-o", "gcc.so")
	run(t, dir, "clang-19", "-shared", "-fPIC", "-w", "-gdwarf-5", "-O2", src, "-o", "clang.so")
	run(t, dir, "gcc", "-c", "-w", "-g", src, "-o", "gcc.o")
	for _, pair := range [][2]string{{"gcc.so", "clang.so"}, {"clang.so", "gcc.so"}, {"gcc.so", "gcc.o"}} {
		c, err := Compare(file(pair[0]), file(pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Symbols) != 0 || c.Compared != len(kinds) || c.Unknown != 0 {
			t.Errorf("%v: %+v", pair, c)
		}
	}
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", "-Dv_int=v_other", src, "-o", "other.so")
	c, err := Compare(file("gcc.so"), file("other.so"))
	if err != nil || len(c.Symbols) != 2 || !c.Symbols[0].Gone || c.Symbols[0].Name != "v_int" || !c.Symbols[1].Added || c.Effect() != Breaks {
		t.Errorf("%+v %v", c, err)
	}
}

// TestCompareTables compares libraries of which one or both have nothing but a table of signatures: every symbol's type is known, none differs,
// and what is changed then is told.
func TestCompareTables(t *testing.T) {
	dir := t.TempDir()
	// build makes a library with a table of what its debugging information says. The first link shows where symbols are, as the table's size is known then.
	build := func(name, src string) {
		var table []byte
		size := 1
		for range 3 {
			if err := os.WriteFile(filepath.Join(dir, "table"), append(table, make([]byte, size-len(table))...), 0o644); err != nil {
				t.Fatal(err)
			}
			asm := fmt.Sprintf(".section .note.weld.exports,\"a\",@note\n.balign 4\n.long 5, %d, %d\n.asciz \"weld\"\n.balign 4\n.incbin \"table\"\n.balign 4\n.section .note.GNU-stack\n", size, NoteExports)
			if err := os.WriteFile(filepath.Join(dir, "table.s"), []byte(asm), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", src, "table.s", "-o", name)
			in := openInfo(t, filepath.Join(dir, name), nil)
			var list []SigEntry
			for _, q := range exports(t, in.Name()) {
				k, err := in.Lookup(q)
				if err != nil {
					t.Fatal(err)
				}
				e := NewSigEntry(q.Name, k.Type, k.Type.Kind != Func)
				e.Value = q.Addr
				list = append(list, e)
			}
			var err error
			if table, err = AppendSigTable(nil, list); err != nil {
				t.Fatal(err)
			}
			size = len(table)
		}
		run(t, dir, "strip", "-o", "stripped-"+name, name)
	}
	file := func(name string) *Info { return openInfo(t, filepath.Join(dir, name), nil) }
	text, err := os.ReadFile("testdata/kinds.c")
	if err != nil {
		t.Fatal(err)
	}
	const old, now = "int f_int(int a, unsigned b)", "int f_int(long a, unsigned b)"
	if !strings.Contains(string(text), old) {
		t.Fatalf("kinds.c has no %s", old)
	}
	for name, text := range map[string]string{"kinds.c": string(text), "other.c": strings.Replace(string(text), old, now, 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build("old.so", "kinds.c")
	build("now.so", "other.c")
	for _, pair := range [][2]string{{"stripped-old.so", "stripped-old.so"}, {"old.so", "stripped-old.so"}, {"stripped-old.so", "old.so"}} {
		c, err := Compare(file(pair[0]), file(pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Symbols) != 0 || c.Compared != len(kinds) || c.Unknown != 0 {
			t.Errorf("%v: %+v", pair, c)
		}
	}
	for _, pair := range [][2]string{{"stripped-old.so", "stripped-now.so"}, {"old.so", "stripped-now.so"}, {"stripped-old.so", "now.so"}} {
		c, err := Compare(file(pair[0]), file(pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Symbols) != 1 || c.Symbols[0].Name != "f_int" || c.Effect() != Breaks || !strings.Contains(c.Symbols[0].Changes[0].String(), "argument 1: int (4 bytes) became long (8 bytes)") {
			t.Errorf("%v: %+v", pair, c)
		}
	}
}

// TestCompareVersions gives the symbols of a library versions, which its old callers do not see.
func TestCompareVersions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.c": "int f(int a) { return a; } int g(int a) { return a; }",
		"b.c": "int f(int a) { return a; } int old(int a) { return a; } long now(long a) { return a; }\n" +
			"__asm__(\".symver old,g@V1\"); __asm__(\".symver now,g@@V2\");",
		"v1.map": "V1 { global: f; g; };", "v2.map": "V1 { global: f; g; local: *; }; V2 { global: g; } V1;",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "gcc", "-shared", "-fPIC", "-g", "a.c", "-o", "none.so")
	run(t, dir, "gcc", "-shared", "-fPIC", "-g", "a.c", "-o", "v1.so", "-Wl,--version-script=v1.map")
	run(t, dir, "gcc", "-shared", "-fPIC", "-g", "b.c", "-o", "v2.so", "-Wl,--version-script=v2.map")
	for _, c := range []struct {
		old, now string
		want     string
	}{
		{"none.so", "v1.so", ""}, {"v1.so", "none.so", ""}, {"v1.so", "v2.so", "+g@V2"}, {"v2.so", "v1.so", "-g@V2"}, {"v2.so", "none.so", "!g@V2"},
	} {
		r, err := Compare(openInfo(t, filepath.Join(dir, c.old), nil), openInfo(t, filepath.Join(dir, c.now), nil))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range r.Symbols {
			switch {
			case s.Gone:
				got += "-" + s.Name
			case s.Added:
				got += "+" + s.Name
			default:
				got += "!" + s.Name
			}
		}
		if got != c.want {
			t.Errorf("%s to %s: %q, want %q", c.old, c.now, got, c.want)
		}
	}
}

// TestPrototypeText writes the prototype of each function of the C library in C that needs no other declarations, and reads that
// again; of every tenth if it is to be short.
func TestPrototypeText(t *testing.T) {
	path := testenv.Library(t, "libc6", "libc.so.6")
	in := distribution(t, path)
	same, all, step := 0, 0, 1
	if testing.Short() {
		step = 10
	}
	for i, q := range exports(t, path) {
		if i%step != 0 {
			continue
		}
		k, err := in.Lookup(q)
		if err != nil || k.Type.Kind != Func {
			continue
		}
		want, err := SignatureOf(k.Type)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Prototype(k.Type, q.Name)
		if err != nil {
			if !strings.Contains(want.Text, "f128") { // which this C has no word for
				t.Errorf("%s: %v", q.Name, err)
			}
			continue
		}
		all++
		back, err := ParseDecl(text)
		if err != nil {
			if !errors.Is(err, cproto.ErrUnsupported) {
				t.Errorf("%s: %s: %v", q.Name, text, err)
			}
			continue
		}
		got, err := SignatureOf(back.Type)
		// An enum that is not described here is an int there, and what has no tag is void if it is pointed to.
		same2 := strings.NewReplacer("e32", "s32", "*struct <anon>", "*void", "*union <anon>", "*void")
		if err != nil || same2.Replace(got.Text) != same2.Replace(want.Text) {
			t.Errorf("%s: %s: %s %v, want %s", q.Name, text, got.Text, err, want.Text)
			continue
		}
		same++
	}
	if all*step < 2000 || same*100 < all*97 {
		t.Errorf("%d of %d", same, all)
	}
	t.Logf("%d of %d", same, all)
}
