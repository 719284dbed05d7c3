package tests

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"weld"
	"weld/image/elf"
	"weld/internal/testenv"
)

// holdings is what a failed open must leave as it was.
type holdings struct {
	files []string // mapped files, one entry for each mapping
	fds   int
	libs  int
}

func hold(t *testing.T) holdings {
	t.Helper()
	var h holdings
	for _, m := range testenv.Maps(t) {
		if m.Inode != 0 {
			h.files = append(h.files, m.Path)
		}
	}
	slices.Sort(h.files)
	h.fds, h.libs = testenv.FDs(t), len(weld.Libraries())
	return h
}

func (h holdings) same(t *testing.T, what string) {
	t.Helper()
	now := hold(t)
	if !slices.Equal(h.files, now.files) {
		t.Errorf("%s: mapped files changed from\n%s\nto\n%s", what, strings.Join(h.files, "\n"), strings.Join(now.files, "\n"))
	}
	if h.fds != now.fds || h.libs != now.libs {
		t.Errorf("%s: %d open files and %d libraries became %d and %d", what, h.fds, h.libs, now.fds, now.libs)
	}
}

// refuse opens what must be refused, checks that the message contains the words
// and that nothing is left, and returns the error.
func refuse(t *testing.T, name string, words []string, opts ...weld.Option) error {
	t.Helper()
	before := hold(t)
	lib, err := weld.Open(name, opts...)
	if err == nil {
		lib.Close()
		t.Errorf("%s was opened", name)
		return nil
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error for %s does not contain %q: %v", name, w, err)
		}
	}
	before.same(t, name)
	return err
}

func TestRefuseNotALibrary(t *testing.T) {
	d := testenv.NewDir(t)
	open(t, "libc.so.6") // what it brings does not count
	program := d.Program("program", d.Write("main.c", "int main(void) { return 0; }\n"), "-no-pie", "-fno-pie")
	pie := d.Program("pie", d.Write("main.c", "int main(void) { return 0; }\n"), "-pie", "-fPIE")
	object := d.Object("object.o", "place.c", `-DPLACE="x"`)
	archive := d.Write("archive.so", "!<arch>\n")
	script := d.Write("libscript.so", "/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 AS_NEEDED ( libm.so.6 ) )\n")
	text := d.Write("libtext.so", "This is no library.\n")
	empty := d.Write("libempty.so", "")
	short := d.Write("libshort.so", "\x7fELF")
	fifo := d.Join("libfifo.so")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		kind error
		word string
	}{
		{program, elf.ErrType, "ET_EXEC"},
		{pie, nil, "executable"},
		{object, elf.ErrType, "ET_REL"},
		{archive, elf.ErrNotELF, "archive"},
		{script, elf.ErrLinkerScript, "linker script"},
		{text, elf.ErrNotELF, "not an ELF file"},
		{empty, elf.ErrNotELF, "empty"},
		{short, nil, ""},
		{fifo, elf.ErrNotRegular, "regular"},
		{d.Path, elf.ErrNotRegular, ""},
		{"/dev/zero", elf.ErrNotRegular, "regular"},
		{"/proc/self/mem", nil, ""},
	} {
		err := refuse(t, c.path, []string{c.path, c.word})
		checkError[*weld.OpenError](t, c.path, err, c.kind)
	}
}

// checkError checks that an error, if there is one, has type E, and is kind unless that is nil.
func checkError[E error](t *testing.T, name string, err, kind error) {
	t.Helper()
	var typed E
	if err != nil && !errors.As(err, &typed) {
		t.Errorf("%s: no %T but %T: %v", name, typed, err, err)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%s: the error is not %q: %v", name, kind, err)
	}
}

func TestRefuseForeignHeader(t *testing.T) {
	d := testenv.NewDir(t)
	good := d.Shared("libgood.so", "place.c", `-DPLACE="x"`)
	open(t, "libc.so.6")
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		off  int
		put  []byte
		kind error
		word string
	}{
		{"libmachine.so", 18, []byte{183, 0}, elf.ErrMachine, "EM_AARCH64"},
		{"libclass.so", 4, []byte{1}, elf.ErrClass, "ELFCLASS32"},
		{"liborder.so", 5, []byte{2}, elf.ErrByteOrder, ""},
		{"libcore.so", 16, []byte{4, 0}, elf.ErrType, "ET_CORE"},
		{"libversion.so", 6, []byte{9}, nil, "version"},
		{"libphentsize.so", 54, []byte{1, 0}, nil, ""},
		{"libphnum.so", 56, []byte{0, 0}, nil, ""},
		{"libphoff.so", 32, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nil, ""},
	} {
		bad := slices.Clone(data)
		copy(bad[c.off:], c.put)
		path := d.Write(c.name, string(bad))
		err := refuse(t, path, []string{path, c.word})
		checkError[*elf.FormatError](t, c.name, err, c.kind)
	}
}

