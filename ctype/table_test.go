package ctype

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestParseSignature reads what SignatureOf has written, for all kinds of types.
func TestParseSignature(t *testing.T) {
	texts := []string{"fn(s7/8,cs32,cf80x,d64,bf16,f16,f128)memptr64", "fn(*struct std::map<int, std::less<int> >,s32)void",
		"fn(byref struct string)*struct (anonymous namespace)::x", "fn(s32)ms_abi s32", "*fn(?)void", "fn(...)void", "{@virtual s32}8"}
	for _, text := range kinds {
		texts = append(texts, text)
	}
	for _, text := range texts {
		typ, err := ParseSignature(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if s, err := SignatureOf(typ); err != nil || s.Text != text {
			t.Errorf("%s became %s %v", text, s.Text, err)
		}
	}
	for text, want := range map[string]string{"fn(*struct file,u64,*fn(s8)void)*s8": "char *(struct file *, unsigned long, void (*)(char))", "[]s64": "long []",
		"*fn(?)s32": "int (*)()", "fn(vec(4,s32))e32": "enum {...} (int __attribute__((vector_size(16))))"} {
		if typ, err := ParseSignature(text); err != nil || typ.String() != want {
			t.Errorf("%s: %v %v, want %s", text, typ, err, want)
		}
	}
	for _, text := range []string{"", "fn(", "fn()", "fn(s32)", "s032", "fn(s32,)void", "{@0 #0}8", "#0", "{@0 s32;@32 {@0 #0}4}8", "[0]s32", "*struct ", "x", "s32 ",
		"{@0:0 s32}4", "{@0 s32}4/4", "fn(-1)void", "byref s32", "{@0 {@0 s32}4;@32 {@0 s32}4}8", "vec(4,s32", "|s32", "s99999999999999999999",
		strings.Repeat("*", 1000) + "s32", strings.Repeat("{@0 ", 1000), "{" + strings.Repeat("@0 s32;", 20000) + "@0 s32}4"} {
		typ, err := ParseSignature(text)
		var fe *FormatError
		if !errors.As(err, &fe) {
			t.Errorf("%s: %v %v", clip(text), typ, err)
		}
	}
}

func sampleEntries(t testing.TB) []SigEntry {
	var list []SigEntry
	for _, d := range []string{"int open(const char *path, int flags, ...)", "double norm(const struct vec { double x, y; } *v)"} {
		k, err := ParseDecl(d)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, NewSigEntry(k.Name, k.Type, false))
	}
	v, _ := ParseType("int[3]")
	list = append(list, NewSigEntry("table", v, true), SigEntry{Name: "unknown", Weak: true})
	for i := range list {
		list[i].Value = uint64(0x1000 * (i + 1))
	}
	return list
}

