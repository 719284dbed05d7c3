package debuggers

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// under runs a debuggee under gdb up to a breakpoint at its end: when many threads exit at once, gdb sometimes loses one that
// it has just stopped.
func under(t testing.TB, way string, commands []string, todo ...string) string {
	t.Helper()
	commands = append(append([]string{"break main.end"}, commands...), "kill")
	return testenv.Tool(t, testenv.GDB(t, commands, append([]string{"--args", debuggee(t, way)}, todo...)...))
}

const (
	ended = `reakpoint \d+, main\.end \(`
	hit   = `hit (Temporary )?[Bb]reakpoint \d+(\.\d+)?, `
	gate  = `(weld/native\.enter|__morestack)` // where native code was called
	libc  = `0x\w+  0x\w+  Yes .*/libc\.so\.6$`
)

func listed(lib string) string { return `^0x\w+  0x\w+  Yes .* ` + lib + `$` }

// What gdb shows of a library that is opened after the breakpoints were set.
func TestGDB(t *testing.T) {
	d, lib := fixture(t)
	square := d.Shared("libsquare.so", "square.cc", "-O0", "-Wl,-Bsymbolic-functions") // else gdb's breakpoint is in the PLT as well
	workers := d.Shared("libworkers.so", "workers.c", "-O0", "-pthread")
	copied := d.Shared("copy/libshapes.so", "shapes.c", "-O0") // of the same name, and another file
	shapes := "call libshapes.so "
	object := d.Object("shapes.o", "shapes.c", "-O0", "-fPIC")
	for _, c := range []struct {
		name     string
		static   bool // not where the system's run-time linker has started the process
		commands []string
		todo     []string
		want     []string
		never    []string
	}{
		{
			name: "breakpoint by name",
			commands: []string{"break add_numbers", "run", "info args", "next", "info locals", "print counter", "bt", "info sharedlibrary",
				"continue", "info breakpoints"},
			todo: []string{"open " + lib, shapes + "add_numbers 40 2"},
			want: []string{`Breakpoint 2 \(add_numbers\) pending`, hit + `add_numbers \(a=40, b=2\) at .*/shapes\.c:\d+$`, `^a = 40$`, `^b = 2$`,
				`^sum = 42$`, `^\$1 = 5$`, `^#0  add_numbers \(a=40, b=2\) at `, `^#1 .* ` + gate,
				libc, listed(lib), ended},
		},
		{
			name: "breakpoint by line",
			commands: []string{fmt.Sprintf("break shapes.c:%d", line(t, "shapes.c", "return doubled;")), "run", "info locals", "info source", "up", "info locals",
				"continue"},
			todo: []string{"open " + lib, shapes + "add_numbers 40 2"},
			want: []string{`pending`, hit + `twice \(n=42\)`, `^doubled = 84$`, `^Located in .*/testdata/shapes\.c$`, `^#1 .*add_numbers \(a=40, b=2\)`,
				`^sum = 42$`, ended},
		},
		{
			name: "step",
			// The call is bound when it is first made: gdb steps through that.
			commands: []string{"break add_numbers", "run", "next", "step", "step", "info locals", "finish", "next", "up", "down", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2"},
			want: []string{hit + `add_numbers \(a=40, b=2\)`, `both = twice\(sum\)`, `^twice \(n=42\) at .*shapes\.c:`,
				`counter \+= n`, `^doubled = 84$`, `in add_numbers \(a=40, b=2\)`, `Value returned is \$1 = 84`, `local_counter\+\+`,
				`^#1 .* ` + gate, `^#0 .*add_numbers`, ended},
		},
		{
			name:     "finish into the gate",
			commands: []string{"break twice", "run", "finish", "continue"},
			todo:     []string{"open " + lib, shapes + "twice 21"},
			want:     []string{hit + `twice \(n=21\)`, `^(0x\w+ in )?` + gate + ` \(\)`, `Value returned is \$1 = 42`, ended},
		},
		{
			name:     "class",
			commands: []string{"break Square::area", "run", "info args", "print *this", "next", "info locals", "bt", "finish", "continue", "bt 3", "continue"},
			todo:     []string{"open " + square, "call libsquare.so area_of 5 3", "mark between", "call libsquare.so area_of 5 -2"},
			want: []string{hit + `Square::area \(this=0x\w+, times=3\)`, `^this = 0x`, `^times = 3$`, `^\$1 = {side = 5}$`, `^one = 25$`,
				`^#1 .* area_of \(side=5, times=3\)`, `Value returned is \$2 = 75`,
				hit + `Square::area \(this=0x\w+, times=-2\)`, `^#1 .* area_of \(side=5, times=-2\)`},
		},
		{
			name:     "exception",
			commands: []string{"catch throw", "run", "bt 3", "continue"},
			todo:     []string{"open " + square, "call libsquare.so area_of 5 -2"},
			want: []string{`Catchpoint 2 \(exception thrown\), .*__cxa_throw`, `^#1 .* Square::area \(this=0x\w+, times=-2\)`, `^#2 .*area_of \(side=5, times=-2\)`,
				ended},
		},
		{
			name:     "watchpoint",
			commands: []string{"tbreak twice", "run", "watch counter", "continue", "bt 2", "continue", "delete 3", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2", shapes + "twice 3"},
			want: []string{`Hardware watchpoint 3: counter`, `^Old value = 5$`, `^New value = 47$`, `^#0  twice \(n=42\)`, `^#1 .*add_numbers \(a=40, b=2\)`,
				`^Old value = 47$`, `^New value = 50$`, ended},
		},
		{
			name:     "threads",
			commands: []string{"break all_here", "run", "info threads", "thread apply all bt 6", "continue"},
			todo:     []string{"open " + workers, "call libworkers.so start_workers 1"},
			want: []string{`^\* \d+ .* all_here \(n=1\)`, `^  \d+ .*"worker-0" `, `^  \d+ .*"worker-1" `, `^  \d+ .*"worker-2" `,
				`^Thread \d+ .*"worker-2"\):$`, `^#\d+ .* worker \(arg=0x2\) at .*workers\.c`, `^Thread \d+ .*"worker-1"\):$`, `^#\d+ .* worker \(arg=0x1\)`,
				`^Thread \d+ .*"worker-0"\):$`, `^#\d+ .* worker \(arg=0x0\)`, `^#0  all_here`, `^#1 .* start_workers \(n=1\)`, ended},
		},
		{
			name:     "callback",
			commands: []string{"break twice", "break main.goBack", "run", "bt 1", "clear main.goBack", "continue", "bt", "finish", "continue"},
			todo:     []string{"open " + lib, "back libshapes.so call_back 4"},
			want: []string{hit + `main\.goBack`, `^#0  main\.goBack`, hit + `twice \(n=4\)`, `^#0  twice \(n=4\) at `, `^#1 .* ` + gate,
				`Value returned is \$1 = 8`, `^result 10$`, ended},
		},
		{
			// The goroutine's stack has moved since the outer calls.
			name:     "callbacks nested",
			commands: []string{"break twice", "run", "bt", "continue", "bt", "continue", "bt", "finish", "up 4", "info frame", "continue"},
			todo:     []string{"open " + lib, "nest libshapes.so call_back 2"},
			want:     []string{chain(0, 2), chain(1, 2), chain(2, 2), `Value returned is \$1 = 4`, `^result 9$`, ended},
		},
		{
			name: "reload",
			// Something else lies where it was by then.
			commands: []string{"break twice", "run", "info symbol twice", "print &counter", "continue", "print &counter", "info sharedlibrary", "continue"},
			todo: []string{"open " + lib, shapes + "twice 1", "close libshapes.so", "open " + square, "open " + workers, "open " + lib,
				shapes + "twice 2", "close libshapes.so", "mark closed"},
			want: []string{hit + `twice \(n=1\)`, `^twice in section \.text of ` + lib, `^\$1 = \(int \*\) 0x`, hit + `twice \(n=2\)`, `^\$2 = \(int \*\) 0x`, listed(lib),
				`^mark closed$`, ended},
		},
		{
			name:     "catch",
			commands: []string{"catch load libshapes", "catch unload libshapes", "run", "continue", "continue", "info breakpoints", "continue"},
			todo:     []string{"open " + lib, shapes + "twice 1", "close libshapes.so", "open " + square, "open " + lib},
			want: []string{`hit Catchpoint 2$`, `^  Inferior loaded (.*\n)*? *.*libshapes\.so$`, `hit Catchpoint 3$`, `^  Inferior unloaded .*libshapes\.so$`,
				`hit Catchpoint 2$`, `libshapes\.so$`, `load of library`, `already hit 2 times`, `unload of library`, `already hit 1 time$`, ended},
		},
		{
			name:     "namespaces",
			commands: []string{"break twice", "run", "continue", "print &counter", "continue", "print &counter", "info sharedlibrary", "info breakpoints", "continue"},
			todo: []string{"open " + lib, "ns one " + lib, "ns two " + copied, "mark all", shapes + "twice 3", "close libshapes.so", shapes + "twice 2", "close libshapes.so",
				shapes + "twice 1"},
			want: []string{hit + `twice \(n=3\)`, hit + `twice \(n=2\)`, `^\$1 = \(int \*\) 0x`, hit + `twice \(n=1\)`, `^\$2 = \(int \*\) 0x`},
		},
		{
			name:     "memory",
			commands: []string{"break twice", "run", "bt 1", "info symbol &counter", "continue", "bt 1", "info symbol $pc", "info sharedlibrary", "continue"},
			todo:     []string{"load " + lib, shapes + "twice 1", "fs " + lib, shapes + "twice 2"},
			want: []string{hit + `twice \(n=1\) at .*shapes\.c`, `^#0  twice \(n=1\)`, `in section \.data`, hit + `twice \(n=2\) at .*shapes\.c`, `^#0  twice \(n=2\)`,
				`^twice.* in section \.text of /proc/\d+/fd/\d+$`, `Yes         /proc/\d+/fd/\d+$`, `Yes         /proc/\d+/fd/\d+$`, ended},
		},
		{
			name:     "objects",
			commands: []string{"break twice", "run", "next", "info locals", "info symbol $pc", "up", "info sharedlibrary", "continue"},
			todo:     []string{"objects " + object, "call shapes.o add_numbers 40 2"},
			want: []string{hit + `twice \(n=42\) at .*shapes\.c`, `^doubled = 84$`, `^twice.* in section \.text of /proc/\d+/fd/\d+$`, `^#1 .*add_numbers \(a=40, b=2\)`,
				`Yes         /proc/\d+/fd/\d+$`, ended},
		},
		{
			name:     "the C library",
			commands: []string{"break sort_them", "run", "break qsort", "continue", "bt 2", "info symbol puts", "print errno", "delete 3", "finish", "continue"},
			todo:     []string{"open " + lib, shapes + "sort_them 8"},
			want: []string{hit + `.*qsort`, `^#0 .*qsort`, `^#1 .* sort_them \(n=8\) at `, `puts.* in section \.text of .*/libc\.so\.6$`, `in sort_them|^sort_them`,
				ended},
		},
		{
			name:   "thread-local variables",
			static: true,
			// What libthread_db finds is where the C library's own libraries have theirs.
			commands: []string{"break compare", "run", "print *(int *) __errno_location()", "print errno", "print local_counter", "delete 2", "continue"},
			todo:     []string{"open " + lib, shapes + "sort_them 8"},
			want:     []string{hit + `compare`, `Cannot find thread-local (storage|variables)`, ended},
		},
	} {
		for _, way := range []string{static, dynamic} {
			if way == dynamic && c.static {
				continue
			}
			t.Run(c.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				out := under(t, way, c.commands, c.todo...)
				testenv.Expect(t, out, c.want...)
				never(t, out, append(c.never, `internal-error`, `Corrupted shared library list`)...)
			})
		}
	}
}

// go build has cgo enabled wherever there is a C compiler, used or not: the program is static then, and debuggers find the list by name.
func TestGDBUnusedCgo(t *testing.T) {
	t.Parallel()
	_, lib := fixture(t)
	out := under(t, unused, []string{"break add_numbers", "run", "info sharedlibrary", "bt 1"}, "open "+lib, "call libshapes.so add_numbers 40 2")
	testenv.Expect(t, out, hit+`add_numbers \(a=40, b=2\) at `, `^0x.* Yes .*/libc\.so\.6$`, `/libshapes\.so$`, `^#0  add_numbers \(a=40, b=2\) at `)
}

// A closure of 200 libraries is one event: the debugger is stopped at its beginning and at its end, and no more.
func TestGDBEvents(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "ld")
	const n = 200
	d := testenv.NewDir(t)
	object := d.Object("empty.o", d.Write("empty.s", ".globl value\nvalue:\n\tmov $7, %eax\n\tret\n.section .note.GNU-stack,\"\"\n"))
	var script strings.Builder
	all := []string{"-shared", "-soname", "liball.so", "-rpath", d.Path, "--no-as-needed", "-o", d.Join("liball.so"), object}
	for i := range n {
		name := fmt.Sprintf("libmany%d.so", i)
		fmt.Fprintf(&script, "ld -shared -soname %s -o %[1]s empty.o\n", name)
		all = append(all, d.Join(name))
	}
	cmd := exec.Command("sh", "-ec", script.String())
	cmd.Dir = d.Path
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if msg, err := exec.Command("ld", all...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	_, lib := fixture(t)
	todo := []string{"open " + lib, "mark first", "open " + d.Join("liball.so"), "mark opened", "call liball.so value", "close liball.so", "mark closed"}
	for _, way := range []string{static, dynamic} {
		commands := []string{"break main.marked", "run", "set stop-on-solib-events 1"}
		for range 6 {
			commands = append(commands, "continue")
		}
		out := under(t, way, commands, todo...)
		_, out, _ = strings.Cut(out, "mark first")
		stop, many := `^Stopped due to shared library event`, `^.*/libmany\d+\.so$`
		if way == static {
			count(t, out, stop, 4)
		}
		testenv.Expect(t, out, stop+` \(no libraries added or removed\)$`, stop+`:\n  Inferior loaded `, hit+`main\.marked`, `Inferior unloaded `, hit+`main\.marked`)
		loaded, unloaded, _ := strings.Cut(out, "Inferior unloaded")
		count(t, loaded, many, n)
		count(t, unloaded, `/libmany\d+\.so$`, n)
	}
}

// chain matches the backtrace in the function twice, called by nested(n) of the debuggee, which the library's call_back has
// called, called by nested(n + 1), and so on, up to last.
func chain(n, last int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `^#0  twice \(n=%d\) at .*\n`, n)
	for ; n <= last; n++ {
		const more = `(#\d+ .* (weld/native|main)\..*\n)+`
		fmt.Fprintf(&b, `#\d+ .*__morestack .*\n%s#\d+ .* main\.nested .*\n%s#\d+ .* weld_callback .*\n#\d+ .* call_back \(f=.*, n=%d\) .*\n`, more, more, n)
	}
	return b.String() + `#\d+ .*__morestack .*\n(#\d+ .* weld/native\..*\n)+#\d+ .* main\.nest .*\n(#\d+ .*\n)*#\d+ .* main\.main `
}
