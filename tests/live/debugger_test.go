package live_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"weld/internal/testenv"
)

// The ways to build the compiler.
const (
	static  = "static"  // CGO_ENABLED=0
	dynamic = "dynamic" // started by the system's run-time linker
)

// build builds the compiler in examples, once for each way. It is dynamic with a file that imports "C".
func build(t testing.TB, way string) string {
	t.Helper()
	b := testenv.GoBuild{Pkg: "weld/examples/calc"}
	if way == dynamic {
		source, overlay := filepath.Join(testenv.RunDir(t), "calc-cgo.go"), filepath.Join(testenv.RunDir(t), "calc-overlay.json")
		replace := fmt.Sprintf(`{"Replace":{%q:%q}}`, filepath.Join(testenv.Root(t), "examples/calc/cgo.go"), source)
		cgo.Do(func() {
			check(t, os.WriteFile(source, []byte("package main\n\nimport \"C\"\n"), 0o644))
			check(t, os.WriteFile(overlay, []byte(replace), 0o644))
		})
		b.Cgo, b.Args = true, []string{"-overlay", overlay}
	}
	return b.Path(t)
}

var cgo sync.Once

// calc returns the compiler, and writes its sources.
func calc(t testing.TB, way string, sources ...string) (args []string) {
	t.Helper()
	args = []string{build(t, way)}
	dir := t.TempDir()
	for i, s := range sources {
		file := filepath.Join(dir, fmt.Sprintf("file%d.calc", i))
		check(t, os.WriteFile(file, []byte(s), 0o644))
		args = append(args, file)
	}
	return args
}

func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	return testenv.Tool(t, cmd)
}

func TestCalc(t *testing.T) {
	for _, c := range []struct {
		name, want string
		sources    []string
	}{
		{"arithmetic", "^1\n-3\n-1\n24\n1\n0\n-9223372036854775808\n0$", []string{
			"print 7 - 2 * 3\nprint -7 / 2\nprint -7 % 2\nprint (1 + 3) * (2 + 4)\nprint 1 < 2\nprint 1 > 2\n" +
				"print (-9223372036854775807 - 1) / -1\nprint 5 % -1\n"}},
		{"calls", "^55\n3628800\n21$", []string{
			"fn fib(n)\n  if n < 2\n    return n\n  end\n  return fib(n - 1) + fib(n - 2)\nend\nprint fib(10)\n" +
				"fn fact(n)\n  r = 1\n  while n > 1\n    r = r * n\n    n = n - 1\n  end\n  return r\nend\nprint fact(10)\n" +
				"fn sum(a, b, c, d, e, f)\n  return a + b + c + d + e + f\nend\nprint sum(1, 2, sum(0, 0, 0, 1, 1, 1), 4, 5, 6)\n"}},
		{"a call forward", "^9$", []string{"fn f(n)\n  return g(n) + 1\nend\nfn g(n)\n  return n * 2\nend\nprint f(4)\n"}},
		{"redefined while it runs", "^1\n2\n12$", []string{
			"fn f(n)\n  print n\n  load(1)\n  print n + 1\nend\nf(1)\nf(1)\n", "fn f(n)\n  print n + 11\nend\n"}},
		{"not defined", `calc: .*file0\.calc:1: the function is not defined`, []string{"print nowhere(1)\n"}},
		{"by zero", `calc: .*file0\.calc:4: division by zero`, []string{"fn f(n)\n  return 1 / n\nend\nf(0)\n"}},
		{"not an expression", `calc: .*file0\.calc:2: "\)" is no expression`, []string{"print 1\nprint 2 + )\n"}},
		{"no value", `calc: .*file0\.calc:1: x has no value`, []string{"print x\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := calc(t, static, c.sources...)
			testenv.Expect(t, run(t, exec.Command(args[0], args[1:]...)), c.want)
		})
	}
}

// gdb runs the compiler in batch mode.
func gdb(t testing.TB, commands []string, args ...string) string {
	t.Helper()
	return run(t, testenv.GDB(t, commands, append([]string{"--args"}, args...)...))
}

const areas = `fn square(n)
  r = n * n
  return r
end
fn area(w, h)
  a = w * h
  b = a + square(w)
  return b
end
print area(3, 4)
print area(5, 4)
fn more(x)
  return x + 1
end
print area(6, 4)
fn square(n)
  q = n * n * n
  return q
end
print area(7, 4)
`

