//go:build linux && amd64

package plugin

import (
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
	"unsafe"

	"weld/internal/testenv"
	"weld/link"
	"weld/link/ldcmd"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The test binary is the linker that compilers start.
func init() {
	testenv.Child("ld", func(args []string) {
		cmd := ldcmd.Command{Name: "ld", Stdout: os.Stdout, Stderr: os.Stderr, OpenPlugin: Open}
		os.Exit(cmd.Main(context.Background(), args))
	})
}

// clang returns the newest clang that has LLVMgold.so.
func clang(t testing.TB) string {
	t.Helper()
	plugins, _ := filepath.Glob("/usr/lib/llvm-*/lib/LLVMgold.so")
	slices.Sort(plugins)
	for _, p := range slices.Backward(plugins) {
		bin := filepath.Join(filepath.Dir(p), "../bin/clang")
		if _, err := os.Stat(bin); err == nil {
			return bin
		}
	}
	t.Fatal("no clang with LLVMgold.so: .ci/setup installs them")
	return ""
}

// build runs a command in a folder; % in arguments is the folder of the linker.
func build(t testing.TB, dir, ld string, line ...string) (out string, err error) {
	t.Helper()
	for i := range line {
		line[i] = strings.ReplaceAll(line[i], "%", ld)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TMPDIR="+dir)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func must(t testing.TB, dir, ld string, line ...string) {
	t.Helper()
	if out, err := build(t, dir, ld, line...); err != nil {
		t.Fatalf("%q: %v\n%s", line, err, out)
	}
}

// Sources. Only who sees both files knows that answer(20) is not 0 and that never is not called.
var sources = map[string]string{
	"main.c": `
#include <stdio.h>
int answer(int); void never(void); int weak(void); extern int common, data;
__attribute__((weak)) int weak(void) { return 1; }
int (*volatile pointer)(void) = weak;
int main(void) {
	common += 2;
	if (answer(20) == 0) never();
	printf("%d %d %d %d\n", answer(20), common, pointer(), data);
	return 0;
}
`,
	"answer.c": `
int common, data = 7;
int answer(int x) { return x ? 2 * x + 2 : 1; }
int weak(void) { return 2; }
void never(void) { __builtin_trap(); }
`,
	"throw.cc": `
#include <cstdio>
struct error { int what; };
template <typename T> struct counter { static inline T n; T next() { return ++n; } };
inline int shared_inline() { static int calls; return ++calls; }
struct named { const char *name; named() : name("tls") {} ~named() { std::puts(name); } };
thread_local named per_thread;
void thrower(int);
int main() {
	counter<int> c;
	try { thrower(c.next()); } catch (const error &e) { std::printf("%d %d %s\n", e.what, shared_inline(), per_thread.name); }
}
`,
	"thrower.cc": `
struct error { int what; };
template <typename T> struct counter { static inline T n; T next() { return ++n; } };
inline int shared_inline() { static int calls; return ++calls; }
void thrower(int x) { counter<int> c; shared_inline(); throw error{x + c.next()}; }
`,
	"export.map": "V1 { global: answer; local: *; };\n",
}

// objects are what the sources are compiled to.
var objects = map[string]string{
	"main.o": "CC -c ../main.c", "answer.o": "CC -c ../answer.c", "answer-pic.o": "CC -fPIC -c ../answer.c",
	"main-code.o": "CC -fno-lto -c ../main.c", "answer-code.o": "CC -fno-lto -c ../answer.c",
	"main-fat.o": "CC -ffat-lto-objects -c ../main.c", "answer-fat.o": "CC -ffat-lto-objects -c ../answer.c",
	"main-thin.o": "CC -flto=thin -c ../main.c", "answer-thin.o": "CC -flto=thin -c ../answer.c",
	"throw.o": "CXX -c ../throw.cc", "thrower.o": "CXX -c ../thrower.cc", "thrower-code.o": "CXX -fno-lto -c ../thrower.cc",
}

const (
	says    = "42 2 2 7\n"
	cxxSays = "3 2 tls\ntls\n"
)

// TestLTO links with each compiler's plugin, and looks at what the program says.
func TestLTO(t *testing.T) {
	for cc, r := range map[string]*strings.Replacer{
		"gcc":   strings.NewReplacer("CC", "gcc -O2 -flto", "CXX", "g++ -O2 -flto", "LD", "-B%", "AR", "gcc-ar"),
		"clang": strings.NewReplacer("CC", clang(t)+" -O2 -flto", "CXX", clang(t)+" -O2 -flto", "LD", "-lstdc++ -lm --ld-path=%/ld", "AR", "ar"),
	} {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			testLTO(t, cc, r)
		})
	}
}

