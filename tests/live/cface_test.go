package live_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weld"
	"weld/internal/testenv"
)

// header is what C compilers are told to find weld/dlbind.h.
func header(t testing.TB) string { return "-I" + filepath.Join(testenv.Root(t), "include") }

// strict are the options for programs that include it.
func strict(t testing.TB) []string { return []string{header(t), "-Wall", "-Wextra", "-Werror"} }

func init() {
	// rpn LIB WHAT: the compiler as a library that a Go program opens.
	testenv.Child("rpn", func(args []string) {
		lib, err := weld.Open(args[0])
		if err != nil {
			fmt.Println(err)
			return
		}
		run, err := weld.Func[func(string) int32](lib, "rpn_main")
		if err != nil {
			fmt.Println(err)
			return
		}
		status := run(args[1])
		if err := lib.Close(); err != nil {
			fmt.Println(err)
		}
		weld.Exit(int(status))
	})
}

// cWays run a program that is a library too, with a folder for its file that is to be empty then.
func cWays(t *testing.T, source string, run func(t *testing.T, command func(what string) *exec.Cmd)) {
	testenv.Need(t, "gcc")
	d := testenv.NewDir(t)
	program := d.Program("rpn", append(strict(t), source, "-rdynamic", "-pthread")...)
	plain := d.Program("rpn-fixed", append(strict(t), source, "-rdynamic", "-pthread", "-no-pie", "-fno-pie")...)
	lib := d.Shared("librpn.so", append(strict(t), source, "-pthread", "-Wl,-z,now")...)
	for name, line := range map[string][]string{
		"program": {testenv.GoProgram(t, "weld/cmd/weld"), "run", program},
		"fixed":   {testenv.GoProgram(t, "weld/cmd/weld"), "run", plain},
		"library": nil,
	} {
		if testing.Short() && name == "fixed" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run(t, func(what string) *exec.Cmd {
				var cmd *exec.Cmd
				if line != nil {
					cmd = exec.Command(line[0], append(line[1:], what)...)
					cmd.Env = os.Environ()
				} else {
					cmd = testenv.ChildCommand(t, "rpn", lib, what)
					if cmd.Env == nil {
						cmd.Env = os.Environ()
					}
				}
				cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
				return cmd
			})
			if list, _ := filepath.Glob(dir + "/weld/*"); list != nil {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// A compiler in C makes functions that call one another, dlsym, dladdr, dlinfo and backtrace know them, and they are
// replaced, freed, and gone in the end.
func TestC(t *testing.T) {
	cWays(t, "rpn.c", func(t *testing.T, command func(string) *exec.Cmd) {
		r := testenv.Run(t, command("calculate"), testenv.Patience)
		const want = "square(7) = 49\nframes: frames sum rpn_main\nsum(3) = 25\nfound: 1 1 0\ndladdr: square 1 21 1\ndlinfo: 1 1\ncount: 42 0\n" +
			"replaced: 50 49\nunbound: 0\ndeleted: 0\n"
		if got := strings.Replace(string(r.Stdout), " calculate rpn_main", " rpn_main", 1); got != want {
			t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
		}
	})
}

// What is wrong is refused, and dlerror says why.
func TestCMisuse(t *testing.T) {
	const handle, none = "invalid handle: it is not that of an object made by dlcreate", "no block of the object is there"
	const argument, rng, kind = "an argument is not valid", "out of range", "not possible for this kind of memory"
	want := []string{
		handle, handle, handle, handle, "the name is empty", argument, "out of range", "the folder cannot be used",
		rng, rng, "the address range of the object is full", kind, "the alignment is not a power of two", rng, rng, argument, none, none,
		"the name is empty", none, rng, rng, kind, argument, argument, argument, argument, argument, "the name is bound already",
		"not found", "not found", none, none, none, none, "not open", handle, handle,
		"truncated", "truncated", "truncated",
	}
	cWays(t, "rpn.c", func(t *testing.T, command func(string) *exec.Cmd) {
		r := testenv.Run(t, command("misuse"), testenv.Patience)
		lines := strings.Split(strings.TrimSpace(string(r.Stdout)), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%v: %d lines, wanted %d\n%s%s", r, len(lines), len(want), r.Stdout, r.Stderr)
		}
		for i, l := range lines {
			if !strings.Contains(l, "): ") || !strings.Contains(l, want[i]) {
				t.Errorf("%s\nwanted %s", l, want[i])
			}
		}
	})
}

func TestCThreads(t *testing.T) {
	cWays(t, "rpn.c", func(t *testing.T, command func(string) *exec.Cmd) {
		r := testenv.Run(t, command("threads"), testenv.Patience)
		if string(r.Stdout) != "bad 0, left 300\n" {
			t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
		}
	})
}

// A program imports, renames, and keeps what it has made.
func TestCNames(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc")
	d := testenv.NewDir(t)
	program := d.Program("names", append(strict(t), "names.c", "-rdynamic")...)
	cmd := exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), "run", program, d.Join("kept.so"))
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	r := testenv.Run(t, cmd, testenv.Patience)
	const want = `undefined: 1
bound: 1
called: 42 42 1
renamed: 1 0
replaced: 7
kept: 42 0
import missing in names: an argument is not valid (flags 0x1)
import abs in names: an argument is not valid (the result is to go to NULL)
import abs in names: an argument is not valid (the version has no name)
rename in names: an argument is not valid (flags 0x2)
rename nobody in names: not found
rename other in names: the name is empty, too long or has a NUL ("")
save in names: an argument is not valid (the path is empty)
save in names: /dev/null/x: the folder cannot be used
`
	if got := regexp.MustCompile(`(?m)(used): .*$|live: `).ReplaceAllString(string(r.Stdout), "$1"); got != want {
		t.Errorf("%v\n%s%s", r, got, r.Stderr)
	}
}

// A program that was written for libdlbind works as it is but for the header.
func TestCDlbind(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc")
	program := testenv.NewDir(t).Program("dlbind", append(strict(t), "dlbind.c")...)
	cmd := exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), "run", program)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	r := testenv.Run(t, cmd, testenv.Patience)
	if string(r.Stdout) != "1 1\n42 69105\n43 69105\n42 43\n" {
		t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
	}
}

