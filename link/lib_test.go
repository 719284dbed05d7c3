package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/link"
)

// freestanding is a program that needs no library: it exits with the value of the variable status.
const freestanding = `
	.globl _start
_start:	mov status(%rip), %edi
	mov $60, %eax
	syscall
	.section .note.GNU-stack,"",@progbits
`

// assemble makes an object of assembly source.
func assemble(t testing.TB, d *testenv.Dir, name, source string) string {
	t.Helper()
	return d.Object(name+".o", d.Write(name+".s", source))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// runProgram writes an executable and runs it.
func runProgram(t testing.TB, d *testenv.Dir, data []byte) testenv.Result {
	t.Helper()
	path := d.Join("in-memory")
	os.Remove(path)
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return testenv.Run(t, exec.Command(path), testenv.Patience)
}

// TestInMemory links readers, memory and files of an fs.FS to memory.
func TestInMemory(t *testing.T) {
	d := testenv.NewDir(t)
	start := read(t, assemble(t, d, "start", freestanding))
	status := read(t, assemble(t, d, "status", "\t.data\n\t.globl status\nstatus:\t.long 42\n\t.section .note.GNU-stack,\"\",@progbits\n"))
	for name, opt := range map[string]link.Options{
		"memory": {Inputs: []link.Input{{Data: start, Name: "start"}, {Data: status, Name: "status"}}},
		"reader": {Inputs: []link.Input{{Reader: bytes.NewReader(start), Size: int64(len(start)), Name: "start"}, {Data: status, Name: "status"}}},
		"fs": {
			Inputs:      []link.Input{{Path: "a/start.o"}, {Library: "status"}},
			LibraryPath: []string{"lib"},
			FS: fstest.MapFS{
				"a/start.o":       {Data: start},
				"lib/status.o":    {Data: status},
				"lib/libstatus.a": {Data: []byte("INPUT(status.o)")},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := link.Link(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := runProgram(t, d, res.Data); got.Code != 42 {
				t.Errorf("the program ended with %s, wanted exit status 42", got)
			}
			if res.Size != int64(len(res.Data)) || res.Entry == 0 || len(res.Files) != 2 || len(res.Sections) == 0 || len(res.Phases) == 0 {
				t.Errorf("Result: size %d, entry %#x, files %q, %d sections, %d phases", res.Size, res.Entry, res.Files, len(res.Sections), len(res.Phases))
			}
		})
	}
}

// linkLine returns the inputs and the library path of what gcc would link.
func linkLine(t testing.TB, d *testenv.Dir, cc string, args ...string) (inputs []link.Input, path []string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nfor a in \"$@\"; do echo \"$a\"; done > " + dir + "/args\n"
	if err := os.WriteFile(filepath.Join(dir, "ld"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, d.Path, cc, append([]string{"-B", dir}, args...)...)
	for a := range strings.SplitSeq(strings.TrimSpace(string(read(t, dir+"/args"))), "\n") {
		switch {
		case strings.HasPrefix(a, "-L"):
			path = append(path, a[2:])
		case strings.HasPrefix(a, "-l"):
			inputs = append(inputs, link.Input{Library: a[2:], AsNeeded: true})
		case strings.HasSuffix(a, ".o"):
			if !filepath.IsAbs(a) {
				a = d.Join(a)
			}
			inputs = append(inputs, link.Input{Path: a})
		}
	}
	return inputs, path
}

// TestDeterministic links the same inputs with different numbers of threads, several at once.
func TestDeterministic(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("cxx.o", "cxx.cc")
	d.Object("cxx_other.o", "cxx_other.cc")
	for _, static := range []bool{true, false} {
		flags := []string{"cxx.o", "cxx_other.o"}
		if static {
			flags = append(flags, "-static")
		}
		inputs, path := linkLine(t, d, "g++", flags...)
		opt := link.Options{Inputs: inputs, LibraryPath: path, Static: static, EhFrameHdr: true, BuildID: link.BuildIDSHA1}
		if !static {
			opt.Mode, opt.Interpreter = link.PIE, "/lib64/ld-linux-x86-64.so.2"
		}
		var wg sync.WaitGroup
		results := make([][]byte, 4)
		for i := range results {
			wg.Go(func() {
				opt := opt
				opt.Threads = 1 + i*3
				res, err := link.Link(t.Context(), opt)
				if err != nil {
					t.Error(err)
					return
				}
				results[i] = res.Data
			})
		}
		wg.Wait()
		for i, r := range results {
			if !bytes.Equal(r, results[0]) {
				t.Errorf("static %t: the output with %d threads differs from that with one", static, 1+i*3)
			}
		}
		if got := runProgram(t, d, results[0]); got.Code != 7 {
			t.Errorf("static %t: %s\n%s", static, got, got.Stderr)
		}
	}
}

// TestCancel ends links before they begin and while they run.
func TestCancel(t *testing.T) {
	d := testenv.NewDir(t)
	d.Object("cxx.o", "cxx.cc")
	d.Object("cxx_other.o", "cxx_other.cc")
	inputs, path := linkLine(t, d, "g++", "cxx.o", "cxx_other.o", "-static")
	for _, wait := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 8 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(wait, cancel)
		if wait == 0 {
			cancel()
		}
		_, err := link.Link(ctx, link.Options{Inputs: inputs, LibraryPath: path, Static: true, Output: d.Join("cancelled")})
		_, statErr := os.Stat(d.Join("cancelled"))
		switch {
		case err == nil && statErr == nil:
			os.Remove(d.Join("cancelled")) // it was quicker
		case !errors.Is(err, context.Canceled):
			t.Errorf("after %v: error %v, wanted context.Canceled", wait, err)
		case statErr == nil:
			t.Errorf("after %v: there is an output", wait)
		}
		cancel()
	}
	left, err := filepath.Glob(d.Join(".cancelled*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestOutputFails links where the output cannot be written: the old file stays.
func TestOutputFails(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "start", freestanding)
	old := d.Write("old", "old content")
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}}, Output: old}); err == nil {
		t.Error("a program with an undefined symbol was linked")
	}
	if got := read(t, old); string(got) != "old content" {
		t.Errorf("the old output is %q", got)
	}
	status := assemble(t, d, "status", "\t.globl status\n\t.set status, 0x400000\n")
	_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: obj}, {Path: status}}, Output: d.Join("no/such/folder/out")})
	if fe := new(link.FileError); !errors.As(err, &fe) || fe.File != d.Join("no/such/folder/out") {
		t.Errorf("error %v, wanted a FileError for the output", err)
	}
}

