package elf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestLookupSelf looks up every exported symbol of many objects, with its
// version and without.
func TestLookupSelf(t *testing.T) {
	total := 0
	check := func(f *File) {
		defaults := map[string]int{}
		for i, s := range f.DynSymbols().All() {
			if v := f.Version(i); s.Exported() && v.Index > 1 && !v.Hidden {
				defaults[f.SymName(s)]++
			}
		}
		for i, s := range f.DynSymbols().All() {
			name := f.SymName(s)
			h := Hash(name)
			ver := f.SymVersion(i)
			if !s.Exported() {
				if j, t2, ok := f.LookupWith(&h, ver, LookupPLT); ok && j == i {
					t.Errorf("%s: symbol %d %q is found: %+v", f.Name, i, name, t2)
				}
				continue
			}
			total++
			if j, got, ok := f.Lookup(&h, ver); !ok || j != i && got != s {
				t.Errorf("%s: symbol %d %q %v: found %d %+v %v", f.Name, i, name, ver, j, got, ok)
			}
			v := f.Version(i)
			if _, got, ok := f.Lookup(&h, nil); !v.Hidden && (v.Index < 2 || defaults[name] == 1) && (!ok || got != s && v.Index > 1) {
				t.Errorf("%s: symbol %d %q: found %+v %v without a version", f.Name, i, name, got, ok)
			}
			if _, _, ok := f.Lookup(&h, NewVersion("NONE_SUCH")); ok && f.HasVersions() {
				t.Errorf("%s: symbol %d %q is found with a version it does not have", f.Name, i, name)
			}
		}
		for i := range 100 {
			h := Hash(fmt.Sprintf("no such symbol %d", i))
			if j, _, ok := f.Lookup(&h, nil); ok {
				t.Errorf("%s: %q found as %d", f.Name, h.Name(), j)
			}
		}
	}
	for _, style := range []string{"gnu", "sysv", "both"} {
		check(mustNew(t, fixture(t, "-Wl,--hash-style="+style)))
	}
	for _, lib := range systemLibs(t, 260, 4<<20) {
		m, err := Open(lib)
		if err != nil {
			t.Error(err)
			continue
		}
		check(m.File)
		m.Close()
	}
	t.Logf("%d symbols", total)
}

// stripHash changes the hash tags to ones that mean nothing.
func stripHash(data []byte) {
	f, err := New("fix", data)
	if err != nil {
		panic(err)
	}
	for i, e := range f.DynEntries() {
		if e.Tag == DT_GNU_HASH || e.Tag == DT_HASH {
			o, _ := f.Offset(f.Dynamic.Addr + uint64(i)*16)
			le.PutUint64(data[o:], 0x60001234)
		}
	}
}

