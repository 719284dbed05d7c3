package link_test

import (
	"errors"
	"os/exec"
	"slices"
	"testing"

	"weld/internal/testenv"
	"weld/link"
)

// TestOddCode links code that compilers write seldom, and runs it: the exit status says whether it is right.
func TestOddCode(t *testing.T) {
	aarch64, i386, host := &processors[0].toolchain, &processors[1].toolchain, &toolchain{}
	const (
		answer = "int main(void) { return 42; }\n"
		// A descriptor whose address goes through another register (gcc -Os).
		descriptor = `	.globl main
main:	pushl %ebx
	pushl %esi
	call 1f
1:	popl %ebx
	addl $_GLOBAL_OFFSET_TABLE_+(.-1b), %ebx
	leal v@tlsdesc(%ebx), %esi
	movl %esi, %eax
	call *v@tlscall(%eax)
	movl %gs:(%eax), %eax
	popl %esi
	popl %ebx
	ret
	.section .note.GNU-stack,"",@progbits
`
		variable = "__thread int u = 1, v = 42;\n"
		module   = `static __thread int a = 40, b = 1, c;
__attribute__((noinline)) int *p(void) { return &a; } __attribute__((noinline)) int *q(void) { return &b; }
int main(void) { __asm__ volatile("" ::: "memory"); a++; c++; return a + b + c - 1 + (p() - q() != &a - &b); }
`
	)
	gnu2 := []string{"-O2", "-fPIC", "-mtls-dialect=gnu2", "-ftls-model=local-dynamic"}
	for _, c := range []struct {
		name   string
		tc     *toolchain
		file   string
		text   string
		lib    string // of a shared library
		cflags []string
		flags  []string
	}{
		{"static-pie, no relaxation", host, "a.c", answer, "", []string{"-fPIE"}, []string{"-static-pie", "-Wl,--no-relax"}},
		{"static-pie, no relaxation, i386", i386, "a.c", answer, "", []string{"-fPIE"}, []string{"-static-pie", "-Wl,--no-relax"}},
		{"descriptor, LE", i386, "d.s", descriptor, "", nil, []string{"-static", "v.c"}},
		{"descriptor, IE", i386, "d.s", descriptor, variable, nil, nil},
		{"descriptor", i386, "d.s", descriptor, variable, nil, []string{"-Wl,--no-relax"}},
		{"module, no relaxation", host, "m.c", module, "", gnu2, []string{"-static", "-Wl,--no-relax"}},
		{"module, no relaxation, i386", i386, "m.c", module, "", gnu2, []string{"-static", "-Wl,--no-relax"}},
		{"no relaxation, aarch64", aarch64, "m.c", module, "", []string{"-O2", "-fPIC"}, []string{"-static", "-Wl,--no-relax"}},
		{"module, i386", i386, "m.c", module, "", gnu2, []string{"-no-pie"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := testenv.NewDir(t)
			d.Write(c.file, c.text)
			d.Write("v.c", variable)
			args := slices.Concat([]string{"-B", weldDir(t), c.file, "-o", "odd"}, c.cflags, c.flags)
			if c.lib != "" {
				tool(t, d.Path, c.tc.prefix+"gcc", "-shared", "-fPIC", "v.c", "-o", "libv.so")
				args = append(args, "libv.so", "-Wl,-rpath,$ORIGIN")
			}
			tool(t, d.Path, c.tc.prefix+"gcc", args...)
			cmd := append(slices.Clone(c.tc.run), d.Join("odd"))
			if got := testenv.Run(t, exec.Command(cmd[0], cmd[1:]...), testenv.Patience); got.Code != 42 {
				t.Errorf("%s, wanted exit status 42", got)
			}
		})
	}
}

// TestIndirectI386 takes the address of an indirect function of i386 without its GOT: the stub that would stand for it has to have that in
// ebx, which those who call by the address do not set.
func TestIndirectI386(t *testing.T) {
	d := testenv.NewDir(t)
	d.Write("f.s", "\t.globl _start, f\n\t.type f, @gnu_indirect_function\nf:\tret\n_start:\tleal f@GOTOFF(%ebx), %eax\n")
	tool(t, d.Path, "i686-linux-gnu-as", "f.s", "-o", "f.o")
	for mode, bad := range map[link.Mode]bool{link.Exec: false, link.PIE: true, link.Shared: true} {
		_, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: d.Join("f.o")}}, Mode: mode, Symbolic: true})
		if bad != errors.Is(err, link.ErrReloc) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}
