package elf

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSource scrambles all of an image but what Source names: what is read from it must be the same.
func TestSource(t *testing.T) {
	read := func(f *File, mem []byte, start uint64) *File {
		t.Helper()
		if err := f.Attach(mem, LoadedOptions{Start: start, InFile: true}); err != nil {
			t.Fatal(err)
		}
		return f
	}
	// What is not from tables differs: the unwind data, bytes at addresses.
	tables := func(f *File) string {
		s := describe(f, 50)
		return s[:strings.LastIndex(s, "\n{Version:")]
	}
	check := func(name string, data []byte) bool {
		file, err := New(name, data)
		if err != nil {
			t.Fatal(err)
		}
		mem, opt := loadImage(file, 0)
		head, err := ReadHead(name, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		f := read(head, bytes.Clone(mem), opt.Start)
		first, dynamic, ok := f.Source()
		if !ok {
			return false
		}
		for i := range mem {
			a := opt.Start + uint64(i)
			if a-first.Addr >= first.Size && a-dynamic.Addr >= dynamic.Size {
				mem[i] ^= 0xa5
			}
		}
		g := read(f.Head(), mem, opt.Start)
		if a, b := tables(f), tables(g); a != b {
			t.Errorf("%s: read from %#x and %#x, but the rest counts too:\n%s", name, first, dynamic, firstDiff(a, b))
		}
		if f.Stack == nil != (g.Stack == nil) || f.Name != g.Name {
			t.Errorf("%s: other headers: %+v, %+v", name, f.Stack, g.Stack)
		}
		return true
	}
	for _, style := range []string{"gnu", "sysv", "both"} {
		for _, flag := range []string{"-Wl,-z,separate-code", "-Wl,-z,noseparate-code", "-Wl,-z,pack-relative-relocs"} {
			if !check(style+flag, fixture(t, "-Wl,--hash-style="+style, flag)) {
				t.Errorf("%s %s: not known", style, flag)
			}
		}
	}
	known, all := 0, 0
	for _, lib := range systemLibs(t, 60, 300<<10) {
		data, err := os.ReadFile(lib)
		if err != nil {
			t.Fatal(err)
		}
		if all++; check(lib, data) {
			known++
		}
	}
	if known*10 < all*9 {
		t.Errorf("known of %d libraries of %d only", known, all)
	}

	// Tables that lie elsewhere, or where they may be changed, are not named.
	data := fixture(t)
	f := mustNew(t, data)
	if _, _, ok := f.Source(); ok {
		t.Error("the source of a file that is not loaded")
	}
	mem, opt := loadImage(f, 0)
	for _, change := range []func(f *File){
		func(f *File) { f.Dynamic.Rela.Addr = f.Dynamic.Addr },
		func(f *File) { f.verEnd = 1 << 62 },
		func(f *File) { f.Progs[0].Flags |= PF_W },
		func(f *File) { f.Phoff = 1 << 62 },
		func(f *File) { f.HasDynamic = false },
	} {
		g, err := NewLoaded("fix", mem, f.Progs, opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := g.Source(); !ok {
			t.Fatal("not known")
		}
		change(g)
		if h, d, ok := g.Source(); ok {
			t.Errorf("known: %#x, %#x", h, d)
		}
	}
}