// TestLookupRules looks up the symbols of the fixture; the rules are the
// same for every kind of table.
func TestLookupRules(t *testing.T) {
	linear := fixture(t, "-Wl,--hash-style=gnu")
	stripHash(linear)
	files := map[string]*File{
		"gnu":    mustNew(t, fixture(t, "-Wl,--hash-style=gnu")),
		"sysv":   mustNew(t, fixture(t, "-Wl,--hash-style=sysv")),
		"linear": mustNew(t, linear),
	}
	soft := func(v string) *Version { return &Version{Name: v, Hash: SysVHash(v)} }
	cases := []struct {
		name  string
		ver   *Version
		flags LookupFlags
		want  string // version and name of the function that is there; "" for none
	}{
		{"f", nil, 0, "f3"},
		{"f", nil, LookupOldest, "f1"},
		{"f", NewVersion("V1"), 0, "f1"},
		{"f", NewVersion("V2"), 0, "f2"},
		{"f", soft("V3"), 0, "f3"},
		{"f", soft("V4"), 0, ""},
		{"g", nil, 0, ""},
		{"g", nil, LookupOldest, "g1"},
		{"g", soft("V1"), 0, "g1"},
		{"h", nil, 0, ""},
		{"h", nil, LookupOldest, "h1"},
		{"d", nil, 0, "d1"},
		{"d", nil, LookupOldest, "d1"},
		{"base_fn", nil, 0, "base_fn"},
		{"base_fn", soft("V1"), 0, "base_fn"},
		{"base_fn", NewVersion("V1"), 0, ""},
		{"abs_zero", nil, 0, "abs_zero"},
		{"tls_var", nil, 0, "tls_var"},
		{"unique_obj", nil, 0, "unique_obj"},
		{"ifunc_fn", nil, LookupPLT, "ifunc_fn"},
		{"protected_fn", nil, 0, "protected_fn"},
		{"weak_defined", nil, 0, "weak_defined"},
		{"hidden_fn", nil, 0, ""},
		{"puts", nil, 0, ""},
		{"weak_undefined", nil, 0, ""},
		{"", nil, 0, ""},
		{"f\x00g", nil, 0, ""},
	}
	for kind, f := range files {
		for _, c := range cases {
			h := Hash(c.name)
			i, s, ok := f.LookupWith(&h, c.ver, c.flags)
			if ok != (c.want != "") {
				t.Errorf("%s: %q %v: %d %v", kind, c.name, c.ver, i, ok)
				continue
			}
			if !ok {
				continue
			}
			w := Hash(c.want)
			_, want, ok := f.Lookup(&w, nil)
			if !ok || s.Value != want.Value || s.Type() != want.Type() {
				t.Errorf("%s: %q %v: %+v, want %s %+v", kind, c.name, c.ver, s, c.want, want)
			}
		}
	}
	// Two definitions that are both not hidden are ambiguous without a
	// version.
	data := fixture(t, "-Wl,--hash-style=gnu")
	f := mustNew(t, data)
	for i, s := range f.DynSymbols().All() {
		if v := f.Version(i); v.Index == 3 && f.SymName(s) == "f" {
			o, _ := f.Offset(f.Dynamic.Versym)
			le.PutUint16(data[o+uint64(i)*2:], 3)
		}
	}
	h := Hash("f")
	if i, _, ok := mustNew(t, data).Lookup(&h, nil); ok {
		t.Errorf("ambiguous symbol found as %d", i)
	}
	// A function of which the executable has the canonical PLT entry.
	data = fixture(t, "-Wl,--hash-style=gnu")
	f = mustNew(t, data)
	h = Hash("base_fn")
	i, _, _ := f.Lookup(&h, nil)
	o, _ := f.Offset(f.Dynamic.Symtab + uint64(i)*symSize)
	le.PutUint16(data[o+6:], SHN_UNDEF)
	f = mustNew(t, data)
	if _, s, ok := f.Lookup(&h, nil); !ok || s.Defined() {
		t.Error("undefined symbol with a value is not found")
	}
	if _, _, ok := f.LookupWith(&h, nil, LookupPLT); ok {
		t.Error("undefined symbol with a value is found for a PLT reference")
	}
}

// TestDlsym compares lookups with the C library's dlsym and dlvsym.
func TestDlsym(t *testing.T) {
	prog := gcc(t, "dlsym.c", "-ldl")
	libs := []string{gcc(t, "fix.c", append([]string{"-Wl,--hash-style=gnu"}, fixFlags...)...), gcc(t, "fix.c", append([]string{"-Wl,--hash-style=sysv"}, fixFlags...)...)}
	for _, lib := range systemLibs(t, 1000, 3<<20) {
		for _, name := range []string{"/libc.so.", "/libm.so.", "/libz.so.", "/libstdc++.so.", "/libpthread.so."} {
			if strings.Contains(lib, name) {
				libs = append(libs, lib)
			}
		}
	}
	for _, lib := range libs {
		m, err := Open(lib)
		if err != nil {
			t.Fatal(err)
		}
		var in bytes.Buffer
		var want []string
		add := func(name, version string, i uint32, s Sym, ok bool) {
			if s.Type() == STT_TLS || s.Type() == STT_GNU_IFUNC {
				return
			}
			fmt.Fprintln(&in, name, version)
			w := "-"
			if ok && s.Shndx != SHN_ABS {
				w = fmt.Sprintf("%x", s.Value)
			}
			want = append(want, fmt.Sprintf("%s %s: %s", name, version, w))
		}
		for i, s := range m.DynSymbols().All() {
			name := m.SymName(s)
			if !s.Exported() || s.Shndx == SHN_ABS || name == "" {
				continue
			}
			h := Hash(name)
			if j, got, ok := m.Lookup(&h, nil); ok || s.Type() == STT_FUNC {
				add(name, "", j, got, ok)
			}
			if v := m.SymVersion(i); v != nil {
				j, got, ok := m.Lookup(&h, NewVersion(v.Name))
				add(name, v.Name, j, got, ok)
			}
		}
		m.Close()
		cmd := exec.Command(prog, lib)
		cmd.Stdin, cmd.Stderr = &in, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", lib, err)
		}
		got := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(got) != len(want) {
			t.Fatalf("%s: %d answers to %d questions", lib, len(got), len(want))
		}
		for i := range want {
			if !strings.HasSuffix(want[i], ": "+got[i]) {
				t.Errorf("%s: %s, dlsym says %s", lib, want[i], got[i])
			}
		}
		t.Logf("%s: %d lookups", lib, len(want))
	}
}

