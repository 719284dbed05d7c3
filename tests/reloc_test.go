package tests

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"weld"
	"weld/image/elf"
	"weld/internal/testenv"
)

// retype gives each relocation whose place has a label such as R_X86_64_PC32.1
// the type that the label names: link editors refuse to make such relocations.
// It returns the places by label.
func retype(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	types := map[string]uint32{}
	for i := range uint32(43) {
		types[stdelf.R_X86_64(i).String()] = i
	}
	f, err := stdelf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rela := f.Section(".rela.dyn")
	places := map[string]uint64{}
	for _, s := range symbols {
		name, _, _ := strings.Cut(s.Name, ".")
		if !strings.HasPrefix(name, "R_X86_64_") {
			continue
		}
		typ, ok := types[name]
		for at := rela.Offset; at < rela.Offset+rela.Size; at += 24 {
			if binary.LittleEndian.Uint64(data[at:]) == s.Value {
				binary.LittleEndian.PutUint32(data[at+8:], typ)
				places[s.Name] = s.Value
			}
		}
		if _, found := places[s.Name]; !ok || !found {
			t.Fatalf("%s: no relocation at the place %s, or no such type", path, s.Name)
		}
	}
	if len(places) == 0 {
		t.Fatalf("%s: no place is labelled with a type", path)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return places
}

// Relocations of 32 bits and sizes, in text and in data: against an own symbol, one of another object, an absolute and a weak one.
func TestRelocationsOfPlaces(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libnear.so", "near.s")
	d.Shared("libother.so", d.Write("other.c", "int own(void) { return 70; }\nint near(void) { return 90; }\n"))
	places := retype(t, d.Shared("libplaces.so", "places.s", "-Wl,-z,notext", "-L.", "-lnear"))
	if len(places) != 8 {
		t.Errorf("%d places, want 8", len(places))
	}
	const use = `
int p value_of_small
int p value_of_absent
int p size_of_small
int p call_own
int p call_near
int p call_local
int p size_of_far
int p read_data
perm p own
perm p far
close p
`
	for _, mode := range []string{"now", "lazy"} {
		out := runScript(t, d, "open p libplaces.so "+mode+use)
		for _, want := range []string{"value_of_small: 4661", "value_of_absent: 5", "size_of_small: 42", "call_own: 7", "call_near: 9",
			"call_local: 4661", "size_of_far: 11", "read_data: 11", "perm p own: r-xp", "perm p far: rw-p"} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("%s: %q is not in the output\n%s", mode, want, out)
			}
		}
	}
	// What is in the global scope comes first, for these types too.
	out := runScript(t, d, "open o libother.so now,global\nopen p libplaces.so now"+use)
	for _, want := range []string{"call_own: 70", "call_near: 90"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("interposed: %q is not in the output\n%s", want, out)
		}
	}
}

// ld.so knows R_X86_64_PC64 only where addresses are of 32 bits.
func TestRelocationPC64(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("libnear.so", "near.s")
	path := d.Shared("libpc64.so", d.Write("pc64.s", `
	.macro read name, symbol, label
	.globl \name
	.type \name, @function
\name:	leaq 1f(%rip), %rax
	addq 1f(%rip), %rax
	ret
	.balign 8
1:
R_X86_64_PC64.\label:
	.reloc ., R_X86_64_64, \symbol
	.quad 0
	.endm
	.text
	read own, datum+4, 1
	read absolute, small-1, 2
	read weak, absent+3, 3
	.weak absent
	.data
	.globl datum
datum:	.quad 0
	.section .note.GNU-stack, "", @progbits
`), "-Wl,-z,notext", "-lnear", "-Wl,-rpath,$ORIGIN")
	if places := retype(t, path); len(places) != 3 {
		t.Errorf("%d places, want 3", len(places))
	}
	lib := open(t, path, weld.Now)
	datum, err := lib.Lookup("datum")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uintptr{"own": datum.Addr + 4, "absolute": 0x1233, "weak": 3} {
		if got := bind[func() uintptr](t, lib, name)(); got != want {
			t.Errorf("%s is %#x, want %#x", name, got, want)
		}
	}
}

