package ctype

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// changes are the kinds of change that the package comment lists, by its numbers. Types are declared before; f is the
// function or variable. Diff says diff, or nothing if that is empty; effect is of the worst that it says.
var changes = []struct {
	n        int
	what     string
	old, new string
	told     bool
	diff     string
	effect   Effect
}{
	{1, "parameter added", "int f(int a) {}", "int f(int a, int b) {}", true, "it took 1 argument, now 2", Breaks},
	{2, "parameter removed", "int f(int a, int b) {}", "int f(int a) {}", true, "it took 2 arguments, now 1", Breaks},
	{3, "parameters exchanged", "int f(int a, long b) {}", "int f(long b, int a) {}", true, "argument 1: int (4 bytes) became long (8 bytes)", Breaks},
	{3, "of the same type", "int f(int a, int b) {}", "int f(int b, int a) {}", false, "", Harmless},
	{4, "int to long", "int f(int a) {}", "int f(long a) {}", true, "argument 1: int (4 bytes) became long (8 bytes)", Breaks},
	{5, "long to int", "int f(long a) {}", "int f(int a) {}", true, "argument 1: long (8 bytes) became int (4 bytes)", Breaks},
	{6, "short to int", "int f(short a) {}", "int f(int a) {}", true, "argument 1: short (2 bytes) became int (4 bytes)", Breaks},
	{7, "int to unsigned", "int f(int a) {}", "int f(unsigned a) {}", true, "argument 1: int became unsigned int: the sign differs", Breaks},
	{8, "char to unsigned char", "int f(char a) {}", "int f(unsigned char a) {}", true, "argument 1: char became unsigned char: the sign differs", Breaks},
	{9, "long to long long", "long f(long a) {}", "long long f(long long a) {}", false, "", Harmless},
	{10, "float to double", "int f(float a) {}", "int f(double a) {}", true, "argument 1: float (4 bytes) became double (8 bytes)", Breaks},
	{11, "double to long double", "int f(double a) {}", "int f(long double a) {}", true, "argument 1: double (8 bytes) became long double (16 bytes)", Breaks},
	{12, "int to float", "int f(int a) {}", "int f(float a) {}", true, "argument 1: int (4 bytes) became float (4 bytes)", Breaks},
	{13, "int to bool", "int f(int a) {}", "int f(_Bool a) {}", true, "argument 1: int (4 bytes) became _Bool (1 byte)", Breaks},
	{14, "long double to _Float128", "int f(long double a) {}", "int f(__float128 a) {}", true, "argument 1: long double (16 bytes) became ", Breaks},
	{15, "int to enum", "int f(int a) {}", "enum e { A }; int f(enum e a) {}", true, "argument 1: int (4 bytes) became enum e (4 bytes)", Breaks},
	{16, "enum to another enum", "enum e { A }; int f(enum e a) {}", "enum g { A }; int f(enum g a) {}", false, "", Harmless},
	{17, "enum widened", "enum e { A }; int f(enum e a) {}", "enum e { A, B = 1L << 40 }; int f(enum e a) {}", true, "argument 1: enum e (4 bytes) became enum e (8 bytes)", Breaks},
	{18, "enumerator added", "enum e { A }; int f(enum e a) {}", "enum e { A, B }; int f(enum e a) {}", false, "", Harmless},
	{18, "enumerator of another value", "enum e { A, B }; int f(enum e a) {}", "enum e { B, A }; int f(enum e a) {}", false, "argument 1: A of enum e was 0, now 1", Breaks},
	{19, "result changed", "int f(void) {}", "long f(void) {}", true, "result: int (4 bytes) became long (8 bytes)", Breaks},
	{20, "result to void", "int f(void) {}", "void f(void) {}", true, "result: int (4 bytes) became void", Breaks},
	{20, "void to result", "void f(void) {}", "int f(void) {}", true, "result: there was none, now it is int (4 bytes)", Harmless},
	{21, "const dropped", "int f(const char *a) {}", "int f(char *a) {}", false, "", Harmless},
	{22, "volatile dropped", "int f(volatile int *a) {}", "int f(int *a) {}", false, "", Harmless},
	{23, "restrict dropped", "int f(int *restrict a) {}", "int f(int *a) {}", false, "", Harmless},
	{24, "pointer to value", "int f(int *a) {}", "int f(int a) {}", true, "argument 1: int * became int (4 bytes)", Breaks},
	{25, "pointer to pointer", "int f(int *a) {}", "int f(int **a) {}", true, "argument 1: int * became int **", Breaks},
	{26, "pointee int to long", "int f(int *a) {}", "int f(long *a) {}", true, "argument 1: int * became long *", Breaks},
	{27, "void * to int *", "int f(void *a) {}", "int f(int *a) {}", true, "argument 1: void * became int *", MayBreak},
	{28, "pointer to another struct", "struct s { int a; }; int f(struct s *a) {}", "struct t { int a; }; int f(struct t *a) {}", true, "argument 1: struct s * (4 bytes) became struct t * (4 bytes)", Breaks},
	{29, "member added to a struct pointed to", "struct s { int a; }; int f(struct s *a) {}", "struct s { int a, b; }; int f(struct s *a) {}", false, "argument 1, struct s: member b is new, at offset 4", MayBreak},
	{30, "member added by value", "struct s { int a; }; int f(struct s a) {}", "struct s { int a, b; }; int f(struct s a) {}", true, "argument 1, struct s: member b is new, at offset 4", Breaks},
	{31, "member moved", "struct s { int a, b; }; int f(struct s a) {}", "struct s { int b, a; }; int f(struct s a) {}", false, "argument 1, struct s, member a: moved from offset 0 to 4", Breaks},
	{31, "member of another type moved", "struct s { int a; float b; }; int f(struct s a) {}", "struct s { float b; int a; }; int f(struct s a) {}", true, "argument 1, struct s, member a: moved from offset 0 to 4", Breaks},
	{32, "member of another type", "struct s { int a; }; int f(struct s a) {}", "struct s { float a; }; int f(struct s a) {}", true, "argument 1, struct s, member a: int (4 bytes) became float (4 bytes)", Breaks},
	{33, "member renamed", "struct s { int a; }; int f(struct s a) {}", "struct s { int b; }; int f(struct s a) {}", false, "argument 1, struct s, member a: is called b now", Harmless},
	{34, "struct renamed", "struct s { int a; }; int f(struct s a) {}", "struct t { int a; }; int f(struct t a) {}", false, "", Harmless},
	{35, "bit-field widened", "struct s { unsigned a : 3, b : 5; }; int f(struct s a) {}", "struct s { unsigned a : 4, b : 5; }; int f(struct s a) {}", true, "argument 1, struct s, member a: 3 bits became 4", Breaks},
	{36, "packed", "struct s { char a; int b; }; int f(struct s a) {}", "struct __attribute__((packed)) s { char a; int b; }; int f(struct s a) {}", true, "argument 1, struct s, member b: moved from offset 4 to 1", Breaks},
	{37, "aligned", "struct s { long a, b; }; int f(struct s a) {}", "struct __attribute__((aligned(16))) s { long a, b; }; int f(struct s a) {}", true, "argument 1, struct s: an alignment of 8 became 16", Breaks},
	{38, "array length in a struct", "struct s { int a[3]; }; int f(struct s a) {}", "struct s { int a[4]; }; int f(struct s a) {}", true, "argument 1, struct s, member a: int [3] (12 bytes) became int [4] (16 bytes)", Breaks},
	{39, "variable arguments", "int f(int a) {}", "int f(int a, ...) {}", true, "it takes variable arguments now", MayBreak},
	{40, "callback's argument", "int f(void (*a)(int)) {}", "int f(void (*a)(long)) {}", true, "argument 1, argument 1: int (4 bytes) became long (8 bytes)", Breaks},
	{41, "callback's result", "int f(void (*a)(int)) {}", "int f(int (*a)(int)) {}", true, "argument 1, result: there was none, now it is int (4 bytes)", Harmless},
	{42, "calling convention", "int f(int a) {}", "__attribute__((ms_abi)) int f(int a) {}", true, `the calling convention "" became "ms_abi"`, Breaks},
	{43, "typedef for the same type", "int f(unsigned long a) {}", "typedef unsigned long size; int f(size a) {}", false, "", Harmless},
	{44, "parameter renamed", "int f(int a) {}", "int f(int b) {}", false, "", Harmless},
	{45, "length of a variable", "int f[3] = {1};", "int f[4] = {1};", false, "3 elements became 4", Harmless},
	{45, "and shorter", "int f[4] = {1};", "int f[3] = {1};", false, "4 elements became 3", MayBreak},
}

