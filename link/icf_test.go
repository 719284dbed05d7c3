package link_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// icfSource has functions that are alike and others that nearly are.
const icfSource = `
#include <stdio.h>
#include <stdlib.h>
#define KEEP __attribute__((noinline, noclone))
KEEP int same_1(int n) { return n * 3 + 1; }
KEEP int same_2(int n) { return n * 3 + 1; }
KEEP int taken_1(int n) { return n * 5 + 1; }
KEEP int taken_2(int n) { return n * 5 + 1; }
static KEEP int callee_1(int n) { return n ^ 77; }
static KEEP int callee_2(int n) { return n ^ 77; }
KEEP int calls_1(int n) { return callee_1(n + 1) + 1; }
KEEP int calls_2(int n) { return callee_2(n + 1) + 1; }
KEEP int odd(int n);
KEEP int even(int n) { return n == 0 ? 1 : odd(n - 1); }
KEEP int odd(int n) { return n == 0 ? 0 : even(n - 1); }
KEEP int odd_2(int n);
KEEP int even_2(int n) { return n == 0 ? 1 : odd_2(n - 1); }
KEEP int odd_2(int n) { return n == 0 ? 0 : even_2(n - 1); }
KEEP const char *text_1(void) { return "a text"; }
KEEP const char *text_2(void) { return "a text"; }
KEEP const char *text_3(void) { return "another"; }
KEEP int needs_abs(int n) { return abs(n - 3) + 9; }
KEEP int needs_atoi(int n) { return atoi("3") + 9 - n; }
int data_1, data_2;
KEEP void store_1(int n) { data_1 = n; }
KEEP void store_2(int n) { data_2 = n; }
int (*volatile p)(int), (*volatile q)(int);
int main(void) {
  p = taken_1, q = taken_2;
  store_1(1), store_2(2);
  printf("%d %d %d %d %d %d ", same_1(2) + same_2(3), p(1) + q(1), calls_1(2) + calls_2(3), even(7) + odd_2(5), needs_abs(1), needs_atoi(1));
  printf("%s %s %s %d %d\n", text_1(), text_2(), text_3(), data_1, data_2);
  return p == q;
}
`

// TestICF folds functions and compares which with lld.
func TestICF(t *testing.T) {
	d := testenv.NewDir(t)
	weld := weldDir(t)
	d.Write("icf.c", icfSource)
	for _, cc := range []string{"gcc", "clang"} {
		compiler := cc
		if cc == "clang" {
			compiler = llvm(t, cc)
		}
		tool(t, d.Path, compiler, "-c", "-O2", "-fno-optimize-sibling-calls", "-g", "-ffunction-sections", "-fPIE", "icf.c", "-o", cc+".o")
		for _, kind := range []string{"none", "safe", "all"} {
			args := []string{"-o", "prog", "-pie", cc + ".o", "-Wl,--icf=" + kind, "-Wl,--print-icf-sections"}
			out := tool(t, d.Path, "gcc", append(args, "-B", weld)...)
			got := testenv.Run(t, exec.Command(d.Join("prog")), testenv.Patience)
			args[1] = "lld"
			want := tool(t, d.Path, llvm(t, "clang"), append(args, "--ld-path="+llvm(t, "ld.lld"))...)
			if a, b := classesOf(out), classesOf(want); !slices.Equal(a, b) {
				t.Errorf("%s, %s: folded\n%s\nlld:\n%s", cc, kind, strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
			ref := testenv.Run(t, exec.Command(d.Join("lld")), testenv.Patience)
			if got.Code != ref.Code || string(got.Stdout) != string(ref.Stdout) {
				t.Errorf("%s, %s: %s %q, lld %s %q", cc, kind, got, got.Stdout, ref, ref.Stdout)
			}
			if kind == "all" {
				checkELF(t, d.Join("lld"), d.Join("prog"))
				// A breakpoint may be set at a line of each function.
				gdb := tool(t, d.Path, "gdb", "-nx", "-batch", "-ex", "break icf.c:5", "-ex", "break icf.c:6", "prog")
				if !strings.Contains(gdb, "Breakpoint 1 at ") || !strings.Contains(gdb, "icf.c, line 5.") || !strings.Contains(gdb, "icf.c, line 6.") {
					t.Errorf("%s: gdb says\n%s", cc, gdb)
				}
			}
			out = tool(t, d.Path, "gcc", "-o", "kept", "-pie", cc+".o", "-B", weld, "-Wl,--icf="+kind, "-Wl,--print-icf-sections", "-Wl,--keep-unique=same_2")
			if strings.Contains(out, ".text.same_") {
				t.Errorf("%s, %s: --keep-unique is passed over:\n%s", cc, kind, out)
			}
		}
	}
}

// classesOf returns the functions of each class that --print-icf-sections lists.
func classesOf(out string) []string {
	var list []string
	for line := range strings.SplitSeq(out, "\n") {
		_, name, ok := strings.Cut(line, ":(")
		ok = ok && name != ".text)" // empty ones, which lld folds too
		switch {
		case strings.HasPrefix(line, "selected section ") && ok:
			list = append(list, name)
		case strings.HasPrefix(line, "  removing identical section ") && ok:
			list[len(list)-1] += " " + name
		}
	}
	for i := range list {
		f := strings.Fields(list[i])
		slices.Sort(f)
		list[i] = strings.Join(f, " ")
	}
	slices.Sort(list)
	return list
}

// TestICFExceptions folds functions with exceptions: what differs in the unwind information only is kept.
func TestICFExceptions(t *testing.T) {
	d := testenv.NewDir(t)
	src := d.Write("eh.cc", `
#include <cstdio>
struct a { int v; }; struct b { int v; };
__attribute__((noinline)) void thrower(int n) { if (n == 1) throw a{1}; if (n == 2) throw b{2}; }
__attribute__((noinline)) int catch_a(int n) { try { thrower(n); return 0; } catch (a &x) { return 10; } }
__attribute__((noinline)) int catch_b(int n) { try { thrower(n); return 0; } catch (b &x) { return 10; } }
__attribute__((noinline)) int plain_1(int n) { thrower(n); return n + 1; }
__attribute__((noinline)) int plain_2(int n) { thrower(n); return n + 1; }
int main() {
  int caught = 0;
  try { catch_a(2); } catch (b &) { caught += 1; }
  try { catch_b(1); } catch (a &) { caught += 2; }
  try { plain_1(1); } catch (a &) { caught += 4; }
  try { plain_2(2); } catch (b &) { caught += 8; }
  return caught + catch_a(1) + catch_b(2);
}
`)
	out := tool(t, d.Path, "g++", "-O2", "-ffunction-sections", src, "-o", "eh", "-B", weldDir(t), "-Wl,--icf=all,--print-icf-sections")
	if got := testenv.Run(t, exec.Command(d.Join("eh")), testenv.Patience); got.Code != 35 {
		t.Errorf("%s, wanted 35", got)
	}
	if !strings.Contains(out, "plain_2") || strings.Contains(out, "catch_b") {
		t.Errorf("folded:\n%s", out)
	}
}