// A value that does not fit is an error that names the place; ld.so writes what is left of it.
func TestRelocationOverflow(t *testing.T) {
	d := testenv.NewDir(t)
	open(t, "libc.so.6")
	d.Shared("libabs.so", d.Write("abs.s", `
	.globl small, half, whole, negative, huge
	.type huge, @object
	.size huge, 0x100000000
	small = 0x1234
	half = 0x80000000
	whole = 0x100000000
	negative = -0x80000000
	huge = 1
	.section .note.GNU-stack, "", @progbits
`))
	for i, c := range []struct {
		typ, value, symbol string
		reason             string // "" if it fits
	}{
		{"32", "own", "own", "does not fit: 0x"},
		{"32S", "own", "own", "does not fit: 0x"},
		{"32", "half", "half", ""},
		{"32", "half+0x7fffffff", "half", ""},
		{"32", "whole-1", "whole", ""},
		{"32", "whole", "whole", "does not fit: 0x100000000"},
		{"32", "small-0x1235", "small", "does not fit: -0x1"},
		{"32", "negative", "negative", "does not fit: -0x80000000"},
		{"32S", "small", "small", ""},
		{"32S", "negative", "negative", ""},
		{"32S", "negative-1", "negative", "does not fit: -0x80000001"},
		{"32S", "half-1", "half", ""},
		{"32S", "half", "half", "does not fit: 0x80000000"},
		{"PC32", "small", "small", "does not fit"},
		{"PC32", "absent", "absent", "does not fit"},
		{"PC32", "own+0x7fff0000", "own", ""},
		{"PC32", "own+0x80010000", "own", "does not fit"},
		{"SIZE32", "huge-1", "huge", ""},
		{"SIZE32", "huge", "huge", "does not fit: 0x100000000"},
		{"SIZE32", "small-1", "small", "does not fit: -0x1"},
		{"PC16", "own", "own", "not supported"},
		{"8", "small", "small", "not supported"},
		{"GOTPCREL", "own", "own", "not supported"},
	} {
		for _, section := range []string{".text", ".data"} {
			name := fmt.Sprintf("%s in %s of %s", c.typ, section, c.value)
			src := d.Write(fmt.Sprintf("overflow%d%s.s", i, section), fmt.Sprintf(`
	.weak absent
	.text
	.globl own
	.type own, @function
own:	ret
	.section %s
	.balign 4
	.globl place
place:
R_X86_64_%s.1:
	.reloc ., R_X86_64_64, %s
	.long 0
	.long 0x55555555
	.section .note.GNU-stack, "", @progbits
`, section, c.typ, c.value))
			path := d.Shared(fmt.Sprintf("liboverflow%d%s.so", i, section), src, "-Wl,-z,notext", "-labs", "-Wl,-rpath,$ORIGIN")
			off := retype(t, path)["R_X86_64_"+c.typ+".1"]
			if c.reason == "" {
				lib := open(t, path, weld.Now)
				sym, err := lib.Lookup("place")
				if err != nil {
					t.Fatal(err)
				}
				if after := *(*uint32)(pointer(sym.Addr + 4)); after != 0x55555555 {
					t.Errorf("%s: the four bytes after the place became %#x", name, after)
				}
				continue
			}
			err := refuse(t, path, []string{path, "R_X86_64_" + c.typ, fmt.Sprintf("%#x", off), "against " + c.symbol, c.reason}, weld.Now)
			var reloc *weld.RelocError
			if !errors.As(err, &reloc) {
				t.Errorf("%s: no RelocError but %T: %v", name, err, err)
				continue
			}
			if reloc.Library != path || reloc.Offset != off || reloc.Type.String() != "R_X86_64_"+c.typ || reloc.Symbol != c.symbol {
				t.Errorf("%s: the error says %+v", name, *reloc)
			}
		}
	}
}

// edit changes a compiled file in place.
func edit(t *testing.T, path string, change func(f *stdelf.File, data []byte)) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := stdelf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	change(f, data)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// dynamics calls do for each entry of the dynamic section: its tag and its value.
func dynamics(f *stdelf.File, data []byte, do func(tag, value []byte)) {
	s := f.Section(".dynamic")
	for at := s.Offset; at < s.Offset+s.Size; at += 16 {
		do(data[at:at+8], data[at+8:at+16])
	}
}