// TestArchives extracts members in every way there is.
func TestArchives(t *testing.T) {
	d := testenv.NewDir(t)
	start := assemble(t, d, "start", freestanding)
	note := "\t.section .note.GNU-stack,\"\",@progbits\n"
	// status is a common symbol in one member, refers to another one, and a third has nothing to do with it.
	assemble(t, d, "status", "\t.data\n\t.globl status\nstatus:\t.long 40+two\n\t.globl needs\n\t.set needs, other\n"+note)
	assemble(t, d, "a_member_with_a_long_name", "\t.globl two, other\n\t.set two, 2\n\t.set other, 1\n"+note)
	assemble(t, d, "unused", "\t.globl unused\nunused:\t.quad undefined_and_unused\n"+note)
	members := []string{"unused.o", "a_member_with_a_long_name.o", "status.o"}
	for name, make := range map[string]func(path string){
		"regular": func(p string) { tool(t, d.Path, "ar", append([]string{"rcs", p}, members...)...) },
		"thin":    func(p string) { tool(t, d.Path, "ar", append([]string{"rcsT", p}, members...)...) },
		"without": func(p string) { tool(t, d.Path, "ar", append([]string{"rcS", p}, members...)...) },
	} {
		t.Run(name, func(t *testing.T) {
			lib := d.Join("lib" + name + ".a")
			make(lib)
			for _, inputs := range [][]link.Input{
				{{Path: start}, {Path: lib}},
				{{Path: lib}, {Path: start}}, // the order does not matter
				{{Path: start}, {Library: name}},
				{{Path: start}, {Library: ":lib" + name + ".a"}},
			} {
				res, err := link.Link(t.Context(), link.Options{Inputs: inputs, LibraryPath: []string{d.Path}})
				if err != nil {
					t.Fatal(err)
				}
				if got := runProgram(t, d, res.Data); got.Code != 42 {
					t.Errorf("%s, wanted exit status 42", got)
				}
				if slices.ContainsFunc(res.Files, func(f string) bool { return strings.Contains(f, "unused") }) {
					t.Errorf("a member that nothing needs was linked: %q", res.Files)
				}
			}
			_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: start}, {Path: lib, WholeArchive: true}}})
			if u := new(link.UndefinedError); !errors.As(err, &u) || u.Symbol != "undefined_and_unused" || len(u.Refs) != 1 || !strings.HasSuffix(u.Refs[0].File, "(unused.o)") {
				t.Errorf("with all members: error %v, wanted undefined_and_unused from unused.o", err)
			}
		})
	}
	// An object that is linked on demand.
	res, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{
		{Path: start}, {Path: d.Join("unused.o"), Lazy: true}, {Path: d.Join("status.o"), Lazy: true}, {Path: d.Join("a_member_with_a_long_name.o"), Lazy: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := runProgram(t, d, res.Data); got.Code != 42 {
		t.Errorf("lazy objects: %s, wanted exit status 42", got)
	}
}

// openELF reads an output.
func openELF(t testing.TB, path string) *elf.File {
	t.Helper()
	f, err := elf.New(path, read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestNeeded looks at the libraries that outputs need, and the versions.
func TestNeeded(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	obj := d.Object("asneeded.o", "asneeded.c")
	for _, c := range []struct {
		flags []string
		want  []string
	}{
		{[]string{"-Wl,--as-needed", "-lm", "-lz"}, []string{"libm.so.6", "libc.so.6"}},
		{[]string{"-Wl,--no-as-needed", "-lm", "-lpthread", "-l:libdl.so.2"}, []string{"libm.so.6", "libdl.so.2", "libc.so.6"}},
		{[]string{"-Wl,--push-state,--no-as-needed", "-l:libdl.so.2", "-Wl,--pop-state", "-lm"}, []string{"libdl.so.2", "libm.so.6", "libc.so.6"}},
	} {
		if !slices.Contains(c.flags, "-lz") {
			c.flags = append([]string{}, c.flags...)
		} else if _, err := os.Stat("/usr/lib/x86_64-linux-gnu/libz.so"); err != nil {
			c.flags = slices.DeleteFunc(c.flags, func(f string) bool { return f == "-lz" })
		}
		out := d.Join("needs")
		tool(t, d.Path, "gcc", append([]string{"-B", weld, obj, "-o", out, "-Wl,--disable-new-dtags,-rpath,/a:/b"}, c.flags...)...)
		f := openELF(t, out)
		if got := slices.DeleteFunc(slices.Clone(f.Dynamic.Needed), func(n string) bool { return n == "libpthread.so.0" }); !slices.Equal(got, c.want) {
			t.Errorf("%q: needed %q, wanted %q", c.flags, got, c.want)
		}
		if f.Dynamic.Rpath != "/a:/b" {
			t.Errorf("DT_RPATH %q", f.Dynamic.Rpath)
		}
		needs := fmt.Sprint(f.VersionNeeds())
		for _, v := range []string{"GLIBC_2.2.5", "GLIBC_2.34", "libm.so.6"} {
			if !strings.Contains(needs, v) {
				t.Errorf("wanted versions %s, %s is not there", needs, v)
			}
		}
	}
}

// TestExports looks at what libraries and programs export.
func TestExports(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	d.Write("exports.c", `
int a1(void) { return 1; }
int a2(void) { return a1(); }
int b1(void) { return 3; }
__attribute__((visibility("hidden"))) int hidden(void) { return 4; }
__attribute__((visibility("protected"))) int a_protected(void) { return 5; }
static int local(void) { return 6; }
int (*keep)(void) = local;
int main(void) { return a2() + b1() + hidden() + a_protected() + keep(); }
`)
	d.Write("other.c", "int excluded(void) { return 1; }\n")
	d.Write("v.map", "VER_1 { global: a*; local: *; };\n")
	d.Write("anon.map", "{ global: \"b1\"; local: a*; };\n")
	d.Write("cxx.map", "{ global: extern \"C++\" { \"f(int)\"; ns::* }; local: *; };\n")
	d.Write("list", "{ a1; };\n")
	d.Write("e.cc", "int f(int v) { return v; } int f(long) { return 1; } namespace ns { int g() { return 0; } }\n")
	tool(t, d.Path, "gcc", "-c", "-fPIC", "exports.c", "other.c")
	tool(t, d.Path, "ar", "rcs", "libother.a", "other.o")
	for _, c := range []struct {
		name string
		cmd  []string
		want []string
	}{
		{"all", []string{"gcc", "-shared", "exports.o"}, []string{"a1", "a2", "a_protected", "b1", "keep", "main"}},
		{"versions", []string{"gcc", "-shared", "exports.o", "-Wl,--version-script=v.map"}, []string{"a1@VER_1", "a2@VER_1", "a_protected@VER_1"}},
		{"anonymous", []string{"gcc", "-shared", "exports.o", "-Wl,--version-script,anon.map"}, []string{"b1", "keep", "main"}},
		{"c++", []string{"g++", "-shared", "-fPIC", "e.cc", "-Wl,--version-script,cxx.map"}, []string{"_Z1fi", "_ZN2ns1gEv"}},
		{"program", []string{"gcc", "exports.o"}, nil},
		{"-E", []string{"gcc", "exports.o", "-rdynamic"}, []string{"a1", "a2", "a_protected", "b1", "keep", "main"}},
		{"list", []string{"gcc", "exports.o", "-Wl,--dynamic-list=list"}, []string{"a1"}},
		{"symbol", []string{"gcc", "exports.o", "-Wl,--export-dynamic-symbol=b*"}, []string{"b1"}},
		{"exclude", []string{"gcc", "-shared", "exports.o", "-Wl,--whole-archive", "libother.a", "-Wl,--no-whole-archive", "-Wl,--exclude-libs,libother.a"},
			[]string{"a1", "a2", "a_protected", "b1", "keep", "main"}},
		{"not excluded", []string{"gcc", "-shared", "exports.o", "-Wl,--whole-archive", "libother.a", "-Wl,--no-whole-archive"},
			[]string{"a1", "a2", "a_protected", "b1", "excluded", "keep", "main"}},
	} {
		out := d.Join("exports.out")
		tool(t, d.Path, c.cmd[0], append(c.cmd[1:], "-B", weld, "-o", out)...)
		f := openELF(t, out)
		var got []string
		for i, s := range f.DynSymbols().All() {
			name := f.SymName(s)
			if !s.Exported() || strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "_Z") || name == "data_start" {
				continue
			}
			if v := f.SymVersion(i); v != nil {
				name += "@" + v.Name
			}
			// What is exported can be found.
			h := elf.Hash(f.SymName(s))
			if k, _, ok := f.Lookup(&h, nil); !ok || k != i {
				t.Errorf("%s: a lookup of %s finds symbol %d, %t, wanted %d", c.name, name, k, ok, i)
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: it exports %q, wanted %q", c.name, got, c.want)
		}
	}
}

// TestMaxOutput links an object whose alignment makes the output large.
func TestMaxOutput(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "aligned", "\t.globl _start\n_start:\tnop\n\t.data\n\t.balign 0x1000000\n\t.quad 1\n")
	opt := link.Options{Inputs: []link.Input{{Path: obj}}, MaxOutput: 1 << 20}
	if _, err := link.Link(t.Context(), opt); !errors.Is(err, link.ErrTooLarge) {
		t.Errorf("error %v, wanted ErrTooLarge", err)
	}
	opt.MaxOutput = 64 << 20
	if _, err := link.Link(t.Context(), opt); err != nil {
		t.Error(err)
	}
}

// TestHugeSections has sections without content that would have to be in the file, and are too large for any.
func TestHugeSections(t *testing.T) {
	d := testenv.NewDir(t)
	obj := assemble(t, d, "huge", "\t.globl _start\n_start:\tnop\n\t.section .data.rel.ro,\"aw\",@nobits\n\t.skip 0x7000000000\n")
	more := assemble(t, d, "more", "\t.section .data.rel.ro,\"aw\",@progbits\n\t.quad 1\n")
	inputs := []link.Input{{Path: obj}, {Path: more}}
	if _, err := link.Link(t.Context(), link.Options{Inputs: inputs}); !errors.Is(err, link.ErrTooLarge) {
		t.Errorf("error %v, wanted ErrTooLarge", err)
	}
	if _, err := link.Link(t.Context(), link.Options{Inputs: inputs, Output: d.Join("huge")}); !errors.Is(err, link.ErrTooLarge) {
		t.Errorf("to a file: error %v, wanted ErrTooLarge", err)
	}
}
