package link_test

import (
	"os"
	"path/filepath"
	"testing"

	"weld/internal/testenv"
	"weld/link"
)

// fuzzSeeds returns small files of the kinds that are linked.
func fuzzSeeds(f *testing.F) (objs [][]byte, archive []byte) {
	d := testenv.NewDir(f)
	for i, src := range []string{
		"__thread int t; static __thread int u; const char *s = \"string\"; int f(void) { return t + u + s[0]; }",
		"int common; int f(void); int (*p)(void) = f; __attribute__((constructor)) void c(void) { p(); }",
		"static int i(void) { return 1; } static void *r(void) { return i; } int g(void) __attribute__((ifunc(\"r\"))); int main(void) { return g(); }",
	} {
		name := string(rune('a' + i))
		d.Write(name+".c", src)
		objs = append(objs, read(f, d.Object(name+".o", d.Join(name+".c"), "-fcommon", "-fPIC", "-g0")))
	}
	objs = append(objs, read(f, d.Object("e.o", d.Write("e.cc", "template <class T> T t(T v) { if (v) throw v; return v; } int h(int v) { try { return t(v); } catch (int w) { return w; } }"), "-g0")))
	tool(f, d.Path, "ar", "rcs", "x.a", "a.o", "b.o")
	return objs, read(f, d.Join("x.a"))
}

func fuzzLink(t *testing.T, inputs ...link.Input) {
	for _, opt := range []link.Options{
		{Mode: link.Shared, EhFrameHdr: true, BuildID: link.BuildIDSHA1, PackRelative: true},
		{Mode: link.PIE, EhFrameHdr: true, Unresolved: link.UnresolvedIgnore, GCSections: true, ICF: link.ICFAll, Compress: link.CompressZstd, Undefined: []string{"f", "main"}},
		{Mode: link.Exec, Unresolved: link.UnresolvedIgnore},
		{Mode: link.Relocatable},
	} {
		opt.Inputs, opt.Threads, opt.MaxOutput = inputs, 1, 4<<20
		opt.Map = func([]byte) {}
		if res, err := link.Link(t.Context(), opt); err == nil && int64(len(res.Data)) != res.Size {
			t.Errorf("an output of %d bytes says it has %d", len(res.Data), res.Size)
		}
	}
}

func FuzzObject(f *testing.F) {
	objs, _ := fuzzSeeds(f)
	other := map[byte][]byte{} // by machine
	add := func(objs [][]byte) {
		for _, o := range objs {
			f.Add(o)
		}
		other[objs[1][18]] = objs[1]
	}
	add(objs)
	for _, objs := range crossObjects(f, testenv.NewDir(f)) {
		add(objs)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tooBig(data) {
			return
		}
		inputs := []link.Input{{Data: data, Name: "fuzz"}}
		if len(data) > 18 && other[data[18]] != nil {
			inputs = append(inputs, link.Input{Data: other[data[18]], Name: "other"})
		}
		fuzzLink(t, inputs...)
	})
}

func FuzzArchive(f *testing.F) {
	objs, archive := fuzzSeeds(f)
	f.Add(archive)
	f.Fuzz(func(t *testing.T, data []byte) {
		if tooBig(data) {
			return
		}
		fuzzLink(t, link.Input{Data: data, Name: "fuzz"}, link.Input{Data: data, Name: "whole", WholeArchive: true}, link.Input{Data: objs[2], Name: "other"})
	})
}

// tooBig reports whether an input takes longer than it is worth.
func tooBig(data []byte) bool { return len(data) > 1<<16 }

func FuzzScript(f *testing.F) {
	for _, s := range []string{
		"/* GNU ld script */ OUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 libc_nonshared.a AS_NEEDED ( -lld ) )",
		"INPUT(a.o \"b c.o\") SEARCH_DIR(/x); ENTRY(main) EXTERN(a b)", "GROUP ( AS_NEEDED ( AS_NEEDED ( x ) ) )",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o666); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		link.Link(t.Context(), link.Options{Inputs: []link.Input{{Data: []byte(s), Name: "script"}}, FS: os.DirFS(dir), Threads: 1})
	})
}

func FuzzVersionScript(f *testing.F) {
	for _, s := range []string{
		"V1 { global: f; g*; extern \"C++\" { ns::*; \"f(int)\" }; local: *; }; V2 { h; } V1;", "{ global: a; local: *; };", "VERSION { X { *; }; }", "{ [a-z]?; };",
	} {
		f.Add(s)
	}
	objs, _ := fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, s string) {
		text := []link.Text{{Name: "script", Data: []byte(s)}}
		inputs := []link.Input{{Data: objs[0], Name: "a"}, {Data: objs[1], Name: "b"}}
		link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared, VersionScripts: text, Threads: 1})
		link.Link(t.Context(), link.Options{Inputs: inputs, Mode: link.Shared, DynamicLists: text, Threads: 1})
	})
}