// TestSigTable writes a table and reads it, and what was damaged in it.
func TestSigTable(t *testing.T) {
	list := sampleEntries(t)
	b, err := AppendSigTable(nil, slices.Clone(list))
	if err != nil {
		t.Fatal(err)
	}
	tab, err := ParseSigTable("f", b)
	if err != nil || len(tab.Entries) != 4 || tab.Find("nothing") != nil || tab.Find("open") == nil {
		t.Fatalf("%+v %v", tab, err)
	}
	for i := range list {
		if e := tab.Find(list[i].Name); e == nil || *e != list[i] {
			t.Errorf("%+v, want %+v", e, list[i])
		}
	}
	k, err := tab.Find("norm").Known("f")
	if err != nil || k.From != FromTable || k.Type.Declare("norm") != "double norm(struct vec *)" && k.Type.Declare("norm") != "double norm(const struct vec *)" {
		t.Fatalf("%+v %v", k, err)
	}
	if ms, err := k.Type.Params[0].Type.Strip().Elem.Strip().Members(); err != nil || len(ms) != 2 || ms[1].Name != "y" {
		t.Errorf("the declaration is not read: %v %v", ms, err)
	}
	if k, err := tab.Find("table").Known("f"); err != nil || k.Type.Declare("table") != "int table[]" {
		t.Errorf("%+v %v", k, err)
	}
	if _, err := tab.Find("unknown").Known("f"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	lie := *tab.Find("open")
	lie.Decl = "long open(long)"
	if k, err := lie.Known("f"); err != nil || k.Type.Declare("open") != "int open(char *, int, ...)" {
		t.Errorf("a declaration that is not the signature's: %+v %v", k, err)
	}
	if _, err := AppendSigTable(nil, []SigEntry{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("two of a name")
	}

	put := func(off int, v uint64, size int) []byte {
		c := slices.Clone(b)
		if size == 8 {
			binary.LittleEndian.PutUint64(c[off:], v)
		} else {
			binary.LittleEndian.PutUint32(c[off:], uint32(v))
		}
		return c
	}
	const first, second = sigHeader, sigHeader + sigEntry
	name2 := uint64(binary.LittleEndian.Uint32(b[second+16:]))
	for _, c := range []struct {
		what string
		data []byte
		want string
		kind error
	}{
		{"nothing", nil, "not even a header", ErrTruncated},
		{"a version of tomorrow", put(0, 2, 4), "version 2", ErrUnsupported},
		{"a huge count", put(4, 1<<31, 4), "do not fit", ErrTruncated},
		{"one more", put(4, 5, 4), "do not fit", ErrTruncated},
		{"one less", put(4, 3, 4), "do not fill", ErrCorrupt},
		{"too many strings", put(8, 0xffffffff, 4), "do not fit", ErrTruncated},
		{"no strings", put(8, 0, 4), "do not fill", ErrCorrupt},
		{"cut", b[:len(b)-1], "do not fit", ErrTruncated},
		{"longer", append(slices.Clone(b), 0), "do not fill", ErrCorrupt},
		{"an open string", append(slices.Clone(b[:len(b)-1]), 'x'), "do not end", ErrCorrupt},
		{"a name outside", put(first+16, 1<<30, 4), "a string of entry 0 is outside", ErrCorrupt},
		{"a text outside", put(first+20, 1<<30, 4), "a string of entry 0 is outside", ErrCorrupt},
		{"no name", put(first+16, 0, 4), "has no name", ErrCorrupt},
		{"twice", put(first+16, name2, 4), "is there twice", ErrCorrupt},
		{"out of order", put(first+16, name2+1, 4), "is not in order", ErrCorrupt},
		{"unknown flags", put(first+28, 4, 4), "flags 0x4", ErrUnsupported},
		{"another hash", put(first, 5, 8), "is not that of its text", ErrCorrupt},
		{"no hash", put(first, 0, 8), "is not that of its text", ErrCorrupt},
		{"a hash without text", put(first+20, 0, 4), "is not that of its text", ErrCorrupt},
	} {
		_, err := ParseSigTable("f", c.data)
		var fe *FormatError
		if !errors.As(err, &fe) || !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
	// A thousand entries, each with a part of one long string.
	long := "fn(" + strings.Repeat("s32,", 1<<13) + "s32)void"
	var many []SigEntry
	for i := range 1000 {
		many = append(many, SigEntry{Name: fmt.Sprintf("f%04d", i), Signature: Signature{long, HashOf(long)}})
	}
	if c, err := AppendSigTable(nil, many); err != nil {
		t.Fatal(err)
	} else if _, err := ParseSigTable("f", c); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long string a thousand times: %v", err)
	}
}

func FuzzSigTable(f *testing.F) {
	b, _ := AppendSigTable(nil, sampleEntries(f))
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := ParseSigTable("f", data)
		if err != nil {
			return
		}
		for i := range tab.Entries {
			e := &tab.Entries[i]
			if tab.Find(e.Name) != e {
				t.Errorf("%q is not found", e.Name)
			}
			if k, err := e.Known("f"); err == nil {
				_ = k.Type.String()
			}
		}
		if again, err := AppendSigTable(nil, slices.Clone(tab.Entries)); err != nil {
			t.Error(err)
		} else if back, err := ParseSigTable("f", again); err != nil || !slices.Equal(back.Entries, tab.Entries) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzParseSignature(f *testing.F) {
	for _, text := range kinds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := ParseSignature(text)
		if err != nil {
			return
		}
		_ = typ.String()
		Diff(typ, &Type{Kind: Func, Elem: voidType})
		Check(typ, fuzzFunc, Call)
		Check(typ, fuzzFunc, Callback)
		walk(typ, map[*Type]bool{}, func(error) bool { return true })
	})
}

// FuzzParseDecl reads declarations as they stand in tables of files that nobody trusts.
func FuzzParseDecl(f *testing.F) {
	for _, s := range []string{"int open(const char *path, int flags, ...)", "struct s { int a[3][4]; union { float f; long l; } u; enum { A = 1 } e; } f(void (*g)(int, struct t *), double _Complex z)",
		"unsigned long *f(char (*const a)[10], long double d, __int128 n)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxDecl {
			return
		}
		k, err := ParseDecl(text)
		if err != nil {
			return
		}
		e := NewSigEntry(k.Name, k.Type, false)
		if e.Signature.Hash == 0 {
			return
		}
		if _, err := e.Known("f"); err != nil {
			t.Error(err)
		}
		Check(k.Type, fuzzFunc, Call)
		Diff(k.Type, &Type{Kind: Func, Elem: voidType})
	})
}