// changeSource makes one file of all the declarations of a side, each f, s, e and so on with the number of its place behind.
func changeSource(side func(i int) string) string {
	var b strings.Builder
	for i := range changes {
		text := side(i)
		for _, name := range []string{"f", "struct s", "struct t", "enum e", "enum g", "A", "B", "size"} {
			for _, end := range []string{"(", "[", " ", ")", ",", ";"} {
				text = strings.ReplaceAll(text, " "+name+end, fmt.Sprintf(" %s_%d%s", name, i, end))
				if strings.HasPrefix(text, name+end) {
					text = fmt.Sprintf("%s_%d%s", name, i, text[len(name):])
				}
				text = strings.ReplaceAll(text, "("+name+end, fmt.Sprintf("(%s_%d%s", name, i, end))
			}
		}
		text = strings.ReplaceAll(text, "__attribute__((packed)) s ", fmt.Sprintf("__attribute__((packed)) s_%d ", i))
		text = strings.ReplaceAll(text, "__attribute__((aligned(16))) s ", fmt.Sprintf("__attribute__((aligned(16))) s_%d ", i))
		fmt.Fprintln(&b, strings.ReplaceAll(text, "{}", "{ __builtin_trap(); }"))
	}
	return b.String()
}

// TestChanges builds each declaration before and after its change, with gcc and with clang, and looks at what the signatures and Diff
// make of that. It also compares gcc's before with clang's, where nothing has changed.
func TestChanges(t *testing.T) {
	seen := map[int]bool{}
	for _, c := range changes {
		seen[c.n] = true
	}
	for n := range 45 {
		if !seen[n+1] {
			t.Errorf("change %d has no test", n+1)
		}
	}
	dir := t.TempDir()
	infos := map[string]map[string]*Type{}
	for side, text := range map[string]string{
		"old": changeSource(func(i int) string { return changes[i].old }),
		"new": changeSource(func(i int) string { return changes[i].new }),
	} {
		if err := os.WriteFile(filepath.Join(dir, side+".c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, cc := range []string{"gcc", "clang-19"} {
			out := filepath.Join(dir, side+cc+".so")
			run(t, dir, cc, "-shared", "-fPIC", "-w", "-g", side+".c", "-o", out)
			in := openInfo(t, out, nil)
			types := map[string]*Type{}
			for _, q := range exports(t, out) {
				k, err := in.Lookup(q)
				if err != nil {
					t.Fatal(err)
				}
				types[q.Name] = k.Type
			}
			infos[side+cc] = types
		}
	}
	signature := func(t2 *Type) string {
		s, err := SignatureOf(t2)
		if err != nil {
			return err.Error()
		}
		return s.Text
	}
	for i, c := range changes {
		name := fmt.Sprintf("f_%d", i)
		for _, cc := range []string{"gcc", "clang-19"} {
			old, new := infos["old"+cc][name], infos["new"+cc][name]
			if old == nil || new == nil {
				t.Fatalf("%d %s, %s: %s is not there", c.n, c.what, cc, name)
			}
			if cc == "gcc" && c.n == 42 {
				continue // gcc does not write it down
			}
			a, b := signature(old), signature(new)
			if (a != b) != c.told {
				t.Errorf("%d %s, %s: %s and %s", c.n, c.what, cc, a, b)
			}
			list := Diff(old, new)
			worst := Harmless
			for _, d := range list {
				worst = max(worst, d.Effect)
			}
			found := c.diff == "" && list == nil || slices.ContainsFunc(list, func(d Change) bool {
				return c.diff != "" && strings.HasPrefix(strings.ReplaceAll(d.String(), fmt.Sprintf("_%d", i), ""), c.diff)
			})
			if !found || worst != c.effect {
				t.Errorf("%d %s, %s: %v, %v, want %s, %v", c.n, c.what, cc, list, worst, c.diff, c.effect)
			}
		}
		for _, side := range []string{"old", "new"} {
			if c.n == 42 && side == "new" {
				continue
			}
			a, b := infos[side+"gcc"][name], infos[side+"clang-19"][name]
			if signature(a) != signature(b) {
				t.Errorf("%d %s: %s from gcc, %s from clang", c.n, side, signature(a), signature(b))
			}
			if list := Diff(a, b); list != nil {
				t.Errorf("%d %s: between gcc and clang %v", c.n, side, list)
			}
		}
	}
}
