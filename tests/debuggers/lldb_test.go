package debuggers

import (
	"fmt"
	"os/exec"
	"testing"

	"weld/internal/testenv"
)

func TestLLDB(t *testing.T) {
	d, lib := fixture(t)
	square := d.Shared("libsquare.so", "square.cc", "-O0", "-Wl,-Bsymbolic-functions")
	workers := d.Shared("libworkers.so", "workers.c", "-O0", "-pthread")
	shapes := "call libshapes.so "
	const stop = `stop reason = breakpoint \d+\.\d+( \d+\.\d+)*(.*\n).*frame #0: 0x\w+ `
	for _, c := range []struct {
		name     string
		way      string
		before   []string
		commands []string
		todo     []string
		want     []string
		never    []string
	}{
		{
			name:     "breakpoint by name",
			before:   []string{"breakpoint set -n add_numbers"},
			commands: []string{"continue", "frame variable", "bt", "image list", "thread list", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2"},
			want: []string{`Breakpoint 1: no locations \(pending\)`, stop + "libshapes\\.so`add_numbers\\(a=40, b=2\\) at shapes\\.c", `^\(int\) a = 40$`, `^\(int\) b = 2$`,
				"frame #0: .*`add_numbers\\(a=40, b=2\\)", "frame #1: .*`" + gate, `/proc/\d+/fd/\d+`, `/libc\.so\.6`, lib, "`weld/native\\.park", stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "breakpoint by line",
			before:   []string{fmt.Sprintf("breakpoint set -f shapes.c -l %d", line(t, "shapes.c", "return doubled;"))},
			commands: []string{"continue", "frame variable", "up", "frame variable sum", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2"},
			want:     []string{stop + "libshapes\\.so`twice\\(n=42\\)", `^\(int\) doubled = 84$`, "`add_numbers\\(a=40, b=2\\)", `^\(int\) sum = 42$`, stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "step",
			before:   []string{"breakpoint set -n add_numbers"},
			commands: []string{"continue", "next", "step", "next", "frame variable doubled", "finish", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2"},
			want: []string{stop, `stop reason = step over`, `stop reason = step in(.*\n).*` + "`twice\\(n=42\\)", `^\(int\) doubled = 84$`, `stop reason = step out`,
				`\(int\) \$0 = 84`, stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "watchpoint",
			before:   []string{"breakpoint set -o true -n twice"},
			commands: []string{"continue", "watchpoint set variable counter", "continue", "print counter", "watchpoint delete 1", "continue"},
			todo:     []string{"open " + lib, shapes + "add_numbers 40 2"},
			want:     []string{`one-shot breakpoint 1`, `Watchpoint created`, `stop reason = watchpoint 1`, `\(int\) (\$0 = )?47$`, stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "class",
			before:   []string{"breakpoint set -n Square::area"},
			commands: []string{"continue", "frame variable times", "frame variable *this", "bt", "continue"},
			todo:     []string{"open " + square, "call libsquare.so area_of 5 3"},
			want:     []string{stop + "libsquare\\.so`Square::area\\(this=0x\\w+, times=3\\) const", `^\(int\) times = 3$`, `side = 5`, "`area_of\\(side=5, times=3\\)", stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "threads",
			before:   []string{"breakpoint set -n all_here"},
			commands: []string{"continue", "thread list", "bt all", "continue"},
			todo:     []string{"open " + workers, "call libworkers.so start_workers 1"},
			want: []string{stop, `name = 'worker-0'`, `name = 'worker-1'`, `name = 'worker-2'`, "`start_workers\\(n=1\\)", "`worker\\(arg=0x0{15}0\\)", "`worker\\(arg=0x0{15}2\\)",
				stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "callbacks nested",
			before:   []string{"breakpoint set -n twice"},
			commands: []string{"continue", "bt"},
			todo:     []string{"open " + lib, "nest libshapes.so call_back 1"},
			want: []string{"`twice\\(n=0\\)(.*\n)+.*`__morestack(.*\n)+.*`main\\.nested(.*\n)+.*`weld_callback(.*\n).*`call_back\\(.*n=0\\)(.*\n).*`__morestack" +
				"(.*\n)+.*`main\\.nested(.*\n)+.*`weld_callback(.*\n).*`call_back\\(.*n=1\\)(.*\n).*`__morestack(.*\n)+.*`main\\.nest (.*\n)+.*`main\\.main"},
		},
		{
			// At the same address lldb 19 loses the breakpoint, in a program of glibc too.
			name:     "reload",
			before:   []string{"breakpoint set -n twice"},
			commands: []string{"continue", "continue", "continue"},
			todo: []string{"open " + lib, shapes + "twice 1", "close libshapes.so", "open " + square, "open " + workers, "open " + lib, shapes + "twice 2",
				"close libshapes.so"},
			want: []string{stop + "libshapes\\.so`twice\\(n=1\\)", stop + "libshapes\\.so`twice\\(n=2\\)", stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "memory",
			before:   []string{"breakpoint set -n twice"},
			commands: []string{"continue", "continue", "image list", "continue"},
			todo:     []string{"load " + lib, shapes + "twice 1", "fs " + lib, shapes + "twice 2"},
			want:     []string{stop + "\\d+`twice\\(n=1\\) at shapes\\.c", stop + "\\d+`twice\\(n=2\\) at shapes\\.c", `/proc/\d+/fd/\d+`, stop + "debuggee-\\w+`main\\.end"},
		},
		{
			name:     "the C library",
			before:   []string{"breakpoint set -n qsort"},
			commands: []string{"continue", "bt 2", "continue"},
			todo:     []string{"open " + lib, shapes + "sort_them 8"},
			want:     []string{stop + "libc\\.so\\.6`.*qsort", "`sort_them\\(n=8\\)", stop + "debuggee-\\w+`main\\.end"},
		},
		{
			// lldb knows one list only: what hangs on its r_next is not looked at.
			name:     "namespaces",
			before:   []string{"breakpoint set -n twice"},
			commands: []string{"continue", "image list"},
			todo:     []string{"ns one " + lib, shapes + "twice 1"},
			want:     []string{stop + "debuggee-\\w+`main\\.end", `/libc\.so\.6`},
			never:    []string{"`twice\\("},
		},
		{
			name:     "of the system's run-time linker",
			way:      dynamic,
			before:   []string{"breakpoint set -n twice"},
			commands: []string{"continue", "image list"},
			todo:     []string{"open " + lib, shapes + "twice 1"},
			want:     []string{stop + "debuggee-\\w+`main\\.end", `/libc\.so\.6`},
			never:    []string{"`twice\\("},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.way == "" {
				c.way = static
			}
			// Not to its end: when many threads exit at once, lldb-server sometimes does not live through it.
			commands := append(append(c.before, "breakpoint set -n main.end", "process launch --stop-at-entry", "process handle SIGURG -n false -p true -s false"), append(c.commands, "kill")...)
			out := testenv.Tool(t, testenv.LLDB(t, commands, append([]string{"--", debuggee(t, c.way)}, c.todo...)...))
			testenv.Expect(t, out, c.want...)
			never(t, out, c.never...)
		})
	}
}

func TestLLDBAttach(t *testing.T) {
	t.Parallel()
	d, lib := fixture(t)
	square := d.Shared("libsquare.so", "square.cc", "-O0", "-Wl,-Bsymbolic-functions")
	p := launch(t, exec.Command(debuggee(t, static), "open "+lib))
	// The shell is named, because lldb takes the account's otherwise, and that may be nologin.
	out := attached(t, func(ready string) *exec.Cmd {
		return testenv.LLDB(t, []string{"process handle SIGURG -n false -p true -s false", "image list", "breakpoint set -n add_numbers", "breakpoint set -n Square::area",
			"platform shell -s /bin/sh -- " + ready, "continue", "bt 1", "continue", "bt 1", "detach"}, "-p", fmt.Sprint(p.pid()))
	}, func() {
		p.send("call libshapes.so add_numbers 40 2")
		p.send("open %s", square)
		p.send("call libsquare.so area_of 5 3")
	})
	testenv.Expect(t, out, lib, "Breakpoint 1: where = libshapes\\.so`add_numbers", `stop reason = breakpoint 1\.1`, "`add_numbers\\(a=40, b=2\\)",
		`stop reason = breakpoint 2\.1`, "`Square::area\\(this=0x\\w+, times=3\\)", `detached`)
	p.until("result 42")
	p.until("result 75")
}