func testLTO(t *testing.T, cc string, r *strings.Replacer) {
	d := testenv.NewDir(t)
	ld := testenv.ChildScript(t, "ld", "ld")
	for n, s := range sources {
		d.Write(n, s)
	}
	run := func(dir, line string) string {
		line = r.Replace(line)
		out, err := build(t, dir, ld, strings.Fields(line)...)
		if err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
		return out
	}
	d.Write("obj/empty", "")
	var wg sync.WaitGroup
	for name, line := range objects {
		if cc == "gcc" && strings.Contains(name, "-thin") || cc == "clang" && strings.Contains(name, "-fat") {
			continue
		}
		wg.Go(func() { run(d.Join("obj"), line+" -w -o "+name) })
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, c := range []struct {
		name string
		cmds []string // CC, CXX, LD and AR stand for the compiler's
		want string   // of ./prog
	}{
		{"objects", []string{"CC main.o answer.o LD"}, says},
		{"no-pie", []string{"CC -no-pie main.o answer.o LD"}, says},
		{"static", []string{"CC -static main.o answer.o LD"}, says},
		{"static-pie", []string{"CC -static-pie main.o answer.o LD"}, says},
		{"gc-sections", []string{"CC -Wl,--gc-sections main.o answer.o LD"}, says},
		{"archive", []string{"AR rcs LIB answer.o", "CC main.o LIB LD"}, says},
		{"thin archive", []string{"AR rcsT LIB answer.o", "CC main.o LIB LD"}, says},
		{"archive without index", []string{"AR rcS LIB answer.o", "CC main.o LIB LD"}, says},
		{"whole archive", []string{"AR rcs LIB main.o answer.o", "CC -Wl,--whole-archive LIB -Wl,--no-whole-archive LD"}, says},
		{"machine code calls", []string{"CC main-code.o answer.o LD"}, says},
		{"machine code is called", []string{"CC main.o answer-code.o LD"}, says},
		{"machine code in an archive", []string{"AR rcs LIB answer-code.o", "CC main.o LIB LD"}, says},
		{"shared", []string{"CC -shared answer-pic.o -o OUT.so LD", "CC main.o OUT.so LD"}, "42 2 1 7\n"},
		{"exports", []string{"CC -shared answer-pic.o -Wl,--version-script=../export.map LD"}, ""},
		{"c++", []string{"CXX throw.o thrower.o LD"}, cxxSays},
		{"c++ static", []string{"CXX -static throw.o thrower.o LD"}, cxxSays},
		{"c++ half", []string{"CXX throw.o thrower-code.o LD"}, cxxSays},
		{"c++ other half", []string{"CXX thrower-code.o throw.o LD"}, cxxSays},
		{"gcc: fat", []string{"CC main-fat.o answer-fat.o LD"}, says},
		{"gcc: fat without plugin", []string{"CC -fno-lto -fno-use-linker-plugin main-fat.o answer-fat.o LD"}, says},
		{"gcc: parallel", []string{"CC -flto=2 -flto-partition=max main.o answer.o LD"}, says},
		{"gcc: -r", []string{"CC -r main.o answer.o LD -o OUT.o", "CC OUT.o LD"}, says},
		{"gcc: -r to machine code", []string{"CC -r -flinker-output=nolto-rel main.o answer.o LD -o OUT.o", "CC -fno-lto OUT.o LD"}, says},
		{"clang: thin", []string{"CC -flto=thin main-thin.o answer-thin.o LD"}, says},
	} {
		only, name, ok := strings.Cut(c.name, ": ")
		if !ok {
			name = c.name
		} else if only != cc {
			continue
		}
		if testing.Short() && name != "objects" && name != "archive" && name != "shared" {
			continue
		}
		wg.Go(func() {
			file := fmt.Sprintf("prog%d", i)
			prog := d.Join("obj/" + file)
			for _, line := range c.cmds {
				line = strings.NewReplacer("LIB", file+".a", "OUT", "./"+file).Replace(line)
				if !strings.HasPrefix(line, "AR") && !strings.Contains(line, " -o ") {
					line += " -o " + file
				}
				run(d.Join("obj"), line)
			}
			if name == "exports" {
				if out := run(d.Path, "nm -D --defined-only "+prog); strings.Count(out, " T ")+strings.Count(out, " W ") != 1 || !strings.Contains(out, "T answer@@V1\n") {
					t.Errorf("the library exports\n%s", out)
				}
				return
			}
			cmd := exec.Command(prog)
			cmd.Dir = d.Join("obj")
			if got := testenv.Run(t, cmd, testenv.Patience); got.Code != 0 || string(got.Stdout) != c.want {
				t.Errorf("%s: %s, output %q, wanted %q\n%s", c.name, got, got.Stdout, c.want, got.Stderr)
			}
			if out := ""; name == "objects" {
				if out = run(d.Path, "nm "+prog); strings.Contains(out, " never") {
					t.Errorf("the program was not optimised as a whole\n%s", out)
				}
			}
		})
	}
	wg.Wait()
	for _, pattern := range []string{"*lto*", "cc*", "weld*"} {
		if left, _ := filepath.Glob(d.Join("obj/" + pattern)); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// TestErrors links what cannot be linked.
func TestErrors(t *testing.T) {
	d := testenv.NewDir(t)
	ld := testenv.ChildScript(t, "ld", "ld")
	for n, s := range sources {
		d.Write(n, s)
	}
	d.Write("again.c", "int answer(int x) { return x; }\n")
	d.Write("broken.c", "int broken(void) { return missing_function(); }\nint missing_function(void);\nint main(void) { return broken(); }\n")
	must(t, d.Path, ld, "gcc", "-flto", "-O2", "-w", "-c", "main.c", "answer.c", "again.c", "broken.c")
	lto, err := exec.Command("gcc", "-print-file-name=liblto_plugin.so").Output()
	if err != nil {
		t.Fatal(err)
	}
	gcc := strings.TrimSpace(string(lto))
	libz := testenv.Library(t, "zlib1g", "libz.so.1")
	for _, c := range []struct {
		name string
		line []string
		want []string
	}{
		{"no plugin", []string{"%/ld", "main.o", "answer.o"}, []string{"main.o: an LTO object without machine code, and no plugin is named"}},
		{"no such plugin", []string{"%/ld", "-plugin", "/no/such.so", "main.o"}, []string{"main.o: an LTO object without machine code, and plugin /no/such.so: it cannot be loaded", "not found"}},
		{"not a plugin", []string{"%/ld", "-plugin", libz, "main.o"}, []string{"main.o: ", "plugin " + libz + ": it is no linker plugin", "onload"}},
		{"option before plugin", []string{"%/ld", "-plugin-opt=x", "main.o"}, []string{"--plugin-opt=x: no --plugin before it"}},
		{"duplicate", []string{"gcc", "-flto", "-B%", "main.o", "answer.o", "again.o", "-o", "prog"}, []string{"duplicate symbol: answer\n", "\tdefined at answer.o\n", "\tdefined at again.o\n"}},
		{"undefined", []string{"gcc", "-flto", "-B%", "broken.o", "-o", "prog"}, []string{"undefined symbol: missing_function\n", "ltrans", "in main"}},
		{"compiler fails", []string{"gcc", "-flto", "-B%", "main.o", "answer.o", "-o", "prog", "-Wl,-plugin-opt=/no/lto-wrapper"}, []string{"plugin " + gcc + ": "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(d.Join("prog"))
			out, err := build(t, d.Path, ld, c.line...)
			if err == nil {
				t.Errorf("no error:\n%s", out)
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
			if _, err := os.Stat(d.Join("prog")); err == nil {
				t.Error("there is an output")
			}
		})
	}
	// As a library.
	_, err = link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: d.Join("main.o")}}})
	if fe := new(link.FileError); !errors.Is(err, link.ErrLTO) || !errors.As(err, &fe) || fe.File != d.Join("main.o") {
		t.Errorf("error %v, wanted a FileError for main.o that is ErrLTO", err)
	}
}