// gdb knows functions by name before they are there, steps through them by line, goes from them into Go, and goes into the
// new one when one is replaced. It reads the symbols anew at each commit, and its breakpoints stay.
func TestGDB(t *testing.T) {
	const hit = `hit (Temporary )?[Bb]reakpoint \d+(\.\d+)?, `
	go1 := []string{`^#\d+ .* in statement_10 \(\) at .*file0\.calc:10$`, `^#\d+ .* weld/native\.`, `^#\d+ .* main\.\(\*calc\)\.run `, `^#\d+ .* main\.main `}
	for _, c := range []struct {
		name     string
		commands []string
		sources  []string
		want     []string
	}{
		{
			name: "by name and line",
			commands: []string{"break square", "run", "bt", "next", "print $rax", "next", "finish", "info symbol $pc", "disassemble square,+5",
				"continue", "bt 2", "delete", "break area", "continue", "continue"},
			sources: []string{areas},
			want: append(append([]string{`Breakpoint 1 \(square\) pending`, hit + `square \(\) at .*/file0\.calc:2$`, `^2\t  r = n \* n$`,
				`^#0  square \(\) at .*file0\.calc:2$`, `^#1 .* in area \(\) at .*file0\.calc:7$`}, go1...),
				`^3\t  return r$`, `^\$1 = 9$`, `^area \(\) at .*:8$`, `in statement_10 \(\) at .*:10`, `^statement_10 \+ \d+ in section \.text of .*weld-live\.`,
				`<square\+0>:\tpush   %rbp`, hit+`square `, `^#1 .* in area `, `^45$`, hit+`area \(\) at .*:6$`, `^60$`),
		},
		{
			name:     "replaced",
			commands: []string{"break square", "run", "continue", "continue", "continue", "next", "bt 2", "continue"},
			sources:  []string{areas},
			want: []string{hit + `square \(\) at .*:2$`, `^21$`, hit + `square \(\) at .*:2$`, `^45$`, hit + `square \(\) at .*:2$`, `^60$`,
				hit + `square \(\) at .*:17$`, `^18\t  return q$`, `^#1 .* in area \(\) at .*:7$`, `^371$`},
		},
		{
			// The old one is on the stack while the new one is made, and goes on.
			name:     "replaced while stopped in it",
			commands: []string{"break f", "run", "next", "next", "bt 1", "next", "continue", "bt 1", "continue"},
			sources:  []string{"fn f(n)\n  a = n\n  load(1)\n  print a\n  return a\nend\nf(1)\nf(2)\n", "fn f(n)\n  b = n * 10\n  print b\nend\n"},
			want: []string{hit + `f \(\) at .*file0\.calc:2$`, `^3\t  load\(1\)$`, `^f \(\) at .*file0\.calc:4$|^4\t  print a$`, `^#0  f \(\) at .*file0\.calc:4$`,
				`^1$`, hit + `f \(\) at .*file1\.calc:2$`, `^#0  f \(\) at .*file1\.calc:2$`, `^20$`},
		},
		{
			name:     "breakpoints always there",
			commands: []string{"set breakpoint always-inserted on", "set displaced-stepping on", "break square", "run", "continue", "continue", "continue", "continue"},
			sources:  []string{areas},
			want:     []string{hit + `square `, `^21$`, hit + `square `, `^45$`, hit + `square `, `^60$`, hit + `square `, `^371$`},
		},
	} {
		for _, way := range []string{static, dynamic} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				out := gdb(t, c.commands, calc(t, way, c.sources...)...)
				testenv.Expect(t, out, c.want...)
				if regexp.MustCompile(`SIGTRAP|SIGSEGV|SIGILL|internal-error|Corrupted`).MatchString(out) {
					t.Errorf("gdb is confused:\n%s", out)
				}
			})
		}
	}
}

// One commit is one event and one stop, however much it brings; where there are breakpoints in the object it is two events, of two
// stops each, so that these are taken out in between.
func TestGDBEvents(t *testing.T) {
	t.Parallel()
	const source = "print 1\nprint 3\nprint 5\n"
	const nothing, stop = `^Stopped due to shared library event \(no libraries added or removed\)$`, `^Stopped due to shared library event:\n`
	const unloaded, loaded = `  Inferior unloaded .*calc\.so\n`, `  Inferior loaded .*calc\.so$`
	for _, c := range []struct {
		breakpoint string
		want       []string
	}{
		{"tbreak", []string{stop + unloaded + loaded, `^3$`, stop + unloaded + loaded}},
		{"break", []string{nothing, stop + unloaded, nothing, stop + loaded}},
	} {
		commands := []string{c.breakpoint + " statement_1", "run", "set stop-on-solib-events 1", "continue", "continue"}
		if c.breakpoint == "break" {
			commands = append(commands, "continue", "continue")
		}
		out := gdb(t, commands, calc(t, static, source)...)
		testenv.Expect(t, out, append([]string{`reakpoint 1, statement_1 `, `^1$`}, c.want...)...)
	}
}

// What a debugger writes to the text is gone once it takes its breakpoints out, whatever was committed meanwhile.
func TestGDBTakesOut(t *testing.T) {
	t.Parallel()
	out := gdb(t, []string{"break square", "run", "x/1xb $pc", "continue", "x/1xb $pc", "delete", "x/1xb $pc", "continue"}, calc(t, static, areas)...)
	const code = `<square\+\d+>:\t0x48$`
	testenv.Expect(t, out, code, `^21$`, code, code, `^45$`, `^60$`, `^371$`)
}