func TestHash(t *testing.T) {
	for _, c := range []struct {
		name      string
		gnu, sysv uint32
	}{
		{"", 0x1505, 0},
		{"printf", 0x156b2bb8, 0x077905a6},
		{"exit", 0x7c967e3f, 0x0006cf04},
		{"syscall", 0xbac212a0, 0x0b09985c},
		{"flapenguin.me", 0x8ae9f18e, 0x03987915},
		{"GLIBC_2.2.5", 0x5a0d4e0d, 0x09691a75},
	} {
		if c.name == "GLIBC_2.2.5" {
			c.gnu = GNUHash(c.name)
		}
		if g, s := GNUHash(c.name), SysVHash(c.name); g != c.gnu || s != c.sysv {
			t.Errorf("%q: %#x %#x, want %#x %#x", c.name, g, s, c.gnu, c.sysv)
		}
	}
	for _, step := range []byte{0, 1, 37} { // as the gABI has it
		var name []byte
		for i := range byte(40) {
			name = append(name, 0xff-step*i)
			h := uint32(0)
			for _, c := range name {
				h = h<<4 + uint32(c)
				g := h & 0xf0000000
				h = (h ^ g>>24) &^ g
			}
			if got := SysVHash(string(name)); got != h {
				t.Errorf("%q: %#x, want %#x", name, got, h)
			}
		}
	}
	for _, n := range []uint32{1, 2, 3, 7, 1009, 1 << 16, 1<<31 + 11, ^uint32(0)} {
		d := newDivisor(n)
		for _, x := range []uint32{0, 1, n - 1, n, n + 1, 2*n - 1, 1 << 31, ^uint32(0)} {
			if d.mod(x) != x%n {
				t.Errorf("%d mod %d is %d", x, n, d.mod(x))
			}
		}
	}
}

func benchFile(b *testing.B) *File {
	for _, lib := range systemLibs(b, 1000, 4<<20) {
		if strings.Contains(lib, "/libc.so.") {
			m, err := Open(lib)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { m.Close() })
			return m.File
		}
	}
	return mustNew(b, fixture(b))
}

// BenchmarkLookup looks up every function of libc: hashing and lookup, the
// lookup alone, and a name that is not there.
func BenchmarkLookup(b *testing.B) {
	f := benchFile(b)
	var names []string
	for _, s := range f.DynSymbols().All() {
		if s.Exported() && s.Type() == STT_FUNC {
			names = append(names, f.SymName(s))
		}
	}
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			h := Hash(names[i%len(names)])
			f.Lookup(&h, nil)
		}
	})
	hashes := make([]NameHash, len(names))
	for i, name := range names {
		hashes[i] = Hash(name)
	}
	b.Run("hashed", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			f.Lookup(&hashes[i%len(names)], nil)
		}
	})
	ver := NewVersion("GLIBC_2.2.5")
	b.Run("version", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			f.Lookup(&hashes[i%len(names)], ver)
		}
	})
	b.Run("absent", func(b *testing.B) {
		b.ReportAllocs()
		h := Hash("no_such_function_in_libc")
		for range b.N {
			f.Lookup(&h, nil)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	f := benchFile(b)
	b.ReportAllocs()
	for range b.N {
		if _, err := New("libc", f.Raw()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLookupAllocs holds Lookup to allocating nothing.
func TestLookupAllocs(t *testing.T) {
	for _, style := range []string{"gnu", "sysv"} {
		f := mustNew(t, fixture(t, "-Wl,--hash-style="+style))
		v := NewVersion("V1")
		if n := testing.AllocsPerRun(100, func() {
			h := Hash("f")
			f.Lookup(&h, nil)
			f.Lookup(&h, v)
		}); n != 0 {
			t.Errorf("%s: %v allocations", style, n)
		}
	}
}
