package link_test

import (
	"strings"
	"testing"

	"weld/image/elf"
	"weld/internal/testenv"
)

// TestPackedRelocations compares packed relative relocations with those that are not packed, and with GNU ld's and lld's: each word
// is relocated once, and what does not fit stays in .rela.dyn.
func TestPackedRelocations(t *testing.T) {
	d := testenv.NewDir(t)
	src := "extern int imported; int *sym = &imported; static int here;\nint *table[300] = {"
	for i := range 300 {
		if i%7 == 3 || i > 200 && i < 280 {
			src += "0,"
		} else {
			src += "&here,"
		}
	}
	src += "};\nstruct __attribute__((packed)) odd { char c; int *p; };\nstruct odd __attribute__((section(\".data.odd\"))) odd = {1, &here};\nint *more = &here;\n"
	obj := d.Object("table.o", d.Write("table.c", src+"int imported;\n"), "-fPIC")
	type table struct {
		relative map[uint64]bool
		packed   int
		other    int
		needs    bool
	}
	read := func(path string) table {
		f := openELF(t, path)
		tab := table{relative: map[uint64]bool{}}
		r := f.Rela()
		for i := range r.Len() {
			if x := r.At(i); elf.R_X86_64(x.Type) == elf.R_X86_64_RELATIVE {
				tab.relative[x.Off] = true
			} else {
				tab.other++
			}
		}
		for addr := range f.Relr().All() {
			if tab.relative[addr] {
				t.Errorf("%s: %#x is relocated twice", path, addr)
			}
			tab.relative[addr] = true
			tab.packed++
		}
		tab.needs = strings.Contains(tool(t, d.Path, "readelf", "-V", path), "GLIBC_ABI_DT_RELR")
		return tab
	}
	weld := weldDir(t)
	build := func(name string, args ...string) table {
		tool(t, d.Path, "gcc", append([]string{"-shared", "-o", name, obj}, args...)...)
		return read(d.Join(name))
	}
	plain := build("plain.so", "-B", weld)
	packed := build("packed.so", "-B", weld, "-Wl,-z,pack-relative-relocs")
	gnu := build("gnu.so", "-Wl,-z,pack-relative-relocs")
	if len(packed.relative) != len(plain.relative) || packed.other != plain.other || len(packed.relative) != len(gnu.relative) {
		t.Errorf("%d relative and %d other relocations, unpacked %d and %d, GNU ld %d", len(packed.relative), packed.other, len(plain.relative), plain.other, len(gnu.relative))
	}
	if plain.packed != 0 || packed.packed != len(packed.relative)-1 {
		t.Errorf("%d of %d are packed, and %d without the option", packed.packed, len(packed.relative), plain.packed)
	}
	for _, args := range [][]string{{"-Wl,-z,pack-relative-relocs"}, {"-Wl,--pack-dyn-relocs=relr"}, {"-Wl,--pack-dyn-relocs=relr", "-Wl,--pack-dyn-relocs=none"}} {
		uses := d.Write("uses.c", "#include <stdlib.h>\nint v, *p = &v; void *m(void) { return malloc(1); }\n")
		tool(t, d.Path, "gcc", append([]string{"-shared", "-fPIC", uses, "-o", "uses.so", "-B", weld}, args...)...)
		got := read(d.Join("uses.so"))
		if want := len(args) == 1; (got.packed > 0) != want || got.needs != (want && strings.Contains(args[0], "-z")) {
			t.Errorf("%q: %d packed, GLIBC_ABI_DT_RELR %t", args, got.packed, got.needs)
		}
	}
}