// Segments that overlap, wrap around, lie outside the file or are of 16 EB.
func TestRefuseSegments(t *testing.T) {
	d := testenv.NewDir(t)
	good := d.Shared("libgood.so", "place.c", `-DPLACE="x"`)
	open(t, "libc.so.6")
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	var loads []int // file offsets of the PT_LOAD headers
	phoff, phnum := binary.LittleEndian.Uint64(data[32:]), binary.LittleEndian.Uint16(data[56:])
	for i := range int(phnum) {
		at := int(phoff) + 56*i
		if binary.LittleEndian.Uint32(data[at:]) == 1 {
			loads = append(loads, at)
		}
	}
	if len(loads) < 3 {
		t.Fatalf("%d PT_LOAD segments in the fixture, want at least 3", len(loads))
	}
	const offset, vaddr, filesz, memsz, align = 8, 16, 32, 40, 48
	put := func(segment, field int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[loads[segment]+field:], v) }
	}
	for name, edits := range map[string][]func([]byte){
		"overlap":         {put(1, vaddr, 0), put(1, offset, 0)},
		"descending":      {put(2, vaddr, 0)},
		"vaddr overflow":  {put(2, vaddr, ^uint64(0)&^0xfff)},
		"memsz 16 EB":     {put(2, memsz, ^uint64(0))},
		"filesz 16 EB":    {put(2, filesz, ^uint64(0)), put(2, memsz, ^uint64(0))},
		"memsz 8 EB":      {put(len(loads)-1, memsz, 1<<63)},
		"memsz 1 PB":      {put(len(loads)-1, memsz, 1<<50)},
		"filesz > memsz":  {put(1, memsz, 1)},
		"offset past end": {put(1, offset, 1<<40)},
		"offset overflow": {put(1, offset, ^uint64(0)&^0xfff)},
		"not congruent":   {put(1, offset, 0x10)},
		"align not power": {put(1, align, 0x1001)},
		"align 16 EB":     {put(0, align, 1<<63)},
	} {
		bad := slices.Clone(data)
		for _, e := range edits {
			e(bad)
		}
		path := d.Write("lib"+strings.ReplaceAll(name, " ", "_")+".so", string(bad))
		err := refuse(t, path, []string{path})
		var format *elf.FormatError
		if err != nil && !errors.As(err, &format) {
			t.Errorf("%s: no FormatError but %T: %v", name, err, err)
		}
	}
}

func TestRefuseMissingDependency(t *testing.T) {
	d := testenv.NewDir(t)
	open(t, "libc.so.6")
	d.Shared("libgone.so", "place.c", `-DPLACE="x"`)
	d.Shared("libmiddle.so", "place_user.c", "-lgone")
	top := d.Shared("libtop.so", d.Write("top.c", "const char *user_place(void); const char *top(void) { return user_place(); }\n"),
		"-lmiddle", "-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags")
	if err := os.Remove(d.Join("libgone.so")); err != nil {
		t.Fatal(err)
	}
	err := refuse(t, top, []string{"libgone.so", "libmiddle.so", d.Path})
	var missing *weld.OpenError
	if !errors.As(err, &missing) {
		t.Fatalf("no OpenError but %T: %v", err, err)
	}
	if missing.Name != "libgone.so" || !strings.Contains(missing.NeededBy, "libmiddle.so") || !slices.Contains(missing.Tried, d.Join("libgone.so")) {
		t.Errorf("the error says Name %q, NeededBy %q, Tried %q", missing.Name, missing.NeededBy, missing.Tried)
	}
	if !errors.Is(err, weld.ErrNotFound) {
		t.Errorf("the error is not ErrNotFound: %v", err)
	}
	err = refuse(t, "libweld_no_such.so", []string{"libweld_no_such.so"})
	if !errors.As(err, &missing) || len(missing.Tried) == 0 || !errors.Is(err, weld.ErrNotFound) {
		t.Errorf("a missing soname gives %v", err)
	}
}

func TestRefuseMissingSymbols(t *testing.T) {
	d := testenv.NewDir(t)
	open(t, "libc.so.6")
	lib := d.Shared("libwants.so", d.Write("wants.c", `
#include <stdio.h>
int absent_one(void); int absent_two(void); extern int absent_data; extern __thread int absent_thread_local;
__attribute__((weak)) int absent_weak(void);
__attribute__((constructor)) static void never(void) { fputs("a refused library ran\n", stderr); _Exit(70); }
int call(void) { return absent_one() + absent_two() + (absent_weak ? absent_weak() : 0); }
int data(void) { return absent_data; }
int local(void) { return absent_thread_local; }
`))
	err := refuse(t, lib, []string{lib, "absent_one", "absent_two", "absent_data", "absent_thread_local"}, weld.Now)
	var undefined *weld.UndefinedError
	if !errors.As(err, &undefined) {
		t.Fatalf("no UndefinedError but %T: %v", err, err)
	}
	if len(undefined.Symbols) != 4 {
		t.Errorf("%d undefined symbols are listed, want 4: %v", len(undefined.Symbols), undefined.Symbols)
	}
	// With lazy binding only the data has to be there.
	err = refuse(t, lib, []string{"absent_data"}, weld.Lazy)
	if err != nil && (strings.Contains(err.Error(), "absent_one") || strings.Contains(err.Error(), "absent_weak")) {
		t.Errorf("lazy binding misses functions at once: %v", err)
	}
}

func TestLookupErrors(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libgood.so", "version.c", "-DNEW", "-Wl,--version-script,"+testdata(t, "version2.map"))
	lib, err := weld.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var sym *weld.SymbolError
	if _, err := lib.Lookup("no_such"); !errors.As(err, &sym) || sym.Name != "no_such" || !strings.Contains(sym.Library, "libgood.so") {
		t.Errorf("Lookup of a missing symbol: %v", err)
	}
	if _, err := lib.LookupVersion("f", "V9"); !errors.As(err, &sym) || sym.Version != "V9" {
		t.Errorf("LookupVersion of a missing version: %v", err)
	}
	if err := lib.Close(); err != nil {
		t.Error(err)
	}
	if _, err := lib.Lookup("f"); !errors.Is(err, weld.ErrClosed) {
		t.Errorf("Lookup after Close: %v", err)
	}
	if err := lib.Close(); !errors.Is(err, weld.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}