// Tables that are there alone, or not at all.
func TestRelocationTables(t *testing.T) {
	d := testenv.NewDir(t)
	bare := []string{"-nostdlib", "-Wl,--hash-style=gnu", "-fno-asynchronous-unwind-tables"}
	shared := func(name, src string, flags ...string) string {
		return d.Shared(name, append(append([]string{d.Write(name+".c", src)}, bare...), flags...)...)
	}
	const words = "static int c[3] = {1, 2, 3}; static int *volatile v[100] = {&c[0], &c[1], 0, &c[2], [70] = &c[1], [99] = &c[2]};\n" +
		"int f(void) { int n = 0; for (int i = 0; i < 100; i++) if (v[i]) n = 10 * n + *v[i]; return n; }\n"
	none := shared("libnone.so", "int f(void) { return 3; }\n")
	relr := shared("librelr.so", words, "-Wl,-z,pack-relative-relocs")
	rela := shared("librela.so", words)
	jmprel := shared("libjmprel.so", "int g(void); int f(void) { return g() + 1; }\nint g(void) { return 4; }\n", "-Wl,-z,lazy", "-fplt")
	for path, want := range map[string]string{none: "", relr: "DT_RELR", rela: "DT_RELA", jmprel: "DT_JMPREL"} {
		f, err := stdelf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for tag, name := range map[stdelf.DynTag]string{stdelf.DT_RELASZ: "DT_RELA", stdelf.DT_PLTRELSZ: "DT_JMPREL", 35: "DT_RELR"} {
			v, err := f.DynValue(tag)
			if err != nil {
				t.Fatal(err)
			}
			if size := append(v, 0)[0]; size != 0 != (name == want) {
				t.Errorf("%s: %s is of %d bytes, and %q was to be alone", path, name, size, want)
			}
		}
		f.Close()
	}
	for _, mode := range []string{"now", "lazy"} {
		out := runScript(t, d, strings.ReplaceAll(`
open n libnone.so MODE
int n f
open r librelr.so MODE
int r f
open a librela.so MODE
int a f
open j libjmprel.so MODE
int j f
`, "MODE", mode))
		for _, want := range []string{"int n f: 3", "int r f: 12323", "int a f: 12323", "int j f: 5"} {
			if !strings.Contains(out, want+"\n") {
				t.Errorf("%s: %q is not in the output\n%s", mode, want, out)
			}
		}
	}

	// DT_RELR that writes to what is not writable.
	open(t, "libc.so.6")
	bad := edit(t, relr, func(f *stdelf.File, data []byte) {
		binary.LittleEndian.PutUint64(data[f.Section(".relr.dyn").Offset:], f.Section(".text").Addr)
	})
	var reloc *weld.RelocError
	if err := refuse(t, bad, []string{bad, "R_X86_64_RELATIVE", "writable"}); !errors.As(err, &reloc) {
		t.Errorf("DT_RELR that names the text: %T %v", err, err)
	}
	// Relocations without addends: the psABI has none.
	rel := edit(t, rela, func(f *stdelf.File, data []byte) {
		dynamics(f, data, func(tag, value []byte) {
			switch stdelf.DynTag(binary.LittleEndian.Uint64(tag)) {
			case stdelf.DT_RELA:
				binary.LittleEndian.PutUint64(tag, uint64(stdelf.DT_REL))
			case stdelf.DT_RELASZ:
				binary.LittleEndian.PutUint64(tag, uint64(stdelf.DT_RELSZ))
				binary.LittleEndian.PutUint64(value, 48)
			case stdelf.DT_RELAENT:
				binary.LittleEndian.PutUint64(tag, uint64(stdelf.DT_RELENT))
				binary.LittleEndian.PutUint64(value, 16)
			case 0x6ffffff9: // DT_RELACOUNT
				binary.LittleEndian.PutUint64(tag, uint64(stdelf.DT_DEBUG))
			}
		})
	})
	err := refuse(t, rel, []string{rel, "DT_REL"})
	checkError[*elf.FormatError](t, rel, err, weld.ErrUnsupported)
}
