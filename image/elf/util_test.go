package elf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gcc compiles testdata/src to a file of its own with the flags.
func gcc(t testing.TB, src string, flags ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Fatalf("the tests compile C fixtures: install gcc (%v)", err)
	}
	out := filepath.Join(t.TempDir(), strings.TrimSuffix(src, ".c")+".out")
	args := append([]string{"-O1", "-o", out, filepath.Join("testdata", src)}, flags...)
	if msg, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, msg)
	}
	return out
}

var fixFlags = []string{
	"-shared", "-fPIC", "-Wl,-soname,libfix.so.1", "-Wl,--version-script=testdata/fix.map",
	"-Wl,-rpath,/x:/y", "-Wl,-z,pack-relative-relocs",
}

var fixCache struct {
	sync.Mutex
	m map[string][]byte
}

// fixture returns the bytes of testdata/fix.c linked with the flags; the
// caller may change them.
func fixture(t testing.TB, flags ...string) []byte {
	t.Helper()
	fixCache.Lock()
	defer fixCache.Unlock()
	key := strings.Join(flags, " ")
	if b, ok := fixCache.m[key]; ok {
		return bytes.Clone(b)
	}
	b, err := os.ReadFile(gcc(t, "fix.c", append(slices.Clone(fixFlags), flags...)...))
	if err != nil {
		t.Fatal(err)
	}
	if fixCache.m == nil {
		fixCache.m = map[string][]byte{}
	}
	fixCache.m[key] = b
	return bytes.Clone(b)
}

func mustNew(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := New("fix", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// systemLibs returns at most n shared objects of this system, smaller ones
// than limit bytes, evenly chosen.
func systemLibs(t testing.TB, n int, limit int64) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"} {
		for _, pattern := range []string{"*.so*", "*/*.so*"} {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				info, err := os.Lstat(name)
				if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
					continue
				}
				head := make([]byte, 64)
				r, err := os.Open(name)
				if err != nil {
					continue
				}
				m, _ := r.ReadAt(head, 0)
				r.Close()
				if h, err := ParseHeader(name, head[:m]); err == nil && h.Machine == EM_X86_64 && h.Class == ELFCLASS64 && h.Type == ET_DYN {
					all = append(all, name)
				}
			}
		}
		if len(all) > 0 {
			break
		}
	}
	if len(all) == 0 {
		t.Fatal("no x86-64 shared objects in /usr/lib/x86_64-linux-gnu, /usr/lib64 or /usr/lib: install a C library (libc6)")
	}
	if len(all) <= n {
		return all
	}
	var some []string
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// pointerTags are the entries of PT_DYNAMIC that glibc relocates in place.
var pointerTags = []DynTag{DT_HASH, DT_PLTGOT, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_REL, DT_JMPREL, DT_VERSYM, DT_GNU_HASH}

// loadImage copies the segments of f to memory as a loader would, with
// PT_DYNAMIC relocated by bias in glibc's manner.
func loadImage(f *File, bias uint64) ([]byte, LoadedOptions) {
	lo, hi := f.LoadSpan()
	mem := make([]byte, hi-lo)
	for _, p := range f.Progs {
		if p.Type == PT_LOAD {
			copy(mem[p.Vaddr-lo:], f.Raw()[p.Off:p.Off+p.Filesz])
		}
	}
	for i, e := range f.DynEntries() {
		if slices.Contains(pointerTags, e.Tag) {
			le.PutUint64(mem[f.Dynamic.Addr-lo+uint64(i)*16+8:], e.Val+bias)
		}
	}
	return mem, LoadedOptions{Start: lo, Bias: bias}
}

// describe calls every accessor of f and returns what it said as text,
// without what only the file view has. Lookups are bounded by limit.
func describe(f *File, limit int) string {
	w := new(strings.Builder)
	visit(f, limit, func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) })
	return w.String()
}