// Without weld there are no such functions, which is said.
func TestCWithout(t *testing.T) {
	testenv.Need(t, "gcc")
	program := testenv.NewDir(t).Program("rpn", append(strict(t), "rpn.c", "-rdynamic", "-pthread")...)
	r := testenv.Run(t, exec.Command(program), testenv.Patience)
	if !regexp.MustCompile(`^dlcreate: .*rpn: undefined symbol: dlcreate\n$`).Match(r.Stdout) {
		t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
	}
}

// A C++ exception passes through a generated function, also while that is replaced; exit removes what was not deleted.
func TestCXX(t *testing.T) {
	testenv.Need(t, "g++")
	program := testenv.NewDir(t).Program("thrower", append(strict(t), "-std=c++17", "-pedantic", "thrower.cc", "-pthread")...)
	for how, want := range map[string]string{"delete": "42\ncaught 101\nwrong: 0, used again: 1\n", "leave": "42\ncaught 101\nwrong: 0, used again: 0\n"} {
		dir := t.TempDir()
		cmd := exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), "run", program, how)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		r := testenv.Run(t, cmd, testenv.Patience)
		if string(r.Stdout) != want {
			t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
		}
		if list, _ := filepath.Glob(dir + "/weld/*"); list != nil {
			t.Errorf("left: %v", list)
		}
	}
}

// gdb stops in a function by its name, which it was given before the program began, and names the frames above it.
func TestCGDB(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc", "gdb")
	program := testenv.NewDir(t).Program("rpn", append(strict(t), "rpn.c", "-rdynamic", "-pthread")...)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "f.rpn"), []byte("first\nsecond\nthird\n"), 0o644))
	out := gdb(t, []string{"directory " + dir, "break square", "run", "bt", "next", "finish", "continue", "bt", "disassemble square,+5", "delete", "continue"},
		testenv.GoProgram(t, "weld/cmd/weld"), "run", program)
	const hit = `hit Breakpoint 1, (0x[0-9a-f]+ in )?square \(\)`
	testenv.Expect(t, out, `Breakpoint 1 \(square\) pending`, hit+` at .*f\.rpn:1$`, `^#0  .*square \(\) at .*f\.rpn:1$`, `^#1 .* in calculate \(\) at .*rpn\.c:\d+$`, `in main `,
		`^2\tsecond$`, `in calculate \(\)`, hit, `^#0 .*square `, `^#1 .* in sum \(\) at .*f\.rpn:2$`, `^#2 .* in calculate \(\)`,
		`<square\+0>:\tpush   %rbp`, `^sum\(3\) = 25$`, `^deleted: 0$`)
}

// The header is C of any standard and C++, for glibc and musl, and a library can do without its functions.
func TestCHeader(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc", "g++", "musl-gcc")
	d := testenv.NewDir(t)
	source := d.Write("header.c", "#include \"weld/dlbind.h\"\nint main(void) { void *h = dlcreate(\"x\"); return h == 0 || dlcheckpoint() || dldelete(h); }\n")
	weldCommand := testenv.GoProgram(t, "weld/cmd/weld")
	runs := func(args ...string) {
		t.Helper()
		cmd := exec.Command(weldCommand, args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
		if r := testenv.Run(t, cmd, testenv.Patience); r.Code != 0 || strings.TrimSpace(string(r.Stdout)) > "0" {
			t.Errorf("%v: %v\n%s%s", args, r, r.Stdout, r.Stderr)
		}
	}
	for _, line := range []string{
		"gcc -std=gnu89", "gcc -std=c99 -Wshadow -Wstrict-prototypes", "gcc -std=c11 -static-pie -fPIE", "musl-gcc -std=c11",
		"g++ -x c++ -std=c++11", "g++ -x c++ -std=c++20",
	} {
		cc := strings.Fields(line)
		program := d.Join(fmt.Sprint("header-", len(line)))
		args := append(cc[1:], "-pedantic", "-Wall", "-Wextra", "-Werror", header(t), source, "-o", program)
		if out, err := exec.Command(cc[0], args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
			continue
		}
		if !strings.Contains(line, "static") { // which brings its own dlsym
			runs("run", program)
		}
	}
	direct := d.Shared("libdirect.so", strict(t)[0], "-DDLBIND_DIRECT", d.Write("direct.c", `
#include "weld/dlbind.h"
int go(void)
{
	void *h = dlcreate("direct");
	return !h || !dlalloc(h, 5, 0) || dlcommit(h) || dldelete(h);
}
`))
	runs("call", direct, "int go(void)")
}
