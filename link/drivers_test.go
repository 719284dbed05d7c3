package link_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// TestGo has the Go linker hand a cgo program over: static, dynamic and position-independent.
func TestGo(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	d.Write("go.mod", "module cgoprogram\n\ngo 1.26\n")
	d.Write("main.go", `package main

/*
#include <stdio.h>
#include <stdlib.h>
static __thread int per_thread = 3;
static int add(int a) { per_thread++; return a + per_thread; }
static void say(const char *s) { puts(s); fflush(stdout); }
*/
import "C"
import "fmt"

func main() {
	C.say(C.CString("from C"))
	defer func() { fmt.Println(recover()) }()
	fmt.Println(C.add(4))
	panic("from Go")
}
`)
	for _, args := range [][]string{{}, {"-buildmode=pie"}, {"static"}} {
		ext := "-B " + weld
		if len(args) > 0 && args[0] == "static" {
			args, ext = nil, ext+" -static"
		}
		line := append([]string{"build", "-o", "prog", "-ldflags=-linkmode=external -extldflags '" + ext + "'"}, args...)
		cmd := exec.Command("go", line...)
		cmd.Dir = d.Path
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-mod=mod")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %q: %v\n%s", line, err, out)
		}
		got := testenv.Run(t, exec.Command(d.Join("prog")), testenv.Patience)
		if want := "from C\n8\nfrom Go\n"; got.Code != 0 || string(got.Stdout) != want {
			t.Errorf("go %q: %s, output %q, wanted %q\n%s", line, got, got.Stdout, want, got.Stderr)
		}
	}
}

// TestMusl links with the other C library's files.
func TestMusl(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	src, err := filepath.Abs("testdata/hello.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"-static"}, {"-static", "-pie", "-fPIE"}} {
		tool(t, d.Path, "musl-gcc", append([]string{"-B", weld, src, "-o", "hello"}, flags...)...)
		if got := testenv.Run(t, exec.Command(d.Join("hello")), testenv.Patience); got.Code != 0 || string(got.Stdout) != "hi\n" {
			t.Errorf("musl %q: %s, output %q", flags, got, got.Stdout)
		}
	}
}

// TestDebugger has gdb stop at a line of an inlined template, show a local variable and go up through C++ frames.
func TestDebugger(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	src := d.Write("debug.cc", `#include <string>
struct point { int x, y; };
template <typename T> T scale(T p, int by) {
  T result = {p.x * by, p.y * by};
  return result; // stop here
}
int use(const std::string &name) {
  point p = scale(point{3, 4}, 10);
  return p.x + p.y + (int)name.size();
}
int main() { return use("name"); }
`)
	for _, flags := range [][]string{{}, {"-static"}, {"-no-pie", "-Wl,--gc-sections", "-ffunction-sections"}} {
		tool(t, d.Path, "g++", append([]string{"-g", "-O0", "-B", weld, src, "-o", "debug"}, flags...)...)
		out := tool(t, d.Path, "gdb", "-nx", "-batch", "-ex", "break debug.cc:5", "-ex", "run", "-ex", "print result", "-ex", "backtrace", "-ex", "up", "-ex", "info locals", "./debug")
		for _, want := range []string{"debug.cc:5", "$1 = {x = 30, y = 40}", "scale<point> (p=..., by=10)", "use (name=", "in main () at", "p = {"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q: gdb does not say %q:\n%s", flags, want, out)
			}
		}
	}
}

// TestRelocatable combines objects to one, which both linkers then link to a program that does what one of the objects does.
func TestRelocatable(t *testing.T) {
	weld := weldDir(t)
	for _, p := range programs {
		if p.lib != nil {
			continue
		}
		switch p.name {
		case "cxx", "cxx-no-pie", "tls-static-gd", "strings", "old", "gc", "tbss":
		default:
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := testenv.NewDir(t)
			cc := p.cc
			if cc == "" {
				cc = "gcc"
			}
			var objs []string
			for _, s := range p.sources {
				obj := d.Join(strings.TrimSuffix(s, filepath.Ext(s)) + ".o")
				src, err := filepath.Abs("testdata/" + s)
				if err != nil {
					t.Fatal(err)
				}
				tool(t, d.Path, cc, append([]string{"-c", src, "-o", obj, "-w"}, p.cflags...)...)
				objs = append(objs, obj)
			}
			tool(t, d.Path, cc, append([]string{"-r", "-B", weld, "-o", "all.o"}, objs...)...)
			tool(t, d.Path, cc, append([]string{"-r", "-o", "gnu.o"}, objs...)...)
			checkELF(t, d.Join("gnu.o"), d.Join("all.o"))
			// Combining again changes nothing that matters.
			tool(t, d.Path, cc, "-r", "-B", weld, "-o", "again.o", "all.o")
			for i, flags := range p.flags {
				if testing.Short() && i > 0 {
					break
				}
				var want *testenv.Result
				for _, args := range [][]string{objs, {"all.o"}, {"all.o", "-B", weld}, {"again.o", "-B", weld}, {"gnu.o", "-B", weld}} {
					tool(t, d.Path, cc, append(append([]string{"-o", "prog"}, args...), flags...)...)
					got := testenv.Run(t, exec.Command(d.Join("prog")), testenv.Patience)
					if want == nil {
						want = &got
					} else if got.String() != want.String() || string(got.Stdout) != string(want.Stdout) {
						t.Errorf("%q of %q: %s\n%s\n%s\nwanted %s\n%s", flags, args, got, got.Stdout, got.Stderr, want, want.Stdout)
					}
				}
			}
		})
	}
}