// exercise calls every accessor of f.
func exercise(f *File, limit int) { visit(f, limit, func(string, ...any) {}) }

// visit calls every accessor of f and gives what it said to p.
func visit(f *File, limit int, p func(format string, args ...any)) {
	p("%+v", f.Header)
	p("%+v %q %v", f.Progs, f.Interp, f.HasDynamic)
	p("%+v", f.Dynamic)
	f.DynEntries()
	lo, hi := f.LoadSpan()
	p("%#x %#x %v %v", lo, hi, f.WriteExec(), f.ExecStack())
	for i := range f.Rela().Len() {
		p("%+v", f.Rela().At(i))
	}
	for i, r := range f.PltRel().All() {
		p("%d %+v", i, r)
	}
	for i := range f.Rel().Len() {
		p("%+v", f.Rel().At(i))
	}
	for i := range f.PltRelRel().Len() {
		p("%+v", f.PltRelRel().At(i))
	}
	p("%d %d %d", f.RelaCount(), f.Relr().Len(), f.Relr().Count())
	for a := range f.Relr().All() {
		p("%#x", a)
	}
	p("%v %v", f.VersionNeeds(), f.VersionDefs())
	for i := range uint16(64) {
		name, file, ok := f.VersionName(i)
		p("%q %q %v", name, file, ok)
	}
	p("%d", f.NumSymbols())
	for i, s := range f.DynSymbols().All() {
		name := f.SymName(s)
		p("%d %q %+v %v %+v", i, name, s, s.Exported(), f.Version(i))
		if int(i) > limit {
			continue
		}
		h := Hash(name)
		v := f.SymVersion(i)
		j, t, ok := f.Lookup(&h, nil)
		p("%d %v %v", j, t, ok)
		j, t, ok = f.Lookup(&h, v)
		p("%d %v %v", j, t, ok)
		j, t, ok = f.LookupWith(&h, nil, LookupOldest|LookupPLT)
		p("%d %v %v", j, t, ok)
		t, j, ok = f.FindSymbol(s.Value)
		p("%d %v %v", j, t, ok)
	}
	_, ok := f.Sym(uint32(f.NumSymbols()))
	p("%v %+v %v", ok, f.Version(1<<31), f.SymVersion(1<<31))
	for n := range f.Notes() {
		p("%+v", n)
	}
	p("%x", f.BuildID())
	tag, ok := f.ABITag()
	p("%v %v", tag, ok)
	props, ok := f.GNUProperties()
	p("%v %v", props, ok)
	eh, err := f.ParseEhFrameHdr()
	p("%+v %v", eh, err)
	for _, a := range []uint64{0, lo, hi, hi - 1, f.Dynamic.Init, f.Dynamic.DebugAddr, ^uint64(0)} {
		b, ok := f.Bytes(a, 4)
		p("%x %v", b, ok)
		v, ok := f.Word(a)
		p("%x %v", v, ok)
		o, ok := f.Offset(a)
		p("%x %v", o, ok)
		_, ok = f.Bytes(a, ^uint64(0))
		p("%v", ok)
	}
	if !f.Loaded() {
		exerciseFile(f, limit)
	}
}

// exerciseFile calls the accessors that only a file has.
func exerciseFile(f *File, limit int) {
	_ = f.CheckLoad(4096)
	_ = f.CheckMachine(EM_X86_64)
	sections, err := f.Sections()
	if err != nil {
		return
	}
	for i := range sections {
		_, _ = f.SectionData(&sections[i])
		_ = sections[i].Type.String() + sections[i].Flags.String()
	}
	symtab, err := f.SymtabSymbols()
	if err != nil {
		return
	}
	n := 0
	for _, s := range symtab.All() {
		if n++; n > limit {
			break
		}
		_ = symtab.Name(s)
		f.FindSymtabSymbol(s.Value)
	}
}

// firstDiff returns the first line in which a and b differ.
func firstDiff(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return "lengths differ"
}