// TestInProcess links twice at once in this process, from memory to memory.
func TestInProcess(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("f.c", "int twice(int x) { return 2 * x; }\n")
	d.Write("start.c", "int twice(int); void _start(void) { __asm__ volatile(\"syscall\" : : \"a\"(60), \"D\"(twice(21))); __builtin_unreachable(); }\n")
	cc := clang(t)
	must(t, d.Path, "", cc, "-O2", "-flto", "-ffreestanding", "-c", "f.c", "start.c")
	lib := filepath.Join(filepath.Dir(cc), "../lib/LLVMgold.so")
	results := make(chan *link.Result, 2)
	for range 2 {
		go func() {
			var inputs []link.Input
			for _, n := range []string{"f.o", "start.o"} {
				data, err := os.ReadFile(d.Join(n))
				if err != nil {
					t.Error(err)
				}
				inputs = append(inputs, link.Input{Data: data, Name: n})
			}
			res, err := link.Link(t.Context(), link.Options{Inputs: inputs, Plugins: []link.PluginRef{{Path: lib, Options: []string{"O2"}}}, OpenPlugin: Open})
			if err != nil {
				t.Error(err)
			}
			results <- res
		}()
	}
	// Both have ended before one is written and run: the compilers that the other one starts would have the file open.
	for _, res := range []*link.Result{<-results, <-results} {
		if res == nil {
			continue
		}
		os.Remove(d.Join("prog"))
		if err := os.WriteFile(d.Join("prog"), res.Data, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := testenv.Run(t, exec.Command(d.Join("prog")), testenv.Patience); got.Code != 42 {
			t.Errorf("%s, wanted exit status 42", got)
		}
	}
}

func TestPrintf(t *testing.T) {
	s := []byte("text\x00")
	str := uintptr(unsafe.Pointer(&s[0]))
	neg := ^uintptr(0)
	for _, c := range []struct {
		format string
		args   []uintptr
		want   string
	}{
		{"plain", nil, "plain"},
		{"%s: %d%%", []uintptr{str, neg}, "text: -1%"},
		{"%5d|%-5s|%05x|%c", []uintptr{7, str, 255, 'c'}, "    7|text |000ff|c"},
		{"%u %lu %zd %llx", []uintptr{neg, neg, neg, neg}, "4294967295 18446744073709551615 -1 ffffffffffffffff"},
		{"%*d %p", []uintptr{4, 1, 16}, "   1 0x10"},
		{"%s", []uintptr{0}, ""},
		{"%f %", nil, "%f %"},
		{"%d %d", []uintptr{1}, "1 0"},
	} {
		if got := printf(c.format, c.args); got != c.want {
			t.Errorf("printf(%q) = %q, wanted %q", c.format, got, c.want)
		}
	}
}
